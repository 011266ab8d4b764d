# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs that the test cluster answers with in place of a kubelet."""

from __future__ import annotations

import pytest
from cluster_pods import make_pod, with_status

from gpuops_cluster.kubelet.logs import is_running, log_lines, refusal
from gpuops_cluster.kubelet.pods import Image, recorded_log

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {"terminated": {"startedAt": "2026-01-01T00:00:00Z", "reason": "Error", "exitCode": 1}}


@pytest.mark.parametrize(
    ("whole", "name", "tag"),
    [
        ("registry.example.com:5000/a/crash-loop:kv_cache_no_room", "crash-loop", "kv_cache_no_room"),
        ("slow", "slow", ""),
        ("r/slow:10s@sha256:00", "slow", "10s"),
    ],
)
def test_images_are_taken_apart(whole: str, name: str, tag: str) -> None:
    assert (Image(whole).name, Image(whole).tag) == (name, tag)


@pytest.mark.parametrize(
    ("image", "seconds"), [("slow:10s", 10), ("slow:1.5s", 1.5), ("slow:300ms", 0.3), ("slow:v1", 3)]
)
def test_a_tag_can_be_a_duration(image: str, seconds: float) -> None:
    assert Image(image).seconds(3) == seconds


def test_leader_and_follower_have_their_own_logs() -> None:
    leader, follower = make_pod("stand-in:v1"), make_pod("stand-in:v1", command=("vllm", "serve", "--headless"))
    assert leader.log("vllm") == recorded_log("good_start", follower=False)
    assert follower.log("vllm") == recorded_log("good_start", follower=True)
    assert leader.log("vllm") != follower.log("vllm")
    assert leader.log("sidecar") == []


def test_the_tag_of_a_failing_image_chooses_the_log() -> None:
    assert make_pod("crash-loop:unknown_flag").log("vllm") == recorded_log("unknown_flag", follower=False)
    assert make_pod("crash-loop:v0.33.0").log("vllm") == recorded_log("kv_cache_no_room", follower=False)
    # Only scenario images: an ordinary one with such a tag is a healthy one.
    assert make_pod("stand-in:unknown_flag").log("vllm") == recorded_log("good_start", follower=False)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"waiting": {"reason": "ErrImagePull"}}, "is waiting to start: image can't be pulled"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "is waiting to start: trying and failing to pull image"),
        ({"waiting": {"reason": "ContainerCreating"}}, "is waiting to start: ContainerCreating"),
    ],
)
def test_a_container_that_has_not_started_has_no_log(state: dict[str, dict[str, str]], words: str) -> None:
    assert refusal(with_status(make_pod("a"), state=state), "vllm", False) == f'container "vllm" in pod "p" {words}'


def test_the_log_of_an_earlier_run_needs_an_earlier_run() -> None:
    words = 'previous terminated container "vllm" in pod "p" not found'
    assert refusal(with_status(make_pod("a"), state=RUNNING), "vllm", True) == words
    assert refusal(with_status(make_pod("a"), state=RUNNING, lastState=ENDED), "vllm", True) is None
    assert refusal(make_pod("a"), "vllm", False) == 'container "vllm" in pod "p" is not available'


def test_a_container_between_two_runs_has_the_log_of_the_last_one() -> None:
    pod = with_status(make_pod("crash-loop"), state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ENDED)
    assert refusal(pod, "vllm", False) is None
    assert not is_running(pod, "vllm")
    assert is_running(with_status(make_pod("a"), state=RUNNING), "vllm")


def test_what_was_asked_for_is_answered() -> None:
    pod = with_status(make_pod("stand-in"), state=RUNNING)
    lines = recorded_log("good_start", follower=False)
    assert lines is not None
    assert log_lines(pod, "vllm", {}) == lines
    assert log_lines(pod, "vllm", {"tailLines": "3"}) == lines[-3:]
    assert log_lines(pod, "vllm", {"tailLines": "0"}) == []
    assert log_lines(pod, "vllm", {"tailLines": "100000"}) == lines
    assert log_lines(pod, "vllm", {"timestamps": "true"})[0] == f"2026-01-01T00:00:00.001000Z {lines[0]}"
    assert log_lines(pod, "vllm", {"sinceTime": "2026-01-01T00:00:00.003000001Z"}) == lines[2:]
    assert log_lines(pod, "vllm", {"limitBytes": str(len(lines[0].encode()) + 1)}) == lines[:1]
