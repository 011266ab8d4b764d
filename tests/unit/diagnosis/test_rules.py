# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on status, events and history: every cause from the texts that Kubernetes and Run:ai write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory, seconds_of
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import RULES, diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    FAILED,
    INITIALIZING,
    PENDING,
    RUNNING,
    PlatformEvent,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from hypothesis import given
from hypothesis import strategies as st
from status_texts import TEXTS

LEADER = "w-0"


def pods(handle: str = "1", created: str | None = "2026-11-23T10:00:00Z") -> tuple[PodStatus, ...]:
    return (
        PodStatus(LEADER, f"{handle}a", "Pending", "leader", "m1", created=created),
        PodStatus("w-0-1", f"{handle}b", "Pending", "follower", "m2", created=created),
    )


def event(text: str, about: str = LEADER, time: str = "2026-11-23T10:00:10Z") -> PlatformEvent:
    reason, _colon, message = text.partition(": ")
    return PlatformEvent(time, "Warning", reason, message, about)


def status(*texts: str, phase: str = INITIALIZING, messages: tuple[str, ...] = ()) -> WorkloadStatus:
    return WorkloadStatus(phase, messages, pods(), tuple(event(text) for text in texts))


def judge(seen: WorkloadStatus, history: StatusHistory | None = None, now: float = 0.0) -> list[Finding]:
    history = history or StatusHistory()
    history.observe(seen, now)
    return diagnose(seen, history)


# Causes that are not told by one text.
BY_HISTORY = {"pods_not_created", "platform_failed", "scheduler_missing"}


@pytest.mark.parametrize(("severity", "cause", "text"), TEXTS, ids=[cause for _severity, cause, _text in TEXTS])
@pytest.mark.parametrize("as_message", [False, True], ids=["event", "message"])
def test_texts(severity: str, cause: str, text: str, as_message: bool) -> None:
    seen = status(messages=(text,)) if as_message else status(text)
    findings = judge(seen)
    assert findings[0].cause == cause
    assert findings[0].severity == severity
    assert findings[0].hint
    assert [finding.cause for finding in findings if finding.severity == ERROR] == (
        [cause] if severity == ERROR else []
    )
    if not as_message:
        assert findings[0].object == LEADER


def test_every_rule_has_a_text() -> None:
    assert {cause for _severity, cause, _text in TEXTS} | BY_HISTORY == {rule.cause for rule in RULES}
    assert len({rule.cause for rule in RULES}) == len(RULES)


def test_a_quiet_start_has_no_finding() -> None:
    normal = ("Scheduled: assigned ns/w-0 to m1", "Pulling: Pulling image", "Pulled: done", "Created: x", "Started: x")
    assert judge(status(*normal)) == []


def test_grace_ends_when_a_sign_stays_and_starts_anew_when_it_went() -> None:
    history = StatusHistory()
    stuck, quiet = status('Failed: Error: secret "hf" not found'), status()
    assert judge(stuck, history, 0)[0].severity == WARNING
    assert judge(stuck, history, 29)[0].severity == WARNING
    assert judge(quiet, history, 30) == []
    assert judge(stuck, history, 31)[0].severity == WARNING
    assert judge(stuck, history, 61)[0].severity == ERROR


def test_what_only_others_can_heal_is_never_an_error_by_itself() -> None:
    history = StatusHistory()
    queue = status(phase=PENDING, messages=("OverLimit",))
    judge(queue, history, 0)
    waiting = judge(queue, history, 1e6)
    assert [finding.severity for finding in waiting] == [WARNING]
    assert [finding.severity for finding in promoted(waiting)] == [ERROR]


def test_a_failed_phase_makes_what_had_grace_an_error_and_comes_last() -> None:
    findings = judge(status('Failed: Error: secret "hf" not found', phase=FAILED, messages=("start failed",)))
    assert [(finding.severity, finding.cause) for finding in findings] == [
        (ERROR, "secret_or_configmap_missing"),
        (ERROR, "platform_failed"),
    ]
    assert "start failed" in findings[1].evidence


@pytest.mark.parametrize("later", ["Pulled", "Started"])
def test_a_later_success_of_the_same_pod_settles_it(later: str) -> None:
    failed = event('Failed: Failed to pull image "r/x": manifest unknown')
    pulled = event(f"{later}: ok", time="2026-11-23T10:00:20Z")
    other_pod = event(f"{later}: ok", about="w-0-1", time="2026-11-23T10:00:20Z")
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=(failed, pulled))) == []
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=(failed, other_pod)))[0].cause == "image_pull_failed"


def test_events_of_an_earlier_life_of_the_name_do_not_count() -> None:
    old = event('Failed: Failed to pull image "r/x": manifest unknown', time="2026-11-23T09:00:00Z")
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=(old,))) == []
    crash = event("BackOff: Back-off restarting failed container", time="2026-11-23T09:00:00Z")
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=(crash,))) == []


def test_a_kill_for_memory_is_remembered_when_the_pods_were_recreated_since() -> None:
    history = StatusHistory()
    judge(WorkloadStatus(INITIALIZING, pods=pods("1")), history, 0)
    killed = event("OOMKilling: Memory cgroup out of memory", time="2026-11-23T10:00:30Z")
    again = WorkloadStatus(INITIALIZING, pods=pods("2", created="2026-11-23T10:01:00Z"), events=(killed,))
    assert judge(again, history, 60)[0].cause == "out_of_memory"


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("out_of_memory", "OOMKilling: Memory cgroup out of memory"),
        ("storage_limit_exceeded", 'Evicted: Usage of EmptyDir volume "scratch" exceeds the limit "16Mi". '),
    ],
)
def test_what_befell_a_pod_counts_once_it_was_watched(cause: str, text: str) -> None:
    """Else a run after a group has healed by itself would give up at its first look."""
    befell = replace(event(text, time="2026-11-23T10:00:30Z"), handle="1a")
    again = WorkloadStatus(INITIALIZING, pods=pods("2", created="2026-11-23T10:01:00Z"), events=(befell,))
    assert judge(again) == []
    history = StatusHistory()
    judge(WorkloadStatus(INITIALIZING, pods=pods("1")), history, 0)
    assert judge(again, history, 60)[0].cause == cause


def test_two_recreations_before_it_ever_ran_are_a_crash_loop() -> None:
    history = StatusHistory()
    for number in range(3):
        findings = judge(WorkloadStatus(INITIALIZING, ("exit code 2",), pods(str(number))), history, number * 10.0)
    assert [finding.cause for finding in findings] == ["crash_loop"]
    assert "2 times" in findings[0].evidence
    assert "exit code 2" in findings[0].evidence


def test_recreations_of_a_workload_that_served_are_no_crash_loop_yet() -> None:
    history = StatusHistory()
    judge(WorkloadStatus(RUNNING, pods=pods("0")), history, 0)
    for number in range(1, 4):
        assert judge(WorkloadStatus(INITIALIZING, pods=pods(str(number))), history, number * 10.0) == []


def test_recreations_told_by_the_controller_count_too() -> None:
    message = "RecreateGroupOnPodRestart: Worker pod w-0-1 failed, deleted leader pod w-0 to recreate group 0"
    told = tuple(event(message, about="w", time=f"2026-11-23T10:00:{second}Z") for second in (20, 40))
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=told))[0].cause == "crash_loop"


def test_repeated_starts_of_a_container_count_too() -> None:
    starts = tuple(
        event("Started: Started container vllm", time=f"2026-11-23T10:00:{second}Z") for second in (10, 20, 30)
    )
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=starts))[0].cause == "crash_loop"
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=starts[:2])) == []
    others = (
        *starts[:1],
        event("Started: Started container init"),
        event("Started: Started container vllm", about="w-0-1"),
    )
    assert judge(WorkloadStatus(INITIALIZING, pods=pods(), events=others)) == []
    assert judge(WorkloadStatus(INITIALIZING, events=starts)) == [], "without a pod they may be of an earlier life"


def test_preempted_pods_are_no_crash_loop() -> None:
    history = StatusHistory()
    events: tuple[PlatformEvent, ...] = ()
    for number in range(4):
        time = f"2026-11-23T10:0{number}:"
        events += (event("Started: Started container vllm", time=f"{time}10Z"),)
        findings = judge(WorkloadStatus(INITIALIZING, pods=pods(str(number)), events=events), history, number * 60.0)
        assert [finding.cause for finding in findings] == (["preempted"] if number else [])
        events += (event("Preempted: Preempted by another workload", time=f"{time}50Z"),)


def test_where_the_platform_has_given_up_one_recreation_is_enough() -> None:
    starts = tuple(event("Started: Started container vllm", time=f"2026-11-23T10:00:{second}Z") for second in (10, 20))
    findings = judge(WorkloadStatus(FAILED, ("exit code 2",), events=starts))
    assert [finding.cause for finding in findings] == ["crash_loop", "platform_failed"]
    assert "recreated once" in findings[0].evidence


def test_no_pods_after_a_minute() -> None:
    history = StatusHistory()
    empty = WorkloadStatus(CREATING)
    assert judge(empty, history, 0) == []
    assert judge(empty, history, 59) == []
    assert [finding.cause for finding in judge(empty, history, 61)] == ["pods_not_created"]


def test_several_pods_with_one_trouble_are_one_finding() -> None:
    text = 'Failed: Failed to pull image "r/x": manifest unknown'
    events = tuple(event(text, about=name) for name in ("w-0", "w-0-1", "w-0-2"))
    findings = judge(WorkloadStatus(INITIALIZING, pods=pods(), events=events))
    assert len(findings) == 1
    assert "(also: w-0-1, w-0-2)" in findings[0].evidence


def test_probe_troubles_of_a_running_workload_are_over() -> None:
    seen = status("Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404", phase=RUNNING)
    assert judge(seen) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T00:00:10.123456789Z", 10),
        ("1970-01-01T02:00:10+02:00", 10),
        ("1970-01-01T00:00:10+0000", 10),
        ("1970-01-01 00:00:10", 10),
        ("1970-13-01T00:00:10Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@given(
    st.sampled_from([CREATING, PENDING, INITIALIZING, RUNNING, FAILED, "unknown"]),
    st.lists(st.text(max_size=60), max_size=3),
    st.lists(
        st.tuples(st.text(max_size=20), st.text(max_size=60), st.text(max_size=25), st.text(max_size=10)), max_size=4
    ),
)
def test_any_status_is_accepted(phase: str, messages: list[str], events: list[tuple[str, str, str, str]]) -> None:
    told = tuple(PlatformEvent(time, "Warning", reason, message, about) for reason, message, time, about in events)
    history = StatusHistory()
    for now in (0.0, 1000.0):
        for finding in judge(WorkloadStatus(phase, tuple(messages), (), told), history, now):
            assert finding.hint


def with_pod(*messages: str, last_words: str = "", role: str = "leader", handle: str = "1") -> WorkloadStatus:
    pod = PodStatus(LEADER, handle, "running", role, "m1", messages=messages, last_words=last_words)
    return WorkloadStatus(INITIALIZING, pods=(pod,))


@pytest.mark.parametrize(("severity", "cause", "text"), TEXTS, ids=[cause for _severity, cause, _text in TEXTS])
def test_what_is_said_of_a_pod_names_it(severity: str, cause: str, text: str) -> None:
    found = judge(with_pod(text.removeprefix("pod w-0: ")))[0]
    assert (found.severity, found.cause, found.object) == (severity, cause, LEADER)


ENDED = "container vllm ended: Error (exit code 2)"
UNKNOWN_FLAG = "usage: vllm serve\nvllm: error: unrecognized arguments: --no-such-flag 3"
UNREACHABLE = (
    "DistNetworkError: The client socket has timed out after 60000ms while trying to connect to (w-0.w, 29501)"
)


def test_a_cause_in_the_last_words_that_will_not_pass_is_an_error_at_the_first_end() -> None:
    findings = judge(with_pod(ENDED, last_words=UNKNOWN_FLAG))
    assert [(finding.severity, finding.cause) for finding in findings] == [
        (ERROR, "unknown_flag"),
        (WARNING, "container_ended"),
    ]
    assert findings[0].object == LEADER
    assert "--no-such-flag" in findings[0].evidence


def test_a_cause_that_may_pass_is_an_error_only_in_a_crash_loop() -> None:
    ended = judge(with_pod(ENDED, last_words=UNREACHABLE, role="follower"))
    assert {(finding.severity, finding.cause) for finding in ended} == {
        (WARNING, "leader_unreachable"),
        (WARNING, "container_ended"),
    }
    looping = judge(
        with_pod("CrashLoopBackOff: back-off 10s restarting failed container", ENDED, last_words=UNREACHABLE)
    )
    assert [(finding.severity, finding.cause) for finding in looping] == [
        (ERROR, "leader_unreachable"),
        (ERROR, "crash_loop"),
        (WARNING, "container_ended"),
    ]


def test_last_words_of_recreated_pods_explain_a_crash_loop() -> None:
    history = StatusHistory()
    judge(with_pod(ENDED, last_words="RuntimeError: NCCL error: unhandled system error", handle="1"), history, 0)
    judge(with_pod(handle="2"), history, 10)
    assert [finding.cause for finding in judge(with_pod(handle="3"), history, 20)] == ["nccl_failed", "crash_loop"]


def test_last_words_of_a_workload_that_serves_are_past() -> None:
    pod = PodStatus("w-0", "1", "running", "leader", "m1", last_words=UNKNOWN_FLAG)
    assert judge(WorkloadStatus(RUNNING, pods=(pod,))) == []


def test_out_of_memory_is_told_before_the_log() -> None:
    findings = judge(
        with_pod("container vllm ended: OOMKilled (exit code 137)", last_words="Worker proc x died unexpectedly")
    )
    assert [finding.cause for finding in findings] == ["out_of_memory", "worker_died"]


def test_a_pod_that_could_be_created_after_all_settles_the_refusal() -> None:
    refused = event(
        'FailedCreate: pods "w-0" is forbidden: violates PodSecurity "restricted:latest"', about="StatefulSet/w"
    )
    created = event("SuccessfulCreate: create Pod w-0", about="StatefulSet/w", time="2026-11-23T10:00:20Z")
    assert judge(WorkloadStatus(CREATING, events=(refused,)))[0].cause == "pod_security_refused"
    assert judge(WorkloadStatus(CREATING, events=(refused, created))) == []


def test_pods_that_no_scheduler_looks_at_are_told_after_a_minute() -> None:
    history = StatusHistory()
    unseen = with_pod("NotScheduled: scheduler kai-scheduler has not looked at it yet.")
    assert judge(unseen, history, 0) == []
    (found,) = judge(unseen, history, 61)
    assert (found.severity, found.cause, found.object) == (WARNING, "scheduler_missing", LEADER)
    assert "kai-scheduler" in found.evidence
