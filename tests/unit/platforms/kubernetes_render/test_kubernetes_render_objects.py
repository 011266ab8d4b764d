# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of every variant of the recipe: what runs the pods, how they find each other, how clients find them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import dry_run_pods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import BY_KIND
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import KubernetesSpec
from support.rendered_workloads import (
    EVERYTHING,
    NAME,
    OF_GROUPS,
    RECIPE,
    VARIANTS,
    causes_of,
    container_of,
    leader_of,
    rendered,
    templates_of,
    variant,
)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)
    else:
        yield key, value


def words_of(template: dict[str, Any]) -> list[str]:
    container = container_of(template)
    return [*container["command"], *container["args"]]


def following(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


@pytest.mark.parametrize("name", VARIANTS)
class TestEveryVariant:
    def test_objects_stand_under_their_kind_and_name(self, name: str) -> None:
        for key, manifest in variant(name).body.items():
            kind, _slash, object_name = key.partition("/")
            assert manifest["kind"] == kind
            assert manifest["apiVersion"] == BY_KIND[kind].api_version
            assert manifest["metadata"]["name"] == object_name
            assert len(object_name) <= 63
            assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
            assert "namespace" not in manifest["metadata"]

    def test_everything_carries_our_labels(self, name: str) -> None:
        workload = variant(name)
        for manifest in workload.body.values():
            labels = manifest["metadata"]["labels"]
            assert labels["app.kubernetes.io/managed-by"] == "gpuops.inference"
            assert labels["gpuops.inference/workload"] == workload.name

    def test_pods_carry_the_labels_of_the_recipes_selectors(self, name: str) -> None:
        workload = variant(name)
        for role, template in templates_of(workload).items():
            labels = template["metadata"]["labels"]
            is_leader = role == "leader" or VARIANTS[name][1].get("pods") == 1
            assert labels["run.ai/workload"] == workload.name
            assert labels["run.ai/role"] == ("head" if is_leader else "worker")
            assert labels["gpuops.inference/workload"] == workload.name

    def test_there_is_nothing_that_is_not_stated(self, name: str) -> None:
        workload = variant(name)
        assert all(value is not None for _key, value in leaves(workload.body))
        json.dumps(workload.body)

    def test_the_number_of_replicas_is_where_it_is_said_to_be(self, name: str) -> None:
        _kind, changes = VARIANTS[name]
        workload = variant(name)
        flat = flatten(workload.body)
        assert workload.replica_paths
        assert {flat[path] for path in workload.replica_paths} == {changes.get("replicas", 1)}
        assert {path for path in flat if path.endswith(".spec.replicas")} == set(workload.replica_paths)

    def test_rendering_twice_gives_the_same(self, name: str) -> None:
        assert variant(name) == variant(name)

    def test_what_runs_the_pods_is_applied_last(self, name: str) -> None:
        workload = variant(name)
        *_before, last = workload.body
        expected = {
            LEADERWORKERSET: f"LeaderWorkerSet/{workload.name}",
            DEPLOYMENTS: f"Deployment/{workload.name}-head",
            DEPLOYMENT: f"Deployment/{workload.name}",
        }
        assert last == expected[workload.kind]

    def test_pods_for_the_rehearsal_are_those_of_the_templates(self, name: str) -> None:
        workload = variant(name)
        pods = dry_run_pods(workload)
        assert len(pods) == (1 if VARIANTS[name][1].get("pods") == 1 else 2)
        specs = [template["spec"] for template in templates_of(workload).values()]
        for pod in pods:
            assert pod["metadata"]["generateName"] == f"{workload.name}-"
            assert pod["spec"] in specs
            assert not [label for label in pod["metadata"]["labels"] if label.startswith("leaderworkerset")]
        roles = [pod["metadata"]["labels"]["run.ai/role"] for pod in pods]
        assert roles == ["head", "worker"][: len(pods)]


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
@pytest.mark.parametrize("kind", [LEADERWORKERSET, DEPLOYMENTS])
def test_clients_find_the_leaders_by_the_workloads_name(kind: str, changes: dict[str, Any]) -> None:
    workload = rendered(kind, **changes)
    service = workload.body[f"Service/{NAME}"]["spec"]
    (port,) = service["ports"]
    assert port["port"] == changes.get("serving", RECIPE.serving).port
    selected = [
        role
        for role, template in templates_of(workload).items()
        if service["selector"].items() <= template["metadata"]["labels"].items()
    ]
    assert selected == ["leader"]
    (of_leader,) = container_of(leader_of(workload))["ports"]
    assert of_leader["name"] == port["targetPort"]
    assert of_leader["containerPort"] == port["port"]


class TestLeaderWorkerSet:
    def test_size_counts_the_leader(self) -> None:
        group = rendered(pods=4, gpus_per_pod=4).body[f"LeaderWorkerSet/{NAME}"]["spec"]["leaderWorkerTemplate"]
        assert group["size"] == 4

    def test_leader_and_followers_differ_in_role_rank_ports_and_probes_only(self) -> None:
        templates = templates_of(rendered(**{**EVERYTHING, "serving": RECIPE.serving}))
        leader, follower = copy.deepcopy(templates["leader"]), copy.deepcopy(templates["follower"])
        for template in (leader, follower):
            template["metadata"]["labels"].pop("run.ai/role")
            container = template["spec"]["containers"][0]
            for field in ("args", "ports", "startupProbe", "readinessProbe", "livenessProbe"):
                container.pop(field, None)
        assert leader == follower

    def test_pods_find_the_leader_by_what_the_controller_sets(self) -> None:
        templates = templates_of(rendered())
        assert following(words_of(templates["leader"]), "--master-addr") == "$(LWS_LEADER_ADDRESS)"
        assert following(words_of(templates["leader"]), "--node-rank") == "0"
        assert following(words_of(templates["follower"]), "--node-rank") == "$(LWS_WORKER_INDEX)"
        assert "--headless" in words_of(templates["follower"])
        assert "--headless" not in words_of(templates["leader"])

    def test_its_headless_services_leave_the_workloads_name_free(self) -> None:
        spec = rendered().body[f"LeaderWorkerSet/{NAME}"]["spec"]
        assert spec["networkConfig"] == {"subdomainPolicy": "UniquePerReplica"}

    @pytest.mark.parametrize(
        ("policy", "word"),
        [
            ("recreate_group", "RecreateGroupOnPodRestart"),
            ("recreate_group_after_start", "RecreateGroupAfterStart"),
            ("none", "None"),
        ],
    )
    def test_restart_policies(self, policy: str, word: str) -> None:
        group = rendered(restart_policy=policy).body[f"LeaderWorkerSet/{NAME}"]["spec"]["leaderWorkerTemplate"]
        assert group["restartPolicy"] == word

    def test_groups_and_subgroups_are_placed_by_topology(self) -> None:
        manifest = rendered(pods=4, kubernetes=KubernetesSpec(**OF_GROUPS)).body[f"LeaderWorkerSet/{NAME}"]
        assert manifest["metadata"]["annotations"] == {
            "leaderworkerset.sigs.k8s.io/exclusive-topology": "topology.kubernetes.io/zone",
            "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology": "topology.gpuops.test/rack",
        }
        group = manifest["spec"]["leaderWorkerTemplate"]
        assert group["subGroupPolicy"] == {"subGroupPolicyType": "LeaderWorker", "subGroupSize": 2}

    def test_says_that_pods_are_not_scheduled_together_unless_a_scheduler_does(self) -> None:
        assert causes_of(rendered())["no_gang"] == "info"
        assert "no_gang" not in causes_of(rendered(kubernetes=KubernetesSpec(scheduler="kai-scheduler")))
        assert "not_self_healing" not in causes_of(rendered())


class TestDeployments:
    def test_every_pod_has_a_deployment_and_its_fixed_place(self) -> None:
        workload = rendered(DEPLOYMENTS, pods=4, gpus_per_pod=4)
        names = [key for key in workload.body if key.startswith("Deployment/")]
        assert names == [f"Deployment/{NAME}-{end}" for end in ("worker-0", "worker-1", "worker-2", "head")]
        templates = templates_of(workload)
        assert following(words_of(templates["leader"]), "--node-rank") == "0"
        for index in range(3):
            words = words_of(templates[f"Deployment/{NAME}-worker-{index}"])
            assert following(words, "--node-rank") == str(index + 1)
            assert following(words, "--master-addr") == f"{NAME}-head"
        assert "LWS_" not in json.dumps(workload.body)

    def test_selectors_select_their_own_pod_alone(self) -> None:
        workload = rendered(DEPLOYMENTS, pods=4, gpus_per_pod=4)
        pods = [template["metadata"]["labels"] for template in templates_of(workload).values()]
        for key, manifest in workload.body.items():
            if key.startswith("Deployment/"):
                selector = manifest["spec"]["selector"]["matchLabels"]
                selected = [labels for labels in pods if selector.items() <= labels.items()]
                assert selected == [manifest["spec"]["template"]["metadata"]["labels"]]

    def test_followers_find_the_leader_before_it_is_ready(self) -> None:
        workload = rendered(DEPLOYMENTS)
        service = workload.body[f"Service/{NAME}-head"]["spec"]
        assert service["clusterIP"] == "None"
        assert service["publishNotReadyAddresses"] is True
        assert service["selector"].items() <= leader_of(workload)["metadata"]["labels"].items()

    def test_a_change_of_one_pod_changes_all(self) -> None:
        def digests(**changes: Any) -> set[str]:
            templates = templates_of(rendered(DEPLOYMENTS, **changes)).values()
            return {template["metadata"]["annotations"]["gpuops.inference/group"] for template in templates}

        (before,), (after,) = digests(), digests(vllm_args=("--api-server-count=2",))
        assert before != after
        assert digests() == {before}

    def test_replicas_are_stopped_together_and_never_more_than_one(self) -> None:
        stopped = rendered(DEPLOYMENTS, replicas=0)
        assert len(stopped.replica_paths) == 2
        with pytest.raises(OptionError, match="2 replicas of 2 pods") as caught:
            rendered(DEPLOYMENTS, replicas=2)
        assert caught.value.findings[0].object == "replicas"

    @pytest.mark.parametrize(
        ("option", "changes"),
        [
            ("exclusive_topology", {"kubernetes": KubernetesSpec(exclusive_topology="zone")}),
            ("subgroup_size", {"kubernetes": KubernetesSpec(subgroup_size=2)}),
            ("startup_policy", {"startup_policy": "leader_ready", "readiness_probe": False}),
        ],
    )
    def test_what_needs_a_leaderworkerset_is_refused(self, option: str, changes: dict[str, Any]) -> None:
        with pytest.raises(OptionError) as caught:
            rendered(DEPLOYMENTS, **changes)
        (finding,) = caught.value.findings
        assert (finding.object, finding.cause) == (option, "needs_leaderworkerset")
        assert "controller: leaderworkerset" in finding.hint

    def test_says_what_it_cannot_do(self) -> None:
        workload = rendered(DEPLOYMENTS)
        assert {decision.name: decision.value for decision in workload.decisions}["restart_policy"] == "none"
        causes = causes_of(workload)
        assert causes["no_gang"] == causes["not_self_healing"] == "warning"


class TestSinglePod:
    def test_is_a_plain_deployment_that_rolls_without_more_gpus(self) -> None:
        workload = rendered(DEPLOYMENT, pods=1, replicas=3)
        assert list(workload.body) == [f"Service/{NAME}", f"Deployment/{NAME}"]
        spec = workload.body[f"Deployment/{NAME}"]["spec"]
        assert spec["replicas"] == 3
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
        assert "affinity" not in leader_of(workload)["spec"]
        assert not workload.findings

    def test_cannot_run_a_group(self) -> None:
        with pytest.raises(OptionError, match="2 pods"):
            rendered(DEPLOYMENT)


def test_loading_a_large_model_is_no_lack_of_progress() -> None:
    for kind, pods in ((DEPLOYMENT, 1), (DEPLOYMENTS, 2)):
        for key, manifest in rendered(kind, pods=pods, start_timeout=7200).body.items():
            if key.startswith("Deployment/"):
                assert manifest["spec"]["progressDeadlineSeconds"] == 7200


def test_the_plan_says_where_clients_find_the_model() -> None:
    decisions = {decision.name: decision.value for decision in rendered().decisions}
    assert decisions["service"] == "http://my-llm-inference.my-project.svc:8000"
    assert decisions["pod_security"] == "restricted"
