# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection ``local`` under another name, for which the collection does not run in the controller's process."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: elsewhere
short_description: local, but not known as such
description: Runs modules on the controller as on any other machine, without the cost of a network.
options:
  become_success_timeout:
    description: As for local.
    type: int
    default: 10
  become_strip_preamble:
    description: As for local.
    type: bool
    default: true
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """What ``local`` does."""

    transport = "elsewhere"
