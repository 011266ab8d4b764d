# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that change nothing of the objects are recorded, so that they do not look like a change for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.cluster import ClusterHandle
from support.kubernetes_place import SETS, KubernetesPlace
from support.results import went_well

Apply = Callable[..., dict[str, Any]]
RECORD = "gpuops.inference/applied"


def test_inputs_without_effect_are_recorded_once(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    name = kubernetes.unique_name("inert")
    went_well(apply(name, priority_class="gpuops-low", preemptibility=None))
    before = cluster.get(f"{SETS}/{name}")
    result = went_well(apply(name, priority_class="gpuops-low", preemptibility="preemptible"))
    assert (result["changed"], result["disruption"]) == (True, "none")
    assert [change["path"] for change in result["changes"]] == ["recorded inputs"]
    after = cluster.get(f"{SETS}/{name}")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["annotations"][RECORD] != before["metadata"]["annotations"][RECORD]
    assert went_well(apply(name, priority_class="gpuops-low", preemptibility="preemptible"))["changed"] is False
