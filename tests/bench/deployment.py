# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module adds to a deployment, and how fast it reports a start that fails."""

from __future__ import annotations

from typing import Any

from bench.figures import Figure
from bench.stage import BenchFailure, Stage, TaskTime, TimedPlay, moment, workload_task
from support.sandbox import SandboxHandle

GROUP = "A deployment"
FAILURES = "A start that fails"
AIM = "under 3 s"
# Seconds until a stand-in pod gets ready.
READY_AFTER = (5, 15, 30)
# Seconds after which a crashing pod ends: about what an engine needs to refuse its arguments.
EXIT_AFTER = 3


def measure_ready_at_once(stage: Stage, sandbox: SandboxHandle) -> list[Figure]:
    """Deploy to pods that are ready at once: what is left is the module's own work."""
    name = sandbox.unique_name("at-once")
    sandbox.forget_requests()
    timed = stage.play([workload_task(sandbox.workload(name))])
    before, after = _around_start(sandbox, name, timed.times[0])
    return [
        Figure(GROUP, "added, pods ready at once", before + after, "s", AIM, _split(before, after)),
    ]


def measure_ready_later(stage: Stage, sandbox: SandboxHandle) -> list[Figure]:
    """Deploy, at the same time, to real pods that get ready after some seconds."""
    hosts = [f"after-{seconds}" for seconds in READY_AFTER]
    sandbox.forget_requests()
    wait = "{{ inventory_hostname.split('-')[1] }}"
    parameters = sandbox.workload("{{ inventory_hostname }}", env={"STAND_IN_READY_AFTER": wait})
    timed = stage.play([workload_task(parameters)], hosts=hosts)
    figures = []
    for time in sorted(timed.times, key=lambda time: time.ended):
        before, after = _around_start(sandbox, time.host, time)
        started = time.seconds - before - after
        note = f"of a start that took {started:.1f} s; {_split(before, after)}"
        label = f"added, pods ready after {time.host.split('-')[1]} s"
        figures.append(Figure(GROUP, label, before + after, "s", AIM, note))
    return figures


def measure_failures(stage: Stage, sandbox: SandboxHandle) -> list[Figure]:
    """Let starts fail; count from the moment at which the API shows it to the end of the task."""
    image = _failed(stage, sandbox, "no-image", image="registry.example.com/stand-in:no-such-tag")
    crashing = {"STAND_IN_EXIT_CODE": "1", "STAND_IN_EXIT_AFTER": str(EXIT_AFTER)}
    crash = _failed(stage, sandbox, "crash-loop", env=crashing)
    image_seen = _events(sandbox, "no-image", "Failed")[0]
    # The rule asks for two recreations; a first one may be an accident.
    crash_seen = _events(sandbox, "crash-loop", "RecreateGroup")[1]
    return [
        Figure(FAILURES, "image that cannot be pulled", image.times[0].ended - image_seen, "s", "under 5 s",
               "from the first event on the failed pull to the failed task"),
        Figure(FAILURES, "crash loop", crash.times[0].ended - crash_seen, "s", "under 5 s",
               "from the second recreation of the pods to the failed task"),
    ]  # fmt: skip


def _failed(stage: Stage, sandbox: SandboxHandle, name: str, **options: Any) -> TimedPlay:
    timed = stage.play([workload_task(sandbox.workload(name, **options))], may_fail=True)
    if timed.result.rc == 0:
        raise BenchFailure(f"{name} was meant to fail, and runs")
    return timed


def _around_start(sandbox: SandboxHandle, name: str, time: TaskTime) -> tuple[float, float]:
    """Return the seconds of a task before the control plane accepted the workload, and after it said running."""
    handle = sandbox.the_one(name)["id"]
    status, entry = sandbox.api("GET", f"/api/v1/workloads/{handle}")
    if status != 200 or entry["phase"] != "Running":
        raise BenchFailure(f"{name} does not run: {entry}")
    return moment(entry["createdAt"]) - time.began, time.ended - moment(entry["phaseUpdatedAt"])


def _split(before: float, after: float) -> str:
    return f"{before:.2f} s until it is accepted, {after:.2f} s after it runs"


def _events(sandbox: SandboxHandle, name: str, reason: str) -> list[float]:
    """Return when the events with this beginning of a reason happened, in order."""
    handle = sandbox.the_one(name)["id"]
    status, content = sandbox.api("GET", f"/api/v1/workloads/{handle}/events?limit=500")
    if status != 200:
        raise BenchFailure(f"the events of {name}: {content}")
    return sorted(moment(event["createdAt"]) for event in content["events"] if event["reason"].startswith(reason))
