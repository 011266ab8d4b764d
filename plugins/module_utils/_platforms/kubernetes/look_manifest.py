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
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import JOBS, PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    LOOK_LABEL,
    manifest,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import REPORT_PATH, Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import protect_expansion
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference

Body = dict[str, Any]

CONTAINER = "look"
ROOT_CONTAINER = "look-as-root"
# What root needs to repair files, and nothing else: to give them away, to reach them, to change their mode. All are in
# Pod Security level baseline.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
# Seconds for which one that has ended is kept, for who started it to read it: an API server may be away for minutes.
_KEPT = 600
# What a small program of Python's takes. Limits are stated too, because a quota of the namespace may ask for them.
_REQUESTS = {"cpu": "100m", "memory": "64Mi"}
_LIMITS = {"cpu": "1", "memory": "512Mi"}
_READ_ONLY = {"readOnly": True}


def look_labels(look: Look) -> dict[str, str]:
    """Return the labels of a look's job and pod, by which one that was left over is found."""
    return {**object_labels(look.workload), LOOK_LABEL: look.what}


def look_job(look: Look, name: str) -> Body:
    """Return the Job that carries a look out: once, never beyond its limits, and gone some minutes after its end even
    where nobody comes for it."""
    labels = look_labels(look)
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": math.ceil(look.start_limit + look.time_limit),
        "ttlSecondsAfterFinished": _KEPT,
        "template": {"metadata": {"labels": labels}, "spec": _pod(look)},
    }
    return manifest(JOBS, name, spec, labels)


def _pod(look: Look) -> Body:
    place = look.place
    body = {
        "restartPolicy": "Never",
        "initContainers": [_root_container(look)] if look.as_root else [],
        "containers": [_container(look, CONTAINER, look.command)],
        "volumes": [
            {"name": _volume(index), "persistentVolumeClaim": {"claimName": mount.claim}}
            for index, mount in enumerate(look.mounts)
        ],
        "securityContext": _identity(place),
        "affinity": _near(place),
        "nodeSelector": dict(place.node_selector),
        "tolerations": [toleration(given) for given in place.tolerations],
        "imagePullSecrets": [{"name": name} for name in place.image_pull_secrets],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # It has nothing to put in order when it is told to end.
        "terminationGracePeriodSeconds": 0,
    }
    return {key: value for key, value in body.items() if value not in ([], {})}


def look_pod(look: Look) -> Body:
    """Return the pod of a look's job as the job's controller would make it, to be created in a dry run."""
    metadata = {"generateName": f"{look.workload}-look-", "labels": look_labels(look)}
    return {"apiVersion": PODS.api_version, "kind": PODS.kind, "metadata": metadata, "spec": _pod(look)}


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
        "resources": {"requests": _REQUESTS, "limits": _LIMITS},
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
    """Return the wish to run on the machine that has the image: a vLLM image of 10 GB takes minutes to pull."""
    if place.machine is None:
        return {}
    there = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [place.machine]}]}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": there}]}}
