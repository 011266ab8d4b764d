# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection promises, run over all modules that are found, with their own examples.

A new module joins by itself: its first example is what is run.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.examples import CREATING_MODULE
from support.modules import module_names, run_module
from support.workload_place import WorkloadPlace

# Parts of a result that tell of time or of the way it was run.
VARYING = ("timings", "invocation", "rc", "diff")


@pytest.fixture
def served(place: WorkloadPlace) -> WorkloadPlace:
    """A place in which the workload of the examples runs."""
    result = run_module(CREATING_MODULE, place.example(CREATING_MODULE))
    assert result["changed"] and result["rc"] == 0, result
    place.forget_requests()
    return place


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a result that two runs have in common."""
    return {key: value for key, value in result.items() if key not in VARYING}


@pytest.mark.parametrize("module", module_names())
def test_check_mode_on_an_empty_platform_writes_nothing(module: str, place: WorkloadPlace) -> None:
    result = run_module(module, place.example(module), check_mode=True, diff=True)
    assert place.writes() == []
    assert place.names() == set()
    if result.get("changed"):
        assert "# tensor_parallel_size = 2: " in result["diff"]["after"], "the whole plan, with its reasons"
        assert result["diff"]["before"] == ""


@pytest.mark.parametrize("module", module_names())
def test_the_second_run_changes_nothing(module: str, served: WorkloadPlace) -> None:
    before = served.definition(served.example(CREATING_MODULE)["name"])
    parameters = served.example(module)
    for _run in range(2):
        result = run_module(module, parameters)
        assert result["rc"] == 0, result
        assert result["changed"] is False
        assert "diff" not in result
    assert served.writes() == []
    assert served.definition(served.example(CREATING_MODULE)["name"]) == before


@pytest.mark.parametrize("module", module_names())
def test_check_mode_predicts_what_is_done(module: str, place: WorkloadPlace) -> None:
    parameters = place.example(module)
    predicted = run_module(module, parameters, check_mode=True)
    done = run_module(module, parameters)
    assert predicted["changed"] == done["changed"]
    assert predicted.get("changes") == done.get("changes")
    assert predicted.get("plan", {}).get("decisions") == done.get("plan", {}).get("decisions")
    assert predicted.get("plan", {}).get("plan_hash") == done.get("plan", {}).get("plan_hash")


@pytest.mark.parametrize("module", module_names())
def test_every_example_runs(module: str, served: WorkloadPlace) -> None:
    for parameters in served.examples(module):
        result = run_module(module, parameters)
        assert result["rc"] == 0, result


@pytest.mark.parametrize("module", module_names())
def test_a_wrong_password_is_one_clear_message_without_it(module: str, place: WorkloadPlace) -> None:
    parameters = place.with_wrong_credentials(place.example(module), "canary-of-a-wrong-secret")
    result = run_module(module, parameters)
    assert result["failed"] and place.credential_option in result["msg"], result["msg"]
    assert "canary-of-a-wrong-secret" not in str({**result, "invocation": None})
    assert "Traceback" not in str(result)


@pytest.mark.parametrize("module", module_names())
def test_another_cluster_than_expected_is_refused(module: str, served: WorkloadPlace) -> None:
    result = run_module(module, {**served.example(module), "expect_cluster": "production"})
    assert result["failed"]
    assert [finding["cause"] for finding in result["findings"]] == ["wrong_cluster"]
    assert served.writes() == []
