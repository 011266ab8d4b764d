# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a module accepts: its argument spec with the rules between options, as one value.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ArgumentSpec = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Arguments:
    """The arguments of one module, in the words of ``AnsibleModule``.

    The module hands them to ``AnsibleModule``, the action plugin to ``ArgumentSpecValidator``: both check the same.
    """

    argument_spec: ArgumentSpec
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments that ``AnsibleModule`` and ``ArgumentSpecValidator`` have in common."""
        return {
            "argument_spec": self.argument_spec,
            "mutually_exclusive": self.mutually_exclusive,
            "required_together": self.required_together,
            "required_one_of": self.required_one_of,
            "required_if": self.required_if,
        }
