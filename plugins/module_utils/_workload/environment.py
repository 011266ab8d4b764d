# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The environment of the pods: what vLLM needs, what the fabric brings, and what the user sets (who wins).

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import MASK, looks_secret
from ansible_collections.gpuops.inference.plugins.module_utils._workload.nccl_advice import advise
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    Decision,
    EnvironmentVariable,
    PodField,
    Timeouts,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    RAY,
    SecretReference,
    WorkloadSpec,
)

# A private writable folder of the pod; gone with the pod.
SCRATCH = "/scratch"
_CACHE = f"{SCRATCH}/.cache"

# Bytes of "NAME=value" with its closing NUL that Linux hands to a process (MAX_ARG_STRLEN: 32 pages of 4 KiB).
LONGEST_VARIABLE = 128 * 1024
# What Kubernetes accepts as the name of a variable.
_NAME = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")
# Set by the group controller, by Run:ai and by the plan itself in every container.
_RESERVED_PREFIXES = ("LWS_", "RUNAI_", "GPUOPS_")

_PRIVATE = "caches hold programs that are run: they stay on the pod's private scratch, not on a shared volume"
# Folders and the reason, by variable: vLLM 0.33's documentation and source. XDG_* cover whatever follows that standard.
_FOLDERS: Mapping[str, tuple[str, str]] = {
    "HOME": (SCRATCH, "the serving UID has no home in the image: without one caches go to / and fail"),
    "XDG_CACHE_HOME": (_CACHE, _PRIVATE),
    "XDG_CONFIG_HOME": (f"{SCRATCH}/.config", "writable by the serving UID"),
    "VLLM_CACHE_ROOT": (f"{_CACHE}/vllm", _PRIVATE),
    "VLLM_CONFIG_ROOT": (f"{SCRATCH}/.config/vllm", "writable by the serving UID"),
    "VLLM_ASSETS_CACHE": (f"{_CACHE}/vllm/assets", _PRIVATE),
    "VLLM_RPC_BASE_PATH": (SCRATCH, "sockets between vLLM's processes: a folder that the serving UID can write"),
    "HF_HOME": (f"{_CACHE}/huggingface", "nothing is downloaded, but the library wants to write there"),
    "TRITON_CACHE_DIR": (f"{_CACHE}/triton", _PRIVATE),
    "TORCHINDUCTOR_CACHE_DIR": (f"{_CACHE}/torchinductor", f"{_PRIVATE}; its default asks for the UID's login name"),
    "FLASHINFER_WORKSPACE_BASE": (SCRATCH, _PRIVATE),
    "DG_JIT_CACHE_DIR": (f"{_CACHE}/deep_gemm", _PRIVATE),
    "CUDA_CACHE_PATH": (f"{_CACHE}/cuda", _PRIVATE),
    "NUMBA_CACHE_DIR": (f"{_CACHE}/numba", _PRIVATE),
    "OUTLINES_CACHE_DIR": (f"{_CACHE}/outlines", _PRIVATE),
}

# What goes wrong when the user's value replaces or bends what the engine needs.
_CONSEQUENCES: Mapping[str, str] = {
    "VLLM_HOST_IP": "Every pod has to announce its own address: with one fixed value the pods cannot find each other.",
    "HOME": "vLLM fails where this folder cannot be written by the serving UID.",
    "VLLM_RPC_BASE_PATH": "vLLM fails where this folder cannot be written by the serving UID.",
    "VLLM_PORT": "vLLM uses it for its internal channels, not for HTTP (that is serving.port).",
    "CUDA_VISIBLE_DEVICES": "The platform hands out the GPUs: a fixed list may name GPUs that the pod does not have.",
    "NVIDIA_VISIBLE_DEVICES": "The platform hands out the GPUs: this may show the pod GPUs of other workloads.",
}


@dataclass(frozen=True)
class PodEnvironment:
    """The variables of every pod of a replica, with the decisions and findings behind them."""

    variables: tuple[EnvironmentVariable, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]


def build_environment(spec: WorkloadSpec, timeouts: Timeouts) -> PodEnvironment:
    """Return the environment: ours, then the fabric's, then the user's; the later wins.

    Raises ``OptionError`` for names that are not names or belong to the platform, and for values no process can have.
    """
    _check_user_names(spec)
    variables, decisions = _own(spec, timeouts)
    _add_fabric(spec, variables, decisions)
    findings = _add_user(spec, variables, decisions)
    # What the collection chose comes with its own reason.
    chosen = spec.fabric.own_choice - set(spec.env) if spec.fabric is not None else frozenset()
    clear = {name: variable.value for name, variable in variables.items() if isinstance(variable.value, str)}
    texts = {name: value for name, value in clear.items() if name not in chosen}
    has_device = spec.fabric is not None and bool(spec.fabric.resources)
    findings += advise(texts, set(spec.env), has_device)
    return PodEnvironment(tuple(variables.values()), tuple(decisions.values()), tuple(findings))


def _own(spec: WorkloadSpec, timeouts: Timeouts) -> tuple[dict[str, EnvironmentVariable], dict[str, Decision]]:
    texts: dict[str, tuple[str, str]] = dict(_FOLDERS)
    for name in ("USER", "LOGNAME"):
        texts[name] = ("vllm", "the serving UID has no login name in the image, and torch asks for one")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        texts[name] = ("1", "the model is a local path: nothing may be looked up on the internet")
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        texts[name] = ("1", "no usage reports leave the cluster")
    if spec.distributed_executor_backend == RAY:
        texts["RAY_USAGE_STATS_ENABLED"] = ("0", "no usage reports leave the cluster")
    texts["VLLM_ENGINE_READY_TIMEOUT_S"] = (
        str(timeouts.engine_ready),
        "a twentieth less than start_timeout, so that vLLM itself says why it did not start (its default is 600 s)",
    )
    variables = {name: EnvironmentVariable(name, text) for name, (text, _reason) in texts.items()}
    decisions = {name: Decision(name, text, reason) for name, (text, reason) in texts.items()}
    if spec.pods > 1:
        name, field = "VLLM_HOST_IP", "status.podIP"
        variables[name] = EnvironmentVariable(name, PodField(field))
        reason = "the address that the other pods reach: otherwise vLLM guesses it from its route to the internet"
        decisions[name] = Decision(name, field, reason)
    return variables, decisions


def _add_fabric(spec: WorkloadSpec, variables: dict[str, EnvironmentVariable], decisions: dict[str, Decision]) -> None:
    for index, variable in enumerate(spec.fabric.variables if spec.fabric else ()):
        option = f"fabric.variables[{index}]"
        _check_name(variable.name, f"{option}.name")
        _check_variable(variable.name, variable.value, f"{option}.value")
        source = f" ({variable.source})" if variable.source else ""
        variables[variable.name] = EnvironmentVariable(variable.name, variable.value)
        decisions[variable.name] = Decision(
            variable.name,
            _shown(variable.name, variable.value),
            f"{variable.reason or 'decided with the fabric'}{source}",
        )


def _add_user(
    spec: WorkloadSpec, variables: dict[str, EnvironmentVariable], decisions: dict[str, Decision]
) -> list[Finding]:
    findings = []
    # Sorted: the order in which somebody writes variables down is no change of the workload.
    for name in sorted(spec.env):
        value = spec.env[name]
        replaced = variables.get(name)
        variables[name] = EnvironmentVariable(name, value)
        decisions[name] = Decision(name, _shown(name, value), "as given in env", "user")
        if isinstance(value, str) and looks_secret(name):
            findings.append(
                Finding(
                    WARNING,
                    "secret_in_clear",
                    "Its name says that it holds a secret, and it is given in the clear: everybody who may see the "
                    "workload can read it.",
                    f"Put it into a Secret and write {name}: {{secret: <name of the Secret>, key: <key in it>}}.",
                    f"env.{name}",
                )
            )
        if replaced is not None and replaced.value == value:
            continue
        if name in _CONSEQUENCES and not (name == "VLLM_HOST_IP" and spec.pods == 1):
            findings.append(
                Finding(
                    WARNING, "engine_variable_overridden", _CONSEQUENCES[name], "Leave it out of env.", f"env.{name}"
                )
            )
        elif replaced is not None and spec.fabric and name in {item.name for item in spec.fabric.variables}:
            evidence = "It replaces what the fabric decided."
            findings.append(Finding(INFO, "fabric_variable_overridden", evidence, "", f"env.{name}"))
    return findings


def _check_user_names(spec: WorkloadSpec) -> None:
    for name in sorted(spec.env):
        _check_name(name, f"env.{name}")
        value = spec.env[name]
        if isinstance(value, str):
            _check_variable(name, value, f"env.{name}")


def _check_name(name: str, option: str) -> None:
    if not _NAME.fullmatch(name):
        raise OptionError.of(
            option.removesuffix(f".{name}"),
            f"{name!r} is not a name for an environment variable.",
            "Use letters, digits, _ . and -, and no digit in front.",
            "invalid_variable_name",
        )
    if name.startswith(_RESERVED_PREFIXES):
        raise OptionError.of(
            option, f"{name} is set by the platform or the plan in every pod.", "Leave it out.", "reserved_variable"
        )


def _check_variable(name: str, value: str, option: str) -> None:
    if "\0" in value:
        raise OptionError.of(option, "The value contains a NUL character, which no process can be given.", "Remove it.")
    size = len(f"{name}={value}\0".encode("utf-8", "surrogateescape"))
    if size > LONGEST_VARIABLE:
        raise OptionError.of(
            option,
            f"It has {size} bytes with its name; Linux starts no process with a variable of more than "
            f"{LONGEST_VARIABLE}.",
            "Put it into a file on a volume.",
        )


def _shown(name: str, value: str | SecretReference) -> str:
    if isinstance(value, SecretReference):
        return f"secret {value.secret}, key {value.key}"
    return MASK if looks_secret(name) else value
