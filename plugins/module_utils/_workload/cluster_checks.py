# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the cluster would refuse after the platform has accepted it: refused here, before anything is changed.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import (
    check_extended_resource,
    check_label_value,
    check_object_name,
    check_qualified_name,
    check_secret_key,
    memory_bytes,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ResourcesSpec,
    SecretReference,
    TolerationSpec,
    WorkloadSpec,
)

Amount = TypeVar("Amount", float, Decimal)

# Kubernetes counts CPUs in thousandths.
_LEAST_CPU = 0.001


def check_cluster(spec: WorkloadSpec) -> None:
    """Refuse (``OptionError``) names, labels, amounts and tolerations that Kubernetes does not take."""
    _check_metadata(spec)
    _check_references(spec)
    _check_resources(spec.resources)
    _check_fabric_resources(spec.fabric.resources if spec.fabric else {})
    _check_placement(spec)


def _check_metadata(spec: WorkloadSpec) -> None:
    """Check labels and annotations."""
    for name, value in spec.labels.items():
        check_qualified_name(name, "labels", "a label")
        check_label_value(value, f"labels.{name}")
    for option, given in (
        ("annotations", spec.annotations),
        ("fabric.annotations", spec.fabric.annotations if spec.fabric else {}),
    ):
        for name in given:
            # Kubernetes, too, compares the names of annotations in lower case.
            check_qualified_name(name.lower(), option, "an annotation")


def _check_references(spec: WorkloadSpec) -> None:
    """Check the names of claims and Secrets."""
    for index, volume in enumerate(spec.volumes):
        check_object_name(volume.claim, f"volumes[{index}].claim", "claim")
    if spec.serving.api_key_secret is not None:
        check_object_name(spec.serving.api_key_secret.secret, "serving.api_key_secret", "Secret")
        check_secret_key(spec.serving.api_key_secret.key, "serving.api_key_secret")
    for name in spec.image_pull_secrets:
        check_object_name(name, "image_pull_secrets", "Secret")
    for name, value in spec.env.items():
        if isinstance(value, SecretReference):
            check_object_name(value.secret, f"env.{name}", "Secret")
            check_secret_key(value.key, f"env.{name}")


def _check_resources(resources: ResourcesSpec) -> None:
    """Check CPU and memory of a pod: amounts, and no limit below its request."""
    amounts = {"cpu_request": resources.cpu_request, "cpu_limit": resources.cpu_limit}
    for option, cores in amounts.items():
        if cores is not None and not (math.isfinite(cores) and cores >= _LEAST_CPU):
            raise OptionError.of(
                f"resources.{option}", f"{cores:g} is not a number of cores.", f"Use {_LEAST_CPU:g} or more."
            )
    _check_limit("cpu", resources.cpu_request, resources.cpu_limit)
    request, limit = (
        None if amount is None else memory_bytes(amount, f"resources.{option}")
        for option, amount in (("memory_request", resources.memory_request), ("memory_limit", resources.memory_limit))
    )
    _check_limit("memory", request, limit)


def _check_limit(what: str, request: Amount | None, limit: Amount | None) -> None:
    """Refuse a limit below the request."""
    if request is not None and limit is not None and limit < request:
        raise OptionError.of(
            f"resources.{what}_limit", f"It is below resources.{what}_request.", "Use the same amount or more."
        )


def _check_fabric_resources(resources: Mapping[str, int]) -> None:
    """Check the extended resources that the fabric needs."""
    for name, count in resources.items():
        check_extended_resource(name, "fabric.resources")
        if count < 1:
            raise OptionError.of(
                f"fabric.resources.{name}", f"{count} is no amount of a resource.", "Use a whole number of at least 1."
            )


def _check_placement(spec: WorkloadSpec) -> None:
    """Check what chooses machines."""
    placement = spec.placement
    words = [("node_pools", name) for name in placement.node_pools]
    words += [("exclude_machines", name) for name in placement.exclude_machines]
    words += [("node_type", placement.node_type)] if placement.node_type is not None else []
    for option, word in words:
        if not word:
            raise OptionError.of(option, "A name in it is empty.", "Leave it out, or write the name.")
        check_label_value(word, option)
    for index, toleration in enumerate(placement.tolerations):
        _check_toleration(toleration, f"tolerations[{index}]")


def _check_toleration(toleration: TolerationSpec, option: str) -> None:
    """Refuse a toleration whose parts do not go together."""
    check_qualified_name(toleration.key, f"{option}.key", "a taint")
    if toleration.operator == "Exists" and toleration.value:
        raise OptionError.of(
            f"{option}.value",
            "With operator Exists every value is tolerated.",
            "Leave the value out, or set operator: Equal.",
        )
    if toleration.operator == "Equal" and not toleration.value:
        raise OptionError.of(
            f"{option}.value", "With operator Equal it is needed.", "Give the taint's value, or set operator: Exists."
        )
    check_label_value(toleration.value or "", f"{option}.value")
    if toleration.seconds is None:
        return
    if toleration.effect != "NoExecute":
        raise OptionError.of(
            f"{option}.seconds", "Seconds only go with effect NoExecute.", "Leave them out, or set effect: NoExecute."
        )
    if toleration.seconds < 1:
        raise OptionError.of(f"{option}.seconds", f"{toleration.seconds} is less than 1.", "Use 1 or more.")
