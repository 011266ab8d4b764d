# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which claim the role model_storage looks for the model, as Ansible itself works the defaults out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from role_files import ROLES

PLAY = [
    {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROLES / "model_storage" / "defaults" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.assert": {
                    "that": ["found == wanted"],
                    "fail_msg": "{{ inventory_hostname }}: {{ found }}",
                },
                "vars": {
                    "found": [
                        "{{ model_storage_ownership_claim }}",
                        "{{ model_storage_mount_path if model_storage_ownership_claim else '' }}",
                    ]
                },
            }
        ],
    }
]
SHALLOW, DEEP = {"claim": "shallow", "path": "/data"}, {"claim": "deep", "path": "/data/models/"}
OTHER = {"claim": "other", "path": "/data2"}
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "one_claim": (["models", "/data"], {"gpuops_claim": "models", "gpuops_model_path": "/data/m"}),
    "its_own_path": (
        ["models", "/mnt/x"],
        {"gpuops_claim": "models", "gpuops_claim_path": "/mnt/x", "gpuops_model_path": "/mnt/x/m"},
    ),
    "not_the_first": (["other", "/data2"], {"gpuops_volumes": [SHALLOW, OTHER], "gpuops_model_path": "/data2/m"}),
    "the_deepest": (
        ["deep", "/data/models/"],
        {"gpuops_volumes": [DEEP, SHALLOW], "gpuops_model_path": "/data/models/m"},
    ),
    "beside_the_deep_one": (
        ["shallow", "/data"],
        {"gpuops_volumes": [DEEP, SHALLOW], "gpuops_model_path": "/data/models2"},
    ),
    "the_mount_itself": (
        ["deep", "/data/models/"],
        {"gpuops_volumes": [SHALLOW, DEEP], "gpuops_model_path": "/data//models"},
    ),
    "on_none": (["", ""], {"gpuops_volumes": [SHALLOW, OTHER], "gpuops_model_path": "/opt/m"}),
    "a_dot_is_a_dot": (["", ""], {"gpuops_volumes": [{"claim": "x", "path": "/axb"}], "gpuops_model_path": "/a.b/m"}),
    "no_claim": (["", ""], {}),
    "given_paths": (
        ["other", "/data2"],
        {
            "gpuops_volumes": [SHALLOW, OTHER],
            "gpuops_model_path": "/data/m",
            "gpuops_ownership_paths": ["/data2/adapters"],
        },
    ),
    "below_the_root_of_the_claim": (
        ["shallow", "/data"],
        {"gpuops_volumes": [SHALLOW, OTHER], "gpuops_model_path": "/data2/m", "gpuops_ownership_paths": ["input/m"]},
    ),
}


def test_the_model_is_looked_for_on_the_mount_that_it_lies_on(tmp_path: Path) -> None:
    hosts = {name: {"wanted": wanted, **variables} for name, (wanted, variables) in CASES.items()}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"]
    played = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
