# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A **stand-in** for NVIDIA's `nvidia-smi`: reports the devices of the container it runs in. There are no GPUs.

What the engine's ranks take of this machine's memory stands for what they would take of their GPUs': the rank with
local number n belongs to the container's n-th device. Everything else is made up.

Knows `nvidia-smi`, `nvidia-smi -L` and `nvidia-smi --query-gpu=FIELD,... --format=csv[,noheader][,nounits]`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

NAME = "Stand-in for a GPU (memory of a CPU)"
# As an H100 has it, in MiB.
TOTAL = 81559
FIELDS = {
    "index": ("", "index"),
    "uuid": ("", "uuid"),
    "name": ("", "name"),
    "gpu_name": ("", "name"),
    "memory.used": (" MiB", "used"),
    "memory.total": (" MiB", "total"),
    "memory.free": (" MiB", "free"),
    "utilization.gpu": (" %", "utilization"),
}
# How vLLM names the processes of its ranks: VLLM::Worker_PP1_TP0, of a single rank VLLM::EngineCore.
TENSOR_RANK = re.compile(r"TP(\d+)")


def main(words: list[str]) -> int:
    """Print what was asked for; return the exit status."""
    rows = devices()
    query = next((word.partition("=")[2] for word in words if word.startswith("--query-gpu=")), None)
    if not rows:
        print("No devices were found")
        return 6
    if "-L" in words:
        for row in rows:
            print(f"GPU {row['index']}: {row['name']} (UUID: {row['uuid']})")
    elif query is not None:
        style = next((word.partition("=")[2] for word in words if word.startswith("--format=")), "csv").split(",")
        return print_query(rows, query.split(","), style)
    else:
        for row in rows:
            print(f"| {row['index']}  {row['name']} | {row['used']}MiB / {row['total']}MiB | {row['utilization']}% |")
    return 0


def print_query(rows: list[dict[str, str]], fields: list[str], style: list[str]) -> int:
    """Print the asked fields as CSV, as `nvidia-smi` does."""
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        print(f'Field "{unknown[0]}" is not a valid field to query.')
        return 2
    units = "nounits" not in style
    if "noheader" not in style:
        print(", ".join(f"{field} [{FIELDS[field][0].strip()}]" if FIELDS[field][0] else field for field in fields))
    for row in rows:
        print(", ".join(row[FIELDS[field][1]] + (FIELDS[field][0] if units else "") for field in fields))
    return 0


def devices() -> list[dict[str, str]]:
    """Return a row for each device of the container."""
    names = [name for name in os.environ.get("NVIDIA_VISIBLE_DEVICES", "").split(",") if name.startswith("GPU-")]
    used = memory_by_rank(len(names))
    return [
        {
            "index": str(number),
            "uuid": name,
            "name": NAME,
            "used": str(min(used.get(number, 0), TOTAL)),
            "total": str(TOTAL),
            "free": str(max(TOTAL - used.get(number, 0), 0)),
            "utilization": "0",
        }
        for number, name in enumerate(names)
    ]


def memory_by_rank(count: int, processes: Path = Path("/proc")) -> dict[int, int]:
    """Return what the ranks' processes hold, in MiB, by the number of their device."""
    used: dict[int, int] = {}
    for folder in processes.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            title = (folder / "cmdline").read_bytes().split(b"\0")[0].decode("utf-8", "replace").strip()
            status = (folder / "status").read_text(encoding="utf-8")
        except OSError:
            # It has ended, or belongs to somebody else.
            continue
        if not title.startswith("VLLM::Worker") and not (count == 1 and title.startswith("VLLM::EngineCore")):
            continue
        tensor = TENSOR_RANK.search(title)
        number = int(tensor.group(1)) if tensor else 0
        used[number] = used.get(number, 0) + resident(status)
    return used


def resident(status: str) -> int:
    """Return the resident memory of a /proc/PID/status, in MiB."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
