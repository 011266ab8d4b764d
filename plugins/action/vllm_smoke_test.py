# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``vllm_smoke_test``: the module's operation in the controller's process."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.workload_smoke_test import prove_workload
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import smoke_test_arguments
from ansible_collections.gpuops.inference.plugins.plugin_utils._in_process import Entry, InProcessAction


class ActionModule(InProcessAction):
    """Does in process what the module ``vllm_smoke_test`` does."""

    entry = Entry(smoke_test_arguments, prove_workload)
