# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a claim that is there differs from what is wanted: for one of ours, and for somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    ClaimChange,
    differences,
    shortcomings,
)

FOUND: dict[str, Any] = {
    "size": "500Gi",
    "access_modes": ["read_only_many", "read_write_many"],
    "volume_mode": "filesystem",
    "storage_class": "nfs",
    "labels": {"team": "chat", "of-somebody-else": "kept"},
}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"size": "512000Mi"},
        {"access_modes": ["read_only_many", "read_write_many"]},
        {"labels": {"team": "chat"}},
        {"volume_name": "not-shown"},
    ],
)
def test_the_same_in_other_words_is_no_difference(wanted: dict[str, Any]) -> None:
    assert differences(wanted, FOUND) == []


def test_each_difference_has_both_values() -> None:
    wanted = {"size": "1Ti", "labels": {"team": "search", "new": "x"}, "storage_class": "cephfs"}
    assert differences(wanted, FOUND) == [
        ClaimChange("size", "500Gi", "1Ti"),
        ClaimChange("labels", {"team": "chat"}, {"team": "search", "new": "x"}),
        ClaimChange("storage_class", "nfs", "cephfs"),
    ]


@pytest.mark.parametrize(
    ("size", "is_smaller"), [("400Gi", True), ("600Gi", False), ("not a size", False), ("0.4Ti", True)]
)
def test_only_less_space_is_smaller(size: str, is_smaller: bool) -> None:
    assert ClaimChange("size", "500Gi", size).is_smaller is is_smaller


def test_more_than_is_needed_is_as_good_in_a_claim_of_somebody_else() -> None:
    assert shortcomings({"size": "100Gi", "access_modes": ["read_write_many"]}, FOUND) == []
    needed = {"size": "1Ti", "access_modes": ["read_write_once"]}
    assert [change.option for change in shortcomings(needed, FOUND)] == ["size", "access_modes"]
