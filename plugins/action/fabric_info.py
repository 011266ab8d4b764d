# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``fabric_info``: the module's operation in the controller's process."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric import read_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import fabric_info_arguments
from ansible_collections.gpuops.inference.plugins.plugin_utils._in_process import Entry, InProcessAction


class ActionModule(InProcessAction):
    """Does in process what the module ``fabric_info`` does."""

    entry = Entry(fabric_info_arguments, read_fabric)
