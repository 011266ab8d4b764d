# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``vllm_workload_info``: the module's operation in the controller's process."""

from __future__ import annotations

import contextlib
import importlib

from ansible_collections.gpuops.inference.plugins.module_utils._operations.workload_info import read_workload_info
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload_info import workload_info_arguments
from ansible_collections.gpuops.inference.plugins.plugin_utils._in_process import Entry, InProcessAction

# Loaded here, the package is paid for once in the parent process, not by each forked task. Where it is missing, the
# task that needs it says so.
with contextlib.suppress(ImportError):
    importlib.import_module("jmespath")


class ActionModule(InProcessAction):
    """Does in process what the module ``vllm_workload_info`` does."""

    entry = Entry(workload_info_arguments, read_workload_info)
