# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Everything that the cluster's custom resources say of fabrics, put together by resource. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import DeviceResource
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.device_plugins import (
    Statement,
    layers_on_machines,
    name_of,
    of_policy,
    of_sriov_policy,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_machines import selects
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import Machine
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_networks import (
    in_order,
    made_by,
    of_definition,
    of_host_device_network,
    of_shared_network,
    place_of,
    resource_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping

Object = Mapping[str, Any]

_READY = "ready"
# A machine's SR-IOV configuration was applied as asked for.
_IN_SYNC = "Succeeded"


class FabricObjects:
    """The objects that were read, by kind (those that could not be read are left out), beside the machines that count:
    policies that select none of them, and states of others, say nothing here."""

    def __init__(
        self, lists: Mapping[str, Sequence[Object]], machines: Sequence[Machine], namespace: str = "default"
    ) -> None:
        self._lists = lists
        self._machines = machines
        self._namespace = namespace
        names = {machine.name for machine in machines}
        self._states = [one for one in self._of("SriovNetworkNodeState") if not names or name_of(one) in names]
        self._policies = [
            one
            for one in (*self._of("NicClusterPolicy"), *self._of("NicNodePolicy"))
            if selects(mapping(mapping(one.get("spec")).get("nodeSelector")), machines)
        ]
        self._unread: list[str] = []
        self._devices = list(self._of_policies())

    def resources(self) -> tuple[DeviceResource, ...]:
        """Return what is said of each resource. Where two objects say different things of one, that is not known."""
        said: dict[str, list[DeviceResource]] = {}
        for statement in self._statements():
            said.setdefault(statement.device.resource, []).append(statement.device)
        return tuple(self._joined(said[name]) for name in sorted(said))

    def networks(self) -> tuple[str, ...]:
        """Return the networks that pods can be given, as ``namespace/name``: those of the namespace first."""
        made = [
            made_by(one) for kind in ("HostDeviceNetwork", "MacvlanNetwork", "IPoIBNetwork") for one in self._of(kind)
        ]
        return in_order([*(place_of(one) for one in self._of("NetworkAttachmentDefinition")), *made], self._namespace)

    def notes(self) -> tuple[str, ...]:
        """Return what else is to be said: operators that are not ready, RDMA that namespaces share or do not."""
        return (*self._unread, *self._not_ready(), *self._of_states())

    def _of(self, kind: str) -> Sequence[Object]:
        return self._lists.get(kind, ())

    def _of_policies(self) -> Iterator[Statement]:
        for policy in self._policies:
            try:
                yield from of_policy(policy)
            except ValueError as error:
                self._unread.append(f"{policy.get('kind')} {name_of(policy)}: {error}.")

    def _statements(self) -> Iterator[Statement]:
        """Yield everything that is said, by those first who know most of the device."""
        definitions = self._of("NetworkAttachmentDefinition")
        known = [
            *(name for machine in self._machines for name in machine.resources),
            *(resource_of(definition) for definition in definitions),
        ]
        layers = layers_on_machines(self._states)
        yield from self._devices
        for policy in self._of("SriovNetworkNodePolicy"):
            if selects(mapping(mapping(policy.get("spec")).get("nodeSelector")), self._machines):
                yield from of_sriov_policy(policy, set(known), layers)
        for definition in definitions:
            yield from of_definition(definition, self._devices)
        for network in self._of("HostDeviceNetwork"):
            yield from of_host_device_network(network)
        for kind in ("MacvlanNetwork", "IPoIBNetwork"):
            for network in self._of(kind):
                yield from of_shared_network(network, self._devices)

    def _joined(self, said: Sequence[DeviceResource]) -> DeviceResource:
        sharing = [one.sharing for one in said if one.sharing is not None]
        return replace(
            said[0],
            link_layer=_agreed(one.link_layer for one in said),
            sharing=sharing[0] if sharing else None,
            is_rdma=_agreed(one.is_rdma for one in said),
            networks=in_order((place for one in said for place in one.networks), self._namespace),
            source=", ".join(dict.fromkeys(one.source for one in said)),
        )

    def _not_ready(self) -> Iterator[str]:
        for policy in self._policies:
            status = mapping(policy.get("status"))
            state = str(status.get("state") or "")
            if state and state != _READY:
                reason = f": {status['reason']}" if status.get("reason") else ""
                yield f"{policy.get('kind')} {name_of(policy)} is {state}{reason}."

    def _of_states(self) -> Iterator[str]:
        modes = Counter(_rdma_mode(state) for state in self._states)
        for mode, number in sorted(modes.items()):
            if mode:
                yield f"RDMA mode {mode} on {number} of {len(self._states)} machines with SR-IOV."
        sync = Counter(str(mapping(state.get("status")).get("syncStatus") or _IN_SYNC) for state in self._states)
        for word, number in sorted(sync.items()):
            if word != _IN_SYNC:
                yield f"SR-IOV is not as asked for ({word}) on {number} of {len(self._states)} machines."


def _agreed(values: Iterable[Any]) -> Any:
    """Return what all say who say something; ``None`` where they differ or nobody does."""
    said = {value for value in values if value is not None}
    return said.pop() if len(said) == 1 else None


def _rdma_mode(state: Object) -> str:
    """Return whether RDMA devices belong to network namespaces: what the machine reports, else what is asked for.
    Older versions of the operator have it directly in the status."""
    status, spec = mapping(state.get("status")), mapping(state.get("spec"))
    places = (mapping(status.get("system")), mapping(spec.get("system")), status)
    return next((str(place["rdmaMode"]) for place in places if place.get("rdmaMode")), "")
