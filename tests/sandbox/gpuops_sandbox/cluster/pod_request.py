# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod of a workload to a request of the pod runtime: environment, words, user, mounts."""

from __future__ import annotations

import re
from typing import Any

from gpuops_sandbox.cluster.expansion import expand, expand_environment, split_command
from gpuops_sandbox.cluster.objects import Kind, Pod, Workload
from gpuops_sandbox.cluster.volumes import Tables, mounts_of, shared_memory_bytes
from gpuops_sandbox.control_plane.switches import CommandSplitting
from gpuops_sandbox.runtime.contract import PodRequest

HOST_ADDRESS = "10.77.0.1"
DEFAULT_WORKING_DIRECTORY = "/"


class ContainerConfigError(Exception):
    """What the kubelet shows as CreateContainerConfigError; the text is the kubelet's."""


def leader_address(workload: Workload, group_index: int) -> str:
    """Return the DNS name that LeaderWorkerSet puts into LWS_LEADER_ADDRESS."""
    return f"{workload.name}-{group_index}.{workload.name}.{workload.project.namespace}"


def host_names(pod: Pod, workload: Workload) -> list[str]:
    """Return the DNS names under which a pod is found: its own, and the headless service's."""
    if workload.kind is not Kind.DISTRIBUTED:
        return [pod.name]
    qualified = f"{pod.name}.{workload.name}.{workload.project.namespace}"
    return [qualified, f"{qualified}.svc", f"{qualified}.svc.cluster.local", f"{pod.name}.{workload.name}", pod.name]


def build_request(
    workload: Workload, pod: Pod, group: list[Pod], tables: Tables, splitting: CommandSplitting
) -> PodRequest:
    """Build the runtime's request. Raises ``ContainerConfigError``, ``MountFailed``."""
    spec = pod.plan.spec
    security = spec.get("security") or {}
    uid = int(security.get("runAsUid") or 0)
    if security.get("runAsNonRoot") and uid == 0:
        raise ContainerConfigError("container has runAsNonRoot and image will run as root")
    environment = expand_environment([*_injected(workload, pod, len(group)), *_given(workload, pod, tables)])
    try:
        command, arguments = split_command(spec.get("command"), spec.get("args"), splitting)
    except ValueError as error:
        raise ContainerConfigError(f"command or args cannot be split into words: {error}") from error
    return PodRequest(
        name=pod.name,
        namespace=pod.namespace,
        image=pod.plan.image,
        command=tuple(expand(word, environment) for word in command),
        arguments=tuple(expand(word, environment) for word in arguments),
        environment=environment,
        uid=uid,
        gid=int(security.get("runAsGid") or 0),
        supplemental_groups=_groups(security.get("supplementalGroups")),
        gpus=pod.plan.gpus,
        shared_memory_bytes=shared_memory_bytes(spec),
        address=pod.address or "",
        hosts={name: member.address or "" for member in group for name in host_names(member, workload)},
        mounts=mounts_of(tables, workload, pod.id, spec),
        working_directory=spec.get("workingDir") or DEFAULT_WORKING_DIRECTORY,
    )


def _injected(workload: Workload, pod: Pod, group_size: int) -> list[tuple[str, str, bool]]:
    group = {
        "LWS_LEADER_ADDRESS": leader_address(workload, pod.group_index),
        "LWS_GROUP_SIZE": str(group_size),
        "LWS_WORKER_INDEX": str(pod.member_index),
    }
    variables = {
        "RUNAI_PROJECT": workload.project.name,
        "RUNAI_JOB_NAME": workload.name,
        "RUNAI_JOB_UUID": workload.id,
        "RUNAI_NUM_OF_GPUS": str(pod.plan.gpus),
        "NODE_NAME": pod.machine or "",
    }
    everything = group | variables if workload.kind is Kind.DISTRIBUTED else variables
    return [(name, value, False) for name, value in everything.items()]


def _given(workload: Workload, pod: Pod, tables: Tables) -> list[tuple[str, str, bool]]:
    given: list[tuple[str, str, bool]] = []
    for entry in pod.plan.spec.get("environmentVariables") or []:
        if entry.get("exclude"):
            continue
        name = entry["name"]
        if entry.get("secret"):
            given.append((name, _looked_up(tables.secrets, pod.namespace, entry["secret"], "secret"), False))
        elif entry.get("userCredential"):
            given.append((name, _looked_up(tables.secrets, pod.namespace, entry["userCredential"], "secret"), False))
        elif entry.get("configMap"):
            given.append((name, _looked_up(tables.config_maps, pod.namespace, entry["configMap"], "configmap"), False))
        elif entry.get("podFieldRef"):
            given.append((name, _field(workload, pod, entry["podFieldRef"]["path"]), False))
        else:
            given.append((name, entry.get("value") or "", True))
    return given


def _looked_up(
    tables: dict[tuple[str, str], dict[str, str]], namespace: str, reference: dict[str, str], word: str
) -> str:
    content = tables.get((namespace, reference["name"]))
    if content is None:
        raise ContainerConfigError(f'{word} "{reference["name"]}" not found')
    if reference["key"] not in content:
        raise ContainerConfigError(f"couldn't find key {reference['key']} in {word} {namespace}/{reference['name']}")
    return content[reference["key"]]


def labels_of(workload: Workload, pod: Pod) -> dict[str, str]:
    """Return the labels of a pod: Run:ai's, LeaderWorkerSet's, the user's."""
    own = {"workloadName": workload.name}
    if workload.kind is Kind.DISTRIBUTED:
        prefix = "leaderworkerset.sigs.k8s.io"
        own[f"{prefix}/name"] = workload.name
        own[f"{prefix}/group-index"] = str(pod.group_index)
        own[f"{prefix}/worker-index"] = str(pod.member_index)
    return own | _pairs(pod.plan.spec.get("labels"))


def _pairs(entries: Any) -> dict[str, str]:
    return {entry["name"]: entry.get("value") or "" for entry in entries or [] if not entry.get("exclude")}


def _field(workload: Workload, pod: Pod, path: str) -> str:
    fields = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.id,
        "spec.nodeName": pod.machine or "",
        "spec.serviceAccountName": "default",
        "status.podIP": pod.address or "",
        "status.podIPs": pod.address or "",
        "status.hostIP": HOST_ADDRESS,
    }
    if path in fields:
        return fields[path]
    match = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if match is None:
        raise ContainerConfigError(f"field label not supported: {path}")
    known = labels_of(workload, pod) if match[1] == "labels" else _pairs(pod.plan.spec.get("annotations"))
    return known.get(match[2], "")


def _groups(text: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in (text or "").split(",") if part.strip())
