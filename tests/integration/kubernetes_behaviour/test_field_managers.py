# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-side apply as the API server keeps it: whose field is whose, and what that means for a second run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import read_workload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import FIELD_MANAGER
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from support.cluster import ClusterHandle
from support.kubernetes_place import DEPLOYMENTS, SERVICES, SETS, KubernetesPlace
from support.modules import arguments_of
from support.results import causes, first_error, went_well
from support.sandbox import until

Apply = Callable[..., dict[str, Any]]
HAND = "registry.example.com/stand-in:by-hand"
RE_APPLIES = 1000


def managers(entry: dict[str, Any]) -> list[str]:
    """Return who has entries among the field managers of an object, the status left out."""
    return [known["manager"] for known in entry["metadata"]["managedFields"] if known.get("subresource") != "status"]


@pytest.fixture
def name(kubernetes: KubernetesPlace, apply: Apply) -> str:
    """The name of a workload that serves."""
    name = kubernetes.unique_name("managed")
    assert went_well(apply(name))["changed"]
    kubernetes.forget_requests()
    return name


def edit_image(cluster: ClusterHandle, kubernetes: KubernetesPlace, name: str, manager: str = "kubectl-edit") -> None:
    """Let somebody else set the leader's image, all else as it is, and wait until it serves with that."""
    before = kubernetes.pods(name)
    template = cluster.get(f"{SETS}/{name}")["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
    template["spec"]["containers"][0]["image"] = HAND
    kubernetes.edit(f"{SETS}/{name}", {"spec": {"leaderWorkerTemplate": {"leaderTemplate": template}}}, manager)
    until(lambda: len(kubernetes.ready_pods(name) - before) == 2, "both pods were made anew and are ready")


def test_fields_of_other_managers_stay(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, name: str
) -> None:
    theirs = {"metadata": {"labels": {"team": "search"}, "annotations": {"example.com/note": "keep me"}}}
    for path in (f"{SETS}/{name}", f"{SERVICES}/{name}"):
        kubernetes.edit(path, theirs, "somebody-else")
    assert went_well(apply(name))["changed"] is False
    assert kubernetes.writes() == []
    assert went_well(apply(name, env={"MY_FLAG": "1"}, on_disruption="allow"))["changed"]
    for path in (f"{SETS}/{name}", f"{SERVICES}/{name}"):
        metadata = cluster.get(path)["metadata"]
        assert metadata["labels"]["team"] == "search"
        assert metadata["annotations"]["example.com/note"] == "keep me"
    assert kubernetes.environment(name)["MY_FLAG"] == "1"


def test_a_field_that_somebody_edited_is_told_and_left_alone(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, name: str
) -> None:
    edit_image(cluster, kubernetes, name)
    for check_mode in (True, False):
        result = went_well(apply(name, check_mode=check_mode))
        assert result["changed"] is False
        held = [entry for entry in result["findings"] if entry["cause"] == "field_held_by_another"]
        assert len(held) == 1 and held[0]["severity"] == "warning"
        assert "kubectl-edit" in held[0]["evidence"]
        assert held[0]["object"] == f"{kubernetes.container_path(name)}.image"
        assert "force_conflicts" in held[0]["hint"]
    assert kubernetes.writes() == []
    assert kubernetes.image(name) == HAND


def test_a_wanted_change_of_a_field_that_somebody_holds_is_refused(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, name: str
) -> None:
    edit_image(cluster, kubernetes, name)
    wanted = {"image": "registry.example.com/stand-in:v0.34.0", "on_disruption": "allow"}
    for check_mode in (True, False):
        error = first_error(apply(name, check_mode=check_mode, **wanted))
        assert error["cause"] == "field_held_by_another" and "kubectl-edit" in error["evidence"]
    assert kubernetes.writes() == []
    assert kubernetes.image(name) == HAND


def test_force_conflicts_takes_the_field_back(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, name: str
) -> None:
    edit_image(cluster, kubernetes, name)
    refused = apply(name, force_conflicts=True)
    assert first_error(refused)["cause"] == "disruption_refused"
    wanted = kubernetes.workload(name)["image"]
    result = went_well(apply(name, force_conflicts=True, on_disruption="allow"))
    assert result["changed"] and {change["origin"] for change in result["changes"]} == {"drift"}
    assert kubernetes.image(name) == wanted
    again = went_well(apply(name))
    assert again["changed"] is False and "field_held_by_another" not in causes(again)


def test_a_thousand_applies_leave_one_entry_of_ours(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, permitted: dict[str, Any]
) -> None:
    # A Deployment: the webhooks of LeaderWorkerSet take most of the time of an apply and have no part in this.
    name = kubernetes.unique_name("applied")
    went_well(apply(name, pods=1))
    arguments = arguments_of("vllm_workload")
    given = kubernetes.workload(name, **permitted, pods=1)
    params = ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters
    platform = make_platform(read_connection(params), Host())
    live = platform.find(name)
    assert live is not None and live.record is not None
    rendered = platform.render(plan_workload(read_workload(params), platform.traits))
    before, pods = cluster.get(f"{DEPLOYMENTS}/{name}"), kubernetes.pods(name)
    for number in range(RE_APPLIES):
        record = dataclasses.replace(live.record, collection_version=f"0.0.{number}")
        platform.change(live, rendered, [], record)
    after = cluster.get(f"{DEPLOYMENTS}/{name}")
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"], "each was a real change"
    assert after["spec"] == before["spec"] and kubernetes.pods(name) == pods
    assert managers(after).count(FIELD_MANAGER) == 1
    assert managers(cluster.get(f"{SERVICES}/{name}")).count(FIELD_MANAGER) == 1
