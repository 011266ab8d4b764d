# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod of a Run:ai spec (``leader``, ``worker``, or a whole inference) to a Kubernetes pod template. Pure.

Not carried out: parts of GPUs (only Run:ai's scheduler knows them), ``createHomeDir``, ``uidGidSource``, and storage
that a distributed inference cannot have (NFS, host paths, Git, data volumes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpuops_sandbox.cluster.expansion import split_command
from gpuops_sandbox.cluster.kubelet import NO_PROBE_PORT
from gpuops_sandbox.cluster.objects import PodPlan, Workload
from gpuops_sandbox.cluster.volumes import claims_of
from gpuops_sandbox.control_plane.switches import CommandSplitting
from gpuops_sandbox.kubernetes.vocabulary import (
    CONTAINER,
    DEFAULT_PULL_POLICY,
    GPU_RESOURCE,
    NODE_TYPE_LABEL,
    SHARED_MEMORY_PATH,
    WORKLOAD_LABEL,
    Object,
    labels_of,
)

ANY_EFFECT = "Any"
PREFERRED_WEIGHT = 100


def pod_template(workload: Workload, plan: PodPlan, splitting: CommandSplitting) -> Object:
    """Return a pod template. Raises ``ValueError`` where ``command`` or ``args`` cannot be split into words."""
    spec = plan.spec
    volumes, mounts = _volumes(workload, spec)
    container = {**_container(workload, plan, splitting), "volumeMounts": mounts}
    return {
        "metadata": {
            "labels": {**_named(spec.get("labels")), **labels_of(workload)},
            "annotations": _named(spec.get("annotations")),
        },
        "spec": _without_nothing(
            {
                "containers": [_without_nothing(container)],
                "volumes": volumes,
                "securityContext": _pod_security(spec.get("security") or {}),
                "imagePullSecrets": [{"name": entry["name"]} for entry in _kept(spec.get("imagePullSecrets"))],
                "tolerations": [_toleration(entry) for entry in _kept(spec.get("tolerations"))],
                "nodeSelector": {NODE_TYPE_LABEL: spec["nodeType"]} if spec.get("nodeType") else None,
                "affinity": _affinity(workload, spec),
            }
        ),
    }


def _container(workload: Workload, plan: PodPlan, splitting: CommandSplitting) -> Object:
    spec = plan.spec
    command, arguments = split_command(spec.get("command"), spec.get("args"), splitting)
    return {
        "name": CONTAINER,
        "image": plan.image,
        "imagePullPolicy": spec.get("imagePullPolicy") or DEFAULT_PULL_POLICY,
        "command": list(command),
        "args": list(arguments),
        "workingDir": spec.get("workingDir"),
        "env": [*_injected(workload, plan), *(_variable(one) for one in _kept(spec.get("environmentVariables")))],
        "ports": [{"name": "serving", "containerPort": plan.serving_port}] if plan.serving_port else None,
        "resources": _resources(plan),
        "securityContext": _container_security(spec.get("security") or {}),
        "readinessProbe": _probe(plan),
    }


def _injected(workload: Workload, plan: PodPlan) -> list[Object]:
    """Return what Run:ai puts into every container; LeaderWorkerSet's webhook puts its own before it."""
    variables = {
        "RUNAI_PROJECT": workload.project.name,
        "RUNAI_JOB_NAME": workload.name,
        "RUNAI_JOB_UUID": workload.id,
        "RUNAI_NUM_OF_GPUS": str(plan.gpus),
    }
    machine = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return [*({"name": name, "value": value} for name, value in variables.items()), machine]


def _variable(entry: Object) -> Object:
    name = entry["name"]
    secret = entry.get("secret") or entry.get("userCredential")
    if secret:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret["name"], "key": secret["key"]}}}
    table = entry.get("configMap")
    if table:
        return {"name": name, "valueFrom": {"configMapKeyRef": {"name": table["name"], "key": table["key"]}}}
    if entry.get("podFieldRef"):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": entry["podFieldRef"]["path"]}}}
    return {"name": name, "value": entry.get("value") or ""}


def _resources(plan: PodPlan) -> Object:
    compute = plan.spec.get("compute") or {}
    whole = {entry["resource"]: str(entry["quantity"]) for entry in _kept(compute.get("extendedResources"))}
    if plan.gpus:
        whole[GPU_RESOURCE] = str(plan.gpus)
    # Of devices there is no more than what was requested.
    requests, limits = dict(whole), dict(whole)
    for field, resource in (("cpuCore", "cpu"), ("cpuMemory", "memory")):
        for bound, target in (("Request", requests), ("Limit", limits)):
            if compute.get(f"{field}{bound}") is not None:
                target[resource] = str(compute[f"{field}{bound}"])
    return _without_nothing({"requests": requests, "limits": limits})


def _probe(plan: PodPlan) -> Object | None:
    probe = plan.readiness
    if probe is None:
        return None
    get = (probe.get("handler") or {}).get("httpGet") or {}
    asked = {
        "path": get.get("path") or "/",
        "port": get.get("port") or plan.serving_port or NO_PROBE_PORT,
        "host": get.get("host"),
        "scheme": get.get("scheme"),
    }
    times = {name: value for name, value in probe.items() if name != "handler"}
    return _without_nothing({**times, "httpGet": _without_nothing(asked)})


def _volumes(workload: Workload, spec: Object) -> tuple[list[Object], list[Object]]:
    """Return volumes and their mounts."""
    found: list[tuple[Object, Object]] = []
    storage = spec.get("storage") or {}
    for entry in claims_of(spec):
        claim = {"claimName": claim_name(workload, entry), "readOnly": bool(entry.get("readOnly"))}
        found.append(({"persistentVolumeClaim": claim}, {"mountPath": entry["path"], "readOnly": claim["readOnly"]}))
    for entry in _kept(storage.get("emptyDirVolume")):
        content = _without_nothing({"medium": entry.get("medium"), "sizeLimit": entry.get("sizeLimit")})
        found.append(({"emptyDir": content}, {"mountPath": entry["path"]}))
    for entry in _kept(storage.get("configMapVolume")):
        content = _without_nothing({"name": entry["configMap"], "defaultMode": _mode(entry)})
        mount = _without_nothing({"mountPath": entry["mountPath"], "subPath": entry.get("subPath")})
        found.append(({"configMap": content}, mount))
    for entry in _kept(storage.get("secretVolume")):
        content = _without_nothing({"secretName": entry["secret"], "defaultMode": _mode(entry)})
        found.append(({"secret": content}, {"mountPath": entry["mountPath"]}))
    taken = {mount["mountPath"] for _volume, mount in found}
    if (spec.get("compute") or {}).get("largeShmRequest") and SHARED_MEMORY_PATH not in taken:
        found.append(({"emptyDir": {"medium": "Memory"}}, {"mountPath": SHARED_MEMORY_PATH}))
    names = [f"volume-{number}" for number in range(len(found))]
    volumes = [{"name": name, **volume} for name, (volume, _mount) in zip(names, found, strict=True)]
    return volumes, [{"name": name, **mount} for name, (_volume, mount) in zip(names, found, strict=True)]


def claim_name(workload: Workload, entry: Object) -> str:
    """Return the name of the claim behind an entry of ``storage.pvc``."""
    return str(entry.get("claimName") or f"{workload.name}-claim")


def _mode(entry: Object) -> int | None:
    return int(entry["defaultMode"], 8) if entry.get("defaultMode") else None


def _pod_security(security: Object) -> Object:
    groups = security.get("supplementalGroups") or ""
    return _without_nothing(
        {
            "runAsUser": security.get("runAsUid"),
            "runAsGroup": security.get("runAsGid"),
            "runAsNonRoot": security.get("runAsNonRoot"),
            "supplementalGroups": [int(part) for part in groups.split(",") if part.strip()],
            "seccompProfile": {"type": security["seccompProfileType"]} if security.get("seccompProfileType") else None,
        }
    )


def _container_security(security: Object) -> Object:
    return _without_nothing(
        {
            "capabilities": {"add": security["capabilities"]} if security.get("capabilities") else None,
            "readOnlyRootFilesystem": security.get("readOnlyRootFilesystem"),
        }
    )


def _toleration(entry: Object) -> Object:
    effect = entry.get("effect")
    return _without_nothing(
        {
            "key": entry.get("key"),
            "operator": entry.get("operator"),
            "value": entry.get("value"),
            "effect": None if effect == ANY_EFFECT else effect,
            "tolerationSeconds": entry.get("seconds"),
        }
    )


def _affinity(workload: Workload, spec: Object) -> Object | None:
    affinity: Object = {}
    machines = spec.get("nodeAffinityRequired")
    if machines:
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": _without_nothing(machines)}
    together = spec.get("podAffinity")
    if together:
        # UNCERTAIN: what Run:ai's pods are drawn to; taken here: the pods of their own workload.
        selector = {"matchLabels": {WORKLOAD_LABEL: workload.name}}
        term = {"labelSelector": selector, "topologyKey": together["key"]}
        affinity["podAffinity"] = (
            {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
            if together.get("type") == "Required"
            else {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": PREFERRED_WEIGHT, "podAffinityTerm": term}
                ]
            }
        )
    return affinity or None


def _named(entries: Any) -> dict[str, str]:
    return {entry["name"]: entry.get("value") or "" for entry in _kept(entries)}


def _kept(entries: Any) -> Iterable[Object]:
    return [entry for entry in entries or [] if not entry.get("exclude")]


def _without_nothing(content: Object) -> Object:
    """Return an object without what is not said: null, and empty lists and objects."""
    return {name: value for name, value in content.items() if value is not None and value not in ([], {})}
