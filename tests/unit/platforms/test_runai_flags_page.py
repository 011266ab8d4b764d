# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/runai-flags.md: every option it names exists, its example is accepted, and its field names are the API's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import (
    read_workload,
    workload_arguments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.render import render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload

PAGE = Path(__file__).resolve().parents[3] / "docs" / "runai-flags.md"
# Words between back quotes in the middle column that are values, not options.
VALUES = {
    "authenticated_users",
    "preemptible",
    "non_preemptible",
    "recreate_group",
    "none",
    "leader_created",
    "leader_ready",
    "VLLM_HOST_IP",
}


def options_named() -> list[str]:
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [row[2] for row in rows if len(row) == 5 and not row[1].strip().startswith(("---", "flag"))]
    words = [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]
    names = [word for word in words if re.fullmatch(r"[a-z_.\[\]]+", word) and word not in VALUES]
    return sorted(set(names))


@pytest.mark.parametrize("name", options_named())
def test_every_option_named_exists(name: str) -> None:
    specs: dict[str, Any] = workload_arguments().argument_spec
    for part in name.replace("[]", "").split("."):
        assert part in specs, f"docs/runai-flags.md names the option {name}"
        specs = specs[part].get("options") or {}


def test_the_example_is_what_the_recipe_deploys() -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    params = yaml.safe_load(example.group(1))[0]["gpuops.inference.vllm_workload"]
    checked = ArgumentSpecValidator(workload_arguments().argument_spec).validate(params)
    assert checked.error_messages == []
    spec = render(plan_workload(read_workload(checked.validated_parameters), TRAITS)).body["spec"]
    assert (spec["workers"], spec["preemptibility"], spec["servingPort"]["exposeExternally"]) == (
        1,
        "preemptible",
        True,
    )


def test_every_flag_stands_once() -> None:
    cells = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `-")]
    flags = [flag for cell in cells for flag in re.findall(r"`(--[a-z*-]+)", cell)]
    several = {flag for flag in flags if flags.count(flag) > 1}
    assert several <= {"--serving-port", "--environment-variable", "--environment"}
    assert len(set(flags)) > 50
