# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Rules between options: what cannot be carried out is refused, what is doubtful becomes a finding.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
import posixpath

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.environment import SCRATCH
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import PlatformTraits
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    AUTHORIZED_GROUPS,
    AUTHORIZED_USERS,
    HIGHEST_ID,
    LEADER_READY,
    NO_RESTART,
    VLLM_API_KEY,
    WorkloadSpec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_command import STOP_SECONDS

# Run:ai's limit for replicas of one workload.
_MOST_REPLICAS = 1000

# Where vLLM's server reads the key that it asks of its callers.
API_KEY_VARIABLE = "VLLM_API_KEY"

# Mounting a claim over one of these hides what the image or the kernel puts there.
_SYSTEM_FOLDERS = (
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
    "/vllm-workspace",
)
_NEVER_BELOW = ("/dev", "/proc", "/sys")


def check_platform(spec: WorkloadSpec, traits: PlatformTraits) -> None:
    """Refuse options that are given and mean nothing on this platform, and restart policies that it does not know."""
    for option, instead in traits.foreign_options.items():
        if _is_given(spec, option):
            raise OptionError.of(
                option, f"The platform {traits.name} has nothing like it.", instead, "option_of_another_platform"
            )
    if spec.restart_policy not in traits.restart_policies:
        raise OptionError.of(
            "restart_policy",
            f"{spec.restart_policy!r} is not known to the platform {traits.name}.",
            f"Use one of: {', '.join(traits.restart_policies)}.",
            "option_of_another_platform",
        )


def _is_given(spec: WorkloadSpec, option: str) -> bool:
    """Say whether an option, by the name that users write, has another value than its default."""
    parts = (spec.serving,) if option.startswith("serving.") else (spec, spec.placement, spec.kubernetes)
    name = option.removeprefix("serving.")
    for part in parts:
        for entry in dataclasses.fields(part):
            if entry.name == name:
                factory = entry.default_factory
                default = entry.default if factory is dataclasses.MISSING else factory()
                return bool(getattr(part, name) != default)
    return False


def check_serving(spec: WorkloadSpec, traits: PlatformTraits) -> None:
    """Refuse an access that the platform cannot enforce, and lists of users or groups that do not go with it."""
    serving = spec.serving
    if not 1 <= serving.port <= 65535:
        raise OptionError.of("serving.port", f"{serving.port} is not a port.", "Use 1 to 65535; 8000 is usual.")
    if serving.port < 1024:
        raise OptionError.of(
            "serving.port", f"{serving.port} is reserved for root, and vLLM does not run as root.", "Use 1024 or more."
        )
    if serving.access not in traits.access_modes:
        raise OptionError.of(
            "serving.access",
            f"{serving.access!r} cannot be enforced by the platform {traits.name}.",
            f"Use one of: {', '.join(traits.access_modes)}.",
            "access_not_enforceable",
        )
    for option, members in (
        (AUTHORIZED_USERS, serving.authorized_users),
        (AUTHORIZED_GROUPS, serving.authorized_groups),
    ):
        if serving.access == option and not members:
            raise OptionError.of(
                f"serving.{option}", f"It is empty, so that access {option} would let nobody in.", "Name at least one."
            )
        if any(not member.strip() for member in members):
            raise OptionError.of(f"serving.{option}", "A name in it is empty.", "Leave it out, or write the name.")
        if serving.access != option and members:
            raise OptionError.of(
                f"serving.{option}",
                f"It is given, but serving.access is {serving.access}, which does not look at it.",
                f"Set serving.access to {option}, or leave the list out.",
            )
    _check_api_key(spec)


def _check_api_key(spec: WorkloadSpec) -> None:
    """Refuse an access by key without a Secret that holds it, and a key that is not asked for or given twice."""
    serving = spec.serving
    if serving.access != VLLM_API_KEY:
        if serving.api_key_secret is not None:
            raise OptionError.of(
                "serving.api_key_secret",
                f"It is given, but serving.access is {serving.access}, which asks for no key.",
                f"Set serving.access to {VLLM_API_KEY}, or leave the Secret out.",
            )
        return
    if serving.api_key_secret is None:
        raise OptionError.of(
            "serving.api_key_secret",
            f"With access {VLLM_API_KEY} it has to name the Secret that holds the key.",
            "Write {secret: <name of the Secret>, key: <key in it>}.",
        )
    if API_KEY_VARIABLE in spec.env:
        raise OptionError.of(
            f"env.{API_KEY_VARIABLE}",
            f"With access {VLLM_API_KEY} the key comes from serving.api_key_secret.",
            "Leave it out of env.",
        )


def check_identity(spec: WorkloadSpec) -> None:
    """Refuse identities that are none, and root."""
    ids = [("run_as.uid", spec.run_as.uid), ("run_as.gid", spec.run_as.gid)]
    ids += [("run_as.supplemental_groups", group) for group in spec.run_as.supplemental_groups]
    for option, number in ids:
        if not 0 <= number <= HIGHEST_ID:
            raise OptionError.of(option, f"{number} is out of range.", f"Use 0 to {HIGHEST_ID}.")
    if spec.run_as.uid == 0:
        raise OptionError.of(
            "run_as.uid", "0 is root; the pods are told to refuse root.", "Use another UID (2000 is vLLM's own)."
        )


def check_group(spec: WorkloadSpec, traits: PlatformTraits) -> list[Finding]:
    """Refuse a group that can never start; return what makes it fragile."""
    if spec.replicas is not None and not 0 <= spec.replicas <= _MOST_REPLICAS:
        raise OptionError.of("replicas", f"{spec.replicas} is out of range.", f"Use 0 to {_MOST_REPLICAS}.")
    if spec.pods > 1 and spec.startup_policy == LEADER_READY and spec.readiness_probe:
        raise OptionError.of(
            "startup_policy",
            "With leader_ready the followers are created when the leader is ready, and with a readiness probe the "
            "leader is ready when the followers have joined: neither ever happens.",
            "Use leader_created (or readiness_probe: false).",
            "startup_deadlock",
        )
    findings = []
    if spec.pods > 1 and spec.restart_policy == NO_RESTART:
        findings.append(
            Finding(
                WARNING,
                "restart_policy_none",
                "The leader does not notice a dead follower before a request times out (300 s), /health stays 200, and "
                "a restarted pod cannot join the running group.",
                "Use restart_policy: recreate_group.",
                "restart_policy",
            )
        )
    if spec.pods > 1 and traits.stop_grace_seconds < STOP_SECONDS:
        findings.append(
            Finding(
                WARNING,
                "stop_grace_short",
                f"The platform kills {traits.stop_grace_seconds} s after SIGTERM; a follower needs up to "
                f"{STOP_SECONDS} s to end.",
                "",
                "pods",
            )
        )
    return findings


def check_volumes(spec: WorkloadSpec) -> None:
    """Refuse mount paths that are relative, doubled, on the private scratch or over the system's folders."""
    mounts = [(f"volumes[{index}]", volume.path) for index, volume in enumerate(spec.volumes)]
    mounts += [(f"extra_volumes[{index}]", volume.path) for index, volume in enumerate(spec.kubernetes.extra_volumes)]
    seen: dict[str, str] = {}
    for option, given in mounts:
        path = _normal(given)
        if not given.startswith("/") or ".." in given.split("/"):
            raise OptionError.of(f"{option}.path", f"{given!r} is not an absolute path.", "Write it like /data.")
        if ":" in path:
            raise OptionError.of(f"{option}.path", "Kubernetes takes no ':' in it.", "Use a path such as /data.")
        if path in _SYSTEM_FOLDERS or _on(path, _NEVER_BELOW):
            raise OptionError.of(
                f"{option}.path",
                f"A volume at {path} would hide what the system has there.",
                "Use a path such as /data.",
            )
        if _on(path, (SCRATCH,)):
            raise OptionError.of(
                f"{option}.path", f"{SCRATCH} is the pod's private scratch folder.", "Use a path such as /data."
            )
        if path in seen:
            raise OptionError.of(
                f"{option}.path", f"{path} is the path of {seen[path]} already.", "Give each its own path."
            )
        seen[path] = option


def check_model(spec: WorkloadSpec) -> list[Finding]:
    """Refuse a model that is no path inside the pods; return a finding where no volume holds it."""
    path = spec.model.path
    if not path.startswith("/") or ".." in path.split("/"):
        raise OptionError.of(
            "model.path",
            f"{path!r} is not an absolute path: models are served from a volume, not fetched by name.",
            "Write the folder as the pods see it, such as /data/input/Models/Mistral-Small-4-119B-2603.",
        )
    if spec.volumes and _on(_normal(path), tuple(_normal(volume.path) for volume in spec.volumes)):
        return []
    mounted = ", ".join(volume.path for volume in spec.volumes) or "none"
    return [
        Finding(
            WARNING,
            "model_not_on_a_volume",
            f"{path} is on no volume (mounted: {mounted}): it has to be in the image.",
            "Mount the claim that holds it.",
            "model.path",
        )
    ]


def _normal(path: str) -> str:
    # POSIX keeps two leading slashes; for a mount path they are one.
    return "/" + posixpath.normpath(path).lstrip("/")


def _on(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
