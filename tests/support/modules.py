# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the collection's modules and runs them through the real ``AnsibleModule``, in this process."""

from __future__ import annotations

import importlib
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.module_utils import basic
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments

COLLECTION = "ansible_collections.gpuops.inference"
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def module_names() -> list[str]:
    """Return the names of all modules of the collection."""
    return sorted(path.stem for path in (REPOSITORY / "plugins" / "modules").glob("*.py"))


def arguments_of(name: str) -> Arguments:
    """Return the arguments that the action plugin of a module validates (the module's own)."""
    action = importlib.import_module(f"{COLLECTION}.plugins.action.{name}")
    arguments: Arguments = action.ActionModule.entry.arguments()
    return arguments


def run_module(
    name: str,
    params: dict[str, Any],
    check_mode: bool = False,
    diff: bool = False,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a module's ``main`` with ``params`` and return the JSON it printed; ``rc`` is added."""
    main = importlib.import_module(f"{COLLECTION}.plugins.modules.{name}").main
    arguments = {
        **params,
        "_ansible_check_mode": check_mode,
        "_ansible_diff": diff,
        "_ansible_module_name": f"gpuops.inference.{name}",
        "_ansible_remote_tmp": "/tmp",
        "_ansible_keep_remote_files": False,
    }
    output = io.StringIO()
    code: Any = None
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()),
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        mock.patch.dict("os.environ", environment or {}),
        redirect_stdout(output),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    result: dict[str, Any] = json.loads(output.getvalue())
    result["rc"] = code
    return result
