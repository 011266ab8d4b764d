# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controller makes the pods."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.controller import choose_controller
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import KubernetesSpec
from support.rendered_workloads import RECIPE


@pytest.mark.parametrize(
    ("asked", "pods", "live", "served", "kind", "source"),
    [
        ("auto", 2, None, True, "leaderworkerset", "plan"),
        ("auto", 2, None, None, "leaderworkerset", "plan"),
        ("auto", 2, None, False, "deployments", "plan"),
        ("auto", 2, "deployments", True, "deployments", "plan"),
        ("auto", 2, "leaderworkerset", True, "leaderworkerset", "plan"),
        ("auto", 2, "deployment", True, "leaderworkerset", "plan"),
        ("auto", 1, None, True, "deployment", "plan"),
        ("auto", 1, "leaderworkerset", True, "leaderworkerset", "plan"),
        ("auto", 1, "deployments", True, "deployment", "plan"),
        ("deployments", 2, "leaderworkerset", True, "deployments", "user"),
        ("deployments", 1, "leaderworkerset", True, "deployment", "plan"),
        ("leaderworkerset", 2, "deployments", False, "leaderworkerset", "user"),
        ("leaderworkerset", 1, None, True, "leaderworkerset", "user"),
    ],
)
def test_the_controller(asked: str, pods: int, live: str | None, served: bool | None, kind: str, source: str) -> None:
    spec = dataclasses.replace(RECIPE, pods=pods, kubernetes=KubernetesSpec(controller=asked))
    choice = choose_controller(spec, live, served)
    assert (choice.kind, choice.decision.value, choice.decision.source) == (kind, kind, source)
    assert choice.decision.reason
