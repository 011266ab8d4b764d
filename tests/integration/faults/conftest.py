# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that runs faster for modules in this process, and short ways to apply a workload and to judge a failure."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import perform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from support.modules import run_module
from support.sandbox import SandboxHandle

Result = dict[str, Any]
Apply = Callable[..., Result]

# A wait of a second takes 17 ms: short enough for hundreds of waits, and a minute of a control plane lasts a second.
TIMES_FASTER = 60.0


@pytest.fixture(autouse=True)
def fast_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an operation's clock and its waits run faster (the time limits of HTTP requests stay real)."""
    faster = functools.partial(
        Host,
        clock=lambda: time.monotonic() * TIMES_FASTER,
        sleep=lambda seconds: time.sleep(seconds / TIMES_FASTER),
    )
    monkeypatch.setattr(perform, "Host", faster)


@pytest.fixture
def quick(sandbox: SandboxHandle) -> SandboxHandle:
    """The sandbox with a cluster that follows within milliseconds."""
    sandbox.switch(deletion_seconds=0.05, creation_seconds=0.02, recreate_seconds=0.05, restart_backoff_seconds=0.1)
    return sandbox


@pytest.fixture
def apply(quick: SandboxHandle) -> Apply:
    """Runs ``vllm_workload`` in this process: ``apply(name, **options)``; ``check_mode`` runs it in check mode."""

    def run(name: str, check_mode: bool = False, **options: Any) -> Result:
        return run_module("vllm_workload", quick.workload(name, **options), check_mode=check_mode)

    return run


@pytest.fixture
def apply_beside(apply: Apply) -> Iterator[Callable[..., Future[Result]]]:
    """Runs ``vllm_workload`` in a thread, so that the test can act while a request is held."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield functools.partial(pool.submit, apply)
