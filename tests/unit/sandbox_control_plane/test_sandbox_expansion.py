# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's expansion, word by word."""

from __future__ import annotations

import pytest

from gpuops_sandbox.cluster.expansion import expand, expand_environment
from gpuops_sandbox.cluster.volumes import parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("a$(A)b$(B)c", "a1b2c"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$", "$"),
        ("$", "$"),
        ("$A", "$A"),
        ("${A}", "${A}"),
        ("$(A", "$(A"),
        ("$(NOPE)", "$(NOPE)"),
        ("$()", "$()"),
        ("$(A)$", "1$"),
        ("$($(A))", "$($(A))"),
        ("100%$$", "100%$"),
    ],
)
def test_expansion_is_the_kubelet_s(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_a_variable_sees_only_those_before_it() -> None:
    given = [("A", "1", True), ("B", "$(A)$(C)", True), ("C", "3", True), ("RAW", "$(A)", False), ("A", "9", True)]
    assert expand_environment(given) == {"A": "9", "B": "1$(C)", "C": "3", "RAW": "$(A)"}


@pytest.mark.parametrize(("text", "expected"), [("1Gi", 1024**3), ("64M", 64_000_000), ("12", 12), ("1.5Ki", 1536)])
def test_quantities(text: str, expected: int) -> None:
    assert parse_quantity(text) == expected
