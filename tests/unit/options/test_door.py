# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: validated parameters become frozen values of exact plain types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import (
    read_options,
    read_workload,
    workload_arguments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference


class TaggedText(str):
    """A text as ansible-core 2.19 and later hands it in: a subclass of ``str``."""


class TaggedNumber(int):
    """A number as ansible-core 2.19 and later hands it in."""


BASE: dict[str, Any] = {
    "platform": "runai",
    "project": "my-project",
    "runai_url": "https://tenant.run.ai",
    "runai_client_id": "id",
    "runai_client_secret": "s3cret-value",
    "name": "my-llm",
    "image": "registry.example.com/vllm-openai:v0.33.0",
    "model": {"path": "/data/model", "served_names": ["mistral4"]},
    "serving": {"access": "authenticated_users"},
}


def validated(**changes: Any) -> dict[str, Any]:
    """Return parameters that went through the argument parser and became plain."""
    given = {name: value for name, value in {**BASE, **changes}.items() if value is not None}
    result = ArgumentSpecValidator(**workload_arguments().keywords()).validate(given)
    assert not result.error_messages, result.error_messages
    plain: dict[str, Any] = to_plain(result.validated_parameters)
    return plain


def exact_types(value: Any) -> set[type]:
    """Return the types of all leaves below dataclasses, mappings and sequences."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {kind for entry in dataclasses.fields(value) for kind in exact_types(getattr(value, entry.name))}
    if isinstance(value, Mapping):
        return {kind for item in value.items() for part in item for kind in exact_types(part)}
    if isinstance(value, (list, tuple)):
        return {kind for item in value for kind in exact_types(item)}
    return {type(value)}


def test_every_leaf_behind_the_door_has_an_exact_plain_type() -> None:
    params = validated(
        name=TaggedText("my-llm"),
        pods=TaggedNumber(2),
        model={TaggedText("path"): TaggedText("/data/model")},
        env={TaggedText("A"): TaggedText("b"), "N": TaggedNumber(3), "T": True},
        vllm_args=[TaggedText("--max-model-len"), TaggedText("256")],
        fabric={"kind": "tcp", "inputs": {TaggedText("mode"): TaggedText("auto")}, "resources": {"rdma/ib": "1"}},
    )
    spec = read_workload(params)
    assert exact_types(spec) <= {str, int, float, bool, type(None)}
    assert exact_types(read_connection(params)) <= {str, int, float, bool, type(None)}
    assert spec.env == {"A": "b", "N": "3", "T": "true"}
    assert spec.fabric is not None and spec.fabric.resources == {"rdma/ib": 1}


def test_defaults_of_the_options_are_the_defaults_of_the_spec() -> None:
    spec = read_workload(validated())
    for entry in dataclasses.fields(spec):
        if entry.default is not dataclasses.MISSING:
            assert getattr(spec, entry.name) == entry.default, entry.name
        elif entry.default_factory is not dataclasses.MISSING:
            assert getattr(spec, entry.name) == entry.default_factory(), entry.name


def test_a_reference_to_a_secret_stays_a_reference() -> None:
    spec = read_workload(validated(env={"HF_TOKEN": {"secret": "hub", "key": "token"}}))
    assert spec.env == {"HF_TOKEN": SecretReference("hub", "token")}


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"env": {"A": {"secret": "x"}}}, "env.A"),
        ({"env": {"A": ["x"]}}, "env.A"),
        ({"labels": {"team": ["x"]}}, "labels.team"),
        ({"fabric": {"kind": "tcp", "resources": {"rdma/ib": "1.5"}}}, "fabric.resources.rdma/ib"),
        ({"fabric": {"kind": "tcp", "resources": {"rdma/ib": "many"}}}, "fabric.resources.rdma/ib"),
    ],
)
def test_a_value_without_meaning_is_refused_by_name(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_workload(validated(**changes))
    assert caught.value.findings[0].object == option
    assert caught.value.message.startswith(f"{option}: ")


@pytest.mark.parametrize(
    ("option", "empty"), [("model", None), ("serving", None), ("image", None), ("image", "")], ids=str
)
def test_what_a_workload_cannot_do_without_is_missed_by_name(option: str, empty: Any) -> None:
    params = validated()
    params[option] = empty
    with pytest.raises(OptionError) as caught:
        read_workload(params)
    assert caught.value.findings[0].object == option
    assert caught.value.findings[0].cause == "missing_option"


def nothings(spec: Mapping[str, Any], within: str = "") -> list[tuple[str, Any]]:
    """Return every option, nested ones dotted, with everything that stands for nothing."""
    found: list[tuple[str, Any]] = []
    for name, option in spec.items():
        found += [(f"{within}{name}", nothing) for nothing in (None, "", [], {})]
        if "options" in option and option["type"] == "dict":
            found += nothings(option["options"], f"{within}{name}.")
    return found


@pytest.mark.parametrize(("option", "nothing"), nothings(workload_arguments().argument_spec), ids=str)
def test_nothing_given_for_an_option_is_a_workload_or_one_clear_message(option: str, nothing: Any) -> None:
    name, _dot, part = option.partition(".")
    given: Any = BASE.get(name) or {"kind": "tcp"}
    params = {**BASE, name: {**given, part: nothing} if part else nothing}
    if workload_arguments().shape_error(params) is not None:
        return
    result = ArgumentSpecValidator(**workload_arguments().keywords()).validate(params)
    if result.error_messages:
        return
    try:
        read_options(result.validated_parameters)
        plan_workload(read_workload(to_plain(result.validated_parameters)), TRAITS)
    except OptionError as error:
        assert error.findings[0].object.split(".")[0].split("[")[0] == name, error.message


def test_the_order_of_what_has_no_order_is_no_change() -> None:
    orders = [
        read_workload(
            validated(
                serving={"access": "authorized_users", "authorized_users": users},
                run_as={"supplemental_groups": groups},
                image_pull_secrets=secrets,
                exclude_machines=secrets,
            )
        )
        for users, groups, secrets in (
            (["a@example.com", "b@example.com"], [1, 20, 3], ["x", "y"]),
            (["b@example.com", "a@example.com", "b@example.com"], [3, 1, 20], ["y", "x"]),
        )
    ]
    assert orders[0] == orders[1]
    assert orders[0].run_as.supplemental_groups == (1, 3, 20)


def test_the_order_of_node_pools_stays_as_given() -> None:
    assert read_workload(validated(node_pools=["b", "a"])).placement.node_pools == ("b", "a")


@pytest.mark.parametrize("option", ["schedule_timeout", "start_timeout", "delete_timeout"])
def test_a_time_limit_of_nothing_is_refused(option: str) -> None:
    with pytest.raises(OptionError, match=option):
        read_options(validated(**{option: 0}))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"runai_url": None}, "runai_url"),
        ({"runai_url": "http://tenant.run.ai"}, "runai_url"),
        ({"runai_client_secret": None}, "runai_client_id"),
        ({"runai_client_cert": "/c.pem"}, "runai_client_cert"),
        ({"runai_request_timeout": 0}, "runai_request_timeout"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_by_name(
    changes: dict[str, Any], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNAI_URL", raising=False)
    monkeypatch.delenv("RUNAI_CLIENT_SECRET", raising=False)
    with pytest.raises(OptionError) as caught:
        read_connection(validated(**changes))
    assert caught.value.findings[0].object == option
    assert "s3cret-value" not in caught.value.message


def test_connection_comes_from_the_environment_where_the_task_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNAI_URL", "https://other.run.ai/")
    monkeypatch.setenv("RUNAI_TOKEN", "token-from-environment")
    monkeypatch.setenv("RUNAI_PROJECT", "injected-by-runai")
    connection = read_connection(validated(runai_url=None, runai_client_id=None, runai_client_secret=None))
    assert connection.runai is not None
    assert connection.runai.url == "https://other.run.ai"
    assert connection.runai.token == "token-from-environment"
    assert connection.project == "my-project"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fabric": 0}, "fabric: int found, a dictionary needed."),
        ({"fabric": {"kind": "tcp", "variables": [3]}}, "fabric.variables: list found, a list of dictionaries needed."),
        ({"volumes": "nonsense"}, "volumes: str found, a list of dictionaries needed."),
        ({"start_timeout": float("inf")}, "start_timeout: inf found, a whole number needed."),
        (
            {"run_as": {"supplemental_groups": "5, -Infinity"}},
            "run_as.supplemental_groups: '5, -Infinity' found, a whole number needed.",
        ),
        ({"model": "path=/data/m"}, None),
        ({"volumes": [{"claim": "c", "path": "/d"}]}, None),
    ],
)
def test_nested_options_of_another_shape_are_named(changes: dict[str, Any], message: str | None) -> None:
    assert workload_arguments().shape_error({**BASE, **changes}) == message
