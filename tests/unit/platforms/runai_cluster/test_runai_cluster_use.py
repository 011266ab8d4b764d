# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster of a Run:ai project is asked for beside the status: leaders, commands, claims, readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    LiveWorkload,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import EndpointConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PASSED,
    UNKNOWN,
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_preflight import (
    used_permissions,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PlacementSpec, ServingSpec
from cluster_server import CORE, ClusterServer, claim, told
from runai_examples import ENDPOINT_TOKEN, NAME, PROJECT_ID, definition, listed, recipe_plan, rendered
from scripted_server import Answer, ScriptedServer
from scripted_workload import LIST, ONE, STATUS

Both = tuple[RunaiPlatform, LiveWorkload]
WithView = Callable[..., RunaiPlatform]
DATA_SOURCES = "/api/v1/asset/datasource/pvc"
NEEDS = PreflightNeeds(gpus_per_pod=2, pods=2, claims=("my-project-models",))


def ask(both: Both, path: str = "/v1/models") -> list[HttpAnswer | Unreachable]:
    platform, live = both
    return platform.request_leaders(live, platform.status(live), "GET", path, None, 5)


def closed(both: Both) -> Unreachable:
    with pytest.raises(Unreachable) as error:
        ask(both)
    return error.value


def only_inside(server: ScriptedServer) -> None:
    """Let the workload's endpoint be one that only the cluster reaches."""
    address = f"http://{NAME}.runai-my-project.svc.cluster.local:8000"
    server.on("GET", STATUS, Answer(200, listed(urls=[address])))


class TestLeaders:
    def test_every_replica_is_asked_though_the_endpoint_is_not_external(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        cluster.replicas(3)
        only_inside(server)
        answers = ask(both)
        assert [(one.status, one.leader, one.credential) for one in answers if isinstance(one, HttpAnswer)] == [
            (200, f"{NAME}-{replica}", "no token") for replica in range(3)
        ]
        assert cluster.count("GET", f"{CORE}/pods/.*/proxy/v1/models") == 3

    def test_the_port_is_the_workloads_whatever_the_container_states(
        self, with_view: WithView, seen: None, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        spec = rendered(serving=ServingSpec("authenticated_users", external=True, port=9000)).body["spec"]
        server.on("GET", ONE, Answer(200, definition(spec)))
        cluster.pods[0]["spec"]["containers"][0]["ports"] = [{"containerPort": 15001}]
        platform = with_view()
        live = platform.find(NAME)
        assert live is not None
        ask((platform, live))
        assert cluster.count("GET", f"{CORE}/pods/{NAME}-0:9000/proxy/v1/models") == 1

    def test_neither_platforms_token_reaches_a_pod(
        self, with_view: WithView, seen: None, cluster: ClusterServer
    ) -> None:
        """The API server takes Authorization for itself; a pod that asks for a key gets none of a platform's user."""
        cluster.pods[0]["spec"]["containers"][0]["env"] = [{"name": "VLLM_API_KEY", "value": "x"}]
        platform = with_view(endpoint=EndpointConnection(token=ENDPOINT_TOKEN))
        live = platform.find(NAME)
        assert live is not None
        [answer] = ask((platform, live))
        assert isinstance(answer, HttpAnswer) and answer.credential == "no token"
        assert ENDPOINT_TOKEN not in f"{[(one.headers, one.body, one.raw_query) for one in cluster.asked]}"
        assert cluster.count("GET", f"{CORE}/pods/.*/portforward") == 0

    def test_a_public_workloads_own_key_goes_to_the_pod_that_asks_for_it(
        self, with_view: WithView, seen: None, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        spec = rendered(serving=ServingSpec("public", external=True)).body["spec"]
        server.on("GET", ONE, Answer(200, definition(spec)))
        cluster.pods[0]["spec"]["containers"][0]["env"] = [{"name": "VLLM_API_KEY", "value": "x"}]
        platform = with_view(endpoint=EndpointConnection(token=ENDPOINT_TOKEN))
        live = platform.find(NAME)
        assert live is not None
        assert closed((platform, live)).cause == ENDPOINT_UNREACHABLE
        assert cluster.count("GET", f"{CORE}/pods/{NAME}-0/portforward") == 1

    def test_where_no_leader_may_be_asked_the_endpoint_is(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        cluster.forbidden = {"pods/proxy", "pods/portforward"}
        only_inside(server)
        error = closed(both)
        assert error.cause == NOT_REACHABLE_FROM_HERE
        assert "serving.external: true" in error.reason
        assert "user jane may not get pods/proxy" in error.reason

    def test_where_the_cluster_is_not_looked_into_the_endpoint_is_asked(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        cluster.namespaces = []
        only_inside(server)
        error = closed(both)
        assert error.cause == NOT_REACHABLE_FROM_HERE
        assert cluster.count("GET", f"{CORE}/pods/.*") == 0

    def test_a_leader_that_is_not_ready_is_no_reason_for_the_endpoint(self, both: Both, cluster: ClusterServer) -> None:
        cluster.pods[0]["status"]["conditions"] = []
        assert closed(both).reason == f"pod {NAME}-0 is not ready, so it was not asked."


class TestCommands:
    def test_the_container_is_the_products_own(self, both: Both, cluster: ClusterServer) -> None:
        platform, live = both
        cluster.forbidden = {"pods/exec"}
        with pytest.raises(Unreachable) as error:
            platform.execute(live, platform.status(live).pods[0], ["nvidia-smi", "-L"], 5)
        assert (error.value.cause, "pods/exec" in error.value.reason) == (NOT_REACHABLE_FROM_HERE, True)
        [asked] = [one for one in cluster.asked if one.path.endswith("/exec")]
        assert (asked.query["container"], asked.query["command"]) == (["workload"], ["nvidia-smi", "-L"])

    def test_where_the_cluster_is_not_looked_into_there_are_none(self, both: Both, cluster: ClusterServer) -> None:
        platform, live = both
        leader = platform.status(live).pods[0]
        cluster.forbidden = {"pods"}
        platform.status(live)
        assert platform.execute(live, leader, ["nvidia-smi"], 5) is None


class TestClaims:
    def findings(self, platform: RunaiPlatform, **changes: Any) -> list[Finding]:
        spread = {"placement": PlacementSpec(spread="none")}
        return platform.check(recipe_plan(**{**spread, **changes}))

    def test_a_good_claim_is_nothing_to_tell(self, with_view: WithView) -> None:
        assert self.findings(with_view()) == []

    def test_without_a_way_nobody_looks(self, platform: RunaiPlatform, cluster: ClusterServer) -> None:
        cluster.claims = {}
        assert self.findings(platform) == []
        assert cluster.asked == []

    def test_a_claim_that_is_not_there_stops_before_a_write(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.claims = {}
        [finding] = self.findings(with_view())
        assert (finding.severity, finding.cause, finding.object) == (ERROR, "volume_claim_missing", "volumes[0].claim")
        assert f"in namespace runai-my-project of the cluster at {cluster.url}" in finding.evidence

    @pytest.mark.parametrize("by_resources", [True, False])
    def test_the_name_of_a_data_source_is_told_apart_from_its_claim(
        self, with_view: WithView, cluster: ClusterServer, server: ScriptedServer, by_resources: bool
    ) -> None:
        cluster.claims = {}
        spec = {"claimName": "my-project-models" if by_resources else "my-project-models-1f3c"}
        made = {"resources": [{"name": "my-project-models-1f3c"}]} if by_resources else None
        entry = {"meta": {"name": "my-project-models"}, "spec": spec, "clusterInfo": made}
        server.on("GET", DATA_SOURCES, Answer(200, {"entries": [{"meta": None}, entry]}))
        [finding] = self.findings(with_view())
        assert "its claim is called my-project-models-1f3c in the namespace" in finding.hint
        [asked] = server.matching("GET", DATA_SOURCES)
        assert asked.query["projectId"] == [PROJECT_ID]

    @pytest.mark.parametrize("answer", [Answer(403, {"message": "no"}), Answer(404, {}), Answer(200, [1])])
    def test_data_sources_that_are_not_told(
        self, with_view: WithView, cluster: ClusterServer, server: ScriptedServer, answer: Answer
    ) -> None:
        cluster.claims = {}
        server.on("GET", DATA_SOURCES, answer)
        [finding] = self.findings(with_view())
        assert finding.hint == "Create it, or correct the name."

    def test_a_claim_for_one_machine_is_a_warning(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.claims = {"my-project-models": claim(("ReadWriteOnce",))}
        [finding] = self.findings(with_view())
        assert (finding.severity, finding.cause) == (WARNING, "volume_claim_not_shared")

    def test_claims_that_may_not_be_seen(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.forbidden = {"persistentvolumeclaims"}
        assert self.findings(with_view()) == []

    def test_another_cluster_judges_no_claim(self, both: Both, cluster: ClusterServer, server: ScriptedServer) -> None:
        """Its namespace has the project's name, and the pods that run already are not there."""
        platform, _live = both
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": [told(one) for one in cluster.pods]}))
        cluster.claims, cluster.pods = {}, []
        [finding] = self.findings(platform)
        assert (finding.severity, finding.cause) == (WARNING, "cluster_view_not_used")

    def test_a_namespace_that_may_not_be_seen_proves_nothing(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.claims, cluster.forbidden = {}, {"namespaces"}
        [finding] = self.findings(with_view())
        assert (finding.severity, finding.cause) == (WARNING, "cluster_view_not_used")
        assert "docs/kubernetes.md has the Role" in finding.hint


class TestPreflight:
    def checks(self, platform: RunaiPlatform, needs: PreflightNeeds = NEEDS) -> dict[str, PreflightCheck]:
        return {check.name: check for check in platform.preflight(needs)}

    def test_the_rows_of_the_cluster(self, with_view: WithView, cluster: ClusterServer) -> None:
        found = self.checks(with_view())
        rows = ["cluster_view", "cluster_view_tls", "cluster_view_permissions", "claim my-project-models"]
        assert list(found)[-4:] == rows
        assert [found[row].status for row in rows] == [PASSED, DOUBTFUL, PASSED, PASSED]
        assert found["cluster_view"].evidence == (
            f"namespace runai-my-project is there in the cluster at {cluster.url}."
        )
        assert found["claim my-project-models"].evidence == "Bound, ReadWriteMany, 500Gi."

    def test_without_a_way_there_are_none(self, platform: RunaiPlatform) -> None:
        found = self.checks(platform)
        assert not [name for name in found if name.startswith("cluster_view")]
        assert found["claim my-project-models"].status == UNKNOWN
        assert "A kubeconfig" in found["claim my-project-models"].hint

    def test_a_cluster_that_is_not_looked_into(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.namespaces = []
        found = self.checks(with_view())
        check = found["cluster_view"]
        assert (check.status, check.cause) == (DOUBTFUL, "cluster_view_not_used")
        assert found["claim my-project-models"].status == UNKNOWN
        assert "cluster_view_permissions" not in found

    def test_rights_that_are_missing(self, with_view: WithView, cluster: ClusterServer) -> None:
        cluster.forbidden = {"pods/proxy", "pods/log"}
        check = self.checks(with_view())["cluster_view_permissions"]
        assert check.status == DOUBTFUL
        assert "get pods/log" in check.evidence and "get, create pods/proxy" in check.evidence
        assert "deployments" not in check.evidence

    def test_a_claim_that_is_not_there(
        self, with_view: WithView, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        cluster.claims = {}
        entry = {"meta": {"name": "my-project-models"}, "spec": {"claimName": "models-7"}}
        server.on("GET", DATA_SOURCES, Answer(200, {"entries": [entry]}))
        check = self.checks(with_view())["claim my-project-models"]
        assert (check.status, check.cause) == (FAILED, "volume_claim_missing")
        assert "its claim is called models-7" in check.hint


def test_looking_needs_no_right_to_write() -> None:
    rows = used_permissions()
    assert {row.verb for row in rows if row.subresource is None} <= {"get", "list"}
    assert {row.subresource for row in rows} >= {None, "log", "proxy", "portforward", "exec"}


def test_a_plan_without_changes_asks_neither_side_for_more(
    server: ScriptedServer, cluster: ClusterServer, with_view: WithView, seen: None
) -> None:
    assert with_view().find(NAME) is not None
    assert [one.path for one in server.asked] == ["/api/v2/token", LIST, ONE]
    assert cluster.asked == []
