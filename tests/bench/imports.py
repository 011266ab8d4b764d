# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module costs before it does anything: the payload that ansible sends, and the imports in a new process."""

from __future__ import annotations

import base64
import io
import re
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.figures import Figure
from bench.stage import AS_MODULE, Stage, workload_task
from support.sandbox import SandboxHandle

GROUP = "Cost of a module before it does anything"
RUNS = 7
COLLECTION = "ansible_collections.gpuops.inference"
BASIC = "ansible.module_utils.basic"
# What the platform kubernetes needs besides.
PACKAGE = "kubernetes.config"
_CPU_OF_IMPORT = """
import importlib, sys, time
sys.path.insert(0, sys.argv[1])
before = time.process_time()
importlib.import_module(sys.argv[2])
between = time.process_time()
importlib.import_module(sys.argv[3])
print(1000 * (between - before), 1000 * (time.process_time() - between))
"""


def measure(stage: Stage, sandbox: SandboxHandle, modules: list[str]) -> list[Figure]:
    """Take the payloads that ansible really sends, and import them as the target does and as the controller does."""
    figures = []
    for module in ["ansible.builtin.ping", *modules]:
        payload = _payload(stage, sandbox, module)
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            files = [name for name in archive.namelist() if name.endswith(".py") and "gpuops/inference" in name]
            ours = [name for name in files if not name.endswith("__init__.py")]
            source = sum(archive.getinfo(name).file_size for name in ours)
        note = f"{len(ours)} files of the collection, {source / 1024:.0f} KiB of source" if ours else "for comparison"
        figures.append(Figure(GROUP, f"`{module}`: payload", len(payload) / 1024, "KiB", "", note))
        if not ours:
            continue
        zipped = stage.folder / f"{module}.zip"
        zipped.write_bytes(payload)
        name = f"{COLLECTION}.plugins.modules.{module}"
        basic, compiled = _import_cost(stage.checkout, name)
        basic_zipped, from_zip = _import_cost(zipped, name)
        figures += [
            Figure(GROUP, f"`{module}`: imports, compiled", compiled, "ms CPU", "",
                   f"over `{BASIC}` ({basic:.0f} ms); in process, once for each run of ansible-playbook"),
            Figure(GROUP, f"`{module}`: imports, from the payload", from_zip, "ms CPU", "",
                   f"over `{BASIC}` ({basic_zipped:.0f} ms); as a module, for each task: Python compiles anew"),
        ]  # fmt: skip
    basic, package = _import_cost(stage.checkout, PACKAGE)
    note = f"over `{BASIC}` ({basic:.0f} ms); in process once for each run of ansible-playbook, else for each task"
    return [*figures, Figure(GROUP, f"the Python package `{PACKAGE}`: imports", package, "ms CPU", "", note)]


def _payload(stage: Stage, sandbox: SandboxHandle, module: str) -> bytes:
    """Let ansible send the module and leave it there; return the archive in it."""
    target = stage.folder / f"sent-{module}"
    parameters = {**sandbox.connection, "name": "not-there"}
    if module == "vllm_workload":
        parameters["state"] = "absent"
    task = {"name": module, module: {}} if "." in module else workload_task(parameters, module)
    environment = {"ANSIBLE_KEEP_REMOTE_FILES": "True", "ANSIBLE_REMOTE_TMP": str(target)}
    stage.play([task], play=AS_MODULE, environment=environment, may_fail=True)
    (sent,) = target.rglob("AnsiballZ_*.py")
    # The archive is the one long word of base64 in it, whatever the release of ansible-core calls it.
    (word,) = re.findall(r"[A-Za-z0-9+/=]{2000,}", sent.read_text(encoding="utf-8"))
    return base64.b64decode(word)


def _import_cost(place: Path, module: str) -> tuple[float, float]:
    """Return the CPU milliseconds of ansible's base and of ``module`` over it, each the median of new interpreters."""
    costs = []
    for _run in range(RUNS):
        command = [sys.executable, "-c", _CPU_OF_IMPORT, str(place), BASIC, module]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        base, over = done.stdout.split()
        costs.append((float(base), float(over)))
    return statistics.median(cost[0] for cost in costs), statistics.median(cost[1] for cost in costs)
