# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What Run:ai cannot do, or would do unexpectedly, of a plan. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.comparable import comparable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Cluster, Project
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    is_record,
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.render import kind_of, render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.versions import (
    AUTHORIZED_LISTS_OF_INFERENCE_SINCE,
    DISTRIBUTED_SINCE,
    PREEMPTIBILITY_SINCE,
    Version,
    in_words,
    is_older,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    DISTRIBUTED,
    INFERENCE,
    LONGEST_METADATA_NAME,
    OUR_LABELS,
    OUR_PREFIX,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.environment import LONGEST_VARIABLE
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    AUTHORIZED_GROUPS,
    AUTHORIZED_USERS,
    NO_SPREAD,
    REQUIRED,
    WorkloadSpec,
)

# Kubernetes takes 256 KiB of annotations per object (apimachinery, TotalAnnotationSizeLimitB); the rest is for what the
# platform itself adds.
_MOST_ANNOTATIONS = 250_000
# The API takes claim names of up to 63 characters (facts 4.1).
_LONGEST_CLAIM = 63
# One label of a host name (RFC 1035): the published name is ``<workload>-<namespace>`` (facts 6.2).
_LONGEST_HOST_LABEL = 63
_LWS_WORDS = ("lws", "leaderworkerset", "leader-worker-set")
_KNATIVE_WORDS = ("knative",)
_SIZE_OF_A_HASH = "sha256:" + "0" * 12


def of_plan(plan: Plan) -> list[Finding]:
    """Return what no control plane can do of ``plan``."""
    spec = plan.spec
    findings = _spread(spec)
    for option, names in (("labels", spec.labels), ("annotations", _annotation_names(plan))):
        findings += [
            Finding(
                ERROR,
                "name_too_long",
                f"the name {name!r} has {len(name)} characters; the Run:ai API takes {LONGEST_METADATA_NAME}.",
                "Use a shorter name or prefix.",
                option,
            )
            for name in names
            if len(name) > LONGEST_METADATA_NAME
        ]
        findings += [
            Finding(
                ERROR,
                "reserved_name",
                f"{name} is what the collection itself marks its workloads with.",
                "Leave it out, or choose another name.",
                f"{option}.{name}",
            )
            for name in names
            if name in OUR_LABELS or name.startswith(OUR_PREFIX)
        ]
    findings += [
        Finding(
            ERROR,
            "name_too_long",
            f"{volume.claim!r} has {len(volume.claim)} characters; the Run:ai API takes {_LONGEST_CLAIM}.",
            "Use a claim with a shorter name.",
            f"volumes[{index}].claim",
        )
        for index, volume in enumerate(spec.volumes)
        if len(volume.claim) > _LONGEST_CLAIM
    ]
    findings += _record_too_large(plan)
    if kind_of(spec) == INFERENCE and plan.replicas == 0:
        findings.append(cannot_stop(spec.name))
    return findings


def of_connection(connection: Connection) -> list[Finding]:
    """Return what is unusual about how the control plane is reached."""
    if connection.runai is None or connection.runai.validate_certs:
        return []
    found = "the control plane's certificate is not checked, so anybody on the way could read the token."
    hint = "Set runai_ca_path to the file of its certificate authority instead."
    return [Finding(WARNING, "tls_not_verified", found, hint, "runai_validate_certs")]


def of_project(spec: WorkloadSpec, project: Project) -> list[Finding]:
    """Return what stands against running ``spec`` in ``project``."""
    findings = []
    if project.phase in ("Deleting", "Deleted"):
        found = f"project {project.name} is being deleted (phase {project.phase})."
        findings.append(Finding(ERROR, "project_not_ready", found, "Choose another project.", "project"))
    elif project.phase == "NotReady":
        found = f"project {project.name} is not ready (phase {project.phase})."
        findings.append(Finding(WARNING, "project_not_ready", found, "Its workloads may not start.", "project"))
    label = f"{spec.name}-{project.namespace}"
    if spec.serving.external and project.namespace and len(label) > _LONGEST_HOST_LABEL:
        findings.append(
            Finding(
                WARNING,
                "host_name_too_long",
                f"the published host name may begin with {label!r}, which has {len(label)} characters; DNS takes "
                f"{_LONGEST_HOST_LABEL}.",
                "Use a shorter name.",
                "name",
            )
        )
    return findings


def of_cluster(spec: WorkloadSpec, cluster: Cluster) -> list[Finding]:
    """Return what this cluster's version and parts cannot do."""
    distributed = kind_of(spec) == DISTRIBUTED
    findings = []
    if distributed and is_older(cluster.version, DISTRIBUTED_SINCE):
        findings.append(_too_old(cluster, "pods", "distributed inference", DISTRIBUTED_SINCE))
    if spec.preemptibility and is_older(cluster.version, PREEMPTIBILITY_SINCE):
        findings.append(_too_old(cluster, "preemptibility", "a stated preemptibility", PREEMPTIBILITY_SINCE))
    lists = spec.serving.access in (AUTHORIZED_USERS, AUTHORIZED_GROUPS)
    if not distributed and lists and is_older(cluster.version, AUTHORIZED_LISTS_OF_INFERENCE_SINCE):
        needed = "this access for a single-pod inference"
        findings.append(_too_old(cluster, "serving.access", needed, AUTHORIZED_LISTS_OF_INFERENCE_SINCE))
    if cluster.state in ("Disconnected", "WaitingToConnect"):
        found = f"cluster {cluster.name} is not connected to the control plane ({cluster.state})."
        findings.append(
            Finding(WARNING, "cluster_not_connected", found, "Nothing starts before it is back.", "cluster")
        )
    return findings + _missing_parts(distributed, cluster)


def cannot_stop(name: str) -> Finding:
    """Return why a single-pod inference cannot be stopped."""
    return Finding(
        ERROR,
        "stop_not_supported",
        "a single-pod inference cannot be stopped: Run:ai offers neither suspending it nor zero replicas that stay.",
        "Use state: absent, or single_pod_as: distributed, which can be stopped.",
        name,
    )


def _record_too_large(plan: Plan) -> list[Finding]:
    """Return an error where the record of what is applied would not fit where it is kept.

    The cluster would refuse the pods only after the platform has accepted the workload.
    """
    rendered = render(plan)
    spec = plan.spec
    # What the user gave is at most the whole spec, with the clear environment values hashed as in the record.
    inputs = dataclasses.asdict(dataclasses.replace(spec, env={}, fabric=None))
    inputs["env"] = dict.fromkeys(spec.env, _SIZE_OF_A_HASH)
    fabric = spec.fabric.as_dict() if spec.fabric else {}
    record = AppliedRecord({**inputs, "fabric": fabric}, comparable(rendered.body), fabric)
    carried = with_record(rendered.body["spec"], write_record(record))
    if rendered.kind == INFERENCE:
        (size,) = (len(_bytes(entry)) for entry in carried["environmentVariables"] if is_record(entry))
        what, most = "an environment variable", LONGEST_VARIABLE
    else:
        size = sum(len(_bytes(entry)) for entry in carried["leader"]["annotations"])
        what, most = "the annotations of the leader's pod", _MOST_ANNOTATIONS
    if size <= most:
        return []
    return [
        Finding(
            ERROR,
            "record_too_large",
            f"the record of what is applied needs {size} bytes in {what}, where {most} fit.",
            "Shorten annotations, labels, vllm_args or env: long texts belong into a file on a volume.",
            "annotations" if spec.annotations else "vllm_args" if spec.vllm_args else "env",
        )
    ]


def _bytes(entry: Mapping[str, Any]) -> bytes:
    """Return name and value of an annotation or a variable as they count, with "=" and the closing NUL."""
    return f"{entry['name']}={entry['value']}\0".encode("utf-8", "surrogateescape")


def _spread(spec: WorkloadSpec) -> list[Finding]:
    """Say that pods cannot be kept apart: the API's ``podAffinity`` only draws pods together (runapy 1.224)."""
    if spec.pods < 2 or spec.placement.spread == NO_SPREAD:
        return []
    found = "the Run:ai API cannot keep the pods of a replica on different machines (podAffinity only joins them)."
    if spec.placement.spread == REQUIRED:
        hint = "Use spread: preferred, or ask for all GPUs of a machine per pod, which has the same effect."
        return [Finding(ERROR, "spread_not_supported", found, hint, "spread")]
    hint = "Pods that take all GPUs of a machine are apart anyway; spread: none silences this."
    return [Finding(INFO, "spread_not_supported", found, hint, "spread")]


def _annotation_names(plan: Plan) -> list[str]:
    templates = [template for template in (plan.leader, plan.follower) if template is not None]
    return list(dict.fromkeys(name for template in templates for name in template.annotations))


def _too_old(cluster: Cluster, option: str, what: str, since: Version) -> Finding:
    version = in_words(cluster.version) if cluster.version else "unknown"
    found = f"{what} needs Run:ai {in_words(since)}; cluster {cluster.name} has {version}."
    return Finding(ERROR, "version_too_old", found, "Upgrade the cluster or leave the option out.", option)


def _missing_parts(distributed: bool, cluster: Cluster) -> list[Finding]:
    """Return a warning where the cluster itself reports a part as missing (the names are not documented)."""
    words = _LWS_WORDS if distributed else _KNATIVE_WORDS
    missing = [name for name in cluster.missing if any(word in name.lower() for word in words)]
    cause, part = ("lws_missing", "LeaderWorkerSet") if distributed else ("knative_missing", "Knative Serving")
    return [
        Finding(
            WARNING,
            cause,
            f"cluster {cluster.name} reports {name} as not available.",
            f"The workload would be accepted and then not start: have {part} installed.",
            "cluster",
        )
        for name in missing
    ]
