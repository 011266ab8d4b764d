# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A plan as Kubernetes objects. Pure.

The body is ``{"<Kind>/<name>": manifest}``, in the order in which the objects are applied: what the pods need first,
the main object, which stands for the workload, last.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import resources
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.deployments import (
    deployment,
    deployments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.extras import extras
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.leaderworkerset import (
    leaderworkerset,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import main_object_key
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.remarks import (
    check_kind,
    decisions_of,
    findings_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.service import (
    http_service,
    rendezvous_service,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENTS,
    LEADERWORKERSET,
    follower_name,
    object_key,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan

Body = dict[str, Any]


def render(plan: Plan, kind: str, namespace: str) -> RenderedWorkload:
    """Return the objects of the workload that ``plan`` describes, run by ``kind`` (of ``vocabulary``).

    Raises ``OptionError`` for what this kind cannot do.
    """
    check_kind(plan, kind)
    spec = plan.spec
    body = {**http_service(spec), **extras(spec)}
    if kind == LEADERWORKERSET:
        body.update(leaderworkerset(plan))
    elif kind == DEPLOYMENTS:
        body.update({**rendezvous_service(spec), **deployments(plan)})
    else:
        body.update(deployment(plan))
    return RenderedWorkload(
        kind=kind,
        name=spec.name,
        body=body,
        replica_paths=replica_paths(kind, body),
        decisions=decisions_of(plan, kind, namespace),
        findings=findings_of(plan, kind),
    )


def replica_paths(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flattened paths of a body that hold the number of replicas."""
    of_pods = resources.LEADERWORKERSETS.kind if kind == LEADERWORKERSET else resources.DEPLOYMENTS.kind
    return tuple(f"{key}.spec.replicas" for key in body if key.startswith(f"{of_pods}/"))


def dry_run_pods(rendered: RenderedWorkload) -> list[Body]:
    """Return a leader's Pod and a follower's as the controllers would make them, to be created in a dry run.

    LeaderWorkerSet's own labels are left out, so that its webhook does not look for a group.
    """
    name, main = rendered.name, rendered.body[main_object_key(rendered.kind, rendered.name)]
    if rendered.kind == LEADERWORKERSET:
        group = main["spec"]["leaderWorkerTemplate"]
        templates = [group["leaderTemplate"]]
        templates += [group["workerTemplate"]] if group["size"] > 1 else []
    else:
        follower = rendered.body.get(object_key(resources.DEPLOYMENTS.kind, follower_name(name, 1)))
        templates = [each["spec"]["template"] for each in (main, follower) if each is not None]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": f"{name}-", **template["metadata"]},
            "spec": template["spec"],
        }
        for template in templates
    ]
