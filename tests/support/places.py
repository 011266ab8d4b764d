# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places where workloads run, by name: parameters of the fixture ``place``."""

from __future__ import annotations

import pytest
from support.kubernetes_place import KubernetesPlace
from support.runai_place import RunaiPlace
from support.workload_place import WorkloadPlace

PLACES = ("runai", "kubernetes")
# For tests of what becomes of pods: also the sandbox whose pods are those of the test cluster.
EVERY_PLACE = ("runai", "runai_on_cluster", "kubernetes")


def chosen_place(request: pytest.FixtureRequest) -> WorkloadPlace:
    """Return the place that the parameter of a fixture names."""
    if request.param == "kubernetes":
        return KubernetesPlace(request.getfixturevalue("cluster"))
    return RunaiPlace(request.getfixturevalue("sandbox" if request.param == "runai" else "runai_on_cluster"))
