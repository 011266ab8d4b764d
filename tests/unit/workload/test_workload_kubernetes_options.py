# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for options that only one platform takes, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    TRAITS as KUBERNETES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS as RUNAI
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import protect_word
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan, PlatformTraits
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    DisruptionBudgetSpec,
    ExtraVolume,
    KubernetesSpec,
    NetworkClient,
    NetworkPolicySpec,
    PlacementSpec,
    ResourcesSpec,
    SecretReference,
    ServiceSpec,
    ServingSpec,
    VolumeSpec,
)
from workload_examples import causes_of, expand_as_kubelet, workload

INTERNAL = ServingSpec("cluster_internal")
KEY = SecretReference("endpoint", "key")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
CONFIG_MAP = {"configMap": {"name": "ca"}}


def on_kubernetes(**changes: Any) -> Plan:
    return plan_workload(workload(**{"serving": INTERNAL, "preemptibility": None, **changes}), KUBERNETES)


def refused(traits: PlatformTraits = KUBERNETES, **changes: Any) -> tuple[str, str]:
    """Return option and cause of the one refusal."""
    serving = INTERNAL if traits is KUBERNETES else ServingSpec("authenticated_users")
    with pytest.raises(OptionError) as caught:
        plan_workload(workload(**{"serving": serving, "preemptibility": None, **changes}), traits)
    (finding,) = caught.value.findings
    assert finding.hint
    return finding.object, finding.cause


class TestOptionsOfTheOtherPlatform:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("controller", "deployments"),
            ("priority_class", "gpu"),
            ("scheduler", "kai-scheduler"),
            ("queue", "team-a"),
            ("service_account", "serving"),
            ("node_selector", {"zone": "a"}),
            ("affinity", {"nodeAffinity": {}}),
            ("extra_volumes", (ExtraVolume("ca", "/ca", CONFIG_MAP),)),
            ("capabilities", ("IPC_LOCK",)),
            ("shm_size", "32Gi"),
            ("scratch_size", "1Ti"),
            ("exclusive_topology", "zone"),
            ("subgroup_size", 2),
            ("subgroup_topology", "rack"),
            ("service", ServiceSpec("load_balancer")),
            ("network_policy", NetworkPolicySpec()),
            ("disruption_budget", DisruptionBudgetSpec()),
            ("service_monitor", True),
            ("service_monitor_labels", {"release": "prometheus"}),
        ],
    )
    def test_run_ai_takes_none_of_kubernetes(self, option: str, value: Any) -> None:
        assert refused(RUNAI, kubernetes=KubernetesSpec(**{option: value})) == (option, "option_of_another_platform")

    def test_run_ai_knows_every_option_that_is_kubernetes_own(self) -> None:
        own = set(KubernetesSpec.__dataclass_fields__)
        assert own | {"serving.api_key_secret"} == set(RUNAI.foreign_options)

    @pytest.mark.parametrize(
        ("option", "changes"),
        [
            ("node_pools", {"placement": PlacementSpec(node_pools=("a",))}),
            ("node_type", {"placement": PlacementSpec(node_type="dgx")}),
            ("single_pod_as", {"single_pod_as": "distributed"}),
            ("serving.external", {"serving": ServingSpec("cluster_internal", external=True)}),
        ],
    )
    def test_kubernetes_takes_none_of_run_ai(self, option: str, changes: dict[str, Any]) -> None:
        assert refused(**changes) == (option, "option_of_another_platform")

    def test_a_restart_policy_that_run_ai_does_not_know(self) -> None:
        assert refused(RUNAI, restart_policy="recreate_group_after_start")[0] == "restart_policy"
        assert on_kubernetes(restart_policy="recreate_group_after_start").spec.restart_policy

    @pytest.mark.parametrize(
        ("traits", "access"),
        [
            (KUBERNETES, "public"),
            (KUBERNETES, "authorized_users"),
            (RUNAI, "cluster_internal"),
            (RUNAI, "vllm_api_key"),
        ],
    )
    def test_an_access_that_the_platform_cannot_enforce(self, traits: PlatformTraits, access: str) -> None:
        assert refused(traits, serving=ServingSpec(access)) == ("serving.access", "access_not_enforceable")


class TestAccessByKey:
    def test_the_key_comes_from_a_secret_and_guards_some_paths_only(self) -> None:
        plan = on_kubernetes(serving=ServingSpec("vllm_api_key", api_key_secret=KEY))
        (variable,) = [entry for entry in plan.leader.environment if entry.name == "VLLM_API_KEY"]
        assert variable.value == KEY
        assert causes_of(plan)["api_key_guards_some_paths"] == "warning"
        assert plan.leader.readiness_probe is not None
        assert plan.leader.readiness_probe.path == "/health"

    @pytest.mark.parametrize(
        ("option", "changes"),
        [
            ("serving.api_key_secret", {"serving": ServingSpec("vllm_api_key")}),
            ("serving.api_key_secret", {"serving": ServingSpec("cluster_internal", api_key_secret=KEY)}),
            (
                "serving.api_key_secret",
                {"serving": ServingSpec("vllm_api_key", api_key_secret=SecretReference("A", "k"))},
            ),
            (
                "serving.api_key_secret",
                {"serving": ServingSpec("vllm_api_key", api_key_secret=SecretReference("a", ""))},
            ),
            (
                "env.VLLM_API_KEY",
                {"serving": ServingSpec("vllm_api_key", api_key_secret=KEY), "env": {"VLLM_API_KEY": "x"}},
            ),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, option: str, changes: dict[str, Any]) -> None:
        assert refused(**changes)[0] == option


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("service_account", {"service_account": "A b"}),
    ("priority_class", {"priority_class": ""}),
    ("scheduler", {"scheduler": "my scheduler"}),
    ("queue", {"queue": ""}),
    ("queue", {"queue": "team a"}),
    ("node_selector", {"node_selector": {"zone/": "a"}}),
    ("node_selector.zone", {"node_selector": {"zone": "a b"}}),
    ("affinity.nodeAffinities", {"affinity": {"nodeAffinities": {}}}),
    ("affinity.podAffinity", {"affinity": {"podAffinity": []}}),
    ("affinity.podAffinity.required", {"affinity": {"podAffinity": {"required": []}}}),
    (f"affinity.podAffinity.{REQUIRED}", {"affinity": {"podAffinity": {REQUIRED: {"a": 1}}}}),
    (f"affinity.podAffinity.{REQUIRED}", {"affinity": {"podAffinity": {REQUIRED: ["a"]}}}),
    (f"affinity.nodeAffinity.{REQUIRED}", {"affinity": {"nodeAffinity": {REQUIRED: []}}}),
    (
        f"affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms",
        {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}}},
    ),
    ("extra_volumes[0].name", {"extra_volumes": (ExtraVolume("CA", "/ca", CONFIG_MAP),)}),
    ("extra_volumes[0].name", {"extra_volumes": (ExtraVolume("shm", "/ca", CONFIG_MAP),)}),
    ("extra_volumes[0].name", {"extra_volumes": (ExtraVolume("claim-0", "/ca", CONFIG_MAP),)}),
    (
        "extra_volumes[1].name",
        {"extra_volumes": (ExtraVolume("ca", "/a", CONFIG_MAP), ExtraVolume("ca", "/b", CONFIG_MAP))},
    ),
    ("extra_volumes[0].source", {"extra_volumes": (ExtraVolume("ca", "/ca", {}),)}),
    ("extra_volumes[0].source", {"extra_volumes": (ExtraVolume("ca", "/ca", {"configMap": "ca"}),)}),
    ("extra_volumes[0].path", {"extra_volumes": (ExtraVolume("ca", "/data", CONFIG_MAP),)}),
    ("extra_volumes[0].path", {"extra_volumes": (ExtraVolume("ca", "/dev/shm", CONFIG_MAP),)}),
    ("extra_volumes[0].path", {"extra_volumes": (ExtraVolume("ca", "ca", CONFIG_MAP),)}),
    ("capabilities[0]", {"capabilities": ("CAP_IPC_LOCK",)}),
    ("capabilities[0]", {"capabilities": ("ALL",)}),
    ("capabilities[1]", {"capabilities": ("IPC_LOCK", "ipc_lock")}),
    ("shm_size", {"shm_size": "much"}),
    ("shm_size", {"shm_size": "65Gi"}),
    ("scratch_size", {"scratch_size": "0"}),
    ("exclusive_topology", {"exclusive_topology": "a b"}),
    ("subgroup_topology", {"subgroup_topology": "rack"}),
    ("subgroup_size", {"subgroup_size": 3}),
    ("subgroup_size", {"subgroup_size": 0}),
    ("service.annotations", {"service": ServiceSpec(annotations={"a b": "x"})}),
    ("service_monitor_labels", {"service_monitor_labels": {"release": "x"}}),
    ("service_monitor_labels.release", {"service_monitor": True, "service_monitor_labels": {"release": "a b"}}),
    ("network_policy.clients[0]", {"network_policy": NetworkPolicySpec((NetworkClient(),))}),
    (
        "network_policy.clients[0]",
        {"network_policy": NetworkPolicySpec((NetworkClient(pod_labels={}, cidr="10.0.0.0/8"),))},
    ),
    ("network_policy.clients[0].cidr", {"network_policy": NetworkPolicySpec((NetworkClient(cidr="10.0.0.1/8"),))}),
    (
        "network_policy.clients[0].pod_labels.app",
        {"network_policy": NetworkPolicySpec((NetworkClient(pod_labels={"app": "a b"}),))},
    ),
    ("disruption_budget.max_unavailable", {"disruption_budget": DisruptionBudgetSpec(0)}),
]


@pytest.mark.parametrize(("option", "options"), REFUSED)
def test_what_the_cluster_would_refuse_later_is_refused(option: str, options: dict[str, Any]) -> None:
    resources = ResourcesSpec(memory_limit="64Gi")
    assert refused(kubernetes=KubernetesSpec(**options), resources=resources, volumes=(VolumeSpec("m", "/data"),))[
        0
    ] == (option)


def test_pods_cannot_be_apart_and_on_one_machine() -> None:
    own = KubernetesSpec(exclusive_topology="kubernetes.io/hostname")
    assert refused(kubernetes=own, placement=PlacementSpec(spread="required"))[0] == "spread"
    assert on_kubernetes(kubernetes=own).spec.kubernetes is own


@pytest.mark.parametrize(("pods", "size"), [(2, 1), (2, 2), (4, 2), (5, 2), (3, 2)])
def test_subgroups_fill_the_group_with_or_without_the_leader(pods: int, size: int) -> None:
    own = KubernetesSpec(subgroup_size=size, subgroup_topology="rack")
    assert on_kubernetes(pods=pods, kubernetes=own).topology.pods == pods


@pytest.mark.parametrize("word", ["a", "$", "$$", "5$ $(HOME)", "$(LWS_GROUP_SIZE)", "$$(LWS_GROUP_SIZE)", "$(", "a$"])
def test_a_protected_word_reaches_the_process_with_placeholders_replaced(word: str) -> None:
    values = {"LWS_GROUP_SIZE": "2", "HOME": "/scratch"}
    assert expand_as_kubelet(protect_word(word), values) == word.replace("$(LWS_GROUP_SIZE)", "2")


def test_startup_and_liveness_follow_the_budget_of_the_start() -> None:
    leader = on_kubernetes(start_timeout=1234).leader
    assert leader.startup_probe is not None
    assert leader.liveness_probe is not None
    assert leader.startup_probe.period * leader.startup_probe.failure_threshold >= 1234
    assert leader.liveness_probe.path == "/health"
    without = on_kubernetes(readiness_probe=False).leader
    assert (without.startup_probe, without.readiness_probe, without.liveness_probe) == (None, None, None)
