# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Run:ai platform against a scripted control plane: what it finds, what it checks, requests spent."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import DISTRIBUTED, INFERENCE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import (
    make_platform as platform_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import (
    OptionError,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    PlacementSpec,
    ServingSpec,
    VolumeSpec,
)
from runai_examples import (
    CLUSTER_ID,
    NAME,
    NAMESPACE,
    PROJECT,
    WORKLOAD_ID,
    cluster,
    definition,
    listed,
    project,
    recipe_plan,
    rendered,
)
from scripted_server import Answer, Asked, ScriptedServer
from scripted_workload import (
    CLUSTERS,
    LIST,
    ONE,
    PROJECTS,
    SINGLE,
    WORKLOAD,
    MakePlatform,
    cause,
    exists,
    failure,
)


class TestSelection:
    def test_runai(self, runai: Any, host: Host) -> None:
        assert isinstance(platform_of(Connection("runai", PROJECT, runai), host), RunaiPlatform)

    def test_kubernetes_without_its_connection_is_refused(self, host: Host) -> None:
        with pytest.raises(OptionError) as caught:
            platform_of(Connection("kubernetes"), host)
        assert caught.value.findings[0].object == "kubeconfig"

    @pytest.mark.parametrize(("changes", "option"), [({"project": None}, "project"), ({"runai": None}, "runai_url")])
    def test_what_is_missing_is_named(self, make_platform: MakePlatform, changes: Any, option: str) -> None:
        with pytest.raises(OptionError) as caught:
            make_platform(**changes)
        assert caught.value.findings[0].object == option


class TestFind:
    def test_a_run_without_changes_costs_two_requests(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        assert platform.comparable(live.body) == platform.comparable(WORKLOAD.body)
        platform.change_rules(live)
        assert [asked.path for asked in server.asked] == ["/api/v2/token", LIST, ONE]
        assert platform.target().sentence() == f"runai at {server.url} (project {PROJECT}, namespace {NAMESPACE})"

    def test_nothing_of_that_name_in_a_project_that_is_there(
        self, server: ScriptedServer, platform: RunaiPlatform
    ) -> None:
        assert platform.find(NAME) is None
        assert platform.find(NAME) is None
        assert [asked.path for asked in server.asked] == ["/api/v2/token", LIST, PROJECTS, LIST]

    @pytest.mark.parametrize(
        "changes", [{"name": f"{NAME}-2"}, {"projectName": "other"}, {"deletedAt": "2026-11-23T16:00:00Z"}]
    )
    def test_others_and_memories_are_ignored(
        self, server: ScriptedServer, platform: RunaiPlatform, changes: dict[str, Any]
    ) -> None:
        exists(server, **changes)
        assert platform.find(NAME) is None

    @pytest.mark.parametrize("literal", ["Inference", "DistributedInference", "Distributed", "Deployment", None])
    def test_the_kind_is_found_whatever_the_type_is_called(
        self, server: ScriptedServer, platform: RunaiPlatform, literal: str | None
    ) -> None:
        exists(server, type=literal)
        live = platform.find(NAME)
        assert live is not None
        assert (live.kind, live.managed) == (DISTRIBUTED, True)

    @pytest.mark.parametrize("status", [400, 404])
    def test_another_kind_is_tried_after_either_refusal(
        self, server: ScriptedServer, platform: RunaiPlatform, status: int
    ) -> None:
        exists(server, type="Inference")
        server.on("GET", SINGLE, Answer(status, {"code": status, "message": "wrong type"}))
        live = platform.find(NAME)
        assert live is not None
        assert live.kind == DISTRIBUTED

    def test_a_single_pod_inference(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("GET", LIST, Answer(200, {"workloads": [listed(type="Inference")]}))
        server.on("GET", SINGLE, Answer(200, definition(rendered(pods=1).body["spec"])))
        live = platform.find(NAME)
        assert live is not None
        assert (live.kind, live.replicas) == (INFERENCE, 1)
        assert server.count("GET", ONE) == 0

    def test_a_workspace_of_that_name_is_foreign(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("GET", LIST, Answer(200, {"workloads": [listed(type="Workspace")]}))
        live = platform.find(NAME)
        assert live is not None
        assert (live.kind, live.managed, platform.comparable(live.body)) == ("Workspace", False, {})

    def test_one_that_went_between_the_two_requests_is_not_there(
        self, server: ScriptedServer, platform: RunaiPlatform
    ) -> None:
        server.on("GET", PROJECTS, Answer(200, {"projects": [project()]}))
        server.on("GET", LIST, Answer(200, {"workloads": [listed()]}), Answer(200, {"workloads": []}))
        assert platform.find(NAME) is None

    def test_one_that_is_being_deleted_blocks_the_name(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server, phase="Deleting")
        live = platform.find(NAME)
        assert live is not None
        assert live.phase == base.DELETING

    def test_a_successor_is_found_beside_it(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server)
        leaving = listed(id="old", phase="Terminating")
        server.on("GET", LIST, Answer(200, {"workloads": [leaving, listed(), listed(id="x", deletedAt="t")]}))
        live = platform.find(NAME)
        assert live is not None
        assert (live.handle, live.phase) == (WORKLOAD_ID, base.RUNNING)


class TestExpectedCluster:
    @pytest.mark.parametrize("expected", ["prod", CLUSTER_ID])
    def test_the_right_one_costs_one_request_more(
        self, server: ScriptedServer, make_platform: MakePlatform, expected: str
    ) -> None:
        exists(server)
        platform = make_platform(expect_cluster=expected)
        assert platform.find(NAME) is not None
        assert platform.find(NAME) is not None
        assert server.count("GET", CLUSTERS) == 1
        assert server.count("GET", PROJECTS) == 0
        assert platform.target().cluster == "prod"

    @pytest.mark.parametrize("present", [True, False])
    def test_another_one_is_refused(self, server: ScriptedServer, make_platform: MakePlatform, present: bool) -> None:
        if present:
            exists(server)
        error = failure(lambda: make_platform(expect_cluster="staging").find(NAME))
        assert cause(error) == "wrong_cluster"
        assert f"project {PROJECT} is on cluster prod, not staging." in error.message
        assert not [asked for asked in server.asked if asked.method != "GET" and "token" not in asked.path]

    def test_clusters_that_may_not_be_seen_cannot_be_confirmed(
        self, server: ScriptedServer, make_platform: MakePlatform
    ) -> None:
        exists(server)
        server.on("GET", CLUSTERS, Answer(403, {"code": 403, "message": "no"}))
        assert cause(failure(lambda: make_platform(expect_cluster="prod").find(NAME))) == "wrong_cluster"


class TestCheck:
    def findings(self, platform: RunaiPlatform, **changes: Any) -> dict[str, base.Finding]:
        return {finding.cause: finding for finding in platform.check(recipe_plan(**changes))}

    def test_a_plan_that_fits(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        spread = PlacementSpec(spread="none")
        assert self.findings(platform, placement=spread) == {}
        assert self.findings(platform, placement=spread) == {}
        assert (server.count("GET", PROJECTS), server.count("GET", CLUSTERS)) == (1, 1)

    def test_an_unknown_project_comes_with_names_that_are_alike(
        self, server: ScriptedServer, platform: RunaiPlatform
    ) -> None:
        def projects(asked: Asked) -> Answer:
            names = [] if "filterBy" in asked.query else ["my-projects", "billing", "my-project-2"]
            return Answer(200, {"projects": [project(name=name) for name in names]})

        server.on("GET", PROJECTS, projects)
        assert cause(failure(lambda: platform.find(NAME))) == "project_not_found"
        error = failure(lambda: platform.check(recipe_plan()))
        assert cause(error) == "project_not_found"
        assert "my-project-2" in error.message
        assert "billing" not in error.message

    @pytest.mark.parametrize(
        ("pods", "fits", "too_much", "limit"), [(2, 50_000, 70_000, "250000"), (1, 30_000, 65_000, "131072")]
    )
    def test_a_record_that_does_not_fit_is_refused_before_anything_is_written(
        self, platform: RunaiPlatform, pods: int, fits: int, too_much: int, limit: str
    ) -> None:
        assert "record_too_large" not in self.findings(platform, pods=pods, annotations={"note": "x" * fits})
        finding = self.findings(platform, pods=pods, annotations={"note": "x" * too_much})["record_too_large"]
        assert (finding.severity, finding.object) == ("error", "annotations")
        assert limit in finding.evidence

    def test_long_values_of_variables_are_hashed_and_fit(self, platform: RunaiPlatform) -> None:
        env = {f"A{index}": "x" * 100_000 for index in range(4)}
        assert "record_too_large" not in self.findings(platform, pods=1, env=env)

    @pytest.mark.parametrize(
        ("option", "name"),
        [("labels", "app.kubernetes.io/managed-by"), ("labels", "run.ai/role"), ("annotations", "gpuops.inference/x")],
    )
    def test_our_own_marks_are_not_the_users(self, platform: RunaiPlatform, option: str, name: str) -> None:
        finding = self.findings(platform, **{option: {name: "mine"}})["reserved_name"]
        assert (finding.severity, finding.object) == ("error", f"{option}.{name}")

    def test_a_claim_that_the_api_does_not_take(self, platform: RunaiPlatform) -> None:
        finding = self.findings(platform, volumes=(VolumeSpec("a" * 64, "/data"),))["name_too_long"]
        assert (finding.severity, finding.object) == ("error", "volumes[0].claim")

    def test_credentials_that_see_no_project(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("GET", PROJECTS, Answer(200, {"projects": []}))
        assert "access rule" in failure(lambda: platform.check(recipe_plan())).message

    @pytest.mark.parametrize(
        ("version", "changes", "option"),
        [
            ("2.21.9", {"preemptibility": None}, "pods"),
            ("2.23.1", {}, "preemptibility"),
            ("2.23.1", {"pods": 1}, "preemptibility"),
            (
                "2.23.1",
                {
                    "pods": 1,
                    "preemptibility": None,
                    "serving": ServingSpec("authorized_users", authorized_users=("a",)),
                },
                "serving.access",
            ),
        ],
    )
    def test_old_clusters(
        self, server: ScriptedServer, platform: RunaiPlatform, version: str, changes: Any, option: str
    ) -> None:
        server.on("GET", CLUSTERS, Answer(200, [cluster(version)]))
        finding = self.findings(platform, **changes)["version_too_old"]
        assert (finding.severity, finding.object) == ("error", option)
        assert f"cluster prod has {version.rsplit('.', 1)[0]}." in finding.evidence

    @pytest.mark.parametrize("version", ["2.24.0", "2.25.1", "3.0.0", "v2.24", "", None, "latest"])
    def test_current_and_unknown_versions_pass(
        self, server: ScriptedServer, platform: RunaiPlatform, version: str | None
    ) -> None:
        server.on("GET", CLUSTERS, Answer(200, [{**cluster(), "version": version}]))
        assert "version_too_old" not in self.findings(platform)

    def test_before_2_23_replicas_cannot_be_changed_in_place(
        self, server: ScriptedServer, platform: RunaiPlatform
    ) -> None:
        server.on("GET", CLUSTERS, Answer(200, [cluster("2.22.5")]))
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        assert platform.change_rules(live).can_scale
        assert "version_too_old" not in self.findings(platform, preemptibility=None, replicas=2)
        assert not platform.change_rules(live).can_scale

    @pytest.mark.parametrize(("spread", "severity"), [("required", "error"), ("preferred", "info"), ("none", None)])
    def test_pods_cannot_be_kept_apart(self, platform: RunaiPlatform, spread: str, severity: str | None) -> None:
        finding = self.findings(platform, placement=PlacementSpec(spread=spread)).get("spread_not_supported")
        assert (finding.severity if finding else None) == severity
        assert "spread_not_supported" not in self.findings(platform, pods=1)

    @pytest.mark.parametrize(("option", "where"), [("labels", "labels"), ("annotations", "annotations")])
    def test_names_that_the_api_does_not_take(self, platform: RunaiPlatform, option: str, where: str) -> None:
        finding = self.findings(platform, **{option: {"example.com/" + "x" * 60: "1"}})["name_too_long"]
        assert (finding.severity, finding.object) == ("error", where)

    def test_parts_that_the_cluster_misses(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        parts = {
            "lws": {"available": False, "reason": "x"},
            "knative": {"available": False},
            "gpu": {"available": True},
        }
        status = {"state": "Disconnected", "dependencies": {"optional": parts, "required": None}}
        server.on("GET", CLUSTERS, Answer(200, [cluster(status=status)]))
        assert {"lws_missing", "cluster_not_connected"} <= set(self.findings(platform))
        assert "knative_missing" in self.findings(platform, pods=1)

    @pytest.mark.parametrize(("phase", "severity"), [("Deleting", "error"), ("NotReady", "warning")])
    def test_projects_that_are_not_ready(
        self, server: ScriptedServer, platform: RunaiPlatform, phase: str, severity: str
    ) -> None:
        content = project(status={"phase": phase, "namespace": NAMESPACE})
        server.on("GET", PROJECTS, Answer(200, {"projects": [content]}))
        assert self.findings(platform)["project_not_ready"].severity == severity

    def test_an_inference_cannot_start_stopped(self, platform: RunaiPlatform) -> None:
        assert self.findings(platform, pods=1, replicas=0)["stop_not_supported"].severity == "error"

    def test_certificates_that_are_not_checked(self, make_platform: MakePlatform) -> None:
        assert "tls_not_verified" in self.findings(make_platform(runai_validate_certs=False))

    def test_clusters_that_may_not_be_seen(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("GET", CLUSTERS, Answer(403, {"code": 403, "message": "no"}))
        assert "version_too_old" not in self.findings(platform)
