# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a live workload's pods run, and which of its fields can be changed without recreating it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import Comparison, Wanted, compare
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord, RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import comparable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.layout import read_layout
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.rules import change_rules
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    KubernetesSpec,
    NetworkPolicySpec,
    ServiceSpec,
    ServingSpec,
)
from hypothesis import given
from hypothesis import strategies as st
from support.rendered_workloads import KINDS, live, rendered


class TestLayout:
    @pytest.mark.parametrize("kind", KINDS)
    def test_leader_and_followers(self, kind: str) -> None:
        layout = read_layout(rendered(kind, pods=4, gpus_per_pod=4, env={"PRICE": "5$", "EMPTY": ""}).body)
        assert layout.follower is not None
        assert (layout.pods, layout.replicas, layout.leader.gpus, layout.follower.pods) == (4, 1, 4, 3)
        assert layout.leader.words[:2] == ("vllm", "serve")
        assert not layout.leader.entrypoint
        assert "--headless" in layout.follower.words
        assert layout.leader.environment["PRICE"] == "5$"
        assert layout.leader.environment["EMPTY"] == ""
        assert "VLLM_HOST_IP" not in layout.leader.environment

    def test_a_single_pod(self) -> None:
        layout = read_layout(rendered(DEPLOYMENT, pods=1, replicas=3).body)
        assert (layout.pods, layout.replicas, layout.follower) == (1, 3, None)

    def test_what_the_platform_reports_wins(self) -> None:
        assert read_layout(rendered().body, 0).replicas == 0

    def test_a_leader_without_a_template_runs_the_followers(self) -> None:
        body = {"LeaderWorkerSet/x": {"spec": {"leaderWorkerTemplate": {"size": 2, "workerTemplate": {"spec": {}}}}}}
        layout = read_layout(body)
        assert layout.pods == 2
        assert layout.leader.words == ()

    def test_a_pod_of_others_is_read_by_its_first_container(self) -> None:
        pod = {"containers": [{"name": "a", "args": ["serve", "$$x"]}, {"name": "b"}]}
        layout = read_layout({"Deployment/x": {"spec": {"template": {"spec": pod}}}})
        assert (layout.leader.words, layout.leader.entrypoint, layout.leader.gpus) == (("serve", "$x"), True, None)

    @given(
        st.recursive(st.none() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    )
    def test_anything_can_be_read(self, content: Any) -> None:
        for key in ("LeaderWorkerSet/x", "Deployment/x", "Service/x"):
            for body in ({key: content}, {key: {"spec": content}}, {key: {"spec": {"template": content}}}):
                assert read_layout(body).pods >= 1


def compared(before: RenderedWorkload, after: RenderedWorkload, replicas: int = 1, managed: bool = True) -> Comparison:
    """Return what has to be done to a running workload, whose settings are recorded, to make it another one."""
    record = AppliedRecord({"inputs": "before"}, comparable(before.body))
    running = dataclasses.replace(live(before, replicas, managed), record=record if managed else None)
    wanted = Wanted({"inputs": "after"}, comparable(after.body), after.replica_paths, None, False)
    return compare(running, comparable(running.body), wanted, change_rules(running))


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"env": {"A": "1"}}, "by_pods"),
    ({"image": "registry.example.com/vllm-openai:v0.33.1"}, "by_pods"),
    ({"annotations": {"note": "x"}}, "by_pods"),
    ({"serving": ServingSpec("cluster_internal", 9000)}, "by_pods"),
    ({"kubernetes": KubernetesSpec(queue="team-a")}, "by_pods"),
    ({"kubernetes": KubernetesSpec(service=ServiceSpec("load_balancer"))}, "none"),
    ({"kubernetes": KubernetesSpec(network_policy=NetworkPolicySpec())}, "none"),
    ({"kubernetes": KubernetesSpec(service_monitor=True)}, "none"),
]


class TestChanges:
    @pytest.mark.parametrize(("changes", "disruption"), OPTIONS)
    @pytest.mark.parametrize(("kind", "pods"), [(LEADERWORKERSET, 2), (DEPLOYMENTS, 2), (DEPLOYMENT, 1)])
    def test_options_are_changed_in_place_and_back(
        self, kind: str, pods: int, changes: dict[str, Any], disruption: str
    ) -> None:
        before, after = rendered(kind, pods=pods), rendered(kind, pods=pods, **changes)
        for old, new in ((before, after), (after, before)):
            comparison = compared(old, new)
            assert comparison.changes
            assert not comparison.recreate
            assert comparison.disruption == ("outage" if disruption == "by_pods" else "none")

    @pytest.mark.parametrize(("kind", "pods"), [(LEADERWORKERSET, 2), (DEPLOYMENT, 1)])
    def test_several_replicas_are_rolled(self, kind: str, pods: int) -> None:
        before, after = (rendered(kind, pods=pods, replicas=2, env=env) for env in ({}, {"A": "1"}))
        assert compared(before, after, replicas=2).disruption == "rolling"

    def test_a_group_of_another_size_is_rolled_out(self) -> None:
        comparison = compared(rendered(), rendered(pods=4))
        assert not comparison.recreate
        assert comparison.disruption == "outage"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (rendered(), rendered(DEPLOYMENTS)),
            (rendered(DEPLOYMENTS), rendered()),
            (rendered(DEPLOYMENT, pods=1), rendered()),
            (rendered(DEPLOYMENTS), rendered(DEPLOYMENTS, pods=4)),
            (rendered(), rendered(kubernetes=KubernetesSpec(subgroup_size=2))),
            (
                rendered(kubernetes=KubernetesSpec(subgroup_size=2)),
                rendered(kubernetes=KubernetesSpec(subgroup_size=1)),
            ),
        ],
    )
    def test_what_cannot_be_changed_means_recreating(self, before: RenderedWorkload, after: RenderedWorkload) -> None:
        comparison = compared(before, after)
        assert comparison.recreate
        assert comparison.disruption == "outage"

    def test_what_others_made_is_never_changed_in_place(self) -> None:
        assert compared(rendered(), rendered(env={"A": "1"}), managed=False).recreate

    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_changed_is_no_change(self, kind: str) -> None:
        assert not compared(rendered(kind), rendered(kind)).is_needed

    def test_in_place_fields_are_paths_of_keys(self) -> None:
        # Whoever applies single fields takes their paths apart at the dots.
        for kind, pods in ((LEADERWORKERSET, 2), (DEPLOYMENTS, 2), (DEPLOYMENT, 1)):
            workload = rendered(kind, pods=pods)
            for path in change_rules(live(workload)).in_place:
                key, *fields = path.split(".")
                found: Any = workload.body.get(key)
                for field in fields[:-1]:
                    found = found[field]
                assert key in workload.body or not fields
