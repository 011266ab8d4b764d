# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions from image references, and budgets from start_timeout."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.timeouts import decide_timeouts
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_versions import (
    decide_version,
    features_of,
    parse_image,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_examples import plan_of, texts_of, words_of

DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "version", "causes"),
    [
        ("vllm/vllm-openai:v0.33.0", (0, 33, 0), []),
        ("registry.example.com/vllm-openai:0.33.0-cu130", (0, 33, 0), []),
        ("registry.example.com:5000/vllm-openai:v0.33.0" + DIGEST, (0, 33, 0), []),
        ("registry.example.com:5000/vllm-openai:v0.20.0rc1", (0, 20, 0), []),
        ("vllm-openai:v0.33", (0, 33, 0), []),
        ("registry.example.com:5000/vllm-openai", None, ["floating_image_tag", "vllm_version_unknown"]),
        ("vllm/vllm-openai:latest", None, ["floating_image_tag", "vllm_version_unknown"]),
        ("vllm/vllm-openai:nightly", None, ["floating_image_tag", "vllm_version_unknown"]),
        ("vllm/vllm-openai:main", None, ["floating_image_tag", "vllm_version_unknown"]),
        ("vllm/vllm-openai:latest" + DIGEST, None, ["vllm_version_unknown"]),
        ("vllm/vllm-openai" + DIGEST, None, ["vllm_version_unknown"]),
        ("nvcr.io/nvidia/vllm:25.09-py3", None, ["vllm_version_unknown"]),
        ("registry.example.com/llm:2024-01-31", None, ["vllm_version_unknown"]),
        ("registry.example.com/llm:0.1.2.3", None, ["vllm_version_unknown"]),
    ],
)
def test_version_of_an_image(image: str, version: tuple[int, int, int] | None, causes: list[str]) -> None:
    found, findings = decide_version(image, None)
    assert (found, [finding.cause for finding in findings]) == (version, causes)


def test_the_stated_version_wins_but_a_floating_tag_stays_a_warning() -> None:
    found, findings = decide_version("vllm/vllm-openai:latest", "v0.32.0")
    assert found == (0, 32, 0)
    assert [finding.cause for finding in findings] == ["floating_image_tag"]


@pytest.mark.parametrize("image", ["", " ", "a b:c", "registry/x:", ":v1", "x@", "registry/@sha256:0"])
def test_what_is_no_image_reference(image: str) -> None:
    with pytest.raises(OptionError, match=r"^image: "):
        parse_image(image)


@given(st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_is_an_image_or_an_option_error(image: str) -> None:
    try:
        decide_version(image, None)
    except OptionError as error:
        assert error.findings[0].object == "image"


@pytest.mark.parametrize(
    ("version", "native", "timeout_flag", "shutdown", "ray", "script_folder"),
    [
        ((0, 11, 0), False, False, False, True, "online_serving"),
        ((0, 11, 1), True, False, False, True, "online_serving"),
        ((0, 17, 1), True, False, False, True, "online_serving"),
        ((0, 18, 0), True, True, True, False, "online_serving"),
        ((0, 20, 2), True, True, True, False, "online_serving"),
        ((0, 21, 0), True, True, True, False, None),
        ((0, 22, 0), True, True, True, False, "ray_serving"),
        ((0, 33, 0), True, True, True, False, "ray_serving"),
        (None, True, True, False, False, "ray_serving"),
    ],
)
def test_features(
    version: tuple[int, int, int] | None,
    native: bool,
    timeout_flag: bool,
    shutdown: bool,
    ray: bool,
    script_folder: str | None,
) -> None:
    features = features_of(version)
    assert (features.native_multi_node, features.distributed_timeout, features.shutdown_timeout) == (
        native,
        timeout_flag,
        shutdown,
    )
    assert features.ray_in_image is ray
    folder = features.ray_script.split("/")[-2] if features.ray_script else None
    assert folder == script_folder


def test_optional_flags_are_left_out_for_versions_without_them() -> None:
    old = plan_of(image="vllm/vllm-openai:v0.17.1")
    assert "--distributed-timeout-seconds" not in words_of(old.leader)
    unknown = plan_of(image="vllm/vllm-openai" + DIGEST, pods=1)
    assert "--shutdown-timeout" not in words_of(unknown.leader)


@pytest.mark.parametrize(
    ("start", "distributed", "engine_ready"),
    [(10, 5, 9), (120, 60, 114), (600, 300, 570), (3600, 1800, 3420), (86400, 1800, 82080)],
)
def test_budgets(start: int, distributed: int, engine_ready: int) -> None:
    timeouts = decide_timeouts(start)
    assert (timeouts.distributed, timeouts.engine_ready, timeouts.start) == (distributed, engine_ready, start)


@given(st.integers(10, 86400))
@settings(max_examples=300)
def test_budgets_end_in_order(start: int) -> None:
    timeouts = decide_timeouts(start)
    assert 0 < timeouts.distributed < timeouts.engine_ready < timeouts.start


def test_budgets_reach_the_pods() -> None:
    plan = plan_of(start_timeout=600)
    assert "--distributed-timeout-seconds 300" in " ".join(words_of(plan.leader))
    assert texts_of(plan.leader)["VLLM_ENGINE_READY_TIMEOUT_S"] == "570"
