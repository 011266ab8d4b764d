# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of the sandbox: real users, namespaces, networks and ends. Needs root and bubblewrap."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).with_name("pod_scenarios.py")
SANDBOX = Path(__file__).parents[2] / "sandbox"
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
PACKAGES = {"bwrap": "bubblewrap", "ip": "iproute2", "setpriv": "util-linux", "unshare": "util-linux"}


@functools.cache
def observe(scenario: str) -> Any:
    """Run a scenario in namespaces of its own and return what it saw."""
    completed = subprocess.run(
        ["unshare", *NAMESPACES, sys.executable, str(SCENARIOS), scenario],
        env={**os.environ, "PYTHONPATH": str(SANDBOX)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


@pytest.fixture(scope="module", autouse=True)
def _machine() -> None:
    missing = [f"apt-get install {package}" for program, package in PACKAGES.items() if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("root (run the tests with sudo)")
    if missing and os.environ.get("CI"):
        pytest.fail(f"the pod tests need: {', '.join(missing)}")
    if missing:
        pytest.skip(f"POD TESTS NOT RUN, they need: {', '.join(missing)}")


def test_a_process_is_the_user_and_sees_the_files_of_its_pod() -> None:
    seen = observe("inside")
    assert (seen["uid"], seen["gid"], sorted(seen["groups"])) == (2000, 2000, [3000])
    assert seen["pid"] == 1
    assert seen["host"] == "my-llm-inference-0-1"
    assert f"{seen['address']} my-llm-inference-0-1\n" in seen["hosts"]
    assert "10.77.9.9 leader.example\n" in seen["hosts"]
    assert int(seen["capabilities"], 16) == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["read_denied"] == "PermissionError"
    assert seen["root"] == "PermissionError"
    assert seen["write_denied"] is not None
    assert seen["read_only"] == "OSError"
    assert seen["scratch"] is None
    assert seen["shared_memory"] == 64 * 1024**2
    assert seen["folder"] == "/data"


def test_the_environment_is_the_pod_s_and_nothing_of_the_machine_s() -> None:
    environment = dict(observe("inside")["environment"])
    environment.pop("LC_CTYPE", None)  # Python's own, where no locale is set
    assert environment.pop("PATH").startswith("/opt/stand-in/bin:")
    assert environment == {
        "NAME": "value with 'quotes'",
        "EMPTY": "",
        "DASHES": "--",
        "HOME": "/",
        "HOSTNAME": "my-llm-inference-0-1",
        "PWD": "/data",
    }


def test_root_in_a_pod_may_change_owners_and_mounts_nothing() -> None:
    seen = observe("root_user")
    assert seen["owner"] == 2000
    assert "owned" in seen["output"]
    assert "no mount" in seen["output"]


def test_exit_codes_and_refused_starts() -> None:
    seen = observe("exits")
    assert (seen["seven"], seen["zero"], seen["term"]) == (7, 0, 128 + 15)
    assert seen["command"][0] == "OSError"
    assert "no-such-program" in seen["command"][1]
    assert seen["mount"][0] == "FileNotFoundError"
    assert "nowhere of mount /data does not exist" in seen["mount"][1]
    assert seen["place"][0] == "OSError"
    assert "Read-only file system" in seen["place"][1]
    assert seen["image"][0] == "ImageNotFound"
    assert seen["links"] == ["lo", "pods0"]
    assert "File exists" in seen["address_in_use"][0]
    assert seen["address_in_use"][1] == 200


def test_pods_reach_each_other_and_nothing_else() -> None:
    seen = observe("network")
    assert seen["output"][0] == "200"
    assert "Name or service not known" in seen["output"][1]
    assert "No route to host" in seen["output"][2]
    assert seen["leader"] == 0


def test_stop_kill_and_pause() -> None:
    seen = observe("ends")
    assert seen["stop"] == 0
    assert seen["stop_stubborn"] == 137
    assert (seen["kill"], seen["kill_again"]) == (137, 137)
    assert seen["family_left"] == []
    assert seen["health_paused"] is None
    assert seen["states_paused"] == ["T"]
    assert seen["health_resumed"] == 200
    assert seen["kill_paused"] == 137


def test_an_ended_pod_leaves_its_log_only_and_its_address_can_be_used_at_once() -> None:
    seen = observe("ends")
    assert seen["same_address"] == 200
    assert seen["logs_differ"]
    assert seen["links"] == ["lo", "pods0"]
    assert seen["files"] == ["logs"]
    assert seen["processes"] == []


def test_a_start_that_is_given_up_leaves_nothing() -> None:
    seen = observe("cancelled")
    assert "CancelledError" in seen["outcomes"]
    assert set(seen["outcomes"]) <= {"CancelledError", "Pod"}
    assert [name for name in seen["processes"] if name != "unshare"] == []


def test_a_network_that_is_not_the_sandbox_s_own_is_left_alone() -> None:
    seen = observe("foreign")
    assert "192.0.2.1/24" in seen["error"]
    assert seen["links"] == ["lo", "other"]


def test_a_hundred_pods_in_one_thread() -> None:
    seen = observe("many")
    assert seen == {"addresses": 100, "codes": [0], "threads": 1, "links": ["lo", "pods0"]}
