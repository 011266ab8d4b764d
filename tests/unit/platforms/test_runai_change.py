# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing, deleting and watching a workload, and asking its leaders."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord, LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    read_record,
    same_settings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    record_text_of,
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import INFERENCE
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import ServingSpec
from runai_examples import (
    NAME,
    WORKLOAD_ID,
    FakeTime,
    cluster,
    listed,
    record_of,
    rendered,
)
from scripted_server import Answer, Reset, ScriptedServer
from scripted_workload import (
    ACCEPTED,
    CLUSTERS,
    CREATE,
    LIST,
    ONE,
    RECORD,
    SINGLE,
    STATUS,
    WORKLOAD,
    MakePlatform,
    cause,
    exists,
    failure,
)


class TestChange:
    def live(self, server: ScriptedServer, platform: RunaiPlatform) -> LiveWorkload:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        return live

    def single(self) -> LiveWorkload:
        workload = rendered(pods=1)
        return LiveWorkload(NAME, INFERENCE, WORKLOAD_ID, base.RUNNING, True, workload.body, None, 1)

    def test_distributed_replicas_in_place_and_nothing_else(
        self, server: ScriptedServer, platform: RunaiPlatform
    ) -> None:
        live = self.live(server, platform)
        rules = platform.change_rules(live)
        assert (dict(rules.in_place), rules.can_scale, rules.cannot_stop) == ({}, True, None)
        server.on("PATCH", ONE, Reset(), Answer(202, {}))
        platform.scale(live, 0)
        assert [asked.json() for asked in server.matching("PATCH", ONE)] == [{"spec": {"replicas": 0}}] * 2
        assert platform.status(live).pods_expected == 0

    def test_an_inference_is_patched_field_by_field(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        live = self.single()
        rules = platform.change_rules(live)
        assert rules.in_place["spec.environmentVariables"] == "rolling"
        assert not {"spec.storage", "spec.security", "spec.servingPort", "spec.labels"} & set(rules.in_place)
        server.on("PATCH", SINGLE, Answer(202, {}))
        wanted = rendered(pods=1, env={"A": "1"}, image="registry.example.com/vllm-openai:v0.34.0")
        record = record_of(wanted)
        assert rules.record_field == "spec.environmentVariables"
        platform.change(live, wanted, ["spec.image", "spec.nodeType", rules.record_field], record)
        sent = server.matching("PATCH", SINGLE)[0].json()["spec"]
        assert set(sent) == {"image", "environmentVariables", "nodeType"}
        assert sent["environmentVariables"][:-1] == wanted.body["spec"]["environmentVariables"]
        assert same_settings(record, read_record(record_text_of(sent)))
        assert sent["nodeType"] is None

    def test_an_inference_is_scaled_by_its_bounds(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("PATCH", SINGLE, Answer(202, {}))
        platform.scale(self.single(), 3)
        assert server.matching("PATCH", SINGLE)[0].json() == {
            "spec": {"autoscaling": {"minReplicas": 3, "maxReplicas": 3}}
        }

    def test_an_inference_cannot_be_stopped(self, platform: RunaiPlatform) -> None:
        reason = platform.change_rules(self.single()).cannot_stop
        assert reason is not None
        assert (reason.severity, reason.cause) == ("error", "stop_not_supported")

    def test_patchable_fields_depend_on_the_version(self, server: ScriptedServer, make_platform: MakePlatform) -> None:
        server.on("GET", CLUSTERS, Answer(200, [cluster("2.20.1")]))
        platform = make_platform(expect_cluster="prod")
        platform.find(NAME)
        rules = platform.change_rules(self.single())
        assert "spec.image" in rules.in_place
        assert "spec.compute" not in rules.in_place


class TestDelete:
    def test_workloads_of_other_types_are_left_alone(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("GET", LIST, Answer(200, {"workloads": [listed(type="Workspace")]}))
        live = platform.find(NAME)
        assert live is not None
        for write in (lambda: platform.delete(live), lambda: platform.scale(live, 1), lambda: platform.restore(live)):
            assert cause(failure(write)) == "name_in_use"
        assert server.count("DELETE", ".*") == 0

    @pytest.mark.parametrize("last", [Answer(202, {}), Answer(404, {"code": 404})])
    def test_after_a_doubtful_answer_it_is_asked_again(
        self, server: ScriptedServer, platform: RunaiPlatform, last: Answer
    ) -> None:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        server.on("DELETE", ONE, Reset(), Answer(503), last)
        platform.delete(live)
        assert server.count("DELETE", ONE) == 3

    @pytest.mark.parametrize(
        ("entries", "gone"),
        [
            ([], True),
            ([listed(phase="Deleting")], False),
            ([listed(deletedAt="2026-11-23T16:00:00Z")], True),
            ([listed(id="successor")], True),
        ],
    )
    def test_gone_means_that_the_name_is_free(
        self, server: ScriptedServer, platform: RunaiPlatform, entries: list[Any], gone: bool
    ) -> None:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        server.on("GET", LIST, Answer(200, {"workloads": entries}))
        assert platform.gone(live) is gone


class TestStatus:
    def live(self, server: ScriptedServer, platform: RunaiPlatform) -> LiveWorkload:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        server.asked.clear()
        return live

    def test_three_requests_with_detail_one_without(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        live = self.live(server, platform)
        status = platform.status(live)
        assert (status.phase, len(status.pods), status.pods_expected) == (base.RUNNING, 1, 2)
        assert status.endpoint is not None
        assert [asked.path for asked in server.asked] == [STATUS, f"{STATUS}/pods", f"{STATUS}/events"]
        assert platform.status(live, detail=False).pods == ()
        assert len(server.asked) == 4

    def test_history_tells_why_it_failed(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        live = self.live(server, platform)
        exists(server, phase="Failed", phaseMessage="failed")
        record = {"spec": {"phaseUpdate": {"phase": "Failed", "phaseMessage": "LeaderWorkerSet is not installed"}}}
        server.on("GET", f"{STATUS}/history", Answer(200, {"records": [record]}))
        assert platform.status(live).messages == ("failed", "LeaderWorkerSet is not installed")

    @pytest.mark.parametrize("phase", ["Degraded", "Pending", "Running"])
    def test_messages_of_earlier_phases_are_no_present_cause(
        self, server: ScriptedServer, platform: RunaiPlatform, phase: str
    ) -> None:
        live = self.live(server, platform)
        exists(server, phase=phase)
        assert platform.status(live).messages == ()
        assert server.count("GET", f"{STATUS}/history") == 0

    @pytest.mark.parametrize(
        "answer", [Answer(404, {"code": 404}), Answer(200, listed(deletedAt="t", phase="Deleting"))]
    )
    def test_deleted(self, server: ScriptedServer, platform: RunaiPlatform, answer: Answer) -> None:
        live = self.live(server, platform)
        server.on("GET", STATUS, answer)
        status = platform.status(live)
        assert (status.phase, status.deleted) == (base.DELETING, True)

    def test_one_that_was_just_created_may_not_be_listed_yet(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime
    ) -> None:
        server.on("POST", CREATE, ACCEPTED)
        live = platform.create(WORKLOAD, RECORD)
        assert platform.status(live) == base.WorkloadStatus(phase=base.CREATING)
        time.now += 31
        assert platform.status(live).deleted

    def test_a_server_that_is_gone_for_a_minute(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime, said: list[str]
    ) -> None:
        live = self.live(server, platform)
        back_at = time.now + 60
        server.on("GET", STATUS, lambda asked: Reset() if time.now < back_at else Answer(200, listed()))
        assert platform.status(live).phase == base.RUNNING
        assert "control plane not answering" in said[0]


class TestLeaders:
    def test_the_platforms_token_is_not_sent_in_the_open(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server, urls=[server.url])
        live = platform.find(NAME)
        assert live is not None
        with pytest.raises(base.Unreachable) as caught:
            platform.request_leaders(live, platform.status(live), "GET", "/v1/models", None, 5)
        assert caught.value.cause == base.ENDPOINT_NOT_TRUSTED
        assert server.count("GET", "/v1/models") == 0

    def test_public_endpoints_are_asked_without_a_token(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server, rendered(serving=ServingSpec("public", external=True)).body["spec"], urls=[server.url])
        server.on("GET", "/v1/models", Answer(200, {"data": []}))
        live = platform.find(NAME)
        assert live is not None
        answers = platform.request_leaders(live, platform.status(live), "GET", "/v1/models", None, 5)
        assert [(answer.status, answer.credential) for answer in answers] == [(200, "no token")]
        assert "authorization" not in server.matching("GET", "/v1/models")[0].headers

    def test_inside_only(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server, urls=["http://x.ns.svc.cluster.local:8000"])
        live = platform.find(NAME)
        assert live is not None
        with pytest.raises(base.Unreachable) as caught:
            platform.request_leaders(live, platform.status(live), "GET", "/v1/models", None, 5)
        assert caught.value.cause == base.NOT_REACHABLE_FROM_HERE


def test_what_runs_is_read_from_the_api(server: ScriptedServer, platform: RunaiPlatform) -> None:
    exists(server)
    live = platform.find(NAME)
    assert live is not None
    layout = platform.layout(live)
    assert (layout.pods, layout.replicas, layout.leader.gpus) == (2, 1, 2)


def test_records_of_other_versions_do_not_stand_in_the_way(server: ScriptedServer, platform: RunaiPlatform) -> None:
    exists(server, with_record(WORKLOAD.body["spec"], '{"format": 99}'))
    live = platform.find(NAME)
    assert live is not None
    assert (live.managed, live.record) == (True, None)
    assert isinstance(RECORD, AppliedRecord)
