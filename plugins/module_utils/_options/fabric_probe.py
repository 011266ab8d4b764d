# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``fabric_probe`` accepts beside what is asked of the fabric: how pods look at it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import (
    fabric_inputs_argument_spec,
    read_fabric_placement,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.pod_options import (
    check_identities,
    read_run_as,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import (
    check_dns_label,
    check_object_name,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.naming import LONGEST_NAME
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PREFERRED, SPREADS

NO_PROOF = "none"
NCCL_PROOF = "nccl"
# More pods than this tell nothing new, and each connects to all others.
MOST_MACHINES = 16
# Ports that no user may listen on without a capability lie below.
_FIRST_PORT, _LAST_PORT = 1024, 65535
# Where random ports are taken from: where the engine's own come from, too (net.ipv4.ip_local_port_range).
RANDOM_PORTS = range(32768, 60999)
# A word of Linux, without CAP_, as pods name it.
_CAPABILITY = re.compile(r"[A-Z][A-Z_]{0,40}")


@dataclass(frozen=True)
class ProbeOptions:
    """How pods look. ``name`` is what their job is called after; ``machines`` is how many pods there are; ``ports`` are
    those on which they meet, empty for random ones; times in seconds."""

    name: str
    place: LookPlace
    machines: int
    spread: str
    capabilities: tuple[str, ...]
    ports: tuple[int, ...]
    proof: str
    start_timeout: int
    time_limit: int
    looks_in_check_mode: bool


def fabric_probe_arguments() -> Arguments:
    """Return the arguments of ``fabric_probe``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "default": "fabric-probe"},
        "image": {"type": "str", "required": True},
        "image_pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "machines": {"type": "int", "default": 2},
        "spread": {"type": "str", "choices": list(SPREADS), "default": PREFERRED},
        "capabilities": {"type": "list", "elements": "str", "default": []},
        "priority_class": {"type": "str"},
        "ports": {"type": "list", "elements": "int", "default": []},
        "proof": {"type": "str", "choices": [NO_PROOF, NCCL_PROOF], "default": NO_PROOF},
        "start_timeout": {"type": "int", "default": 600},
        "time_limit": {"type": "int", "default": 300},
        "looks_in_check_mode": {"type": "bool", "default": False},
        **fabric_inputs_argument_spec(),
    }
    spec.update(connection_argument_spec())
    return Arguments(argument_spec=spec)


def read_probe_options(params: Mapping[str, Any]) -> ProbeOptions:
    """Return how pods look, of validated, plain ``params``. Raises ``OptionError``."""
    _check_name(params["name"])
    if not params["image"].strip():
        raise OptionError.of("image", "it is empty.", "Give the workload's own image.", "missing_option")
    for option in ("start_timeout", "time_limit"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} seconds is no time limit.", "Give at least 1 second.")
    machines = params["machines"]
    if not 1 <= machines <= MOST_MACHINES:
        raise OptionError.of("machines", f"{machines} pods cannot look.", f"Give a number from 1 to {MOST_MACHINES}.")
    if params["proof"] == NCCL_PROOF and machines < 2:
        raise OptionError.of("proof", "a collective needs two pods, and machines is 1.", "Set machines: 2.")
    return ProbeOptions(
        name=params["name"],
        place=_read_place(params),
        machines=machines,
        spread=params["spread"],
        capabilities=_read_capabilities(params["capabilities"]),
        ports=_read_ports(params["ports"]),
        proof=params["proof"],
        start_timeout=params["start_timeout"],
        time_limit=params["time_limit"],
        looks_in_check_mode=params["looks_in_check_mode"],
    )


def _check_name(name: str) -> None:
    """Refuse what cannot begin the name of a job and of the Service by which its pods find each other."""
    check_dns_label(name, "name", "job")
    if len(name) > LONGEST_NAME or not name[0].isalpha():
        found = f"{name!r} cannot begin the name of a job whose pods find each other by name."
        raise OptionError.of("name", found, f"Begin with a letter, and use at most {LONGEST_NAME} characters.")


def _read_place(params: Mapping[str, Any]) -> LookPlace:
    """Return as whom and where the pods run: like those of the workload."""
    run_as, placement = read_run_as(params), read_fabric_placement(params)
    check_identities({"run_as.gid": [run_as.gid], "run_as.supplemental_groups": run_as.supplemental_groups})
    if params["priority_class"]:
        check_object_name(params["priority_class"], "priority_class", "priority class")
    return LookPlace(
        image=params["image"],
        run_as=run_as,
        image_pull_secrets=tuple(sorted(set(params["image_pull_secrets"]))),
        node_selector=placement.node_selector,
        tolerations=placement.tolerations,
        priority_class=params["priority_class"] or None,
    )


def _read_capabilities(given: Sequence[str]) -> tuple[str, ...]:
    """Return capabilities as pods name them."""
    for name in given:
        if not _CAPABILITY.fullmatch(name) or name.startswith("CAP_"):
            raise OptionError.of("capabilities", f"{name!r} is no capability of pods.", "Write it like IPC_LOCK.")
    return tuple(sorted(set(given)))


def _read_ports(given: Sequence[int]) -> tuple[int, ...]:
    """Return the ports on which the pods meet."""
    for port in given:
        if not _FIRST_PORT <= port <= _LAST_PORT:
            hint = f"Give ports from {_FIRST_PORT} to {_LAST_PORT}, or none for random ones."
            raise OptionError.of("ports", f"{port} is no port that the serving user can listen on.", hint)
    return tuple(sorted(set(given)))
