# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand random sets of parameters for the modules: each ends in a result or in one clear message."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.modules import COLLECTION, arguments_of, module_names

# Nothing listens there: an operation whose options are fine ends with the finding that the platform is not reachable.
NOWHERE = {
    "runai": {
        "platform": "runai",
        "project": "p",
        "namespace": None,
        "runai_url": "https://127.0.0.1:9",
        "runai_token": "token-of-nowhere",
    },
    "kubernetes": {
        "platform": "kubernetes",
        "project": None,
        "namespace": "n",
        "kubeconfig": None,
        "context": None,
        "host": "https://127.0.0.1:9",
        "api_key": "token-of-nowhere",
    },
}
SETS_OF_EACH = -(-1000 // (len(module_names()) * len(NOWHERE)))

texts = st.sampled_from(
    ["", "a", "my-llm", "/data/m", "Ünïcode", "$(HOME)", "a b", "'", "--tensor-parallel-size", "L2"]
)
scalars = texts | st.integers(-2, 9) | st.booleans() | st.floats(allow_nan=False) | st.none()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2), max_leaves=4
)


class FakeTime:
    """A clock that only its own ``sleep`` moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        """Return the seconds that were slept."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def values_of(option: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return mostly fitting values for one option of an argument spec."""
    if "choices" in option:
        return st.sampled_from(option["choices"])
    if option.get("type") == "dict" and "options" in option:
        return parameters_of(option["options"])
    if option.get("type") == "list":
        inner = parameters_of(option["options"]) if "options" in option else values_of({"type": option.get("elements")})
        return st.lists(inner, max_size=2)
    fitting: dict[Any, st.SearchStrategy[Any]] = {
        "int": st.integers(-1, 5),
        "float": st.floats(0, 8),
        "bool": st.booleans(),
        "dict": st.dictionaries(texts, scalars, max_size=2),
    }
    return fitting.get(option.get("type"), texts)


def parameters_of(spec: dict[str, dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return parameters: required options always, others sometimes, now and then of any type."""
    required = {name: values_of(option) | anything for name, option in spec.items() if option.get("required")}
    optional = {name: values_of(option) | anything for name, option in spec.items() if not option.get("required")}
    return st.fixed_dictionaries(required, optional=optional)


@pytest.mark.parametrize("platform", NOWHERE)
@pytest.mark.parametrize("module", module_names())
def test_no_parameters_lead_to_a_traceback(module: str, platform: str) -> None:
    arguments = arguments_of(module)
    entry = importlib.import_module(f"{COLLECTION}.plugins.action.{module}").ActionModule.entry
    checked = 0

    @settings(max_examples=SETS_OF_EACH)
    @given(parameters_of(arguments.argument_spec))
    @example({"name": "my-llm"})
    def check(params: dict[str, Any]) -> None:
        nonlocal checked
        checked += 1
        if arguments.shape_error(params) is not None:
            return
        validation = ArgumentSpecValidator(**arguments.keywords()).validate({**params, **NOWHERE[platform]})
        if validation.error_messages:
            return
        time = FakeTime()
        host = Host(check_mode=True, clock=time.clock, sleep=time.sleep)
        result = perform(entry.operation, arguments.argument_spec, validation.validated_parameters, host)
        assert result["failed"] and result["msg"], "nothing answers at that address"
        assert "internal_error" not in {finding["cause"] for finding in result["findings"]}, result["msg"]
        assert "token-of-nowhere" not in json.dumps(result)

    check()
    assert checked >= SETS_OF_EACH
