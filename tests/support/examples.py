# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the modules' documentation."""

from __future__ import annotations

import importlib
from typing import Any

import yaml
from support.modules import COLLECTION

CREATING_MODULE = "vllm_workload"


def all_examples(module: str) -> list[dict[str, Any]]:
    """Return the parameters of every example in a module's documentation, in order."""
    text = importlib.import_module(f"{COLLECTION}.plugins.modules.{module}").EXAMPLES
    return [task[f"gpuops.inference.{module}"] for task in yaml.safe_load(text)]
