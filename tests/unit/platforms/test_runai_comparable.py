# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies as they are compared, and the record of what was applied: what we sent equals what comes back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    hash_environment,
    read_record,
    same_settings,
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.comparable import comparable, normalised
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    record_text_of,
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    RECORD_ANNOTATION,
    RECORD_VARIABLE,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import hash_clear_value
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import ServingSpec
from hypothesis import given
from hypothesis import strategies as st
from runai_examples import infiniband, record_of, rendered, with_nulls

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
VARIANTS: list[dict[str, Any]] = [
    {},
    {"pods": 1},
    {"pods": 1, "single_pod_as": "distributed"},
    {"fabric": infiniband(), "env": {"A": "1"}},
    {"serving": ServingSpec("authorized_users", authorized_users=("a@example.com", "b@example.com"))},
]


def returned(spec: Any) -> dict[str, Any]:
    """Return a spec as a server with a policy gives it back: nulls, defaults, and fields that nobody sent."""
    spec = with_nulls(copy.deepcopy(spec))
    spec["category"] = "Deploy"
    spec.setdefault("priorityClass", "very-high")
    spec["servingPort"]["authorizedUsers"] = (spec["servingPort"].get("authorizedUsers") or [])[::-1]
    for pod in [spec[role] for role in ("leader", "worker") if role in spec] or [spec]:
        pod["environmentVariables"].insert(0, {"name": "POLICY", "value": "x", "exclude": False})
        pod["environmentVariables"].reverse()
        pod["security"]["seccompProfileType"] = "RuntimeDefault"
        pod["createHomeDir"] = False
        for claim in pod["storage"]["pvc"]:
            claim.update({"readOnly": False, "ephemeral": False, "dataSharing": None})
    return {"spec": spec}


@pytest.mark.parametrize("changes", VARIANTS)
def test_what_was_sent_equals_what_comes_back(changes: dict[str, Any]) -> None:
    workload = rendered(**changes)
    sent = flatten(comparable(workload.body))
    spec = with_record(workload.body["spec"], write_record(record_of(workload)))
    live = flatten(comparable(returned(spec)))
    assert {path: live.get(path) for path in sent} == sent


@pytest.mark.parametrize("changes", VARIANTS[:3])
def test_fields_left_out_because_they_have_their_default_are_no_difference(changes: dict[str, Any]) -> None:
    workload = rendered(**changes)
    spec = copy.deepcopy(dict(workload.body["spec"]))
    for key in ("restartPolicy", "startupPolicy", "replicas"):
        spec.pop(key, None)
    del spec["servingPort"]["protocol"]
    assert flatten(comparable({"spec": spec})) == flatten(comparable(workload.body))


def test_another_value_than_the_default_is_a_difference() -> None:
    workload = rendered()
    spec = copy.deepcopy(dict(workload.body["spec"]))
    spec["restartPolicy"] = "None"
    spec["leader"]["storage"]["pvc"][0]["readOnly"] = True
    before, after = flatten(comparable({"spec": spec})), flatten(comparable(workload.body))
    assert {path for path in after if before.get(path) != after[path]} == {
        "spec.restartPolicy",
        "spec.leader.storage.pvc[my-project-models,/data].readOnly",
    }


def test_clear_environment_values_are_hashed_like_the_users_inputs() -> None:
    body = comparable(rendered(env={"PASS_PHRASE": "canary-value", "B": "2"}).body)
    assert "canary-value" not in json.dumps(body)
    leaves = flatten(body)
    assert leaves["spec.leader.environmentVariables[B].value"] == hash_clear_value("B", "2")
    assert leaves["spec.leader.environmentVariables[VLLM_HOST_IP].podFieldRef.path"] == "status.podIP"


@given(PLAIN)
def test_comparable_never_fails_and_is_stable(content: Any) -> None:
    for body in ({"spec": content}, {"spec": {"leader": content, "servingPort": content}}, {"x": content}):
        once = comparable(body)
        assert comparable(once) == once
        json.dumps(once)


def test_normalised_keeps_values_that_mean_something() -> None:
    body = {"spec": {"a": None, "b": [], "c": {}, "d": 0, "e": False, "f": "", "g": [None, {"h": None}, {"i": 1}]}}
    assert normalised(body) == {"spec": {"d": 0, "e": False, "f": "", "g": [{"i": 1}]}}


class TestRecord:
    @pytest.mark.parametrize("changes", VARIANTS)
    def test_comes_back_as_it_was_written(self, changes: dict[str, Any]) -> None:
        workload = rendered(**changes)
        record = record_of(workload, pods=2, env={"A": "sha256:0123456789ab"})
        spec = with_record(workload.body["spec"], write_record(record))
        read = read_record(record_text_of(spec))
        assert read is not None
        assert (read.inputs, read.fabric, read.collection_version) == (record.inputs, record.fabric, "0.1.0")
        assert read.body == hash_environment(workload.body)
        assert same_settings(record, read)
        without = json.dumps(normalised({"spec": spec}))
        assert RECORD_ANNOTATION not in without
        assert RECORD_VARIABLE not in without

    def test_stands_on_the_leader_alone_or_in_a_variable_of_the_single_pod(self) -> None:
        pair = with_record(rendered().body["spec"], "x")
        assert pair["leader"]["annotations"] == [{"name": RECORD_ANNOTATION, "value": "x"}]
        assert "annotations" not in pair["worker"]
        single = with_record(rendered(pods=1).body["spec"], "costs 5$ $(HOME) $$")
        assert "annotations" not in single
        assert single["environmentVariables"][-1] == {"name": RECORD_VARIABLE, "value": "costs 5$$ $$(HOME) $$$$"}
        assert record_text_of(single) == "costs 5$ $(HOME) $$"
        assert len(RECORD_ANNOTATION) <= 63

    def test_replaces_an_older_one_and_leaves_the_plan_alone(self) -> None:
        spec = rendered(annotations={"note": "y"}).body["spec"]
        before = copy.deepcopy(spec)
        twice = with_record(with_record(spec, "one"), "two")
        assert [entry["value"] for entry in twice["leader"]["annotations"]] == ["y", "two"]
        assert spec == before

    @given(PLAIN)
    def test_any_spec_can_be_searched(self, content: Any) -> None:
        for spec in ({"environmentVariables": content}, {"leader": content}, {"leader": {"annotations": content}}):
            assert record_text_of(spec) is None
