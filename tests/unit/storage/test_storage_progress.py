# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the walker's lines of progress say to a person."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.progress import how_far


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"pass": 1, "seen": 120000, "wrong": 14, "changed": 0, "seconds": 5}', "120000 entries, 14 wrong"),
        ('{"pass": 1, "seen": 7, "wrong": 0, "changed": 0}', "7 entries"),
        ('{"pass": 2, "seen": 7, "wrong": 3, "changed": 3}', "7 entries, 3 wrong, 3 changed (pass 2)"),
        ('{"seen": 7}', "7 entries"),
        ('{"seen": 7, "wrong": "a secret", "changed": true, "pass": "x"}', "7 entries"),
        ('{"seen": "a secret"}', ""),
        ('{"mode": "look", "found": {"files": 1}}', ""),
        ("Traceback (most recent call last):", ""),
        ("[" * 100000, ""),
        ('{"seen": 12', ""),
        ("7", ""),
        ("", ""),
    ],
)
def test_numbers_become_words_and_nothing_else_is_said(line: str, said: str) -> None:
    assert how_far(line) == said
