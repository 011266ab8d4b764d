# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of ``model_ownership``: one clear message for what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_ownership import (
    model_ownership_arguments,
    read_ownership,
    read_ownership_options,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from hypothesis import given
from hypothesis import strategies as st

LEAST = {"platform": "kubernetes", "claim": "models", "image": "registry.example.com/vllm-openai:v0.33.0"}


def params(**options: Any) -> dict[str, Any]:
    given_ = {**LEAST, "paths": ["/data/model"], **options}
    validation = ArgumentSpecValidator(**model_ownership_arguments().keywords()).validate(given_)
    assert validation.error_messages == []
    return dict(validation.validated_parameters)


@pytest.mark.parametrize(
    ("paths", "below"),
    [
        (["/data/input/M"], ("input/M",)),
        (["input/M/"], ("input/M",)),
        (["/data//input/./M", "input/M"], ("input/M",)),
        (["a/b", "a", "a/c", "ab"], ("a", "ab")),
        (["name with space", "m-rf"], ("m-rf", "name with space")),
    ],
)
def test_paths_are_those_below_the_claim(paths: list[str], below: tuple[str, ...]) -> None:
    assert read_ownership(params(paths=paths)).paths == below


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"paths": []}, "paths"),
        ({"paths": ["/data"]}, "paths"),
        ({"paths": ["."]}, "paths"),
        ({"paths": ["/data/../etc"]}, "paths[0]"),
        ({"paths": ["ok", "../x"]}, "paths[1]"),
        ({"paths": ["/etc"]}, "paths[0]"),
        ({"paths": ["/database/x"]}, "paths[0]"),
        ({"paths": [""]}, "paths[0]"),
        ({"paths": ["a\0b"]}, "paths[0]"),
        ({"paths": ["-delete"]}, "paths[0]"),
        ({"paths": ["/data/ok/-rf/x"]}, "paths[0]"),
        ({"pods": 0}, "pods"),
        ({"copies": 0}, "copies"),
        ({"copies": 65}, "copies"),
        ({"copies_from": 0}, "copies_from"),
        ({"mount_path": "/"}, "mount_path"),
        ({"mount_path": "data"}, "mount_path"),
        ({"mount_path": "/data/../x"}, "mount_path"),
        ({"claim": "Models"}, "claim"),
        ({"run_as": {"uid": 0}}, "run_as.uid"),
        ({"run_as": {"uid": -1}}, "run_as.uid"),
        ({"run_as": {"uid": 2**31}}, "run_as.uid"),
        ({"run_as": {"gid": 2**32}}, "run_as.gid"),
        ({"run_as": {"supplemental_groups": [-5]}}, "run_as.supplemental_groups"),
        ({"take_over_from": [2**31]}, "take_over_from"),
        ({"file_mode": "rw"}, "file_mode"),
        ({"file_mode": "0200"}, "file_mode"),
        ({"file_mode": "u=w"}, "file_mode"),
        ({"file_mode": "4755"}, "file_mode"),
        ({"file_mode": "u+rs"}, "file_mode"),
        ({"directory_mode": "0640"}, "directory_mode"),
        ({"directory_mode": "u=rw"}, "directory_mode"),
        ({"directory_mode": "g+rX"}, "directory_mode"),
        ({"time_limit": 0}, "time_limit"),
        ({"start_timeout": -1}, "start_timeout"),
        ({"image": " "}, "image"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(options: dict[str, Any], named: str) -> None:
    given_ = params(**options)
    with pytest.raises(OptionError) as refused:
        _read(given_)
    assert [finding.object for finding in refused.value.findings] == [named]
    assert refused.value.findings[0].hint


def _read(given_: dict[str, Any]) -> None:
    read_ownership_options(given_)
    read_ownership(given_)


@pytest.mark.parametrize("paths", [[], ["/data"], ["."], ["/data", "model"]])
def test_the_whole_volume_is_seen_to_when_that_is_allowed(paths: list[str]) -> None:
    assert read_ownership(params(paths=paths, allow_volume_root=True)).paths == ("",)


@pytest.mark.parametrize("mode", ["u=rwX,g=rX", "0640", "640", "u+rwX,g+rX,o-w", "a=r", "ug+rwX"])
def test_modes_that_make_sense(mode: str) -> None:
    assert read_ownership(params(file_mode=mode)).file_mode == mode


@given(path=st.text(min_size=1, max_size=40))
def test_no_path_leads_out_of_the_claim(path: str) -> None:
    try:
        (below,) = read_ownership(params(paths=[path])).paths
    except OptionError:
        return
    assert below and not below.startswith("/")
    assert not {"", ".", ".."} & set(below.split("/"))


@pytest.mark.parametrize(
    ("claim", "name"), [("models", "models"), ("a.b-c", "a-b-c"), ("x" * 100, "x" * 45), ("a" * 44 + ".b", "a" * 44)]
)
def test_jobs_are_called_after_the_claim(claim: str, name: str) -> None:
    assert read_ownership_options(params(claim=claim)).name == name


@pytest.mark.parametrize(
    ("pods", "spread", "apart"),
    [(1, "required", False), (2, "required", True), (2, "preferred", False), (2, "none", False)],
)
def test_pods_are_apart_where_they_have_to_be(pods: int, spread: str, apart: bool) -> None:
    options = read_ownership_options(params(pods=pods, spread=spread))
    assert (options.pods, options.apart) == (pods, apart)
