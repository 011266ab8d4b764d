# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends the simulator: ``up``, ``down``, ``status``.

Where pods are processes (the bubblewrap runtime) the server runs in its own mount, network, PID, IPC and UTS
namespaces, so that everything it makes (pods, bridges, mounts) dies with it. The listening sockets are made before
that, in this machine's network namespace: a socket keeps the namespace it was made in, which is how the API stays
reachable from outside.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuops_sandbox.processes import read_json, started_at, write_private
from gpuops_sandbox.sockets import listen

STATE_FILE = "state.json"
PROCESS_FILE = "process.json"
LOG_FILE = "server.log"
START_SECONDS = 60.0
END_SECONDS = 45.0
POLL_SECONDS = 0.02
SIGNAL_SECONDS = 0.5
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")


class LauncherError(Exception):
    """What went wrong, in one line. ``code`` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Settings:
    """What ``up`` was asked for."""

    state_dir: Path
    runtime: str = "bubblewrap"
    machines: int = 4
    gpus_per_machine: int = 8
    deserved_gpus: int | None = None
    cluster_kubeconfig: Path | None = None
    switches: tuple[str, ...] = ()
    foreground: bool = False
    die_with_parent: bool = False

    @property
    def starts_processes(self) -> bool:
        """Whether pods are processes of this machine."""
        return self.runtime != "inert" and self.cluster_kubeconfig is None


def up(settings: Settings) -> dict[str, Any]:
    """Start the simulator and return its state; in the foreground, return once it has ended."""
    folder = settings.state_dir
    _check_possible(settings)
    _make_folder(folder)
    before = {number: signal.signal(number, _interrupted) for number in SIGNALS}
    lifeline_read, lifeline_write = os.pipe()
    ends = [lifeline_read] if settings.foreground else []
    if settings.die_with_parent:
        ends.append(os.pidfd_open(os.getppid()))
    ready_read, ready_write = os.pipe()
    process = _spawn(settings, ready_write, ends)
    for descriptor in (ready_write, lifeline_read):
        os.close(descriptor)
    try:
        state = _await_ready(process, ready_read, folder)
        write_private(folder / STATE_FILE, state | {"pid": process.pid})
        if settings.foreground:
            print(f"simulator of the Run:ai control plane: {state['api_url']} ({folder / STATE_FILE})", flush=True)
            _stay_with(process)
        return state
    except BaseException:
        os.close(lifeline_write)
        _end_process(process.pid, started_at(process.pid), END_SECONDS if settings.foreground else 0.0)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def down(folder: Path) -> bool:
    """End the simulator of that folder and remove the folder; return whether there was one."""
    record = read_json(folder / PROCESS_FILE)
    if record is None:
        return False
    pid, started = int(record["pid"]), str(record["started"])
    state = read_json(folder / STATE_FILE)
    if started_at(pid) == started and state is not None:
        _ask_to_end(state)
        _await_end(pid, started, END_SECONDS)
    _end_process(pid, started, 1.0)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def status(folder: Path) -> dict[str, Any] | None:
    """Return the state of a running simulator, or None."""
    record, state = read_json(folder / PROCESS_FILE), read_json(folder / STATE_FILE)
    if record is None or state is None or started_at(int(record["pid"])) != str(record["started"]):
        return None
    return state


def _check_possible(settings: Settings) -> None:
    if not settings.starts_processes:
        return
    if os.geteuid() != 0:
        message = "pods with their own users and networks need root: run as root, or use --runtime inert (no processes)"
        raise LauncherError(message, 2)
    for program, package in (("bwrap", "bubblewrap"), ("ip", "iproute2"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            raise LauncherError(f"`{program}` is missing: apt-get install {package}", 2)


def _make_folder(folder: Path) -> None:
    if status(folder) is not None:
        raise LauncherError(f"a simulator runs already in {folder}: end it with `down --state-dir {folder}`")
    down(folder)
    if folder.exists() and any(folder.iterdir()):
        raise LauncherError(f"{folder} is not empty and is not a simulator's: choose another --state-dir")
    folder.mkdir(parents=True, exist_ok=True)
    # Pods of any user reach their volumes below it; what is private in it has its own mode.
    folder.chmod(0o755)


def _spawn(settings: Settings, ready: int, ends: list[int]) -> subprocess.Popen[bytes]:
    folder = settings.state_dir
    api, endpoint = listen(), listen()
    command = [
        *(["unshare", *NAMESPACES, "--"] if settings.starts_processes else []),
        *(sys.executable, "-m", "gpuops_sandbox.server"),
        *("--state-dir", str(folder), "--runtime", settings.runtime if settings.starts_processes else "inert"),
        *("--machines", str(settings.machines), "--gpus-per-machine", str(settings.gpus_per_machine)),
        *([] if settings.deserved_gpus is None else ["--deserved-gpus", str(settings.deserved_gpus)]),
        *(["--cluster-kubeconfig", str(settings.cluster_kubeconfig)] if settings.cluster_kubeconfig else []),
        *("--api-fd", str(api.fileno()), "--endpoint-fd", str(endpoint.fileno()), "--ready-fd", str(ready)),
        *(word for end in ends for word in ("--end-fd", str(end))),
        *(word for switch in settings.switches for word in ("--switch", switch)),
    ]
    with (folder / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(api.fileno(), endpoint.fileno(), ready, *ends),
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
    api.close()
    endpoint.close()
    write_private(folder / PROCESS_FILE, {"pid": process.pid, "started": started_at(process.pid)})
    return process


def _await_ready(process: subprocess.Popen[bytes], descriptor: int, folder: Path) -> dict[str, Any]:
    readable, _writable, _failed = select.select([descriptor], [], [], START_SECONDS)
    text = b""
    with os.fdopen(descriptor, "rb") as pipe:
        if readable:
            # One line, not until the end of the pipe: `unshare` keeps it open as long as the server lives.
            text = pipe.readline()
    if not text:
        lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise LauncherError(f"the simulator did not start: {lines[-1] if lines else 'it wrote nothing'}")
    state: dict[str, Any] = json.loads(text)
    return state


def _stay_with(process: subprocess.Popen[bytes]) -> None:
    """Wait for the server's end, in steps: Python notices no signal that comes just before it begins to wait."""
    descriptor = os.pidfd_open(process.pid)
    try:
        while not select.select([descriptor], [], [], SIGNAL_SECONDS)[0]:
            continue
    finally:
        os.close(descriptor)
    process.wait()


def _interrupted(number: int, frame: object) -> None:
    raise LauncherError("interrupted", 128 + number)


def _ask_to_end(state: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{state['admin_url']}/shutdown", method="POST", headers={"X-Sandbox-Admin": state["admin_token"]}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=state["ca_path"])),
    )
    try:
        opener.open(request, timeout=5).close()
    except OSError:
        # It may be on its way out already; what does not end by itself is ended by its process id.
        return


def _end_process(pid: int, started: str | None, patience_seconds: float) -> None:
    """Kill the server (with its namespaces) where it still is the process that was started and does not end itself."""
    if started is None:
        return
    _await_end(pid, started, patience_seconds)
    if started_at(pid) == started:
        os.kill(pid, signal.SIGKILL)
        _await_end(pid, started, END_SECONDS)


def _await_end(pid: int, started: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while started_at(pid) == started and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
