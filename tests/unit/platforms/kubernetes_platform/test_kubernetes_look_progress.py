# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look that runs for long prints, read from the log of its pod: seldom, and never a reason to fail."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookCopies, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_api import ScriptedApi, platform_over, refused

PLACE = LookPlace("registry.example.com/vllm:v1", RunAsSpec())
LOOK = Look("my-llm", "files", PLACE, ("python3", "-c", "..."), 3600.0, as_root=("python3", "-c", "..."))
RUNNING = {"state": {"running": {}}}
ENDED = {"state": {"terminated": {"exitCode": 0}}}
UNREACHABLE = PlatformUnreachable("no answer", [Finding(ERROR, "unreachable", "no answer")])


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the host."""
    return Clock()


@pytest.fixture
def api(clock: Clock) -> ScriptedApi:
    """An API server with a kubelet behind it that has logs of both containers."""
    return ScriptedApi(host=Host(clock=clock), printed={"look": "first\nproved\n", "look-as-root": "walked\n"})


@pytest.fixture
def platform(api: ScriptedApi) -> KubernetesPlatform:
    """The platform that asks it."""
    return platform_over(api)


def pod(api: ScriptedApi, as_root: dict[str, Any], own: dict[str, Any]) -> str:
    """Put the pod of the only Job there and return its name."""
    [job] = [key.partition("/")[2] for key in api.objects if key.startswith("Job/")]
    status = {
        "phase": "Running" if "running" in own["state"] else "Pending",
        "initContainerStatuses": [{"name": "look-as-root", **as_root}],
        "containerStatuses": [{"name": "look", **own}],
    }
    labels = {"batch.kubernetes.io/job-name": job}
    metadata = {"name": f"{job}-abcde", "uid": "u", "labels": labels}
    api.objects[f"Pod/{job}-abcde"] = {"metadata": metadata, "spec": {"nodeName": "gpu-1"}, "status": status}
    return f"{job}-abcde"


def logs(api: ScriptedApi) -> list[str]:
    """Return which logs were asked for since the last time."""
    asked = [call for call in api.calls if call.startswith("logs ")]
    api.calls.clear()
    return asked


def test_one_that_runs_for_long_is_asked_every_few_seconds(
    api: ScriptedApi, platform: KubernetesPlatform, clock: Clock
) -> None:
    look = platform.start_look(LOOK)
    assert look.status().printed == "", "there is no pod yet"
    name = pod(api, RUNNING, {"state": {"waiting": {}}})
    clock.now += 60.0
    assert (look.status().printed, logs(api)) == ("", []), "it has just been seen running"
    clock.now += 4.9
    assert (look.status().printed, logs(api)) == ("", [])
    clock.now += 0.1
    assert (look.status().printed, logs(api)) == ("walked", [f"logs {name}/look-as-root"])
    clock.now += 4.9
    assert (look.status().printed, logs(api)) == ("walked", [])
    pod(api, ENDED, RUNNING)
    clock.now += 0.1
    assert (look.status().printed, logs(api)) == ("proved", [f"logs {name}/look"])
    pod(api, ENDED, ENDED)
    clock.now += 60.0
    assert (look.status().is_over, look.status().printed, logs(api)) == (True, "", [])


def test_who_may_not_read_logs_asks_once_and_looks_on(
    api: ScriptedApi, platform: KubernetesPlatform, clock: Clock
) -> None:
    look = platform.start_look(LOOK)
    name = pod(api, RUNNING, {"state": {"waiting": {}}})
    look.status()
    api.refusals[f"logs {name}/look-as-root"] = refused(403, "permission_denied")
    for _time in range(5):
        clock.now += 60.0
        assert (look.status().is_over, look.status().printed) == (False, "")
    assert logs(api) == [f"logs {name}/look-as-root"]


@pytest.mark.parametrize("error", [refused(400), UNREACHABLE])
def test_a_log_that_is_not_to_be_had_now_is_asked_for_later(
    api: ScriptedApi, platform: KubernetesPlatform, clock: Clock, error: GpuopsError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: Any, **options: Any) -> str:
        raise error

    look = platform.start_look(LOOK)
    pod(api, RUNNING, {"state": {"waiting": {}}})
    look.status()
    clock.now += 5.0
    with monkeypatch.context() as patched:
        patched.setattr(ScriptedApi, "logs", fail)
        assert look.status().printed == ""
    clock.now += 5.0
    assert look.status().printed == "walked"


def test_copies_are_not_asked(api: ScriptedApi, platform: KubernetesPlatform, clock: Clock) -> None:
    look = platform.start_look(Look("my-llm", "fabric", PLACE, ("python3",), 60.0, copies=LookCopies(2)))
    pod(api, ENDED, RUNNING)
    look.status()
    clock.now += 60.0
    assert (look.status().printed, logs(api)) == ("", [])
