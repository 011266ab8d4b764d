# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims by PVC data sources of a simulated Run:ai: judged by its API, and by the folders that are its claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module
from support.results import causes, only_error, went_well
from support.sandbox import CLAIM, SandboxHandle, until

Volume = Callable[..., dict[str, Any]]
SOURCES = "/api/v1/asset/datasource/pvc"
NEW: dict[str, Any] = {"size": "500Gi", "storage_class": "nfs"}


@pytest.fixture
def volume(sandbox: SandboxHandle) -> Volume:
    """Runs ``model_volume``: ``volume(name, **options)``."""

    def run(name: str, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        parameters = {**sandbox.connection, "name": name, **options}
        return run_module("model_volume", parameters, check_mode=check_mode, diff=diff)

    return run


def sources(sandbox: SandboxHandle) -> list[dict[str, Any]]:
    """Return the data sources as the API lists them."""
    status, content = sandbox.api("GET", f"{SOURCES}?statusInfo=true")
    assert status == 200, content
    entries: list[dict[str, Any]] = content["entries"]
    return entries


def the_source(sandbox: SandboxHandle) -> dict[str, Any]:
    """Return the only data source."""
    [entry] = sources(sandbox)
    return entry


def folder(sandbox: SandboxHandle, name: str) -> Path:
    """Return the folder of a claim."""
    return Path(sandbox.description["volumes_directory"]) / sandbox.description["namespace"] / name


def make_source(sandbox: SandboxHandle, name: str, claim: str, **spec: Any) -> None:
    """Create a data source as somebody else does."""
    meta = {"name": name, "scope": "project", "projectId": int(sandbox.state()["projects"][0]["id"])}
    body = {"meta": meta, "spec": {"path": "/data", "existingPvc": True, "claimName": claim, **spec}}
    status, content = sandbox.api("POST", SOURCES, body)
    assert status == 202, content
    until(lambda: all(one["status"]["status"] != "Creating" for one in sources(sandbox)), "it is made")


def test_a_new_claim_is_shared_and_the_second_run_changes_nothing(sandbox: SandboxHandle, volume: Volume) -> None:
    result = went_well(volume("models", **NEW, path="/models"))
    assert result["changed"] and result["volume"]["phase"] == "available"
    made = the_source(sandbox)
    assert made["meta"]["name"] == "models" and made["status"]["status"] == "No issues found"
    modes = {"readWriteOnce": False, "readOnlyMany": False, "readWriteMany": True}
    information = {"size": "500Gi", "storageClass": "nfs", "volumeMode": "Filesystem", "accessModes": modes}
    assert made["spec"]["claimInfo"] == information
    assert (made["spec"]["path"], made["spec"]["existingPvc"]) == ("/models", False)
    assert folder(sandbox, "models").is_dir()
    sandbox.forget_requests()
    second = went_well(volume("models", **NEW, path="/models"))
    assert second["changed"] is False and "diff" not in second
    assert sandbox.writes() == []


def test_check_mode_writes_nothing(sandbox: SandboxHandle, volume: Volume) -> None:
    result = went_well(volume("models", check_mode=True, diff=True, **NEW))
    assert result["changed"] and result["diff"]["before"] == ""
    assert 'size: "500Gi"' in result["diff"]["after"]
    assert sandbox.writes() == [] and sources(sandbox) == []


def test_a_claim_without_data_source_is_unknown_and_none_is_made(sandbox: SandboxHandle, volume: Volume) -> None:
    result = went_well(volume(CLAIM))
    assert result["changed"] is False and result["volume"]["phase"] == "unknown"
    assert causes(result) == ["volume_not_seen"]
    assert sandbox.writes() == []


def test_a_claim_that_is_there_gets_a_data_source_where_that_is_named(sandbox: SandboxHandle, volume: Volume) -> None:
    result = went_well(volume(CLAIM, data_source="llm-models"))
    assert result["changed"] and result["volume"]["phase"] == "available"
    made = the_source(sandbox)
    assert made["meta"]["name"] == "llm-models"
    assert made["spec"]["existingPvc"] is True and "claimInfo" not in made["spec"]
    again = went_well(volume(CLAIM, data_source="llm-models", size="500Gi"))
    assert again["changed"] is False and causes(again) == ["volume_not_seen"]
    assert "size" in again["findings"][0]["evidence"]


def test_a_claim_that_is_not_there_is_told(volume: Volume) -> None:
    result = volume("nowhere", data_source="nowhere", bind_timeout=2)
    assert result["failed"] and causes(result)[:2] == ["time_limit", "volume_not_made"]


@pytest.mark.parametrize(
    ("option", "value", "cause"),
    [
        ("size", "600Gi", "volume_option_fixed"),
        ("size", "400Gi", "volume_cannot_shrink"),
        ("access_modes", ["read_write_once"], "volume_option_fixed"),
        ("storage_class", "local-disk", "volume_option_fixed"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    sandbox: SandboxHandle, volume: Volume, option: str, value: Any, cause: str
) -> None:
    went_well(volume("models", **NEW))
    sandbox.forget_requests()
    refused = only_error(volume("models", **{**NEW, option: value}))
    assert (refused["cause"], refused["object"]) == (cause, option)
    assert sandbox.writes() == []


def test_the_path_of_a_data_source_of_ours_follows(sandbox: SandboxHandle, volume: Volume) -> None:
    went_well(volume("models", **NEW))
    result = went_well(volume("models", **NEW, path="/models"))
    assert result["changes"] == [{"path": "path", "before": "/data", "after": "/models"}]
    assert the_source(sandbox)["spec"]["path"] == "/models"


def test_a_data_source_of_somebody_else_is_compared_and_taken_over(sandbox: SandboxHandle, volume: Volume) -> None:
    make_source(sandbox, "theirs", CLAIM)
    before = the_source(sandbox)
    result = went_well(volume(CLAIM))
    assert result["changed"] is False and result["volume"]["managed"] is False
    assert "name_in_use" in causes(volume(CLAIM, state="absent"))
    assert the_source(sandbox) == before
    assert went_well(volume(CLAIM, adopt=True))["changed"]
    assert went_well(volume(CLAIM, adopt=True))["changed"] is False
    assert went_well(volume(CLAIM, state="absent"))["changed"], "its claim was there before, so no data are lost"
    until(lambda: sources(sandbox) == [], "it is gone")
    assert folder(sandbox, CLAIM).is_dir()


def test_the_name_of_a_data_source_of_another_claim_is_refused(sandbox: SandboxHandle, volume: Volume) -> None:
    make_source(sandbox, "taken", CLAIM)
    refused = only_error(volume("models", **NEW, data_source="taken"))
    assert (refused["cause"], refused["object"]) == ("name_in_use", "data_source")


def test_absent_needs_permission_and_nobody_who_mounts_it(sandbox: SandboxHandle, volume: Volume) -> None:
    went_well(volume("models", **NEW))
    (folder(sandbox, "models") / "weights").write_text("precious", encoding="utf-8")
    workload = sandbox.workload("reader", volumes=[{"claim": "models", "path": "/data"}])
    went_well(run_module("vllm_workload", workload))
    sandbox.forget_requests()
    refused = volume("models", state="absent")
    assert refused["failed"] and {"volume_in_use", "data_loss_refused"} <= set(causes(refused))
    assert "reader" in refused["msg"]
    assert sandbox.writes() == []
    went_well(run_module("vllm_workload", {**sandbox.connection, "name": "reader", "state": "absent"}))
    assert only_error(volume("models", state="absent"))["cause"] == "data_loss_refused"
    assert (folder(sandbox, "models") / "weights").is_file()
    gone = went_well(volume("models", state="absent", allow_data_loss=True))
    assert gone["changed"] and gone["volume"]["phase"] == "absent"
    assert sources(sandbox) == [] and not folder(sandbox, "models").exists()
    assert went_well(volume("models", state="absent"))["changed"] is False


@pytest.mark.parametrize(
    ("storage_class", "cause"), [("nsf", "storage_class_missing"), ("reserved", "storage_class_not_allowed")]
)
def test_a_class_that_cannot_be_used_is_refused_before_a_write(
    sandbox: SandboxHandle, volume: Volume, storage_class: str, cause: str
) -> None:
    refused = only_error(volume("models", size="1Gi", storage_class=storage_class))
    assert (refused["cause"], refused["object"]) == (cause, "storage_class")
    assert sandbox.writes() == []


def test_a_class_of_one_machine_is_a_warning(volume: Volume) -> None:
    assert causes(went_well(volume("models", size="1Gi", storage_class="local-disk"))) == ["storage_not_shared"]


@pytest.mark.parametrize("shown_in", ["both", "spec", "clusterInfo"])
def test_the_claim_is_found_wherever_its_name_is_shown(sandbox: SandboxHandle, volume: Volume, shown_in: str) -> None:
    sandbox.switch(claim_shown_in=shown_in, storage_classes_shown=False)
    went_well(volume("models", **NEW))
    assert went_well(volume("models", **NEW))["changed"] is False
    assert len(sources(sandbox)) == 1


def test_a_doubtful_creation_makes_one_data_source(sandbox: SandboxHandle, volume: Volume) -> None:
    sandbox.add_fault({"type": "accept_then_reset"}, "POST", SOURCES)
    assert went_well(volume("models", **NEW))["changed"]
    assert len(sources(sandbox)) == 1
    assert sandbox.faults()[0]["matched"] == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("volume_name", "pv-1"),
        ("selector", {"tier": "fast"}),
        ("labels", {"team": "chat"}),
        ("annotations", {"note": "x"}),
        ("storage_class", ""),
        ("access_modes", ["read_write_once_pod"]),
        ("name", "n" * 64),
    ],
)
def test_what_run_ai_has_no_field_for_is_refused_without_a_request(
    sandbox: SandboxHandle, volume: Volume, option: str, value: Any
) -> None:
    refused = only_error(volume(**{"name": "models", **NEW, option: value}))
    assert refused["object"] == option
    assert sandbox.requests() == []
