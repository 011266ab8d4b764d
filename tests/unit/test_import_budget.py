# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module may import: every task pays for it, and the machine that it runs on has to have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ansible_collections.gpuops.inference
import pytest
from support.modules import COLLECTION, module_names

# Heavy, or not part of ansible-core's own needs on a target: the collection does without them.
FORBIDDEN = {"jinja2", "jmespath", "kubernetes", "pydantic", "requests", "yaml"}
_IMPORT_AND_TELL = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _collection_root() -> str:
    """Return the folder from which the collection is imported here."""
    return str(Path(next(iter(ansible_collections.gpuops.inference.__path__))).parents[2])


@pytest.mark.parametrize("module", module_names())
def test_a_module_imports_nothing_heavy(module: str) -> None:
    command = [sys.executable, "-c", _IMPORT_AND_TELL, f"{COLLECTION}.plugins.modules.{module}"]
    environment = {**os.environ, "PYTHONPATH": _collection_root()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "ansible_collections" in loaded
    assert loaded & FORBIDDEN == set()
