# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what all modules of the collection have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of the modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates
      no change.
  action_group:
    description: Use C(group/gpuops.inference.all) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - gpuops.inference.all
  platform:
    description: The operating system that the task runs on.
    support: full
    platforms: posix
  in_process:
    description: Runs in the controller's own process where the connection is local and neither C(async) nor
      C(become) is used.
    support: full
"""
