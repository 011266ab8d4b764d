# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether the namespace's quotas leave room for a workload. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import count_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import GPU_RESOURCE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import PreflightNeeds
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

Object = Mapping[str, Any]

# Kubernetes limits an extended resource by its requests only.
_GPUS = f"requests.{GPU_RESOURCE}"
_PODS = ("pods", "count/pods")


def quota_findings(quotas: Iterable[Object], needs: PreflightNeeds) -> list[Finding]:
    """Return the quotas that are too small: an error where even the whole quota is, a warning where what others have
    left is (the workload's own pods count among these while it runs)."""
    findings = []
    for name, limits in _limits(quotas).items():
        for resource, wanted, what in (
            (_GPUS, needs.gpus, "GPUs"),
            *((pods, needs.all_pods, "pods") for pods in _PODS),
        ):
            if resource not in limits:
                continue
            hard, used = limits[resource]
            if wanted > hard:
                evidence = f"quota {name} allows {hard} {what}, and {wanted} are needed."
                hint = "Have the quota raised, or use fewer."
                findings.append(Finding(ERROR, "quota_exceeded", evidence, hint, "quota"))
            elif wanted > hard - used:
                evidence = f"quota {name} allows {hard} {what}, {used} of them are in use, and {wanted} are needed."
                hint = "Unless they are this workload's own, its pods wait until others end."
                findings.append(Finding(WARNING, "quota_exceeded", evidence, hint, "quota"))
    return findings


def quotas_in_words(quotas: Iterable[Object]) -> str:
    """Return the GPUs of the namespace's quotas: ``gpus: 2 of 4 GPUs in use``."""
    texts = []
    for name, limits in _limits(quotas).items():
        if _GPUS in limits:
            hard, used = limits[_GPUS]
            texts.append(f"{name}: {used} of {hard} GPUs in use")
    return ", ".join(texts)


def _limits(quotas: Iterable[Object]) -> dict[str, dict[str, tuple[int, int]]]:
    """Return limit and use of each resource by quota; quotas for some pods only (scopes) may not mean ours."""
    limits: dict[str, dict[str, tuple[int, int]]] = {}
    for quota in quotas:
        spec, status = mapping(quota.get("spec")), mapping(quota.get("status"))
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        hard = mapping(status.get("hard")) or mapping(spec.get("hard"))
        used = mapping(status.get("used"))
        name = str(mapping(quota.get("metadata")).get("name") or "")
        limits[name] = {str(key): (count_of(value), count_of(used.get(key, 0))) for key, value in hard.items()}
    return limits
