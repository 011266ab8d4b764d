# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of the smoke test that make no sense are refused at the door."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import (
    SmokeTestOptions,
    read_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

GIVEN: dict[str, Any] = {
    "up_to": "L2",
    "prompt": "Say hello in one word.",
    "max_tokens": 16,
    "time_limit": 60,
    "served_names": [],
    "looks_in_check_mode": False,
}


def test_the_defaults_of_the_options_are_those_of_the_test() -> None:
    assert read_smoke_test(GIVEN) == SmokeTestOptions()


@pytest.mark.parametrize("option", ["time_limit", "max_tokens"])
@pytest.mark.parametrize("number", [0, -5])
def test_less_than_one_is_refused_by_name(option: str, number: int) -> None:
    with pytest.raises(OptionError) as caught:
        read_smoke_test({**GIVEN, option: number})
    assert caught.value.findings[0].object == option
