# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``fabric_probe``: the module's operation in the controller's process."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_probe import probe_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import fabric_probe_arguments
from ansible_collections.gpuops.inference.plugins.plugin_utils._in_process import Entry, InProcessAction


class ActionModule(InProcessAction):
    """Does in process what the module ``fabric_probe`` does."""

    entry = Entry(fabric_probe_arguments, probe_fabric)
