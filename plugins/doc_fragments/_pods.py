# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that several modules have of pods."""

from __future__ import annotations


class ModuleDocFragment:
    """As whom pods run, and which taints of machines they tolerate."""

    DOCUMENTATION = r"""
options:
  run_as:
    description:
      - The user that the serving processes run as. They never run as root.
    type: dict
    suboptions:
      uid:
        description:
          - The user ID.
        type: int
        default: 2000
      gid:
        description:
          - The group ID.
        type: int
        default: 2000
      supplemental_groups:
        description:
          - Further group IDs, for example that of the model's files.
        type: list
        elements: int
        default: []
  tolerations:
    description:
      - Taints of machines that the pods tolerate.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: The key of the taint.
        type: str
        required: true
      operator:
        description: How the value is compared.
        type: str
        choices: [Exists, Equal]
        default: Exists
      value:
        description: The value of the taint, with O(tolerations[].operator=Equal).
        type: str
      effect:
        description: The effect of the taint. Every effect if not set.
        type: str
        choices: [NoSchedule, NoExecute, PreferNoSchedule]
      seconds:
        description: How long a taint with the effect V(NoExecute) is tolerated.
        type: int
"""
