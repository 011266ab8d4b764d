# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A look as a Job. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.placement import toleration
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    JOBS,
    PODS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    GPU_RESOURCE,
    HOSTNAME_LABEL,
    LOOK_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    manifest,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    ADDRESS_VARIABLE,
    COPIES_VARIABLE,
    REPORT_PATH,
    Look,
    LookCopies,
    LookPlace,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import protect_expansion
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    NO_SPREAD,
    REQUIRED,
    SecretReference,
)

Body = dict[str, Any]

CONTAINER = "look"
ROOT_CONTAINER = "look-as-root"
# The label by which the Job controller knows the pods of a Job (Kubernetes 1.27 and newer).
JOB_LABEL = "batch.kubernetes.io/job-name"
# What root needs to repair files, and nothing else: to give them away, to reach them, to change their mode. All are in
# Pod Security level baseline.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
# Seconds for which one that has ended is kept, for who started it to read it: an API server may be away for minutes.
_KEPT = 600
# What a small program of Python's takes. Limits are stated too, because a quota of the namespace may ask for them.
_REQUESTS = {"cpu": "100m", "memory": "64Mi"}
_READ_ONLY = {"readOnly": True}
_SCRATCH, _SHARED_MEMORY = "scratch", "shared-memory"


def look_labels(look: Look) -> dict[str, str]:
    """Return the labels of a look's job and pod, by which one that was left over is found."""
    return {**object_labels(look.workload), LOOK_LABEL: look.what}


def look_job(look: Look, name: str) -> Body:
    """Return the Job that carries a look out: once, never beyond its limits, and gone some minutes after its end even
    where nobody comes for it."""
    labels = look_labels(look)
    spec = {
        "activeDeadlineSeconds": math.ceil(look.start_limit + look.time_limit),
        "ttlSecondsAfterFinished": _KEPT,
        "template": {"metadata": _metadata(look), "spec": _pod(look, name)},
        **({"backoffLimit": 0} if look.copies is None else _several(look.copies)),
    }
    return manifest(JOBS, name, spec, labels)


def _several(copies: LookCopies) -> Body:
    """Return what makes several pods of a Job, each with its index in its host name. One that fails is not tried again
    and takes the others not away, as it would with a ``backoffLimit`` for all of them."""
    return {
        "completionMode": "Indexed",
        "completions": copies.number,
        "parallelism": copies.number,
        "backoffLimitPerIndex": 0,
    }


def look_service(look: Look, job: Mapping[str, Any]) -> Body:
    """Return the headless Service by which the copies find each other, named like their ``job``, with which it goes.
    It does not carry the workload's label: what does is removed with the workload."""
    name = str(job["metadata"]["name"])
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {JOB_LABEL: name}}
    body = manifest(SERVICES, name, spec, {MANAGED_BY_LABEL: MANAGED_BY, LOOK_LABEL: look.what})
    owner = {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "name": name, "uid": str(job["metadata"]["uid"])}
    body["metadata"]["ownerReferences"] = [owner]
    return body


def _metadata(look: Look) -> Body:
    """Return what the pods of a look carry."""
    metadata: Body = {"labels": look_labels(look)}
    if look.needs.annotations:
        metadata["annotations"] = dict(look.needs.annotations)
    return metadata


def _pod(look: Look, name: str = "") -> Body:
    """Return the pod of the Job ``name``; without a name, one that is only tried."""
    place = look.place
    body = {
        "restartPolicy": "Never",
        "initContainers": [_root_container(look)] if look.as_root else [],
        "containers": [_main_container(look, name)],
        "volumes": [
            *(
                {"name": _volume(index), "persistentVolumeClaim": {"claimName": mount.claim}}
                for index, mount in enumerate(look.mounts)
            ),
            *_scratch_volumes(look),
        ],
        "securityContext": _identity(place),
        "affinity": {**_near(place), **_apart(look, name)},
        "nodeSelector": dict(place.node_selector),
        "tolerations": _tolerations(place),
        "imagePullSecrets": [{"name": secret} for secret in place.image_pull_secrets],
        "priorityClassName": place.priority_class or "",
        "subdomain": name if look.copies and look.copies.meet else "",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # It has nothing to put in order when it is told to end.
        "terminationGracePeriodSeconds": 0,
    }
    return {key: value for key, value in body.items() if value not in ([], {}, "")}


def _tolerations(place: LookPlace) -> list[Body]:
    """Return which taints it tolerates. That of GPU machines is among them unless the user says something of it: pods
    that ask for GPUs get it from clusters that use it (admission plugin ExtendedResourceToleration), and a look that
    asks for none has to get to the same machines."""
    given = [toleration(one) for one in place.tolerations]
    if any(one.key == GPU_RESOURCE for one in place.tolerations):
        return given
    return [*given, {"key": GPU_RESOURCE, "operator": "Exists"}]


def look_pod(look: Look) -> Body:
    """Return the pod of a look's job as the job's controller would make it, to be created in a dry run."""
    metadata = {"generateName": f"{look.workload}-look-", **_metadata(look)}
    return {"apiVersion": PODS.api_version, "kind": PODS.kind, "metadata": metadata, "spec": _pod(look)}


def _main_container(look: Look, name: str) -> Body:
    """Return the container that runs the command, with what it needs besides."""
    body = _container(look, CONTAINER, look.command)
    needs = look.needs
    gpus = {GPU_RESOURCE: needs.gpus} if needs.gpus else {}
    extended = {resource: str(count) for resource, count in {**gpus, **needs.resources}.items()}
    limits = {"cpu": needs.cpu, "memory": needs.memory, **extended}
    body["resources"] = {"requests": {**_REQUESTS, **extended}, "limits": limits}
    if needs.capabilities:
        body["securityContext"]["capabilities"]["add"] = list(needs.capabilities)
    if needs.scratch:
        places = {_SCRATCH: "/tmp", _SHARED_MEMORY: "/dev/shm"}
        mounts = [{"name": volume, "mountPath": path} for volume, path in places.items()]
        body["volumeMounts"] = [*body.get("volumeMounts", []), *mounts]
    if look.copies is not None and look.copies.meet:
        names = [f"{name}-{index}.{name}" for index in range(look.copies.number)]
        own = {"fieldRef": {"fieldPath": "status.podIP"}}
        together = [_variable(COPIES_VARIABLE, " ".join(names)), {"name": ADDRESS_VARIABLE, "valueFrom": own}]
        body["env"] = [*body.get("env", []), *together]
    return body


def _scratch_volumes(look: Look) -> list[Body]:
    if not look.needs.scratch:
        return []
    return [
        {"name": _SCRATCH, "emptyDir": {}},
        {"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": look.needs.memory}},
    ]


def _root_container(look: Look) -> Body:
    """Return the init container that runs as root. Its group is the workload's: root of another group would take the
    set-group-ID bit off directories whose mode it changes."""
    body = _container(look, ROOT_CONTAINER, look.as_root, writes=True)
    security = {**body["securityContext"], "runAsUser": 0, "runAsNonRoot": False}
    security["capabilities"] = {"drop": ["ALL"], "add": list(ROOT_CAPABILITIES)}
    return {**body, "securityContext": security}


def _volume(index: int) -> str:
    return f"claim-{index}"


def _container(look: Look, name: str, command: Sequence[str], writes: bool = False) -> Body:
    body = {
        "name": name,
        "image": look.place.image,
        "command": [protect_expansion(word) for word in command],
        "env": [_variable(name, value) for name, value in look.environment.items()],
        "volumeMounts": [
            {"name": _volume(index), "mountPath": mount.path, **({} if writes and not mount.read_only else _READ_ONLY)}
            for index, mount in enumerate(look.mounts)
        ],
        "resources": {"requests": dict(_REQUESTS), "limits": {"cpu": look.needs.cpu, "memory": look.needs.memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePath": REPORT_PATH,
        # The end of what a look printed that failed before it could report.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {key: value for key, value in body.items() if value != []}


def _variable(name: str, value: str | SecretReference) -> Body:
    if isinstance(value, SecretReference):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}
    return {"name": name, "value": protect_expansion(value)}


def _identity(place: LookPlace) -> Body:
    """Return as whom it runs: never as root, with nothing that Pod Security ``restricted`` refuses."""
    identity: Body = {
        "runAsUser": place.run_as.uid,
        "runAsGroup": place.run_as.gid,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if place.run_as.supplemental_groups:
        identity["supplementalGroups"] = list(place.run_as.supplemental_groups)
    return identity


def _near(place: LookPlace) -> Mapping[str, Any]:
    """Return on which machines it may run, and the wish for the one that has the image: a vLLM image of 10 GB takes
    minutes to pull."""
    affinity: Body = {}
    if place.machines:
        terms = [_named(machine) for machine in place.machines]
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if place.machine is not None:
        wish = {"weight": 100, "preference": _named(place.machine)}
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [wish]
    return {"nodeAffinity": affinity} if affinity else {}


def _named(machine: str) -> Body:
    """Return the term that one machine meets. Kubernetes takes a single name in each."""
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [machine]}]}


def _apart(look: Look, name: str) -> Mapping[str, Any]:
    """Return what keeps the copies on machines of their own, or the wish for it."""
    if look.copies is None or look.copies.spread == NO_SPREAD:
        return {}
    term = {"labelSelector": {"matchLabels": {JOB_LABEL: name}}, "topologyKey": HOSTNAME_LABEL}
    if look.copies.spread == REQUIRED:
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    wish = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
