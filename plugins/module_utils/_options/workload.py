# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``vllm_workload`` accepts, and its way to a ``WorkloadSpec``: the one door of the collection.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric import (
    fabric_argument_spec,
    read_fabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_workload import (
    kubernetes_workload_argument_spec,
    read_kubernetes_workload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.pod_options import (
    read_run_as,
    read_tolerations,
    run_as_argument_spec,
    tolerations_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import as_text, read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ACCESS_MODES,
    AS_INFERENCE,
    BACKENDS,
    LEADER_CREATED,
    MULTIPROCESSING,
    PREFERRED,
    RECREATE_GROUP,
    RESTART_POLICIES,
    SINGLE_POD_KINDS,
    SPREADS,
    STARTUP_POLICIES,
    ModelSpec,
    PlacementSpec,
    ResourcesSpec,
    SecretReference,
    ServingSpec,
    VolumeSpec,
    WorkloadSpec,
)

T = TypeVar("T", str, int)

# What state: present cannot do without.
_NEEDED = {"image": "the image of vLLM", "model": "model.path", "serving": "serving.access"}


@dataclass(frozen=True)
class WorkloadOptions:
    """How a wanted state is reached. Timeouts in seconds."""

    state: str
    adopt: bool
    replan: bool
    on_disruption: str
    wait: bool
    schedule_timeout: int
    start_timeout: int
    delete_timeout: int
    force_lost_machines: bool


def workload_arguments() -> Arguments:
    """Return the arguments of ``vllm_workload``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "stopped"], "default": "present"},
        "adopt": {"type": "bool", "default": False},
        "replan": {"type": "bool", "default": False},
        "on_disruption": {"type": "str", "choices": ["refuse", "allow"], "default": "refuse"},
        "wait": {"type": "bool", "default": True},
        "schedule_timeout": {"type": "int", "default": 1800},
        "start_timeout": {"type": "int", "default": 3600},
        "delete_timeout": {"type": "int", "default": 300},
        "fabric": fabric_argument_spec(),
    }
    spec.update(connection_argument_spec())
    spec.update(_what_runs())
    spec.update(_where_it_runs())
    spec.update(kubernetes_workload_argument_spec())
    return Arguments(
        argument_spec=spec,
        required_if=(("state", "present", tuple(_NEEDED)),),
    )


def _what_runs() -> ArgumentSpec:
    """Return the options about the engine: image, model, topology, environment, identity."""
    return {
        "image": {"type": "str"},
        "image_pull_policy": {"type": "str", "choices": ["always", "if_not_present", "never"]},
        "image_pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "pods": {"type": "int", "default": 1},
        "gpus_per_pod": {"type": "int", "default": 1},
        "replicas": {"type": "int"},
        "model": {
            "type": "dict",
            "options": {
                "path": {"type": "str", "required": True},
                "served_names": {"type": "list", "elements": "str", "default": []},
            },
        },
        "volumes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "claim": {"type": "str", "required": True},
                "path": {"type": "str", "required": True},
                "read_only": {"type": "bool", "default": False},
            },
        },
        "serving": {
            "type": "dict",
            "options": {
                "access": {"type": "str", "required": True, "choices": list(ACCESS_MODES)},
                "port": {"type": "int", "default": 8000},
                "external": {"type": "bool", "default": False},
                "authorized_users": {"type": "list", "elements": "str", "default": []},
                "authorized_groups": {"type": "list", "elements": "str", "default": []},
                "api_key_secret": {
                    "type": "dict",
                    "no_log": False,
                    "options": {
                        "secret": {"type": "str", "required": True, "no_log": False},
                        "key": {"type": "str", "required": True, "no_log": False},
                    },
                },
            },
        },
        **run_as_argument_spec(),
        "tensor_parallel_size": {"type": "int"},
        "pipeline_parallel_size": {"type": "int"},
        "data_parallel_size": {"type": "int"},
        "allow_cross_pod_tp": {"type": "bool", "default": False},
        "distributed_executor_backend": {"type": "str", "choices": list(BACKENDS), "default": MULTIPROCESSING},
        "vllm_version": {"type": "str"},
        "vllm_args": {"type": "list", "elements": "str", "default": []},
        "env": {"type": "dict", "default": {}},
    }


def _where_it_runs() -> ArgumentSpec:
    """Return the options about pods and their place."""
    return {
        "preemptibility": {"type": "str", "choices": ["preemptible", "non_preemptible"]},
        "priority": {
            "type": "str",
            "choices": ["very-low", "low", "medium-low", "medium", "medium-high", "high", "very-high"],
        },
        "resources": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "cpu_request": {"type": "float"},
                "cpu_limit": {"type": "float"},
                "memory_request": {"type": "str"},
                "memory_limit": {"type": "str"},
            },
        },
        "node_pools": {"type": "list", "elements": "str", "default": []},
        "node_type": {"type": "str"},
        "spread": {"type": "str", "choices": list(SPREADS), "default": PREFERRED},
        "exclude_machines": {"type": "list", "elements": "str", "default": []},
        **tolerations_argument_spec(),
        "labels": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "restart_policy": {"type": "str", "choices": list(RESTART_POLICIES), "default": RECREATE_GROUP},
        "startup_policy": {"type": "str", "choices": list(STARTUP_POLICIES), "default": LEADER_CREATED},
        "readiness_probe": {"type": "bool", "default": True},
        "single_pod_as": {"type": "str", "choices": list(SINGLE_POD_KINDS), "default": AS_INFERENCE},
    }


def read_options(params: Mapping[str, Any]) -> WorkloadOptions:
    """Return how the wanted state is to be reached. Raises ``OptionError`` for time limits that make no sense."""
    for option in ("schedule_timeout", "start_timeout", "delete_timeout"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} seconds is no time limit.", "Give at least 1 second.")
    return WorkloadOptions(
        state=params["state"],
        adopt=params["adopt"],
        replan=params["replan"],
        on_disruption=params["on_disruption"],
        wait=params["wait"],
        schedule_timeout=params["schedule_timeout"],
        start_timeout=params["start_timeout"],
        delete_timeout=params["delete_timeout"],
        force_lost_machines=params["force_lost_machines"],
    )


def read_workload(params: Mapping[str, Any]) -> WorkloadSpec:
    """Return the wanted workload of validated, plain ``params`` with ``state: present``.

    Raises ``OptionError`` where a value is missing or has no meaning; what depends on the platform is the planner's.
    Lists whose order means nothing are sorted, so that writing them in another order is no change.
    """
    for option in _NEEDED:
        # ansible's own check only asks whether the option is named: it may be null or empty.
        if not params[option]:
            raise OptionError.of(option, "it is empty.", f"state: present needs {_NEEDED[option]}.", "missing_option")
    return WorkloadSpec(
        name=params["name"],
        image=params["image"],
        model=ModelSpec(params["model"]["path"], tuple(params["model"]["served_names"])),
        serving=_read_serving(params["serving"]),
        pods=params["pods"],
        gpus_per_pod=params["gpus_per_pod"],
        replicas=params["replicas"],
        volumes=tuple(VolumeSpec(volume["claim"], volume["path"], volume["read_only"]) for volume in params["volumes"]),
        fabric=read_fabric(params["fabric"]),
        run_as=read_run_as(params),
        preemptibility=params["preemptibility"],
        priority=params["priority"],
        tensor_parallel_size=params["tensor_parallel_size"],
        pipeline_parallel_size=params["pipeline_parallel_size"],
        data_parallel_size=params["data_parallel_size"],
        allow_cross_pod_tp=params["allow_cross_pod_tp"],
        distributed_executor_backend=params["distributed_executor_backend"],
        vllm_version=params["vllm_version"],
        vllm_args=tuple(params["vllm_args"]),
        env=_read_environment(params["env"]),
        image_pull_policy=params["image_pull_policy"],
        image_pull_secrets=_sorted(params["image_pull_secrets"]),
        resources=ResourcesSpec(**params["resources"]),
        placement=PlacementSpec(
            node_pools=tuple(params["node_pools"]),
            node_type=params["node_type"],
            spread=params["spread"],
            exclude_machines=_sorted(params["exclude_machines"]),
            tolerations=read_tolerations(params),
        ),
        labels=read_texts(params["labels"], "labels"),
        annotations=read_texts(params["annotations"], "annotations"),
        restart_policy=params["restart_policy"],
        startup_policy=params["startup_policy"],
        readiness_probe=params["readiness_probe"],
        single_pod_as=params["single_pod_as"],
        start_timeout=params["start_timeout"],
        kubernetes=read_kubernetes_workload(params),
    )


def _read_serving(serving: Mapping[str, Any]) -> ServingSpec:
    """Return how the endpoint is reached."""
    key = serving["api_key_secret"]
    return ServingSpec(
        access=serving["access"],
        port=serving["port"],
        external=serving["external"],
        authorized_users=_sorted(serving["authorized_users"]),
        authorized_groups=_sorted(serving["authorized_groups"]),
        api_key_secret=None if key is None else SecretReference(key["secret"], key["key"]),
    )


def _sorted(values: Iterable[T]) -> tuple[T, ...]:
    """Return the values of a list whose order means nothing, each one once."""
    return tuple(sorted(set(values)))


def _read_environment(env: Mapping[str, Any]) -> dict[str, str | SecretReference]:
    """Return the user's variables: a text (numbers and booleans as text) or ``{secret, key}``."""
    return {name: _read_variable(name, value) for name, value in env.items()}


def _read_variable(name: str, value: Any) -> str | SecretReference:
    """Return one variable: a scalar as text, or the reference to a Secret."""
    if isinstance(value, dict):
        if set(value) != {"secret", "key"} or not all(isinstance(part, str) and part for part in value.values()):
            raise OptionError.of(
                f"env.{name}",
                f"a dictionary with the keys {', '.join(sorted(value)) or '(none)'} is not understood.",
                "Give a text, or {secret: NAME, key: KEY} to read it from a Secret of the namespace.",
            )
        return SecretReference(value["secret"], value["key"])
    return as_text(value, f"env.{name}")
