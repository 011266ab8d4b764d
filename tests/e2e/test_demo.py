# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo`` itself: what a newcomer sees, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_processes import engine_processes
from support.needs import need_pods
from support.sandbox import until

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(REPOSITORY / "tests" / "tools" / "demo.py")]
SECONDS = 900


def traces(folder: Path) -> dict[str, object]:
    """Return what a sandbox could leave behind on this machine."""
    return {
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "namespaces": set(os.listdir("/run/netns")) if Path("/run/netns").is_dir() else set(),
        "interfaces": set(os.listdir("/sys/class/net")),
        "files": sorted(os.listdir(folder)),
        "engine": engine_processes(),
        "sandbox": [pid for pid in os.listdir("/proc") if pid.isdigit() and _is_sandbox(pid, folder)],
    }


def _is_sandbox(pid: str, folder: Path) -> bool:
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the demo's temporary files lie in ``folder``."""
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for temporary files that the serving user can pass through."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return tmp_path


def test_demo_shows_a_chat_and_leaves_nothing(folder: Path) -> None:
    need_pods()
    before = traces(folder)
    done = subprocess.run(
        DEMO,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "running: 2/2 pods running" in done.stdout + done.stderr, "live progress"
    assert "changed=0" in done.stdout, "the second run"
    assert "It works" in done.stdout
    until(lambda: traces(folder), "nothing is left", 30, lambda now: now == before)


def test_demo_leaves_nothing_when_it_is_interrupted(folder: Path) -> None:
    need_pods()
    before = traces(folder)
    with subprocess.Popen(
        DEMO, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        seen = next((line for line in demo.stdout if "0/2 pods running" in line or "1/2 pods running" in line), None)
        assert seen is not None, "it ended before a pod was started"
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(SECONDS) != 0, rest
    until(lambda: traces(folder), "nothing is left", 30, lambda now: now == before)
