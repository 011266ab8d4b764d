# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``fabric_info`` and ``fabric_probe`` accept: what is asked of the fabric, and on which machines.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import AUTO, MODES, FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import UNKNOWN, UNUSABLE
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric import read_counts
from ansible_collections.gpuops.inference.plugins.module_utils._options.pod_options import (
    check_identities,
    read_tolerations,
    run_as_argument_spec,
    tolerations_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import KINDS
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import looks_secret
from ansible_collections.gpuops.inference.plugins.module_utils._workload.naming import check_name

# What somebody may say is there: no judgements.
EXPECTED_KINDS = tuple(kind for kind in KINDS if kind not in (UNUSABLE, UNKNOWN))
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class KeptFabric:
    """The workload whose decision is kept while it runs, unless ``replan`` says to decide anew."""

    workload: str | None
    replan: bool


def fabric_inputs_argument_spec() -> ArgumentSpec:
    """Return the options that say what is asked of the fabric, and on which machines."""
    return {
        "workload": {"type": "str"},
        "replan": {"type": "bool", "default": False},
        "mode": {"type": "str", "choices": list(MODES), "default": AUTO},
        "pods": {"type": "int", "default": 2},
        "gpus_per_pod": {"type": "int", "default": 1},
        "variables": {"type": "dict", "default": {}},
        "resources": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "expect": {"type": "str", "choices": list(EXPECTED_KINDS)},
        "nccl_debug": {"type": "bool", "default": True},
        **run_as_argument_spec(),
        "node_selector": {"type": "dict", "default": {}},
        **tolerations_argument_spec(),
    }


def fabric_info_arguments() -> Arguments:
    """Return the arguments of ``fabric_info``."""
    return Arguments(argument_spec={**fabric_inputs_argument_spec(), **connection_argument_spec()})


def read_fabric_inputs(params: Mapping[str, Any]) -> FabricInputs:
    """Return what is asked of the fabric, of validated, plain ``params``. Raises ``OptionError``."""
    for option in ("pods", "gpus_per_pod"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} is less than 1.", "Give a whole number of at least 1.")
    uid = params["run_as"]["uid"]
    check_identities({"run_as.uid": [uid]})
    return FabricInputs(
        mode=params["mode"],
        pods=params["pods"],
        gpus_per_pod=params["gpus_per_pod"],
        variables=_read_variables(params["variables"]),
        resources=_read_resources(params["resources"]),
        annotations=read_texts(params["annotations"], "annotations"),
        expect=params["expect"],
        nccl_debug=params["nccl_debug"],
        uid=uid,
    )


def read_kept_fabric(params: Mapping[str, Any]) -> KeptFabric:
    """Return whose decision is kept, of validated, plain ``params``. Raises ``OptionError``."""
    if params["workload"] is not None:
        check_name(params["workload"], "workload")
    return KeptFabric(params["workload"], params["replan"])


def read_fabric_placement(params: Mapping[str, Any]) -> FabricPlacement:
    """Return which machines count, of validated, plain ``params``."""
    return FabricPlacement(
        node_selector=read_texts(params["node_selector"], "node_selector"),
        tolerations=read_tolerations(params),
    )


def _read_variables(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the user's own variables. Raises ``OptionError`` for what no variable can be called."""
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            found = f"{name!r} is no name of an environment variable."
            raise OptionError.of("variables", found, "Write it like NCCL_SOCKET_IFNAME.")
        if looks_secret(name):
            # The decision is handed on as it is, and a masked value is of no use to a pod.
            hint = "Give it in env of the workload, as {secret: NAME, key: KEY}."
            raise OptionError.of("variables", f"{name} looks like a secret, and the decision is shown.", hint)
    return read_texts(variables, "variables")


def _read_resources(resources: Mapping[str, Any]) -> dict[str, int]:
    counts = read_counts(resources, "resources")
    for name, count in counts.items():
        if count < 1:
            raise OptionError.of(f"resources.{name}", f"{count} is less than 1.", "Leave it out if none is needed.")
    return counts
