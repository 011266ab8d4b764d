# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's inventories, as Ansible reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

INVENTORIES = Path(__file__).resolve().parents[2] / "inventories"


def inventory_hosts(name: str) -> dict[str, dict[str, Any]]:
    """Return the variables of the hosts of the group ``vllm_workloads``, as ansible-inventory sees them."""
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [str(program), "-i", str(INVENTORIES / name), "--list"]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    hosts: dict[str, dict[str, Any]] = listing["_meta"]["hostvars"]
    assert set(listing["vllm_workloads"]["hosts"]) == set(hosts)
    return hosts
