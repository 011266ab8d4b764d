# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locking and registering memory as the serving user, for real: limits and capabilities are those of real processes.

The library that registers is a stub (``stub_ibverbs.c``), which locks the memory as a real device has the kernel do.
"""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence, PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import pod_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import MEMORY, ProbeTask
from probe_runs import ADDED, AMBIENT, BARE, need_root, probed_as_serving_user
from support.needs import missing
from sys_trees import Tree, whole_infiniband

DEVICES = {"STUB_DEVICES": "mlx5_0 mlx5_1"}


@pytest.fixture
def machine(tree: Tree) -> Tree:
    """A machine whose two devices the serving user can open."""
    need_root()
    whole_infiniband(tree, 2)
    # Of the process itself, in place of a recorded one.
    (tree.root / "proc").rename(tree.root / "recorded")
    (tree.root / "proc").symlink_to("/proc")
    return tree


def need_low_limit() -> None:
    """Stop the test where this machine lets everybody lock memory."""
    if not 0 <= resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] < MEMORY:
        missing("a limit of locked memory below 256 MiB")


def seen(
    machine: Tree, stub: Path | str, limits: tuple[str, ...] = BARE, environment: dict[str, Any] | None = None
) -> PodEvidence:
    task = ProbeTask(str(machine.root), library=str(stub))
    report = probed_as_serving_user(task, limits, environment or DEVICES)
    assert report["identity"] == [2000, 2000]
    return pod_evidence(report, "gpu-1", {0: "gpu-1"}, {})


def test_a_low_limit_refuses_memory(machine: Tree, stub: Path) -> None:
    need_low_limit()
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    evidence = seen(machine, stub)
    assert evidence.memlock == limit
    assert evidence.locked is not None and limit // 2 <= evidence.locked <= limit
    assert [use.can_register for use in evidence.uses] == [False, False]
    assert evidence.uses[0].error == "ibv_reg_mr of 256 MiB: Cannot allocate memory (errno 12)"
    assert (evidence.effective_capabilities, evidence.bounding_capabilities) == ((), ())


def test_an_added_capability_is_not_effective(machine: Tree, stub: Path) -> None:
    """Linux gives it to no process of a user other than root: NVIDIA/nvidia-container-toolkit#2037."""
    need_low_limit()
    evidence = seen(machine, stub, ADDED)
    assert (evidence.effective_capabilities, evidence.bounding_capabilities) == ((), ("IPC_LOCK",))
    assert [use.can_register for use in evidence.uses] == [False, False]


def test_an_ambient_capability_helps(machine: Tree, stub: Path) -> None:
    evidence = seen(machine, stub, AMBIENT)
    assert evidence.effective_capabilities == ("IPC_LOCK",)
    assert evidence.locked == MEMORY
    assert [(use.can_register, use.error) for use in evidence.uses] == [(True, ""), (True, "")]


def decided(evidence: PodEvidence) -> tuple[str, str]:
    """Return what is decided where two machines are like this one."""
    other = dataclasses.replace(evidence, machine="gpu-2")
    decision = decide(FabricInputs(), Evidence(pods=(evidence, other))).decision
    return decision.kind, decision.confidence


def test_what_was_seen_decides(machine: Tree, stub: Path) -> None:
    need_low_limit()
    assert decided(seen(machine, stub, ADDED))[0] == "unusable"
    assert decided(seen(machine, stub, AMBIENT)) == ("infiniband", "usable")


def test_a_device_that_the_library_cannot_open(machine: Tree, stub: Path) -> None:
    evidence = seen(machine, stub, AMBIENT, {**DEVICES, "STUB_CLOSED": "mlx5_1"})
    assert [use.can_register for use in evidence.uses] == [True, False]
    assert "ibv_open_device" in evidence.uses[1].error and "Permission denied" in evidence.uses[1].error


def test_a_device_that_the_library_does_not_list(machine: Tree, stub: Path) -> None:
    evidence = seen(machine, stub, AMBIENT, {"STUB_DEVICES": "mlx5_0"})
    assert [use.can_register for use in evidence.uses] == [True, False]
    assert evidence.uses[1].error == "libibverbs does not list it"


def test_a_library_that_crashes_takes_nothing_else_with_it(machine: Tree, stub: Path) -> None:
    evidence = seen(machine, stub, AMBIENT, {**DEVICES, "STUB_CRASHES": "1"})
    assert [use.can_register for use in evidence.uses] == [None, None]
    assert evidence.uses[0].error == "it was ended by signal 6"
    assert evidence.locked == MEMORY


def test_an_image_without_the_library_tells_nothing_of_the_device(machine: Tree) -> None:
    evidence = seen(machine, "libno-such-library.so.1")
    assert [use.can_register for use in evidence.uses] == [None, None]
    assert "libno-such-library.so.1" in evidence.uses[0].error
