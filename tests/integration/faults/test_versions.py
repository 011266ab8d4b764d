# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control planes from 2.22 to 2.25: the same life, and one clear sentence about what an older one cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.modules import run_module
from support.results import only_error, went_well
from support.sandbox import SandboxHandle

Apply = Callable[..., dict[str, Any]]
VERSIONS = ("2.22", "2.23", "2.24", "2.25")
KINDS = {"distributed": {}, "single": {"pods": 1}}
# The recipe's option that came with 2.24 is left out.
PLAIN = {"preemptibility": None}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_life_that_every_version_can_do(quick: SandboxHandle, apply: Apply, version: str, kind: str) -> None:
    quick.switch(version=version, token_v2=version != "2.22")
    name = quick.unique_name()
    options = {**PLAIN, **KINDS[kind]}
    assert went_well(apply(name, **options))["changed"]
    assert not went_well(apply(name, **options))["changed"]
    params = {**quick.connection, **quick.endpoint_connection, "name": name}
    assert went_well(run_module("vllm_smoke_test", params))["verdict"] == "passed"
    changed = {**options, "env": {"A": "1"}, "on_disruption": "allow"}
    assert went_well(apply(name, **changed))["changed"]
    assert not went_well(apply(name, **changed))["changed"]
    quick.the_one(name)
    assert went_well(apply(name, state="absent"))["changed"]
    assert quick.living(name) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_preemptibility_is_sent_or_refused_with_the_version(quick: SandboxHandle, apply: Apply, version: str) -> None:
    quick.switch(version=version)
    name = quick.unique_name()
    result = apply(name)
    if version in ("2.22", "2.23"):
        finding = only_error(result)
        assert (finding["cause"], finding["object"]) == ("version_too_old", "preemptibility")
        assert version in finding["evidence"]
        assert quick.writes() == []
    else:
        assert went_well(result)["changed"]
        assert quick.spec(name)["preemptibility"] == "preemptible"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_distributed_workload_is_scaled_in_place_or_with_permission_recreated(
    quick: SandboxHandle, apply: Apply, version: str
) -> None:
    quick.switch(version=version)
    name = quick.unique_name()
    went_well(apply(name, replicas=1, **PLAIN))
    handle = quick.the_one(name)["id"]
    result = apply(name, replicas=2, **PLAIN)
    if version == "2.22":
        assert only_error(result)["cause"] == "disruption_refused"
        assert quick.the_one(name)["id"] == handle
        assert went_well(apply(name, replicas=2, on_disruption="allow", **PLAIN))["changed"]
    else:
        assert went_well(result)["changed"]
        assert quick.the_one(name)["id"] == handle
    assert quick.spec(name)["replicas"] == 2
    assert not went_well(apply(name, replicas=2, **PLAIN))["changed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_access_for_named_users_of_a_single_pod_is_sent_or_refused_with_the_version(
    quick: SandboxHandle, apply: Apply, version: str
) -> None:
    quick.switch(version=version)
    name = quick.unique_name()
    serving = {"access": "authorized_users", "authorized_users": ["someone@example.com"], "external": True}
    options = {**PLAIN, "pods": 1, "serving": serving}
    result = apply(name, **options)
    if version in ("2.22", "2.23"):
        assert only_error(result)["cause"] == "version_too_old"
        assert quick.writes() == []
    else:
        assert went_well(result)["changed"]
        assert not went_well(apply(name, **options))["changed"]
