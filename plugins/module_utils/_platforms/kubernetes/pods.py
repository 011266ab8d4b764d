# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One builder for the pods of leaders and followers. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.placement import (
    affinity,
    scheduler_labels,
    toleration,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_security import (
    container_security_context,
    pod_security_context,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    CONTAINER,
    GPU_RESOURCE,
    HTTP_PORT,
    LWS_PREFIX,
    OUR_PREFIX,
    PRE_STOP,
    PULL_POLICY,
    STOP_GRACE,
    pod_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload import vllm_flags
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import (
    protect_expansion,
    protect_word,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    LEADER,
    EnvironmentVariable,
    HttpProbe,
    Plan,
    PodField,
    PodTemplate,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ExtraVolume,
    SecretReference,
    VolumeSpec,
    WorkloadSpec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_command import STOP_SECONDS

Body = dict[str, Any]

# vLLM's and NCCL's shared memory: sizes in public use go from 2 to 32 GiB (llm-d 2, KServe 8, vLLM's own manifest for
# LeaderWorkerSet 15, production-stack 20). It is a limit and takes nothing before it is used; what lies there counts
# against the container's memory limit.
SHM_SIZE = "16Gi"
_SHM = "/dev/shm"


@dataclass(frozen=True)
class Place:
    """What the controller adds to a pod: ``replaced`` are words of command lines that stand for something only it
    knows, ``labels`` further ones of its pods, ``group_label`` the label that it gives the pods of
    one replica (``None``: the workload has a single replica)."""

    replaced: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    group_label: str | None = None


def pod_template(plan: Plan, template: PodTemplate, place: Place) -> Body:
    """Return the template of one role's pods.

    Raises ``OptionError`` for labels and annotations that are the collection's or the controller's own.
    """
    spec = plan.spec
    check_free_names("labels", template.labels)
    check_free_names("annotations", template.annotations)
    labels = {
        **template.labels,
        **scheduler_labels(spec),
        **pod_labels(spec.name, template.role),
        **place.labels,
    }
    metadata = {"labels": labels, "annotations": dict(template.annotations)}
    return {"metadata": _stated(metadata), "spec": _pod(plan, template, place)}


def stop_grace(spec: WorkloadSpec) -> int:
    """Return the seconds between the request to end and SIGKILL; a longer drain that the user asks of vLLM counts."""
    given = vllm_flags.given_value(spec.vllm_args, "--shutdown-timeout") or ""
    drain = int(given) if given.isascii() and given.isdigit() else 0
    return PRE_STOP + max(STOP_GRACE, drain + STOP_SECONDS)


def check_free_names(option: str, names: Mapping[str, str]) -> None:
    """Refuse names that the collection, LeaderWorkerSet or the recipe's selectors rely on."""
    taken = pod_labels("", LEADER)
    for name in names:
        if name in taken or name.startswith((OUR_PREFIX, LWS_PREFIX)):
            raise OptionError.of(
                f"{option}.{name}",
                "The collection or the controller of the pods sets it.",
                "Leave it out, or choose another name.",
                "reserved_name",
            )


def _pod(plan: Plan, template: PodTemplate, place: Place) -> Body:
    spec, own = plan.spec, plan.spec.kubernetes
    body = {
        "containers": [_container(plan, template, place)],
        "volumes": _volumes(spec, template),
        "securityContext": pod_security_context(spec),
        "affinity": affinity(spec, place.group_label),
        "nodeSelector": dict(own.node_selector),
        "tolerations": [toleration(given) for given in spec.placement.tolerations],
        "imagePullSecrets": [{"name": name} for name in spec.image_pull_secrets],
        "priorityClassName": own.priority_class,
        "schedulerName": own.scheduler,
        "serviceAccountName": own.service_account,
        # vLLM asks the API server nothing; a token in the pod would only be one to steal.
        "automountServiceAccountToken": False,
        # Variables named after the Services of the namespace are taken by vLLM for its own (VLLM_PORT=tcp://...).
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": stop_grace(spec),
    }
    return _stated(body)


def _container(plan: Plan, template: PodTemplate, place: Place) -> Body:
    spec = plan.spec
    body = {
        "name": CONTAINER,
        "image": spec.image,
        "imagePullPolicy": PULL_POLICY[spec.image_pull_policy] if spec.image_pull_policy else None,
        "command": _words(template.command, place.replaced),
        "args": _words(template.arguments, place.replaced),
        "env": [_variable(variable) for variable in template.environment],
        "ports": _ports(spec) if template.role == LEADER else [],
        "resources": _resources(plan, template),
        "volumeMounts": _mounts(spec, template),
        "securityContext": container_security_context(spec),
        "startupProbe": _probe(template.startup_probe),
        "readinessProbe": _probe(template.readiness_probe),
        "livenessProbe": _probe(template.liveness_probe),
        # A program, because the kubelet's own `sleep` is known from Kubernetes 1.30 on only. Followers sleep as well:
        # the leader still answers requests meanwhile, for which it needs them.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PRE_STOP)]}}},
        # What the process said last stays in the pod's status, also when its log is gone with it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return _stated(body)


def _words(words: tuple[str, ...], replaced: Mapping[str, str]) -> list[str]:
    result = []
    for word in words:
        for placeholder, text in replaced.items():
            word = word.replace(placeholder, text)
        result.append(protect_word(word))
    return result


def _variable(variable: EnvironmentVariable) -> Body:
    value = variable.value
    if isinstance(value, SecretReference):
        source = {"secretKeyRef": {"name": value.secret, "key": value.key}}
        return {"name": variable.name, "valueFrom": source}
    if isinstance(value, PodField):
        return {"name": variable.name, "valueFrom": {"fieldRef": {"fieldPath": value.path}}}
    text = value if variable.expand else protect_expansion(value)
    # The API server gives an empty text back as none at all, which means the same.
    return {"name": variable.name, **({"value": text} if text else {})}


def _ports(spec: WorkloadSpec) -> list[Body]:
    return [{"name": HTTP_PORT, "containerPort": spec.serving.port, "protocol": "TCP"}]


def _resources(plan: Plan, template: PodTemplate) -> Body:
    """Return what one pod gets. GPUs and other devices cannot be overcommitted: request and limit are the same."""
    wanted = plan.spec.resources
    devices = {GPU_RESOURCE: str(plan.topology.gpus_per_pod)}
    devices.update({name: str(count) for name, count in sorted(template.extended_resources.items())})
    requests = {"cpu": cores(wanted.cpu_request), "memory": wanted.memory_request}
    limits = {"cpu": cores(wanted.cpu_limit), "memory": wanted.memory_limit}
    return {"requests": _stated({**requests, **devices}), "limits": _stated({**limits, **devices})}


def cores(number: float | None) -> str | None:
    """Return a number of CPU cores as Kubernetes itself writes it: ``4``, ``500m``."""
    if number is None:
        return None
    thousandths = round(number * 1000)
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def _volumes(spec: WorkloadSpec, template: PodTemplate) -> list[Body]:
    memory: Body = {"medium": "Memory", "sizeLimit": spec.kubernetes.shm_size or SHM_SIZE}
    # With nothing at all in it, taking the size away again would leave null, which custom resources refuse.
    scratch = {"medium": "", **({"sizeLimit": spec.kubernetes.scratch_size} if spec.kubernetes.scratch_size else {})}
    return [
        {"name": "shm", "emptyDir": memory},
        {"name": "scratch", "emptyDir": scratch},
        *(
            {"name": name, "persistentVolumeClaim": {"claimName": claim}}
            for claim, name in _claims(template.volumes).items()
        ),
        *({"name": volume.name, **volume.source} for volume in spec.kubernetes.extra_volumes),
    ]


def _mounts(spec: WorkloadSpec, template: PodTemplate) -> list[Body]:
    names = _claims(template.volumes)
    return [
        {"name": "shm", "mountPath": _SHM},
        {"name": "scratch", "mountPath": template.scratch},
        *(_mount(names[volume.claim], volume) for volume in template.volumes),
        *(_mount(volume.name, volume) for volume in spec.kubernetes.extra_volumes),
    ]


def _mount(name: str, volume: VolumeSpec | ExtraVolume) -> Body:
    # Read-only by the mount: a claim that is read-only itself could not be mounted a second time for writing.
    return {"name": name, "mountPath": volume.path, **({"readOnly": True} if volume.read_only else {})}


def _claims(volumes: tuple[VolumeSpec, ...]) -> dict[str, str]:
    """Return the names of the pod's volumes by claim: a claim that is mounted twice is one volume."""
    claims = dict.fromkeys(volume.claim for volume in volumes)
    return {claim: f"claim-{index}" for index, claim in enumerate(claims)}


def _probe(probe: HttpProbe | None) -> Body | None:
    if probe is None:
        return None
    return {
        "httpGet": {"path": probe.path, "port": probe.port, "scheme": "HTTP"},
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.failure_threshold,
    }


def _stated(body: Body) -> Body:
    """Return a body without what is not stated: ``None``, empty texts, lists and objects."""
    return {key: value for key, value in body.items() if value is not None and value not in ("", [], {})}
