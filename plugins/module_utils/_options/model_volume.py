# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``model_volume`` accepts, and its way to a claim's specification.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    ACCESS_MODES,
    READ_WRITE_ONCE_POD,
    VOLUME_MODES,
    ClaimSpec,
    amount,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import (
    check_label_value,
    check_object_name,
    check_qualified_name,
)

ABSENT = "absent"
# Kubernetes puts the mark of who made a claim under this prefix.
_MANAGED_BY = "app.kubernetes.io/managed-by"


@dataclass(frozen=True)
class VolumeOptions:
    """How a claim is to be brought into its state. Timeouts are in seconds."""

    state: str
    adopt: bool
    allow_data_loss: bool
    wait: bool
    bind_timeout: int
    delete_timeout: int


def model_volume_arguments() -> Arguments:
    """Return the arguments of ``model_volume``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", ABSENT], "default": "present"},
        "size": {"type": "str"},
        "access_modes": {"type": "list", "elements": "str", "choices": list(ACCESS_MODES)},
        "volume_mode": {"type": "str", "choices": list(VOLUME_MODES)},
        "storage_class": {"type": "str"},
        "volume_name": {"type": "str"},
        "selector": {"type": "dict"},
        "labels": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "data_source": {"type": "str"},
        "path": {"type": "path", "default": "/data"},
        "adopt": {"type": "bool", "default": False},
        "allow_data_loss": {"type": "bool", "default": False},
        "force_conflicts": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "bind_timeout": {"type": "int", "default": 300},
        "delete_timeout": {"type": "int", "default": 300},
    }
    spec.update(connection_argument_spec())
    return Arguments(argument_spec=spec)


def read_volume_options(params: Mapping[str, Any]) -> VolumeOptions:
    """Return how the claim is to be brought into its state. Raises ``OptionError`` for a time below 1 second."""
    for option in ("bind_timeout", "delete_timeout"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} is less than 1 second.", "The default is 300.")
    return VolumeOptions(
        state=params["state"],
        adopt=params["adopt"],
        allow_data_loss=params["allow_data_loss"],
        wait=params["wait"],
        bind_timeout=params["bind_timeout"],
        delete_timeout=params["delete_timeout"],
    )


def read_claim(params: Mapping[str, Any]) -> ClaimSpec:
    """Return what the claim shall be, of validated, plain ``params``.

    Raises ``OptionError`` for what no cluster takes, and for options that do not go together.
    """
    spec = ClaimSpec(
        name=params["name"],
        size=params["size"],
        access_modes=_read_access_modes(params["access_modes"]),
        volume_mode=params["volume_mode"],
        storage_class=params["storage_class"],
        volume_name=params["volume_name"],
        selector=None if params["selector"] is None else read_texts(params["selector"], "selector"),
        labels=read_texts(params["labels"], "labels"),
        annotations=read_texts(params["annotations"], "annotations"),
        data_source=params["data_source"],
        path=params["path"],
    )
    _check_names(spec)
    _check_size(spec.size)
    return spec


def _read_access_modes(modes: list[str] | None) -> tuple[str, ...] | None:
    """Return each mode once; ``None`` where none is stated."""
    if not modes:
        return None
    unique = tuple(dict.fromkeys(modes))
    if READ_WRITE_ONCE_POD in unique and len(unique) > 1:
        raise OptionError.of(
            "access_modes",
            f"{READ_WRITE_ONCE_POD} does not go together with others.",
            "State it alone, or leave it out.",
        )
    return unique


def _check_names(spec: ClaimSpec) -> None:
    """Refuse names that Kubernetes does not take."""
    check_object_name(spec.name, "name", "claim")
    if spec.storage_class:
        check_object_name(spec.storage_class, "storage_class", "storage class")
    if spec.volume_name is not None:
        check_object_name(spec.volume_name, "volume_name", "volume")
    for option, labels in (("labels", spec.labels), ("selector", spec.selector or {})):
        for name, value in labels.items():
            check_qualified_name(name, option, "a label")
            check_label_value(value, f"{option}.{name}")
    if _MANAGED_BY in spec.labels:
        raise OptionError.of(f"labels.{_MANAGED_BY}", "the collection sets this label itself.", "Leave it out.")
    for name in spec.annotations:
        check_qualified_name(name, "annotations", "an annotation")
    if spec.selector == {}:
        raise OptionError.of("selector", "it has no label, so every volume fits.", "Name a label, or leave it out.")
    if not spec.path.startswith("/") or spec.path == "/":
        raise OptionError.of("path", f"{spec.path!r} is not the path of a folder below /.", "Write it like /data.")


def _check_size(size: str | None) -> None:
    if size is not None and amount(size) is None:
        raise OptionError.of("size", f"{size!r} is not an amount of storage.", "Write it like 500Gi or 2Ti.")
