# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenario of the roles: converge, idempotence, verify, clean up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.needs import missing
from support.playbook import REPOSITORY, collections_path

SECONDS = 300


def test_the_scenario_passes(tmp_path: Path, checkout_link: Path) -> None:
    program = Path(sys.executable).with_name("molecule")
    if not program.exists():
        missing("molecule: run the tests by make, or pip install -r tests/requirements/dev.txt")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RUNAI_"))}
    variables |= {
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path(checkout_link)),
        "ANSIBLE_HOME": str(tmp_path / "ansible-home"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        "NO_COLOR": "1",
        "PATH": f"{program.parent}{os.pathsep}{variables.get('PATH', os.defpath)}",
    }
    done = subprocess.run(
        [str(program), "test"],
        cwd=REPOSITORY / "extensions",
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "default > idempotence: Executed: Successful" in done.stdout + done.stderr
    assert "default > verify: Executed: Successful" in done.stdout + done.stderr
