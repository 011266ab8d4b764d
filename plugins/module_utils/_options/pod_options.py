# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The options that several modules have of pods: as whom they run, and which taints of machines they tolerate.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    HIGHEST_ID,
    RunAsSpec,
    TolerationSpec,
)


def run_as_argument_spec() -> ArgumentSpec:
    """Return the option ``run_as``."""
    return {
        "run_as": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "uid": {"type": "int", "default": 2000},
                "gid": {"type": "int", "default": 2000},
                "supplemental_groups": {"type": "list", "elements": "int", "default": []},
            },
        },
    }


def tolerations_argument_spec() -> ArgumentSpec:
    """Return the option ``tolerations``."""
    return {
        "tolerations": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "key": {"type": "str", "required": True, "no_log": False},
                "operator": {"type": "str", "choices": ["Exists", "Equal"], "default": "Exists"},
                "value": {"type": "str"},
                "effect": {"type": "str", "choices": ["NoSchedule", "NoExecute", "PreferNoSchedule"]},
                "seconds": {"type": "int"},
            },
        },
    }


def read_run_as(params: Mapping[str, Any]) -> RunAsSpec:
    """Return as whom pods run, of validated, plain ``params``. The order of groups means nothing."""
    run_as = params["run_as"]
    return RunAsSpec(run_as["uid"], run_as["gid"], tuple(sorted(set(run_as["supplemental_groups"]))))


def read_tolerations(params: Mapping[str, Any]) -> tuple[TolerationSpec, ...]:
    """Return the taints that pods tolerate, of validated, plain ``params``."""
    return tuple(TolerationSpec(**toleration) for toleration in params["tolerations"])


def check_identities(numbers: Mapping[str, Sequence[int]]) -> None:
    """Refuse (``OptionError``) numbers that are no user or group, by the option that has them. Root (``run_as.uid``)
    serves nothing: it may read everything anyway."""
    for option, values in numbers.items():
        least = 1 if option == "run_as.uid" else 0
        for value in values:
            if not least <= value <= HIGHEST_ID:
                hint = f"Give a number from {least} to {HIGHEST_ID}."
                raise OptionError.of(option, f"{value} cannot be the number of a user or group here.", hint)
