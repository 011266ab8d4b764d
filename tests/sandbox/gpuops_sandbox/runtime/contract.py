# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control plane asks of the pod runtime: plain values in, a running process group out.

The control plane (who decides which pods exist) and the runtime (who makes a pod out of bubblewrap, a network
namespace and an image stand-in) meet only here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Mount:
    """One mount inside a pod. ``source`` is a folder of the host, or ``None`` for a fresh tmpfs of ``size_bytes``."""

    path: str
    source: Path | None = None
    read_only: bool = False
    size_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class PodRequest:
    """A pod to start. ``argv`` and ``environment`` are final: every ``$(NAME)`` is expanded already.

    ``command`` replaces the image's entrypoint where it is not empty; ``arguments`` follow whichever is used.
    ``hosts`` maps host names to addresses for ``/etc/hosts`` (the DNS names of the group, the leader's included).
    """

    name: str
    namespace: str
    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: dict[str, str]
    uid: int
    gid: int
    supplemental_groups: tuple[int, ...]
    gpus: int
    shared_memory_bytes: int
    address: str
    hosts: dict[str, str]
    mounts: tuple[Mount, ...] = field(default_factory=tuple)
    working_directory: str = "/"


class RunningPod(Protocol):
    """A started pod."""

    pid: int
    address: str
    log_path: Path

    async def wait(self) -> int:
        """Return the exit code of the pod's main process (128 + signal number when killed) once it has ended."""

    async def stop(self, grace_seconds: float) -> int:
        """Send SIGTERM to the main process, SIGKILL to the whole pod after ``grace_seconds``; return the exit code."""

    async def kill(self) -> int:
        """Kill every process of the pod at once (as a lost machine would) and return the exit code."""

    def pause(self) -> None:
        """Stop (SIGSTOP) every process of the pod: it stays, and answers nothing."""

    def resume(self) -> None:
        """Let a paused pod go on."""


class ImageNotFound(Exception):
    """The image table has no such image: the kubelet's ErrImagePull."""


class PodRuntime(Protocol):
    """Starts pods. All of its network and mounts live in the sandbox's own namespaces."""

    async def start(self, request: PodRequest) -> RunningPod:
        """Start ``request``. Raises ``ImageNotFound``; any other start error is an ``OSError`` with its cause."""

    async def prepare_network(self) -> None:
        """Make the bridge the pods are plugged into; idempotent."""

    def allocate_address(self) -> str:
        """Return an IPv4 address that no running pod has."""

    def release_address(self, address: str) -> None:
        """Give an address back."""
