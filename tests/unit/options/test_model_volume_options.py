# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim through the real argument parser: exact plain values, and one clear message for what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_volume import (
    VolumeOptions,
    model_volume_arguments,
    read_claim,
    read_volume_options,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimSpec

BASE: dict[str, Any] = {"platform": "kubernetes", "name": "my-project-models"}


def validated(**options: Any) -> dict[str, Any]:
    """Return parameters that went through the argument parser and became plain."""
    result = ArgumentSpecValidator(**model_volume_arguments().keywords()).validate({**BASE, **options})
    assert not result.error_messages, result.error_messages
    plain: dict[str, Any] = to_plain(result.validated_parameters)
    return plain


def test_nothing_is_stated_that_the_user_does_not_state() -> None:
    spec = read_claim(validated())
    assert spec == ClaimSpec("my-project-models")
    assert spec.stated() == {}
    assert spec.for_creation() == {"access_modes": ["read_write_many"], "volume_mode": "filesystem"}
    assert read_volume_options(validated()) == VolumeOptions("present", False, False, True, 300, 300)


def test_what_is_stated_arrives_as_texts() -> None:
    spec = read_claim(
        validated(
            size="500Gi",
            storage_class="",
            access_modes=["read_only_many", "read_write_many", "read_only_many"],
            labels={"replicas": 2, "shared": True},
            selector={"tier": "fast"},
        )
    )
    assert spec.stated() == {
        "size": "500Gi",
        "storage_class": "",
        "access_modes": ["read_only_many", "read_write_many"],
        "labels": {"replicas": "2", "shared": "true"},
        "selector": {"tier": "fast"},
    }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": "My_Models"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 254}, "name"),
        ({"size": "much"}, "size"),
        ({"size": "0"}, "size"),
        ({"size": "-5Gi"}, "size"),
        ({"size": "500 GB"}, "size"),
        ({"storage_class": "Not A Class"}, "storage_class"),
        ({"volume_name": "Not_A_Volume"}, "volume_name"),
        ({"volume_name": ""}, "volume_name"),
        ({"selector": {}}, "selector"),
        ({"selector": {"tier": "a b"}}, "selector.tier"),
        ({"labels": {"a b": "c"}}, "labels"),
        ({"labels": {"app.kubernetes.io/managed-by": "me"}}, "labels.app.kubernetes.io/managed-by"),
        ({"labels": {"tier": ["fast"]}}, "labels.tier"),
        ({"annotations": {"a b": "c"}}, "annotations"),
        ({"access_modes": ["read_write_once_pod", "read_write_many"]}, "access_modes"),
        ({"path": "data"}, "path"),
        ({"path": "/"}, "path"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_option(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_claim(validated(**options))
    assert caught.value.findings[0].object == named
    assert caught.value.findings[0].hint


@pytest.mark.parametrize("option", ["bind_timeout", "delete_timeout"])
def test_a_time_limit_below_a_second_is_refused_by_name(option: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_volume_options(validated(**{option: 0}))
    assert caught.value.findings[0].object == option
