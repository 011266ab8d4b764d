# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statuses and events that the test cluster writes in place of a kubelet."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from cluster_pods import make_pod

from gpuops_cluster.components import stages
from gpuops_cluster.kubelet.pods import SCENARIOS
from gpuops_cluster.kubelet.scenarios import Step, back_off, life
from gpuops_cluster.kubelet.statuses import MESSAGE_BYTES, MESSAGE_LINES

PROBE = {"readinessProbe": {"httpGet": {"path": "/v1/models", "port": 8000}}}


def first(step: Step) -> dict[str, Any]:
    status: dict[str, Any] = step.status["containerStatuses"][0]
    return status


def in_short(step: Step) -> str:
    """Return phase, restarts and state as one word each."""
    state = first(step)["state"]
    (kind,) = state
    return f"{step.status['phase']} {first(step)['restartCount']} {state[kind].get('reason', kind)}"


def condition(step: Step, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in step.status["conditions"] if entry["type"] == kind)
    return found


@pytest.mark.parametrize(("image", "reason", "code"), [("crash-loop", "Error", 1), ("oom-killed", "OOMKilled", 137)])
def test_a_failing_program_is_restarted_at_once_and_then_later_and_later(image: str, reason: str, code: int) -> None:
    steps = list(islice(life(make_pod(image)), 8))
    assert [in_short(step) for step in steps] == [
        "Running 0 running",
        f"Running 0 {reason}",
        "Running 1 running",
        f"Running 1 {reason}",
        "Running 1 CrashLoopBackOff",
        "Running 2 running",
        f"Running 2 {reason}",
        "Running 2 CrashLoopBackOff",
    ]
    assert first(steps[1])["state"]["terminated"]["exitCode"] == code
    waiting = first(steps[4])
    assert waiting["lastState"]["terminated"]["reason"] == reason
    assert waiting["lastState"]["terminated"]["containerID"] == first(steps[3])["state"]["terminated"]["containerID"]
    words = "restarting failed container=vllm pod=p_ns(0a1b2c3d-0000-4000-8000-000000000000)"
    assert waiting["state"]["waiting"]["message"] == f"back-off 10s {words}"
    assert steps[4].seconds == 10
    assert first(steps[7])["state"]["waiting"]["message"] == f"back-off 20s {words}"
    assert [event.reason for event in steps[4].events] == ["BackOff"]


def test_the_wait_between_restarts_grows_to_five_minutes() -> None:
    assert [back_off(times)[1] for times in range(1, 8)] == [
        "10s",
        "20s",
        "40s",
        "1m20s",
        "2m40s",
        "5m0s",
        "5m0s",
    ]


def test_a_pod_that_is_never_restarted_fails_once() -> None:
    steps = list(life(make_pod("crash-loop", restart_policy="Never")))
    assert [in_short(step) for step in steps] == ["Running 0 running", "Failed 0 Error"]
    assert condition(steps[-1], "Ready")["reason"] == "PodFailed"


def test_the_end_of_the_log_is_the_termination_message_only_where_the_container_asks_for_it() -> None:
    silent = list(islice(life(make_pod("crash-loop:unknown_flag")), 2))
    assert "message" not in first(silent[1])["state"]["terminated"]
    speaking = make_pod("crash-loop:unknown_flag", terminationMessagePolicy="FallbackToLogsOnError")
    message = first(list(islice(life(speaking), 2))[1])["state"]["terminated"]["message"]
    assert message.endswith("\n") and speaking.log("vllm")[-1] in message
    assert len(message.encode()) <= MESSAGE_BYTES
    assert len(message.splitlines()) <= MESSAGE_LINES


def test_a_program_that_is_not_in_the_image_never_starts() -> None:
    steps = list(islice(life(make_pod("no-program")), 3))
    assert [in_short(step) for step in steps] == [
        "Running 0 StartError",
        "Running 1 StartError",
        "Running 1 CrashLoopBackOff",
    ]
    ended = first(steps[0])["state"]["terminated"]
    assert ended["exitCode"] == 128 and ended["startedAt"] == "1970-01-01T00:00:00Z"
    assert 'exec: "vllm": executable file not found' in ended["message"]


@pytest.mark.parametrize(("image", "words"), [("image-missing", "not found"), ("image-denied", "pull access denied")])
def test_an_image_that_cannot_be_pulled_is_tried_again_and_again(image: str, words: str) -> None:
    steps = list(islice(life(make_pod(f"{image}:v1")), 5))
    assert [in_short(step) for step in steps] == [
        "Pending 0 ContainerCreating",
        "Pending 0 ErrImagePull",
        "Pending 0 ImagePullBackOff",
        "Pending 0 ErrImagePull",
        "Pending 0 ImagePullBackOff",
    ]
    message = first(steps[2])["state"]["waiting"]["message"]
    assert message.startswith(f'Back-off pulling image "registry.example.com/{image}:v1": ErrImagePull: rpc error: ')
    assert words in message
    assert "containerID" not in first(steps[2]) and first(steps[2])["imageID"] == ""
    assert [event.reason for event in steps[1].events] == ["Failed", "Failed"]


def test_a_missing_secret_is_named() -> None:
    source = {"valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}
    (step,) = life(make_pod("config-error", env=[{"name": "A", **source}]))
    assert in_short(step) == "Pending 0 CreateContainerConfigError"
    assert first(step)["state"]["waiting"]["message"] == 'secret "token" not found'


def test_only_a_container_with_a_probe_can_be_unready() -> None:
    probed = list(islice(life(make_pod("never-ready", **PROBE)), 3))
    assert [first(step)["ready"] for step in probed] == [False, False, False]
    assert condition(probed[0], "Ready")["message"] == "containers with unready status: [vllm]"
    assert probed[0].events[-1].message.startswith('Readiness probe failed: Get "http://233.253.10.27:8000/v1/models"')
    assert [first(step)["ready"] for step in life(make_pod("never-ready"))] == [True]


def test_a_slow_start_lasts_as_long_as_the_tag_says() -> None:
    steps = list(life(make_pod("slow:1500ms", **PROBE)))
    assert [(first(step)["ready"], condition(step, "Ready")["status"]) for step in steps] == [
        (False, "False"),
        (True, "True"),
    ]
    assert steps[0].seconds == 1.5
    # What the first status said is taken back by the second.
    assert condition(steps[1], "Ready")["reason"] is None


def test_an_evicted_pod_says_so_itself() -> None:
    *_before, last = life(make_pod("evicted"))
    assert (last.status["phase"], last.status["reason"]) == ("Failed", "Evicted")
    assert condition(last, "DisruptionTarget")["reason"] == "TerminationByKubelet"
    assert first(last)["state"]["terminated"]["exitCode"] == 137


def test_kwok_leaves_alone_what_is_played() -> None:
    named = {
        stage["metadata"]["name"]: expression["values"]
        for stage in stages()
        for expression in stage["spec"]["selector"]["matchExpressions"]
        if "image" in expression["key"]
    }
    # The end of a played pod is played too: one of a machine without a kubelet stays.
    assert named == dict.fromkeys(("pod-ready", "pod-complete", "pod-delete"), sorted(SCENARIOS))


@pytest.mark.parametrize("image", sorted(SCENARIOS))
def test_every_scenario_has_a_life(image: str) -> None:
    assert make_pod(image).is_played
    assert next(life(make_pod(image))).status["phase"] in ("Pending", "Running")
