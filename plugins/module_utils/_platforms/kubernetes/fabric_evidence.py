# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the API server shows of the fabric: paged lists, and no request for a single machine.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import (
    Answer,
    ClusterFacts,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_machines import (
    fabric_machines,
    left_out,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_objects import (
    FabricObjects,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import (
    Machine,
    machines_of,
    usable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ALL_NETWORKS,
    FABRIC_KINDS,
    NETWORKS,
    NODES,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PlacementSpec

Object = Mapping[str, Any]

NOT_SERVED = "the cluster does not serve this kind"
OTHER_NAMESPACES = f"{NETWORKS.kind} of other namespaces"


class KubernetesFabric:
    """The fabric that the pods of one namespace can be given."""

    def __init__(self, connection: Connection, host: Host, client: KubernetesClient | None = None) -> None:
        if connection.kubernetes is None:
            raise OptionError.of("kubeconfig", "the cluster is not named.", "Set kubeconfig, or host and api_key.")
        self._client = client or KubernetesClient(connection.kubernetes, connection.namespace, host)
        self._facts = ClusterFacts(self._client)
        self._platform = KubernetesPlatform(connection, host, self._client)

    @property
    def platform(self) -> KubernetesPlatform:
        """Return the platform that starts looks."""
        return self._platform

    @property
    def answers_only(self) -> bool:
        """Say that jobs leave reports here."""
        return False

    @property
    def looks_refused(self) -> Finding | None:
        """Return ``None``: a look that may not be started says so itself."""
        return None

    def target(self) -> Target:
        """Return where this points."""
        return self._platform.target()

    def workload(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name with what was applied, or ``None``."""
        return self._platform.find(name)

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        """Return what the cluster shows. What may not be seen, or is not served, is named in ``unseen``."""
        unseen: dict[str, str] = {}
        wanted = PlacementSpec(tolerations=placement.tolerations)
        machines = self._machines(placement, unseen)
        used = usable(machines or (), wanted)
        lists = {resource.kind: self._listed(resource, unseen) for resource in FABRIC_KINDS}
        seen = {kind: found for kind, found in lists.items() if found is not None}
        objects = FabricObjects(seen, used, self._client.namespace)
        return ClusterEvidence(
            machines=None if machines is None else fabric_machines(used),
            resources=objects.resources(),
            networks=objects.networks(),
            unseen=unseen,
            platform_notes=(*(() if machines is None else left_out(machines, wanted)), *objects.notes()),
        )

    def _machines(self, placement: FabricPlacement, unseen: dict[str, str]) -> list[Machine] | None:
        """Return the machines with GPUs that have the labels; ``None`` where machines may not be seen."""
        answer = self._facts.machines(placement.node_selector)
        if not answer.permitted:
            unseen[NODES.kind] = _not_permitted(NODES)
            return None
        return machines_of(answer.content or ())

    def _listed(self, resource: Resource, unseen: dict[str, str]) -> list[Object] | None:
        """Return the objects of a kind, as far as they may be seen."""
        answer = self._facts.objects(resource)
        if not answer.permitted and resource is ALL_NETWORKS:
            own = self._facts.objects(NETWORKS)
            if own.permitted:
                unseen[OTHER_NAMESPACES] = _not_permitted(resource)
                return own.content
        return _content(answer, resource, unseen)


def _content(answer: Answer[list[Object]], resource: Resource, unseen: dict[str, str]) -> list[Object] | None:
    if not answer.permitted:
        unseen[resource.kind] = _not_permitted(resource)
    elif answer.content is None:
        unseen[resource.kind] = NOT_SERVED
    return answer.content


def _not_permitted(resource: Resource) -> str:
    return f"not permitted: list {resource.plural}" + ("" if resource.namespaced else " of the whole cluster")
