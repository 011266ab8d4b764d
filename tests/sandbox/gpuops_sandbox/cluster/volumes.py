# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims, secrets and config maps of the simulated cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpuops_sandbox.cluster.objects import Workload
from gpuops_sandbox.runtime.contract import Mount

MEBIBYTE = 1024 * 1024
SMALL_SHARED_MEMORY = 64 * MEBIBYTE  # Docker's and containerd's default /dev/shm (facts, section 9)
LARGE_SHARED_MEMORY = 1024 * MEBIBYTE  # Run:ai: up to the machine's memory; this machine has little
EMPTY_DIR_BYTES = 4096 * MEBIBYTE  # Kubernetes sets no limit; a tmpfs takes only what is written
SHARED_MEMORY_PATH = "/dev/shm"
SUFFIXES = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}


class MountFailed(Exception):
    """A volume that cannot be mounted; the text is the kubelet's."""


@dataclass
class Tables:
    """What a namespace holds beside pods: claims are folders, secrets and config maps are tables of strings."""

    state_directory: Path
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    @property
    def volumes_directory(self) -> Path:
        """Where the claims' folders are."""
        return self.state_directory / "volumes"

    def claim(self, namespace: str, name: str) -> Path:
        """Return the folder of a claim, whether it is there or not."""
        return self.volumes_directory / namespace / name

    def make_claim(self, namespace: str, name: str) -> Path:
        """Make a claim; its folder belongs to root and can be read by everyone, as a fresh NFS volume's does."""
        folder = self.claim(namespace, name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def parse_quantity(text: str) -> int:
    """Return the bytes of a Kubernetes quantity. Raises ``ValueError``."""
    match = re.fullmatch(r"([0-9.]+)(k|M|G|Ki|Mi|Gi|Ti|)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    return int(float(match[1]) * SUFFIXES[match[2]])


def claims_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the PVC entries of a pod spec."""
    return [entry for entry in (spec.get("storage") or {}).get("pvc") or [] if not entry.get("exclude")]


def make_new_claims(tables: Tables, workload: Workload, spec: dict[str, Any]) -> None:
    """Make the claims that the workload brings itself (``existingPvc`` false)."""
    for entry in claims_of(spec):
        if not entry.get("existingPvc"):
            tables.make_claim(workload.project.namespace, entry.get("claimName") or f"{workload.name}-claim")


def missing_claim(tables: Tables, workload: Workload, spec: dict[str, Any]) -> str | None:
    """Return the name of the first existing claim that does not exist."""
    for entry in claims_of(spec):
        name = entry.get("claimName") or ""
        if entry.get("existingPvc") and not tables.claim(workload.project.namespace, name).is_dir():
            return name
    return None


def shared_memory_bytes(spec: dict[str, Any]) -> int:
    """Return the size of /dev/shm: the large request, a memory-backed emptyDir on it, or the small default."""
    for entry in (spec.get("storage") or {}).get("emptyDirVolume") or []:
        if entry.get("path") == SHARED_MEMORY_PATH and entry.get("medium") == "Memory":
            return parse_quantity(entry["sizeLimit"]) if entry.get("sizeLimit") else LARGE_SHARED_MEMORY
    return LARGE_SHARED_MEMORY if (spec.get("compute") or {}).get("largeShmRequest") else SMALL_SHARED_MEMORY


def mounts_of(tables: Tables, workload: Workload, pod_id: str, spec: dict[str, Any]) -> tuple[Mount, ...]:
    """Return the mounts of a pod. Raises ``MountFailed`` on a secret or config map that does not exist."""
    namespace = workload.project.namespace
    storage = spec.get("storage") or {}
    mounts: list[Mount] = []
    for entry in claims_of(spec):
        name = entry.get("claimName") or f"{workload.name}-claim"
        mounts.append(Mount(entry["path"], tables.claim(namespace, name), bool(entry.get("readOnly"))))
    for entry in storage.get("emptyDirVolume") or []:
        if entry["path"] != SHARED_MEMORY_PATH:
            size = parse_quantity(entry["sizeLimit"]) if entry.get("sizeLimit") else EMPTY_DIR_BYTES
            mounts.append(Mount(entry["path"], None, False, size))
    for number, entry in enumerate(storage.get("configMapVolume") or []):
        folder = tables.state_directory / "projected" / pod_id / f"config-map-{number}"
        content = _table(tables.config_maps, namespace, entry["configMap"], "configmap")
        mounts.append(Mount(entry["mountPath"], _project(folder, content), True))
    for number, entry in enumerate(storage.get("secretVolume") or []):
        folder = tables.state_directory / "projected" / pod_id / f"secret-{number}"
        content = _table(tables.secrets, namespace, entry["secret"], "secret")
        mounts.append(Mount(entry["mountPath"], _project(folder, content), True))
    return tuple(mounts)


def _table(tables: dict[tuple[str, str], dict[str, str]], namespace: str, name: str, word: str) -> dict[str, str]:
    content = tables.get((namespace, name))
    if content is None:
        raise MountFailed(f'MountVolume.SetUp failed for volume "{name}" : {word} "{name}" not found')
    return content


def _project(folder: Path, content: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in content.items():
        (folder / key).write_text(value, encoding="utf-8")
    return folder
