# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each inventory loads, and its variables are what the roles accept."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_workload import (
    kubernetes_workload_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    TRAITS as KUBERNETES,
)
from role_files import (
    INVENTORY_NAMES,
    ROLE_NAMES,
    entry_points,
    role_spec,
    variables_in,
)
from support.inventories import INVENTORIES, inventory_hosts

HOSTS: dict[str, dict[str, dict[str, Any]]] = {}

# How the variables begin that only one platform takes.
KUBERNETES_ONLY = (
    "gpuops_kube",
    "gpuops_namespace",
    "gpuops_api_key_secret",
    *(f"gpuops_claim_{option}" for option in ("volume_name", "selector", "labels", "annotations")),
    *(f"gpuops_{option}" for option in kubernetes_workload_argument_spec()),
)
RUNAI_ONLY = (
    "gpuops_project",
    "gpuops_runai_",
    "gpuops_external",
    "gpuops_claim_data_source",
    "gpuops_authorized_",
    *(f"gpuops_{option}" for option in KUBERNETES.foreign_options if "." not in option),
)
# The way into the cluster of a Run:ai project. The example for Kubernetes explains the other variables about that.
WAY_INTO_THE_CLUSTER = {"gpuops_kubeconfig", "gpuops_kubernetes_context"}


@pytest.fixture(params=INVENTORY_NAMES)
def hosts(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    name = request.param
    if name not in HOSTS:
        HOSTS[name] = inventory_hosts(name)
    return HOSTS[name]


def every_variable() -> dict[str, Any]:
    return {name: option for spec in every_spec() for name, option in spec.items()}


def every_spec() -> list[dict[str, Any]]:
    return [role_spec(role, entry_point) for role in ROLE_NAMES for entry_point in entry_points(role)]


def test_the_variables_pass_the_roles_argument_specs(hosts: dict[str, dict[str, Any]]) -> None:
    assert hosts
    for variables in hosts.values():
        for spec in every_spec():
            given = {name: value for name, value in variables.items() if name in spec}
            result = ArgumentSpecValidator(spec).validate(given)
            assert result.error_messages == []


def test_no_variable_is_misspelt_and_none_is_a_secret(hosts: dict[str, dict[str, Any]]) -> None:
    known = every_variable()
    for variables in hosts.values():
        given = {name for name in variables if name.startswith("gpuops_")}
        assert given <= known.keys()
        assert not any(known[name].get("no_log") for name in given)


@pytest.mark.parametrize(
    ("example", "foreign", "besides"),
    [("example-runai", KUBERNETES_ONLY, WAY_INTO_THE_CLUSTER), ("example-kubernetes", RUNAI_ONLY, set())],
)
def test_an_example_explains_every_variable_of_its_platform(
    example: str, foreign: tuple[str, ...], besides: set[str]
) -> None:
    files = [path for path in (INVENTORIES / example).rglob("*.yml") if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    own = {name for name in every_variable() if not name.startswith(foreign)}
    assert variables_in(text) == own | besides


def test_the_sandbox_deploys_the_published_recipe() -> None:
    hosts = inventory_hosts("sandbox")
    assert list(hosts) == ["my-llm-inference"]
    variables = hosts["my-llm-inference"]
    expected = {
        "gpuops_pods": 2,
        "gpuops_gpus_per_pod": 2,
        "gpuops_run_as_uid": 2000,
        "gpuops_run_as_gid": 2000,
        "gpuops_preemptibility": "preemptible",
        "gpuops_claim": "my-project-models",
        "gpuops_claim_path": "/data",
        "gpuops_port": 8000,
        "gpuops_access": "authenticated_users",
        "gpuops_external": True,
        "gpuops_served_names": ["mistral4"],
        "gpuops_model_path": "/data/input/Models/Mistral-Small-4-119B-2603",
        "gpuops_image": "registry.example.com/vllm-openai:v0.33.0",
    }
    assert {name: variables[name] for name in expected} == expected
    rendered = {entry["name"]: entry["value"] for entry in variables["gpuops_fabric"]["variables"]}
    assert (
        rendered
        == variables["gpuops_fabric"]["inputs"]["variables"]
        == {
            "NCCL_IB_DISABLE": "1",
            "NCCL_P2P_DISABLE": "0",
        }
    )


def test_what_the_cpu_needs_stands_in_one_file_of_its_own() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in (INVENTORIES / "sandbox").rglob("*.yml")}
    assert variables_in(files["cpu_stand_in"]) == {"gpuops_vllm_args"}
    assert "gpuops_vllm_args" not in files["recipe"]
