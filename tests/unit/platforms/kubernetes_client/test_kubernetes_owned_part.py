# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields are ours: recorded objects of a real API server, and any object in the same notation.

The recordings are objects of Kubernetes 1.36 (tests/cluster): our manifest was applied, then kubectl labelled,
annotated, set and scaled, and the controllers wrote their status.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import (
    FIELD_MANAGER,
    conflicts,
    owned_part,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import Refused
from hypothesis import given
from hypothesis import strategies as st

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))

Fields = dict[str, Any]

leaves = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.lists(st.text(max_size=3), max_size=3))
words = st.text("abcdefg./-", min_size=1, max_size=6)


def named_entries(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entries = st.dictionaries(words, st.dictionaries(words.filter(lambda word: word != "name"), values, max_size=3))
    return entries.map(lambda found: [{"name": name, **entry} for name, entry in found.items()])


trees = st.recursive(
    leaves, lambda below: st.one_of(st.dictionaries(words, below, max_size=4), named_entries(below)), max_leaves=25
)
manifests = st.dictionaries(words, trees, min_size=1, max_size=4)


def fields_of(value: Any) -> Fields:
    """Return what the API server notes of an applied value: named entries by their name, other lists as a whole."""
    if isinstance(value, dict):
        return {f"f:{key}": fields_of(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return {f"k:{json.dumps({'name': entry['name']})}": {".": {}, **fields_of(entry)} for entry in value}
    return {}


def with_theirs(value: Any) -> Any:
    """Return a value to which somebody else added a field at every place that can hold one."""
    if isinstance(value, dict):
        return {**{key: with_theirs(item) for key, item in value.items()}, "theirs": 1}
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return [{"name": "theirs-first"}, *(with_theirs(entry) for entry in value), {"name": "theirs-last"}]
    return value


def entry(manager: str, fields: Fields, operation: str = "Apply", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def live_object(content: dict[str, Any], *entries: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "my-llm", "namespace": "my-project", "uid": "1", "managedFields": list(entries)}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata, "spec": content}


def owned_spec(live: dict[str, Any]) -> Any:
    part = owned_part(live)
    assert {key: part[key] for key in ("apiVersion", "kind")} == {"apiVersion": "v1", "kind": "Thing"}
    assert part["metadata"] == {"name": "my-llm"}
    return part.get("spec")


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_what_was_applied_is_owned(recording: Path) -> None:
    content = json.loads(recording.read_text(encoding="utf-8"))
    assert owned_part(content["live"]) == content["applied"]


@given(manifests)
def test_any_applied_object_is_owned_as_it_was_applied(content: dict[str, Any]) -> None:
    ours = entry(FIELD_MANAGER, {"f:spec": fields_of(content)})
    assert owned_spec(live_object(content, ours)) == content


@given(manifests)
def test_what_others_added_is_not_owned(content: dict[str, Any]) -> None:
    live = with_theirs(content)
    ours = entry(FIELD_MANAGER, {"f:spec": fields_of(content)})
    theirs = entry("their-tool", {"f:spec": fields_of(live)}, "Update")
    assert owned_spec(live_object(live, theirs, ours)) == content


def test_an_object_that_we_never_applied_is_not_owned() -> None:
    live = live_object({"replicas": 1}, entry(FIELD_MANAGER, {"f:spec": {"f:replicas": {}}}, "Update"))
    assert owned_spec(live) is None
    assert owned_part({"metadata": {"name": "my-llm"}}) == {"metadata": {"name": "my-llm"}}


def test_the_scale_of_another_is_not_ours() -> None:
    scaled = entry(FIELD_MANAGER, {"f:spec": {"f:replicas": {}}}, subresource="scale")
    ours = entry(FIELD_MANAGER, {"f:spec": {"f:paused": {}}})
    assert owned_spec(live_object({"replicas": 3, "paused": False}, scaled, ours)) == {"paused": False}


def test_entries_are_found_by_all_their_keys_and_values_by_themselves() -> None:
    ports = [{"port": 1, "protocol": "TCP", "name": "a"}, {"port": 1, "protocol": "UDP", "name": "b"}]
    fields = {
        "f:ports": {'k:{"port":1,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:name": {}}},
        "f:finalizers": {'v:"ours"': {}},
    }
    live = live_object({"ports": ports, "finalizers": ["theirs", "ours"]}, entry(FIELD_MANAGER, {"f:spec": fields}))
    assert owned_spec(live) == {"ports": [{"port": 1, "name": "b"}], "finalizers": ["ours"]}


def test_a_field_that_is_gone_is_not_owned() -> None:
    fields = {"f:spec": {"f:gone": {}, "f:here": {}}}
    assert owned_spec(live_object({"here": 1}, entry(FIELD_MANAGER, fields))) == {"here": 1}


def test_conflicts_name_field_and_holder() -> None:
    message = 'conflict with "kubectl" with subresource "scale" using apps/v1'
    details = {"causes": [{"reason": "FieldManagerConflict", "message": message, "field": ".spec.replicas"}]}
    theirs = entry("kubectl", {}, "Update", subresource="scale", time="2026-11-23T19:56:00Z")
    (finding,) = conflicts(Refused([], 409, "Conflict", details), "Deployment/my-llm", {}, live_object({}, theirs))
    assert finding.cause == "field_held_by_another"
    assert finding.object == "Deployment/my-llm.spec.replicas"
    assert finding.evidence.startswith("this field is held by kubectl (by scale) since 2026-11-23T19:56:00Z")
