# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that answers by its exit status: by the rule of the decision, on trees that stand for machines, with a
STUB of libibverbs that really locks memory, and in the words that Run:ai hands to a container.

No hardware is here, so what the devices are is written down; who opens them and locks memory is a real user.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import pod_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_sighting import sight_pods
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import view_pod
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask, fitting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_answer import (
    AnswerTask,
    is_so,
    what_was_seen,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_network import own_addresses
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import answer_command
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.training_looks import training_spec
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreters import find_python
from probe_runs import AMBIENT, BARE, GID, UID, need_root, open_python
from report_strategies import near_reports
from support.needs import missing
from sys_trees import Device, Port, Tree, whole_infiniband

YES, NO, NONSENSE = 0, 1, 2
IPV6 = {"NCCL_IB_ADDR_FAMILY": "AF_INET6"}
LOW_LIMIT = ("prlimit", f"--memlock={8 << 20}:{8 << 20}")
AS_SERVING_USER = ("setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups")
NOW = 4102444800.0


@pytest.fixture
def machine(tree: Tree) -> Tree:
    """A machine without a device, on which the process is what it really is."""
    need_root()
    (tree.root / "proc").rename(tree.root / "recorded")
    (tree.root / "proc").symlink_to("/proc")
    return tree


def asking(tree: Tree, library: Path | str, kind: str, judgement: str, **options: Any) -> AnswerTask:
    probe = ProbeTask(str(tree.root), library=str(library), memory=16 << 20)
    return AnswerTask(kind, judgement, probe=probe, **options)


def answered(task: AnswerTask, before: Sequence[str] = (), limits: Sequence[str] = AMBIENT) -> int:
    """Return the exit status of the program as the serving user's, who may lock what he likes unless told otherwise."""
    words = [*before, *AS_SERVING_USER, *limits, open_python(), *answer_command(task)[1:]]
    return _status(words, {})


def _status(words: Sequence[str], environment: Mapping[str, str]) -> int:
    names = " ".join(f"mlx5_{number}" for number in range(8))
    whole = {"PATH": os.environ.get("PATH", os.defpath), "STUB_DEVICES": names, **environment}
    done = subprocess.run(words, env=whole, capture_output=True, text=True, check=False, timeout=180)
    assert (done.stdout, "Traceback" in done.stderr) == ("", False), done.stderr
    return done.returncode


def both(machine: Tree, library: Path | str, kind: str, **options: Any) -> tuple[int, int]:
    """Return the answers to whether it is usable, and to whether it is unusable."""
    usable, unusable = (asking(machine, library, kind, judgement) for judgement in ("usable", "unusable"))
    return answered(usable, **options), answered(unusable, **options)


def test_what_can_be_opened_and_given_memory_is_usable(machine: Tree, stub: Path) -> None:
    whole_infiniband(machine, 2)
    assert both(machine, stub, "infiniband") == (YES, NO)
    assert both(machine, stub, "roce") == (NO, YES), "its link layer is the other one"


def test_memory_that_may_not_be_locked_makes_it_unusable(machine: Tree, stub: Path) -> None:
    whole_infiniband(machine, 2)
    assert both(machine, stub, "infiniband", before=LOW_LIMIT, limits=BARE) == (NO, YES)


def test_a_device_that_the_user_may_not_open_makes_it_unusable(machine: Tree, stub: Path) -> None:
    machine.add(Device("mlx5_0"))
    machine.give("mlx5_0", mode=0o600)
    assert both(machine, stub, "infiniband") == (NO, YES)


def test_an_image_without_the_library_leaves_it_open(machine: Tree) -> None:
    whole_infiniband(machine, 1)
    assert both(machine, "libno-such.so", "infiniband") == (NO, NO)


@pytest.mark.parametrize("port", [Port(lid="0x0"), Port(state="1: DOWN")], ids=["LID 0", "down"])
def test_a_port_that_is_not_configured_or_not_up_is_unusable(machine: Tree, stub: Path, port: Port) -> None:
    machine.add(Device("mlx5_0", (port,)))
    machine.give("mlx5_0")
    assert both(machine, stub, "infiniband") == (NO, YES)


def test_one_port_that_can_be_used_is_enough(machine: Tree, stub: Path) -> None:
    machine.add(Device("mlx5_0", (Port(state="1: DOWN"),)))
    machine.add(Device("mlx5_1"))
    machine.give("mlx5_0")
    machine.give("mlx5_1")
    assert both(machine, stub, "infiniband") == (YES, NO)


def test_nothing_at_all_is_unusable(machine: Tree, stub: Path) -> None:
    assert both(machine, stub, "infiniband") == (NO, YES)


def own_roce() -> Device:
    """Return a device of RoCE whose address this machine really has, on the interface that has it."""
    usual = [(name, address) for name, address in own_addresses() if ":" not in address]
    interface, address = (usual or [("net1", "192.168.100.1")])[0]
    gid = ipaddress.IPv6Address(f"::ffff:{address}").exploded
    port = Port("Ethernet", lid="0x0", gids=(gid,), kinds=("RoCE v2",), interfaces=(interface,))
    return Device("mlx5_0", (port,))


def test_roce_needs_an_address_of_the_wanted_family(machine: Tree, stub: Path) -> None:
    machine.add(own_roce())
    machine.give("mlx5_0")
    assert both(machine, stub, "roce") == (YES, NO)
    assert answered(asking(machine, stub, "roce", "usable", variables=IPV6)) == NO


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "roce", "judgement": "usable", "probe": {"x": 1}}'])
def test_a_task_that_makes_no_sense_is_no_answer(content: str) -> None:
    words = answer_command(AnswerTask("roce", "usable"))
    done = subprocess.run([*words[:-1], content], check=False, capture_output=True, text=True)
    assert (done.returncode, list(json.loads(done.stderr))) == (NONSENSE, ["error"])


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_it_runs_on_the_pythons_of_images(tree: Tree, version: str) -> None:
    python = find_python(version)
    if python is None:
        missing(f"Python {version}, to run the program on it")
    words = (python, *answer_command(asking(tree, "libno-such.so", "infiniband", "unusable"))[1:])
    assert _status(words, {}) == YES


@pytest.mark.parametrize(("judgement", "status"), [("usable", YES), ("unusable", NO)])
def test_the_words_of_a_training_ask_the_same(machine: Tree, stub: Path, judgement: str, status: int) -> None:
    """As the kubelet starts it: the command is split, and the variable put in as one word."""
    whole_infiniband(machine, 1)
    command = answer_command(asking(machine, stub, "infiniband", judgement))
    look = Look("probe", "fabric", LookPlace("example:v1", RunAsSpec(UID, GID)), command, 120.0)
    spec = training_spec(look, NOW)
    (variable,) = spec["environmentVariables"]
    value = str(variable["value"]).replace("$$", "$")
    words = [word.replace(f"$({variable['name']})", value) for word in str(spec["command"]).split()]
    path = os.pathsep.join((str(Path(open_python()).parent), os.defpath))
    assert _status([*AS_SERVING_USER, *AMBIENT, *words], {"PATH": path}) == status


def told(report: dict[str, Any]) -> PodEvidence | None:
    """Return what a report tells that went the other way, by a file; ``None`` where it had no room for all of it."""
    text = json.loads(fitting(report, 1 << 30))
    return None if text["left_out"] else pod_evidence(text, "", {}, {})


@settings(max_examples=500)
@given(near_reports, st.sampled_from(["infiniband", "roce"]), st.sampled_from([{}, IPV6]))
def test_it_is_the_rule_of_the_decision(report: dict[str, Any], kind: str, variables: dict[str, str]) -> None:
    seen = what_was_seen(report)
    usable, unusable = (is_so(AnswerTask(kind, judgement, variables), seen) for judgement in ("usable", "unusable"))
    assert not (usable and unusable)
    reported = told(report)
    assert reported is not None
    view = view_pod(reported, variables)
    assert (usable, unusable) == (bool(view.usable(kind)), not view.sound(kind))
    own = dataclasses.replace(view, ports=view.of(kind))
    sighting = sight_pods([own], Needs())
    decided = sighting and (sighting.kind, sighting.confidence)
    assert usable == (decided == (kind, "usable"))
    assert (not usable and not unusable) == (decided == (kind, "seen"))
