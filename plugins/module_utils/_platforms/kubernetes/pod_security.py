# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the pods ask for beyond Pod Security ``restricted``. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec

Body = dict[str, Any]

RESTRICTED = "restricted"
BASELINE = "baseline"
PRIVILEGED = "privileged"
_LEVELS = (RESTRICTED, BASELINE, PRIVILEGED)

# k8s.io/pod-security-admission 0.36, policy/check_capabilities_{restricted,baseline}.go and check_restrictedVolumes.go.
_RESTRICTED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
_BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_RESTRICTED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_PRIVILEGED_VOLUMES = frozenset({"hostPath"})


def needed_level(spec: WorkloadSpec) -> str:
    """Return the strictest Pod Security level whose namespaces take the workload's pods."""
    return max((level for level, _option, _what in _beyond(spec)), key=_LEVELS.index, default=RESTRICTED)


def security_findings(spec: WorkloadSpec) -> list[Finding]:
    """Say which choices ask for more than ``restricted``, and that capabilities are of no use without root."""
    findings = [
        Finding(
            WARNING,
            "pod_security_not_restricted",
            f"{what} is refused in namespaces with the Pod Security level restricted: it needs {level}.",
            "Leave it out, or have the namespace labelled pod-security.kubernetes.io/enforce: "
            f"{level} by those who run the cluster.",
            option,
        )
        for level, option, what in _beyond(spec)
    ]
    if spec.kubernetes.capabilities:
        names = ", ".join(spec.kubernetes.capabilities)
        lock = " How much memory may be locked (RDMA) is the container runtime's memlock limit, or the device plugin's."
        findings.append(
            Finding(
                WARNING,
                "capability_without_root",
                f"{names} will have no effect for UID {spec.run_as.uid}: Linux takes added capabilities away from "
                "processes that do not run as root, and Kubernetes cannot say otherwise."
                + (lock if "IPC_LOCK" in spec.kubernetes.capabilities else ""),
                "Leave it out, unless the image gives its programs file capabilities and the cluster honours them.",
                "capabilities",
            )
        )
    return findings


def pod_security_context(spec: WorkloadSpec) -> Body:
    """Return the identity of the pod's processes.

    There is no fsGroup: on every mount the kubelet (or the storage driver) would change group and mode of all files of
    the claims, which for models on shared storage takes minutes to days, goes wrong while other pods read them, and
    never makes the files the UID's own. Access to files comes from their owner or a supplemental group.
    """
    body: Body = {
        "runAsUser": spec.run_as.uid,
        "runAsGroup": spec.run_as.gid,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if spec.run_as.supplemental_groups:
        body["supplementalGroups"] = list(spec.run_as.supplemental_groups)
    return body


def container_security_context(spec: WorkloadSpec) -> Body:
    """Return what the container's processes may do: nothing beyond an ordinary user, unless the user adds to it."""
    capabilities: Body = {"drop": ["ALL"]}
    if spec.kubernetes.capabilities:
        capabilities["add"] = list(spec.kubernetes.capabilities)
    return {"allowPrivilegeEscalation": False, "capabilities": capabilities}


def _beyond(spec: WorkloadSpec) -> list[tuple[str, str, str]]:
    """Return level, option and description of each choice that ``restricted`` does not allow."""
    found = []
    for index, capability in enumerate(spec.kubernetes.capabilities):
        if capability not in _RESTRICTED_CAPABILITIES:
            level = BASELINE if capability in _BASELINE_CAPABILITIES else PRIVILEGED
            found.append((level, f"capabilities[{index}]", f"the capability {capability}"))
    for index, volume in enumerate(spec.kubernetes.extra_volumes):
        (kind,) = volume.source
        if kind not in _RESTRICTED_VOLUMES:
            level = PRIVILEGED if kind in _PRIVILEGED_VOLUMES else BASELINE
            found.append((level, f"extra_volumes[{index}]", f"a volume of the kind {kind}"))
    return found
