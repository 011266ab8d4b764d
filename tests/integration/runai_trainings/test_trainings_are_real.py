# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings by the collection's own client in a sandbox with real pods: the end of a real process is the answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Place
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.trainings import (
    COMPLETED,
    FAILED,
    Trainings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from support.needs import need_pods
from support.sandbox import CLAIM, TRAININGS, SandboxHandle, until

SERVING = {"runAsUid": 2000, "runAsGid": 2000, "runAsNonRoot": True, "uidGidSource": "custom"}
ROOT = {"runAsUid": 0, "runAsGid": 0, "uidGidSource": "custom"}
SECONDS = 60


@pytest.fixture(scope="module")
def real_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are processes."""
    need_pods()
    handle = SandboxHandle(tmp_path_factory.mktemp("trainings") / "state", "--machines", "1")
    yield handle
    handle.end()


@pytest.fixture
def trainings(real_pods: SandboxHandle) -> Trainings:
    """The collection's way to the sandbox's trainings."""
    state = real_pods.description
    connection = RunaiConnection(
        url=state["api_url"],
        client_id=state["client_id"],
        client_secret=state["client_secret"],
        ca_path=state["ca_path"],
    )
    host = Host()
    retry = Retry(host)
    client = RunaiClient(connection, host, retry=retry)
    return Trainings(client, Place(client, real_pods.connection["project"]), retry)


@pytest.fixture
def weights(real_pods: SandboxHandle) -> Iterator[Path]:
    """A file of root's on the claim, as transformers writes weights."""
    state = real_pods.description
    path = Path(state["volumes_directory"]) / state["namespace"] / CLAIM / "weights"
    path.write_text("precious", encoding="utf-8")
    os.chown(path, 0, 0)
    path.chmod(0o600)
    yield path
    path.unlink()


def spec(command: str, security: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a training that runs a shell command with the claim at /data."""
    return {
        "image": "registry.example.com/stand-in:v1",
        "command": f"sh -c '{command}'",
        "security": security,
        "storage": {"pvc": [{"path": "/data", "existingPvc": True, "claimName": CLAIM}]},
        "backoffLimit": 0,
        "autoDeletionTimeAfterCompletionSeconds": SECONDS,
        **more,
    }


def phase_of(trainings: Trainings, handle: str) -> str | None:
    """Return a training's phase, or nothing where it is gone."""
    entry = trainings.now(handle)
    return None if entry is None else str(entry["phase"])


def end(trainings: Trainings, name: str, body: dict[str, Any]) -> str | None:
    """Run a training to its end; return its phase there."""
    handle = trainings.start(name, body)
    phase = until(
        lambda: phase_of(trainings, handle), "it has ended", SECONDS, lambda seen: seen in (COMPLETED, FAILED)
    )
    trainings.remove(handle)
    until(lambda: trainings.now(handle) is None, "it is gone", SECONDS)
    return phase


def test_look_repair_and_look_again(trainings: Trainings, weights: Path) -> None:
    look = spec("head -c 1 /data/weights > /dev/null", SERVING)
    assert end(trainings, "look-before", look) == FAILED
    assert end(trainings, "repair", spec("chown 2000:2000 /data/weights", ROOT)) == COMPLETED
    assert (weights.stat().st_uid, weights.stat().st_gid) == (2000, 2000)
    assert end(trainings, "look-after", look) == COMPLETED


def test_it_goes_by_itself(trainings: Trainings) -> None:
    handle = trainings.start("short-lived", spec("exit 0", SERVING, autoDeletionTimeAfterCompletionSeconds=1))
    until(lambda: trainings.now(handle) is None, "it deleted itself", SECONDS)


def test_a_doubtful_creation_starts_one(trainings: Trainings, real_pods: SandboxHandle) -> None:
    real_pods.add_fault({"type": "accept_then_reset"}, "POST", TRAININGS)
    handle = trainings.start("doubted", spec("sleep 600", SERVING))
    assert [entry["id"] for entry in real_pods.living("doubted")] == [handle]
    trainings.remove(handle)
    trainings.remove(handle)
    until(lambda: trainings.now(handle) is None, "it is gone", SECONDS)
