# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads that go wrong: busy, dropped, hanging, refused or nonsensical answers, and a control plane that is away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.modules import run_module
from support.results import only_error, went_well
from support.sandbox import DISTRIBUTED, SandboxHandle

Apply = Callable[..., dict[str, Any]]

MINUTE = 1.0  # of the operation's clock, in real seconds: the fixture fast_time
READS = {
    "list": "/workloads$",
    "projects": "/org-unit/projects$",
    "clusters": "/clusters$",
    "status": "/workloads/[0-9a-f-]{36}$",
    "pods": "/pods$",
    "events": "/events$",
}
TROUBLES: dict[str, dict[str, Any]] = {
    "429": {"type": "status", "status": 429, "headers": {"Retry-After": "2"}},
    "500": {"type": "status", "status": 500},
    "502_page": {"type": "status", "status": 502, "headers": {"Content-Type": "text/html"}, "body": "<html>bad</html>"},
    "503": {"type": "status", "status": 503},
    "401": {"type": "status", "status": 401},
    "reset": {"type": "reset"},
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("read", READS)
def test_a_read_that_fails_for_a_moment_changes_nothing(
    quick: SandboxHandle, apply: Apply, read: str, trouble: str
) -> None:
    name = quick.unique_name()
    quick.add_fault(TROUBLES[trouble], "GET", READS[read])
    assert went_well(apply(name))["changed"]
    quick.the_one(name)
    assert quick.faults()[0]["matched"] > 1, "the request was not repeated"
    assert quick.writes() == [f"POST {DISTRIBUTED}"]
    assert not went_well(apply(name))["changed"]


@pytest.mark.parametrize("read", ["list", "clusters", "status"])
def test_a_read_that_hangs_is_given_up_and_repeated(quick: SandboxHandle, apply: Apply, read: str) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "hang"}, "GET", READS[read])
    assert went_well(apply(name, runai_request_timeout=1))["changed"]
    assert quick.writes() == [f"POST {DISTRIBUTED}"]
    assert not went_well(apply(name))["changed"]


def test_a_read_that_stays_busy_is_one_clear_finding(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "status", "status": 503}, "GET", READS["list"], times=0)
    finding = only_error(apply(name))
    assert (finding["cause"], "503" in finding["evidence"]) == ("control_plane_failing", True)
    assert quick.writes() == []
    quick.forget_faults()
    assert went_well(apply(name))["changed"]


@pytest.mark.parametrize(
    ("status", "cause"), [(403, "forbidden"), (404, "not_found"), (302, "redirected"), (400, "request_refused")]
)
def test_a_refused_look_up_is_one_clear_finding(quick: SandboxHandle, apply: Apply, status: int, cause: str) -> None:
    name = quick.unique_name()
    headers = {"Location": "https://elsewhere.example.com/"} if status == 302 else {}
    quick.add_fault({"type": "status", "status": status, "headers": headers}, "GET", READS["list"], times=0)
    assert only_error(apply(name))["cause"] == cause
    assert quick.living(name) == []
    quick.forget_faults()
    assert went_well(apply(name))["changed"]


def test_another_server_in_place_of_the_control_plane_is_named(quick: SandboxHandle, apply: Apply) -> None:
    page = {"type": "status", "status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>log in</html>"}
    quick.add_fault(page, "GET", READS["list"], times=0)
    finding = only_error(apply(quick.unique_name()))
    assert (finding["cause"], finding["object"]) == ("not_the_api", "runai_url")


@pytest.mark.parametrize("read", READS)
def test_tokens_that_end_in_mid_run_are_renewed(
    quick: SandboxHandle, apply: Apply, apply_beside: Callable[..., Future[dict[str, Any]]], read: str
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "hold"}, "GET", READS[read])
    running = apply_beside(name)
    quick.until_hit()
    quick.expire_tokens()
    quick.forget_faults()
    assert went_well(running.result(60))["changed"]
    assert 401 in [entry["status"] for entry in quick.requests()]
    quick.the_one(name)
    assert not went_well(apply(name))["changed"]


def test_a_token_that_ends_just_before_the_creation_is_renewed_and_the_creation_done_once(
    quick: SandboxHandle, apply: Apply, apply_beside: Callable[..., Future[dict[str, Any]]]
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "hold"}, "POST", "/workloads/")
    running = apply_beside(name)
    quick.until_hit()
    quick.expire_tokens()
    quick.forget_faults()
    assert went_well(running.result(60))["changed"]
    statuses = [entry["status"] for entry in quick.requests() if entry["path"] == DISTRIBUTED]
    assert statuses == [401, 202]
    quick.the_one(name)


def test_a_token_that_is_refused_again_and_again_is_one_clear_finding(quick: SandboxHandle, apply: Apply) -> None:
    quick.add_fault({"type": "status", "status": 401}, "GET", READS["list"], times=0)
    assert only_error(apply(quick.unique_name()))["cause"] == "unauthorized"
    logins = [entry for entry in quick.requests() if entry["path"].endswith("/token")]
    assert len(logins) == 2


def test_wrong_credentials_are_named_without_their_value(quick: SandboxHandle) -> None:
    params = {**quick.workload(quick.unique_name()), "runai_client_secret": "canary-of-a-secret"}
    result = run_module("vllm_workload", params)
    finding = only_error(result)
    assert finding["cause"] == "invalid_credentials"
    assert "runai_client_secret" in finding["object"]
    assert "canary-of-a-secret" not in str(result)


@pytest.mark.parametrize("trouble", [TROUBLES["503"], {"type": "reset"}], ids=["503", "reset"])
def test_a_log_in_that_fails_for_a_moment_is_repeated(
    quick: SandboxHandle, apply: Apply, trouble: dict[str, Any]
) -> None:
    quick.add_fault(trouble, "POST", "/token$")
    assert went_well(apply(quick.unique_name()))["changed"]


@pytest.mark.parametrize("moment", ["before anything", "while it starts", "while it is deleted"])
def test_a_control_plane_that_is_away_for_a_minute_is_waited_for(
    quick: SandboxHandle,
    apply: Apply,
    apply_beside: Callable[..., Future[dict[str, Any]]],
    moment: str,
) -> None:
    name = quick.unique_name()
    if moment == "before anything":
        quick.outage(MINUTE)
        result = apply(name)
    else:
        options = {}
        if moment == "while it is deleted":
            went_well(apply(name))
            options = {"state": "absent"}
        path = READS["status"] if moment == "while it starts" else READS["list"]
        quick.add_fault({"type": "hold"}, "GET", path, nth=1 if moment == "while it starts" else 2)
        running = apply_beside(name, **options)
        quick.until_hit()
        quick.forget_faults()
        quick.outage(MINUTE)
        result = running.result(60)
    assert went_well(result)["changed"]
    assert len(quick.living(name)) == (0 if moment == "while it is deleted" else 1)


def test_a_control_plane_that_stays_away_is_one_clear_finding(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    quick.outage(600)
    finding = only_error(apply(name))
    assert (finding["cause"], finding["object"]) == ("control_plane_unreachable", "runai_url")
    quick.forget_faults()
    assert quick.living(name) == []
    assert went_well(apply(name))["changed"]
