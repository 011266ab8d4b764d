# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was applied, as every platform writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import runai_examples
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord, RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    FORMAT,
    hash_environment,
    read_record,
    same_settings,
    write_record,
)
from hypothesis import given
from hypothesis import strategies as st
from support import rendered_workloads

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
ENV = {"A": "canary-clear"}
WORKLOADS = {
    "distributed inference": runai_examples.rendered(env=ENV),
    "inference": runai_examples.rendered(env=ENV, pods=1),
    "leaderworkerset": rendered_workloads.rendered(env=ENV),
    "deployments": rendered_workloads.rendered("deployments", env=ENV),
}


@pytest.fixture(params=WORKLOADS)
def workload(request: pytest.FixtureRequest) -> RenderedWorkload:
    return WORKLOADS[request.param]


def record_of(workload: RenderedWorkload, **inputs: Any) -> AppliedRecord:
    return AppliedRecord(inputs or {"image": "x"}, workload.body, {"kind": "tcp"}, "0.1.0")


def test_comes_back_as_it_was_written(workload: RenderedWorkload) -> None:
    record = record_of(workload, pods=2)
    read = read_record(write_record(record))
    assert read is not None
    assert (read.inputs, read.fabric, read.collection_version) == (record.inputs, record.fabric, "0.1.0")
    assert read.body == hash_environment(workload.body)
    assert same_settings(record, read)


def test_holds_no_clear_value(workload: RenderedWorkload) -> None:
    assert "canary-clear" in json.dumps(workload.body)
    assert "canary-clear" not in write_record(record_of(workload))


def test_is_the_same_whoever_wrote_it(workload: RenderedWorkload) -> None:
    record = record_of(workload)
    newer = AppliedRecord(record.inputs, hash_environment(record.body), record.fabric, "9.9.9")
    assert same_settings(record, newer)
    assert not same_settings(record, AppliedRecord({"image": "y"}, record.body, record.fabric))
    assert not same_settings(record, AppliedRecord(record.inputs, record.body, None))
    assert not same_settings(record, None)


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "null", "[" * 100_000, '{"format": 1}', '{"format": 1, "inputs": [], "body": {}}'],
)
def test_broken_ones_are_as_good_as_none(text: str | None) -> None:
    assert read_record(text) is None


def test_one_of_a_newer_format_is_left_alone(workload: RenderedWorkload) -> None:
    content = json.loads(write_record(record_of(workload)))
    content["format"] = FORMAT + 1
    assert read_record(json.dumps(content)) is None


@given(st.text() | PLAIN.map(json.dumps))
def test_any_text_can_be_read(text: str) -> None:
    assert read_record(text) is None or isinstance(read_record(text), AppliedRecord)


@pytest.mark.parametrize("variables", ["environmentVariables", "env"])
def test_equal_values_of_different_variables_have_different_hashes(variables: str) -> None:
    body = {variables: [{"name": "A", "value": "same"}, {"name": "B", "value": "same"}]}
    first, second = hash_environment(body)[variables]
    assert first["value"] != second["value"]
    assert hash_environment(hash_environment(body)) == hash_environment(body)
