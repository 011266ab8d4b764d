# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``up`` and ``down``: nothing of the simulator stays, however it ends. With real pods as root, without them always."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.control_plane_client import Client, changed, distributed_body, eventually

from gpuops_sandbox import launcher
from gpuops_sandbox.testing import RunningSandbox, admin_opener

SANDBOX = Path(launcher.__file__).resolve().parents[1]
NEEDED = {"bwrap": "bubblewrap", "ip": "iproute2", "unshare": "util-linux"}


def missing_for_real_pods() -> str | None:
    if os.geteuid() != 0:
        return "pods with their own users need root: run the tests as root"
    absent = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    return f"a program is missing: apt-get install {' '.join(absent)}" if absent else None


def runtimes() -> list[Any]:
    why = missing_for_real_pods()
    skip = [pytest.mark.skipif(why is not None and "CI" not in os.environ, reason=str(why))]
    return [pytest.param("inert"), pytest.param("bubblewrap", marks=skip)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "gpuops_sandbox", *words]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(SANDBOX)}
    return subprocess.run(command(*words), capture_output=True, text=True, env=environment, timeout=120, check=False)


def running(state: dict[str, Any]) -> RunningSandbox:
    return RunningSandbox(state, admin_opener(Path(state["ca_path"])))


def processes_of(folder: Path) -> list[int]:
    """Return the processes that name the folder on their command line or have a file of it open as output."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(int(entry.name))
    return found


def nothing_left(folder: Path) -> bool:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return not processes_of(folder) and not folder.exists() and str(folder) not in mounts


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "sandbox"
    yield path
    launcher.down(path)


@pytest.mark.parametrize("runtime", runtimes())
def test_up_serves_and_down_leaves_nothing(folder: Path, runtime: str) -> None:
    links = set(os.listdir("/sys/class/net"))
    started = run("up", "--state-dir", str(folder), "--runtime", runtime, "--switch", "recreate_seconds=0.05")
    assert started.returncode == 0, started.stderr
    state_file = folder / "state.json"
    assert stat.S_IMODE(state_file.stat().st_mode) == 0o600
    again = run("up", "--state-dir", str(folder), "--runtime", runtime)
    assert again.returncode == 1 and "runs already" in again.stderr
    client = Client(running(json.loads(state_file.read_text(encoding="utf-8"))))
    probe = {"readiness": {"periodSeconds": 1, "handler": {"httpGet": {"path": "/health", "port": 8000}}}}
    workload_id = client.create(changed(distributed_body(), "spec.leader.probes", probe))
    workload = client.reach(workload_id, "Running", 60)
    headers = {"Authorization": f"Bearer {client.token}"}
    url = workload["urls"][0]
    assert client.http.get(f"{url}/v1/models").status_code == 401
    assert client.http.get(f"{url}/v1/models", headers=headers).json()["data"][0]["id"] == "mistral4"
    before = {pod["id"] for pod in client.pods(workload_id)}
    client.running.admin("POST", f"/pods/{workload['namespace']}/my-llm-0-1/crash")
    eventually(lambda: not before & {pod["id"] for pod in client.pods(workload_id)}, 30)
    client.reach(workload_id, "Running", 60)
    assert "stand-in" in client.running.admin("GET", f"/pods/{workload['namespace']}/my-llm-0/log")
    ended = run("down", "--state-dir", str(folder))
    assert (ended.returncode, ended.stdout) == (0, "ended\n")
    assert nothing_left(folder) and set(os.listdir("/sys/class/net")) == links
    assert run("down", "--state-dir", str(folder)).stdout == "nothing to end\n"


@pytest.mark.parametrize("runtime", runtimes())
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_in_the_foreground_it_ends_with_its_command(folder: Path, runtime: str, number: int) -> None:
    words = command("up", "--state-dir", str(folder), "--runtime", runtime, "--foreground")
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(SANDBOX)}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"https://localhost:" in process.stdout.readline()
        process.send_signal(number)
        process.wait(60)
    eventually(lambda: nothing_left(folder), 30)


@pytest.mark.parametrize("runtime", runtimes())
def test_it_ends_with_the_process_that_started_it(folder: Path, runtime: str) -> None:
    words = command("up", "--state-dir", str(folder), "--runtime", runtime, "--die-with-parent")
    script = f"import subprocess, sys; subprocess.run({words!r}, check=True); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(SANDBOX)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        eventually(lambda: parent.stdout is not None and parent.stdout.readline() == b"up\n", 60)
        assert launcher.status(folder) is not None
        parent.kill()
        parent.wait(10)
    eventually(lambda: nothing_left(folder), 30)


def test_a_killed_server_is_cleaned_up_by_down(folder: Path) -> None:
    assert run("up", "--state-dir", str(folder), "--runtime", "inert").returncode == 0
    state = launcher.status(folder)
    assert state is not None
    os.kill(state["pid"], signal.SIGKILL)
    eventually(lambda: launcher.status(folder) is None)
    assert run("status", "--state-dir", str(folder)).returncode == 1
    assert run("down", "--state-dir", str(folder)).returncode == 0
    assert nothing_left(folder)


def test_a_folder_of_somebody_else_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "precious").write_text("mine", encoding="utf-8")
    started = run("up", "--state-dir", str(folder), "--runtime", "inert")
    assert started.returncode == 1 and "not a simulator's" in started.stderr
    assert run("down", "--state-dir", str(folder)).stdout == "nothing to end\n"
    assert (folder / "precious").read_text(encoding="utf-8") == "mine"


def test_a_wrong_switch_is_one_line(folder: Path) -> None:
    started = run("up", "--state-dir", str(folder), "--runtime", "inert", "--switch", "colour=red")
    assert started.returncode == 1 and "no such switch: colour" in started.stderr
    assert "Traceback" not in started.stderr and len(started.stderr.splitlines()) == 1
    assert nothing_left(folder)


def test_status_shows_no_secret(folder: Path) -> None:
    run("up", "--state-dir", str(folder), "--runtime", "inert")
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    shown = run("status", "--state-dir", str(folder)).stdout
    assert json.loads(shown)["api_url"] == state["api_url"]
    assert not any(state[name] in shown for name in ("client_secret", "admin_token", "password"))


def test_an_empty_model_is_put_on_the_claim(folder: Path) -> None:
    assert run("prepare", "--state-dir", str(folder)).returncode == 1
    run("up", "--state-dir", str(folder), "--runtime", "inert")
    assert run("prepare", "--state-dir", str(folder), "--empty-model").returncode == 0
    model = folder / "volumes/runai-my-project/my-project-models/input/Models/Mistral-Small-4-119B-2603"
    assert (model / "config.json").is_file()
