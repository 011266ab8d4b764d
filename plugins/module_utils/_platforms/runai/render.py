# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A plan in the words of the Run:ai API: distributed inference, or inference for a single pod. Pure.

The body is ``{"spec": ...}``: what identifies project and cluster is added when the workload is created, and the record
of what was applied goes into an annotation then. What the API cannot express is left out here and said by ``checks``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    ACCESS,
    DISTRIBUTED,
    INFERENCE,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PREEMPTIBILITY,
    PULL_POLICY,
    RECIPE_ROLE_LABEL,
    RECIPE_ROLES,
    RECIPE_WORKLOAD_LABEL,
    REPLICA_PATHS,
    RESTART_POLICY,
    STARTUP_POLICY,
    WORKLOAD_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import (
    join_words,
    protect_expansion,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    EnvironmentVariable,
    HttpProbe,
    Plan,
    PodField,
    PodTemplate,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    AS_DISTRIBUTED,
    ResourcesSpec,
    RunAsSpec,
    SecretReference,
    ServingSpec,
    TolerationSpec,
    WorkloadSpec,
)

Body = dict[str, Any]


def render(plan: Plan) -> RenderedWorkload:
    """Return the body of the workload that ``plan`` describes."""
    kind = kind_of(plan.spec)
    spec = _distributed(plan) if kind == DISTRIBUTED else _inference(plan)
    return RenderedWorkload(kind, plan.spec.name, {"spec": spec}, REPLICA_PATHS[kind])


def kind_of(spec: WorkloadSpec) -> str:
    """Return which kind of Run:ai workload serves ``spec``."""
    return DISTRIBUTED if spec.pods > 1 or spec.single_pod_as == AS_DISTRIBUTED else INFERENCE


def _distributed(plan: Plan) -> Body:
    """Return the spec of a distributed inference. Its ``workers`` leave the leader out; ours (``pods``) count it."""
    spec = plan.spec
    body = {
        "workers": plan.topology.pods - 1,
        "replicas": 1 if plan.replicas is None else plan.replicas,
        "restartPolicy": RESTART_POLICY[spec.restart_policy],
        "startupPolicy": STARTUP_POLICY[spec.startup_policy],
        "servingPort": {
            "port": spec.serving.port,
            "protocol": "http",
            **_access(spec.serving),
            "exposeExternally": spec.serving.external,
        },
        **_scheduling(spec),
        "leader": _pod(plan, plan.leader),
        "worker": _pod(plan, plan.follower) if plan.follower else None,
    }
    return without_nothing(body)


def _inference(plan: Plan) -> Body:
    """Return the spec of an inference: one pod template, flat, scaled by the platform between two equal bounds."""
    spec = plan.spec
    # Stated, because without bounds the platform decides, and an endpoint that has to load a model must not go to zero.
    replicas = 1 if plan.replicas is None else plan.replicas
    body = {
        **_pod(plan, plan.leader),
        **_scheduling(spec),
        "autoscaling": {"minReplicas": replicas, "maxReplicas": replicas},
        "servingConfiguration": {"initializationTimeoutSeconds": plan.timeouts.start},
        "servingPort": {
            "container": spec.serving.port,
            "protocol": "http",
            **_access(spec.serving),
            "clusterLocalAccessOnly": not spec.serving.external,
        },
    }
    return without_nothing(body)


def _access(serving: ServingSpec) -> Body:
    """Return who may use the endpoint. Always sent: the API's default is everybody."""
    return {
        "authorizationType": ACCESS[serving.access],
        "authorizedUsers": list(serving.authorized_users),
        "authorizedGroups": list(serving.authorized_groups),
    }


def _scheduling(spec: WorkloadSpec) -> Body:
    return {
        "nodePools": list(spec.placement.node_pools),
        "priorityClass": spec.priority,
        "preemptibility": PREEMPTIBILITY[spec.preemptibility] if spec.preemptibility else None,
    }


def _pod(plan: Plan, template: PodTemplate) -> Body:
    """Return the description of one role's pods; leader and followers are both written in full."""
    spec = plan.spec
    body = {
        "image": spec.image,
        "imagePullPolicy": PULL_POLICY[spec.image_pull_policy] if spec.image_pull_policy else None,
        "imagePullSecrets": [{"name": name} for name in spec.image_pull_secrets],
        # One string alone: it also survives a platform that hands each of the two strings to a shell of its own.
        "command": join_words((*template.command, *template.arguments)),
        "environmentVariables": [_variable(variable) for variable in template.environment],
        "compute": _compute(plan, template, spec.resources),
        "storage": {
            "pvc": [
                {
                    "path": volume.path,
                    "existingPvc": True,
                    "claimName": volume.claim,
                    **({"readOnly": True} if volume.read_only else {}),
                }
                for volume in template.volumes
            ],
            "emptyDirVolume": [{"path": template.scratch}] if template.scratch else [],
        },
        "security": security(spec.run_as),
        "labels": named({**template.labels, **_our_labels(spec.name, template.role)}),
        "annotations": named(template.annotations),
        "nodeType": spec.placement.node_type,
        "nodeAffinityRequired": _excluded(spec.placement.exclude_machines),
        "tolerations": [toleration(given) for given in spec.placement.tolerations],
        "probes": {"readiness": _probe(template.readiness_probe)} if template.readiness_probe else None,
    }
    return without_nothing(body)


def _our_labels(name: str, role: str) -> dict[str, str]:
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        WORKLOAD_LABEL: name,
        RECIPE_WORKLOAD_LABEL: name,
        RECIPE_ROLE_LABEL: RECIPE_ROLES[role],
    }


def _variable(variable: EnvironmentVariable) -> Body:
    value = variable.value
    if isinstance(value, SecretReference):
        return {"name": variable.name, "secret": {"name": value.secret, "key": value.key}}
    if isinstance(value, PodField):
        return {"name": variable.name, "podFieldRef": {"path": value.path}}
    return {"name": variable.name, "value": value if variable.expand else protect_expansion(value)}


def _compute(plan: Plan, template: PodTemplate, resources: ResourcesSpec) -> Body:
    """Return what one pod gets. The API takes quantities of extended resources as text."""
    return {
        "gpuDevicesRequest": plan.topology.gpus_per_pod,
        "largeShmRequest": True,
        "cpuCoreRequest": resources.cpu_request,
        "cpuCoreLimit": resources.cpu_limit,
        "cpuMemoryRequest": resources.memory_request,
        "cpuMemoryLimit": resources.memory_limit,
        "extendedResources": extended_resources(template.extended_resources),
    }


def extended_resources(counts: Mapping[str, int]) -> list[Body]:
    """Return extended resources as the API takes them."""
    return [{"resource": name, "quantity": str(count)} for name, count in sorted(counts.items())]


def security(run_as: RunAsSpec) -> Body:
    """Return as whom a pod runs."""
    return {
        "uidGidSource": "custom",
        "runAsUid": run_as.uid,
        "runAsGid": run_as.gid,
        "runAsNonRoot": run_as.uid != 0,
        "supplementalGroups": ",".join(str(group) for group in run_as.supplemental_groups),
    }


def named(values: Mapping[str, str]) -> list[Body]:
    """Return labels or annotations as the API takes them."""
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


def _excluded(machines: tuple[str, ...]) -> Body | None:
    if not machines:
        return None
    expression = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": sorted(machines)}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}


def toleration(given: TolerationSpec) -> Body:
    """Return a toleration as the API takes it."""
    return {
        "key": given.key,
        "operator": given.operator,
        "value": given.value,
        # The API's word for what Kubernetes writes as no effect at all.
        "effect": given.effect or "Any",
        "seconds": given.seconds,
    }


def _probe(probe: HttpProbe) -> Body:
    return {
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.failure_threshold,
        "handler": {"httpGet": {"path": probe.path, "port": probe.port, "scheme": "HTTP"}},
    }


def without_nothing(body: Body) -> Body:
    """Return a body without ``None``, empty texts, lists and dictionaries: what is not stated is not sent."""
    kept = {key: _stated(item) for key, item in body.items()}
    return {key: item for key, item in kept.items() if _says_something(key, item)}


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return without_nothing(value)
    if isinstance(value, list):
        return [_stated(item) for item in value]
    return value


def _says_something(key: str, value: Any) -> bool:
    # The value of a variable, label or annotation may be the empty text.
    return value is not None and (value not in ("", [], {}) or key == "value")
