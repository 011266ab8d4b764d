# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand beside a workload: who may call it, who may move it, who reads its metrics."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    DisruptionBudgetSpec,
    NetworkPolicySpec,
    ServiceSpec,
)
from support.rendered_workloads import EVERY_OPTION, KINDS, NAME, causes_of, of_kubernetes, templates_of


def spec_of_object(kind: str, **options: Any) -> dict[str, Any]:
    return dict(of_kubernetes(**options).body[f"{kind}/{NAME}"]["spec"])


def test_nothing_stands_there_unasked() -> None:
    assert set(of_kubernetes().body) == {f"Service/{NAME}", f"LeaderWorkerSet/{NAME}"}


@pytest.mark.parametrize(
    ("given", "word"), [("cluster_ip", "ClusterIP"), ("node_port", "NodePort"), ("load_balancer", "LoadBalancer")]
)
def test_the_service_is_of_the_type_and_has_the_annotations_that_are_given(given: str, word: str) -> None:
    service = of_kubernetes(service=ServiceSpec(given, {"example.com/internal": "true"})).body[f"Service/{NAME}"]
    assert service["spec"]["type"] == word
    assert service["metadata"]["annotations"] == {"example.com/internal": "true"}


@pytest.mark.parametrize("kind", KINDS)
class TestNetworkPolicy:
    def test_the_pods_of_the_workload_reach_each_other_on_every_port(self, kind: str) -> None:
        workload = of_kubernetes(kind, network_policy=EVERY_OPTION.network_policy)
        policy = workload.body[f"NetworkPolicy/{NAME}"]["spec"]
        among = policy["ingress"][0]
        assert "ports" not in among
        for template in templates_of(workload).values():
            labels = template["metadata"]["labels"]
            assert policy["podSelector"]["matchLabels"].items() <= labels.items()
            assert among["from"][0]["podSelector"]["matchLabels"].items() <= labels.items()
        assert policy["policyTypes"] == ["Ingress"]

    def test_clients_reach_http_alone(self, kind: str) -> None:
        policy = of_kubernetes(kind, network_policy=EVERY_OPTION.network_policy).body[f"NetworkPolicy/{NAME}"]["spec"]
        assert policy["ingress"][1] == {
            "from": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}},
                    "podSelector": {"matchLabels": {"app": "envoy"}},
                },
                {"namespaceSelector": {}},
                {"podSelector": {"matchLabels": {"app": "chat"}}},
                {"ipBlock": {"cidr": "10.0.0.0/8"}},
            ],
            "ports": [{"protocol": "TCP", "port": 8000}],
        }

    def test_one_without_clients_is_said_to_close_the_endpoint(self, kind: str) -> None:
        workload = of_kubernetes(kind, network_policy=NetworkPolicySpec())
        assert len(workload.body[f"NetworkPolicy/{NAME}"]["spec"]["ingress"]) == 1
        assert causes_of(workload)["network_policy_without_clients"] == "warning"


def test_a_disruption_budget_holds_leaders_and_no_drain_of_a_broken_one() -> None:
    budget = spec_of_object("PodDisruptionBudget", disruption_budget=DisruptionBudgetSpec(2))
    assert budget["maxUnavailable"] == 2
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    selected = [
        role
        for role, template in templates_of(of_kubernetes()).items()
        if budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ]
    assert selected == ["leader"]


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_read_from_the_service_for_clients(kind: str) -> None:
    workload = of_kubernetes(kind, service_monitor=True, service_monitor_labels={"release": "prometheus"})
    monitor = workload.body[f"ServiceMonitor/{NAME}"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    selector = monitor["spec"]["selector"]["matchLabels"]
    services = [
        key
        for key, manifest in workload.body.items()
        if key.startswith("Service/") and selector.items() <= manifest["metadata"]["labels"].items()
    ]
    assert services == [f"Service/{NAME}"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": "http", "path": "/metrics"}
