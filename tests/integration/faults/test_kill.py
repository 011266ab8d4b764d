# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is killed at any request can be run again and converges; what it leaves behind writes nothing more.

The sandbox holds the k-th request while the test kills, so that every moment between two requests is a case of its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import InterruptedByParent
from ansible_collections.gpuops.inference.plugins.plugin_utils import _in_process
from support.modules import run_module
from support.playbook import Playbooks, wait_for_end
from support.results import went_well
from support.sandbox import WRITES, SandboxHandle, until

Apply = Callable[..., dict[str, Any]]
TASK = "gpuops.inference.vllm_workload"


@dataclass(frozen=True)
class Scenario:
    """A task that is killed: ``before`` makes what it finds (``None``: nothing), ``task`` are its options.

    ``requests`` is how many requests it sends up to the first one after its last write, the login being the first;
    ``writes`` are those that may be writes (how often a deletion is looked at is not always the same).
    """

    task: dict[str, Any]
    requests: int
    writes: tuple[int, ...]
    before: dict[str, Any] | None = None
    living: int = 1
    spec: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "create": Scenario({}, 6, (5,)),
    "recreate": Scenario(
        {"env": {"A": "2"}, "on_disruption": "allow"}, 10, (6, 8, 9, 10), {"env": {"A": "1"}, "replicas": 2}
    ),
    "scale": Scenario({"replicas": 2}, 7, (6,), {"replicas": 1}, spec={"replicas": 2}),
    "delete": Scenario({"state": "absent"}, 5, (4,), {}, living=0),
    "change in place": Scenario(
        {"pods": 1, "env": {"A": "2"}, "on_disruption": "allow"}, 10, (9,), {"pods": 1, "env": {"A": "1"}}
    ),
    "stop": Scenario({"state": "stopped"}, 5, (4,), {}, spec={"replicas": 0}),
}
# Played by a real ansible-playbook, from which request on: those before are the same as in "recreate".
PLAYED = {"create": 1, "recreate": 1, "scale": 6, "delete": 4}


def moments() -> list[Any]:
    """Return the requests at which a real play is killed."""
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name, first in PLAYED.items()
        for number in range(first, SCENARIOS[name].requests + 1)
    ]


def fates() -> list[Any]:
    """Return every request of all scenarios, never carried out, and each write also carried out after the kill."""
    return [
        pytest.param(name, number, fate, id=f"{name}-{number}-{fate}")
        for name, scenario in SCENARIOS.items()
        for number in range(1, scenario.requests + 1)
        for fate in ("hang", *(["hold"] if number in scenario.writes else []))
    ]


def prepare(sandbox: SandboxHandle, apply: Apply, scenario: Scenario) -> str:
    """Bring about what the scenario finds; return the workload's name."""
    sandbox.switch(deletion_seconds=0, creation_seconds=0)
    name = sandbox.unique_name()
    if scenario.before is not None:
        went_well(apply(name, **scenario.before))
    sandbox.forget_requests()
    return name


def check_convergence(sandbox: SandboxHandle, apply: Apply, scenario: Scenario, name: str) -> None:
    """Run the task again, and once more: the first time it converges, the second time there is nothing to do."""
    went_well(apply(name, **scenario.task))
    assert len(sandbox.living(name)) == scenario.living
    assert not went_well(apply(name, **scenario.task))["changed"]
    if scenario.living:
        spec = sandbox.spec(name)
        assert {key: spec[key] for key in scenario.spec} == scenario.spec
    assert len(sandbox.living(name)) == scenario.living


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_cases_below_cover_every_request(quick: SandboxHandle, apply: Apply, name: str) -> None:
    scenario = SCENARIOS[name]
    workload = prepare(quick, apply, scenario)
    went_well(apply(workload, **scenario.task))
    methods = [entry["method"] for entry in quick.requests()]
    writes = [number for number, method in enumerate(methods, 1) if method in WRITES]
    # The first write is the login.
    assert set(writes[1:]) <= set(scenario.writes), f"SCENARIOS is out of date: {methods}"
    assert scenario.requests >= min(writes[-1] + 1, len(methods)), f"SCENARIOS is out of date: {methods}"


@pytest.mark.parametrize(("name", "number"), moments())
def test_what_a_killed_ansible_playbook_leaves_behind_sends_nothing_more(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, name: str, number: int
) -> None:
    scenario = SCENARIOS[name]
    workload = prepare(quick, apply, scenario)
    quick.add_fault({"type": "hold"}, nth=number)
    play = playbooks.start([{TASK: quick.workload(workload, **scenario.task)}])
    quick.until_hit()
    orphans = play.kill_parent()
    killed = time.time()
    assert orphans, "ansible-playbook had no process of its own for the task"
    quick.forget_faults()
    wait_for_end(orphans)
    late = [entry for entry in quick.requests() if entry["at"] > killed]
    assert late == [], "the orphan went on"
    check_convergence(quick, apply, scenario, workload)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_whose_token_has_ended_is_not_sent_again_once_ansible_playbook_is_gone(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, method: str
) -> None:
    scenario = SCENARIOS[{"POST": "create", "PATCH": "scale", "DELETE": "delete"}[method]]
    workload = prepare(quick, apply, scenario)
    quick.add_fault({"type": "hold"}, method, "/workloads/")
    play = playbooks.start([{TASK: quick.workload(workload, **scenario.task)}])
    quick.until_hit()
    quick.expire_tokens()
    orphans = play.kill_parent()
    quick.forget_faults()
    wait_for_end(orphans)
    statuses = [entry["status"] for entry in quick.requests() if entry["method"] == method]
    assert [status for status in statuses if status != 200] == [401]
    check_convergence(quick, apply, scenario, workload)


@pytest.mark.parametrize(("name", "number", "fate"), fates())
def test_a_killed_process_can_be_run_again(
    quick: SandboxHandle, apply: Apply, name: str, number: int, fate: str
) -> None:
    # hang: the request that is under way is never carried out; hold: it is, although nobody waits for its answer.
    scenario = SCENARIOS[name]
    workload = prepare(quick, apply, scenario)
    quick.add_fault({"type": fate}, nth=number)
    params = quick.workload(workload, **scenario.task)
    process = get_context("fork").Process(target=run_module, args=("vllm_workload", params))
    process.start()
    quick.until_hit()
    process.kill()
    process.join()
    quick.forget_faults()
    check_convergence(quick, apply, scenario, workload)


@pytest.mark.parametrize(
    ("name", "method"),
    [("create", "POST"), ("recreate", "DELETE"), ("recreate", "POST"), ("scale", "PATCH"), ("delete", "DELETE")],
)
def test_a_play_whose_whole_tree_is_killed_converges(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, name: str, method: str
) -> None:
    scenario = SCENARIOS[name]
    workload = prepare(quick, apply, scenario)
    tasks = [{TASK: quick.workload(workload, **scenario.task)}]
    quick.add_fault({"type": "hold"}, method, "/workloads/")
    play = playbooks.start(tasks)
    quick.until_hit()
    play.kill_tree()
    quick.forget_faults()
    playbooks.run(tasks).check()
    assert len(quick.living(workload)) == scenario.living
    assert playbooks.run(tasks).check().changed == 0


def start_a_worker_that_outlives(reports: Queue[str]) -> None:
    """Start a process that sets up its check only once this one, which kills itself, is gone."""
    get_context("fork").Process(target=check_as_an_orphan, args=(os.getpid(), reports)).start()
    os.kill(os.getpid(), signal.SIGKILL)


def check_as_an_orphan(parent: int, reports: Queue[str]) -> None:
    """Wait until the parent is gone, then report what the check of an action plugin says."""
    until(lambda: os.getppid() != parent, "the parent is gone")
    try:
        _in_process._parent_check()()
        reports.put("goes on")
    except InterruptedByParent:
        reports.put("stops")


def test_a_worker_whose_ansible_playbook_was_killed_before_the_task_began_sends_nothing() -> None:
    context = get_context("fork")
    reports: Queue[str] = context.Queue()
    process = context.Process(target=start_a_worker_that_outlives, args=(reports,))
    process.start()
    assert reports.get(timeout=60) == "stops"
    process.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_play_that_is_told_to_end_sends_nothing_more(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, number: signal.Signals
) -> None:
    scenario = SCENARIOS["recreate"]
    workload = prepare(quick, apply, scenario)
    quick.add_fault({"type": "hold"}, "DELETE", "/workloads/")
    play = playbooks.start([{TASK: quick.workload(workload, **scenario.task)}])
    quick.until_hit()
    below = play.descendants()
    play.process.send_signal(number)
    play.process.wait(60)
    ended = time.time()
    quick.forget_faults()
    wait_for_end(below)
    assert [entry for entry in quick.requests() if entry["at"] > ended] == []
    check_convergence(quick, apply, scenario, workload)


def test_a_creation_of_a_killed_play_that_arrives_after_the_next_run_is_not_doubled(
    quick: SandboxHandle, apply: Apply
) -> None:
    scenario = SCENARIOS["create"]
    workload = prepare(quick, apply, scenario)
    quick.add_fault({"type": "hold"}, "POST", "/workloads/")
    process = get_context("fork").Process(target=run_module, args=("vllm_workload", quick.workload(workload)))
    process.start()
    quick.until_hit()
    process.kill()
    process.join()
    assert went_well(apply(workload))["changed"]
    handle = quick.the_one(workload)["id"]
    quick.forget_faults()
    check_convergence(quick, apply, scenario, workload)
    assert quick.the_one(workload)["id"] == handle
