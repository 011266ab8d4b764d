# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way comparison: what the user changed, what drifted, and what changing it takes away."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import (
    NONE,
    OUTAGE,
    ROLLING,
    Comparison,
    Wanted,
    compare,
    rehearsed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import differences, inputs_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    FAILED,
    RUNNING,
    AppliedRecord,
    ChangeRules,
    LiveWorkload,
    Rehearsal,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    ServingSpec,
    WorkloadSpec,
)
from hypothesis import given
from hypothesis import strategies as st

BODY: dict[str, Any] = {
    "spec": {
        "replicas": 1,
        "leader": {
            "image": "vllm:1",
            "environmentVariables": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        },
    }
}
REPLICAS = ("spec.replicas",)
DISTRIBUTED = ChangeRules()
INFERENCE = ChangeRules(in_place={"spec.leader.image": ROLLING})
INPUTS = {"image": "vllm:1"}


def with_image(image: str) -> dict[str, Any]:
    """Return the body with another image."""
    return {"spec": {**BODY["spec"], "leader": {**BODY["spec"]["leader"], "image": image}}}


def live(body: dict[str, Any] | None = None, phase: str = RUNNING, recorded: bool = True) -> LiveWorkload:
    """Return a live workload whose last applied body is ``BODY``."""
    record = AppliedRecord(inputs=INPUTS, body=BODY) if recorded else None
    return LiveWorkload("w", "distributed", "id", phase, True, body or BODY, record, 1)


def judge(
    wanted: dict[str, Any],
    live_body: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    rules: ChangeRules = DISTRIBUTED,
    **options: Any,
) -> Comparison:
    """Compare with the usual defaults."""
    workload = live(live_body, options.pop("phase", RUNNING), options.pop("recorded", True))
    return compare(workload, workload.body, Wanted(inputs or INPUTS, wanted, REPLICAS, **options), rules)


def test_nothing_to_do_when_nothing_differs() -> None:
    assert judge(BODY) == Comparison(is_kept=True)


def test_order_of_named_entries_is_no_difference() -> None:
    variables = BODY["spec"]["leader"]["environmentVariables"]
    turned = {"spec": {**BODY["spec"], "leader": {"image": "vllm:1", "environmentVariables": variables[::-1]}}}
    assert judge(BODY, turned) == Comparison(is_kept=True)


def test_a_newer_collection_that_renders_otherwise_changes_nothing_and_says_so() -> None:
    outcome = judge(with_image("vllm:other-default"))
    assert not outcome.is_needed and outcome.is_kept
    assert [finding.cause for finding in outcome.findings] == ["plan_opinion_differs"]


def test_replan_applies_what_a_newer_collection_renders() -> None:
    outcome = judge(with_image("vllm:2"), replan=True)
    assert outcome.recreate and outcome.disruption == OUTAGE


def test_a_change_of_the_user_recreates_what_cannot_be_changed_in_place() -> None:
    outcome = judge(with_image("vllm:2"), inputs={"image": "vllm:2"})
    assert [(change.path, change.before, change.after, change.origin) for change in outcome.changes] == [
        ("spec.leader.image", "vllm:1", "vllm:2", "wanted")
    ]
    assert outcome.recreate and outcome.disruption == OUTAGE


def test_a_change_in_place_is_rolling() -> None:
    outcome = judge(with_image("vllm:2"), inputs={"image": "vllm:2"}, rules=INFERENCE)
    assert outcome.in_place == ("spec.leader.image",)
    assert not outcome.recreate and outcome.disruption == ROLLING


def test_dropping_a_variable_is_a_change() -> None:
    fewer = {
        "spec": {**BODY["spec"], "leader": {"image": "vllm:1", "environmentVariables": [{"name": "A", "value": "1"}]}}
    }
    outcome = judge(fewer, inputs={"image": "vllm:1", "env": {}})
    assert {change.path for change in outcome.changes} == {
        "spec.leader.environmentVariables[B].name",
        "spec.leader.environmentVariables[B].value",
    }
    assert all(change.after is None for change in outcome.changes)


def test_what_is_so_already_is_no_change() -> None:
    assert judge(with_image("vllm:2"), with_image("vllm:2"), inputs={"image": "vllm:2"}).changes == ()


def test_drift_in_a_field_that_can_be_changed_is_repaired() -> None:
    outcome = judge(BODY, with_image("vllm:hand"), rules=INFERENCE)
    assert [(change.before, change.after, change.origin) for change in outcome.changes] == [
        ("vllm:hand", "vllm:1", "drift")
    ]
    assert outcome.disruption == ROLLING


def test_what_only_the_platform_can_have_changed_is_reported_and_left_alone() -> None:
    outcome = judge(BODY, with_image("mirror/vllm:1"))
    assert outcome.changes == () and not outcome.recreate
    assert [finding.cause for finding in outcome.findings] == ["changed_by_platform"]


def test_fields_of_others_are_not_touched() -> None:
    theirs = {"spec": {**BODY["spec"], "leader": {**BODY["spec"]["leader"], "nodeType": "a100"}}}
    assert judge(BODY, theirs) == Comparison(is_kept=True)


@pytest.mark.parametrize(("replicas", "expected"), [(None, None), (1, None), (3, 3), (0, 0)])
def test_replicas_are_compared_with_the_live_object(replicas: int | None, expected: int | None) -> None:
    outcome = judge(BODY, replicas=replicas)
    assert outcome.replicas == expected
    assert not outcome.recreate and outcome.disruption == NONE


def test_replicas_recreate_where_the_platform_cannot_scale() -> None:
    rules = ChangeRules(can_scale=False)
    assert judge(BODY, replicas=2, rules=rules).disruption == OUTAGE


def test_a_failed_workload_is_replaced_without_permission() -> None:
    outcome = judge(BODY, phase=FAILED)
    assert outcome.recreate and outcome.disruption == NONE


def test_an_adopted_workload_is_compared_with_what_is_live() -> None:
    outcome = judge(with_image("vllm:2"), recorded=False)
    assert [change.path for change in outcome.changes] == ["spec.leader.image"]


def spec(**changes: Any) -> WorkloadSpec:
    """Return a small workload."""
    return WorkloadSpec("w", "vllm:1", ModelSpec("/data/m"), ServingSpec("public"), **changes)


NESTED = ChangeRules(in_place={"spec": NONE, "spec.leader": OUTAGE})
HELD = Finding(ERROR, "field_held_by_another", "kubectl-edit holds it.", "", "spec.leader.image")


def test_the_longest_parent_says_what_a_change_in_place_takes_away() -> None:
    outcome = judge(with_image("vllm:2"), inputs={"image": "vllm:2"}, rules=NESTED)
    assert outcome.in_place == ("spec.leader",)
    assert outcome.disruption == OUTAGE and outcome.replaces_pods and not outcome.recreate
    wanted = {"spec": {**BODY["spec"], "policy": "x"}}
    outcome = judge(wanted, inputs={"policy": "x"}, rules=NESTED)
    assert outcome.in_place == ("spec",)
    assert outcome.disruption == NONE and not outcome.replaces_pods


def test_a_change_that_the_platform_would_not_make_is_reported_and_not_made() -> None:
    drifted = judge(BODY, with_image("vllm:policy"), rules=NESTED)
    outcome = rehearsed(drifted, Rehearsal(effective=frozenset()))
    assert not outcome.is_needed
    assert [finding.cause for finding in outcome.findings] == ["changed_by_platform"]
    effective = frozenset({"spec.leader.image"})
    assert rehearsed(drifted, Rehearsal(effective=effective)) == drifted
    assert rehearsed(drifted, Rehearsal()) == drifted


def test_drift_that_somebody_else_holds_is_reported_and_left_alone() -> None:
    drifted = judge(BODY, with_image("vllm:by-hand"), rules=NESTED, replicas=3)
    outcome = rehearsed(drifted, Rehearsal(conflicts=(HELD,)))
    assert outcome.in_place == ()
    assert [change.path for change in outcome.changes] == ["replicas"] and outcome.replicas == 3
    assert [(finding.severity, finding.cause) for finding in outcome.findings] == [(WARNING, "field_held_by_another")]


def test_inputs_leave_out_defaults_and_clear_values() -> None:
    inputs = inputs_of(spec(env={"TOKENISH": "very-clear-text"}, pods=2))
    assert inputs["pods"] == 2
    assert "gpus_per_pod" not in inputs and "replicas" not in inputs and "name" not in inputs
    assert inputs["env"]["TOKENISH"].startswith("sha256:")


def test_only_the_inputs_of_the_fabric_count() -> None:
    seen = FabricDecision("tcp", "seen", {"mode": "auto"}, (FabricVariable("NCCL_NET", "Socket"),))
    judged_anew = FabricDecision("infiniband", "usable", {"mode": "auto"})
    assert inputs_of(spec(fabric=seen)) == inputs_of(spec(fabric=judged_anew))
    assert inputs_of(spec(fabric=seen)) != inputs_of(spec(fabric=FabricDecision("tcp", "seen", {"mode": "tcp_only"})))


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
bodies = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), bodies, max_size=4))
def test_equal_bodies_never_differ(body: dict[str, Any]) -> None:
    assert differences(flatten(body), flatten(body), "wanted") == []


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), bodies, max_size=4))
def test_comparing_never_fails(body: dict[str, Any]) -> None:
    compare(live(body), body, Wanted({"x": 1}, BODY, REPLICAS, 2), INFERENCE)
