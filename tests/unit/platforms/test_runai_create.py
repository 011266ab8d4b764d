# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating a workload exactly once, whatever becomes of the answer, and putting one back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.comparable import comparable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import (
    InterruptedByParent,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from runai_examples import (
    CLUSTER_ID,
    NAME,
    PROJECT,
    PROJECT_ID,
    WORKLOAD_ID,
    FakeTime,
    listed,
)
from scripted_server import Answer, Asked, Reset, ScriptedServer, Silence
from scripted_workload import (
    ACCEPTED,
    CREATE,
    CREATED_SPEC,
    FOREIGN_SPEC,
    LIST,
    PROJECTS,
    RECORD,
    WORKLOAD,
    MakePlatform,
    cause,
    exists,
    failure,
)


class TestCreate:
    def test_what_is_sent(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("POST", CREATE, ACCEPTED)
        live = platform.create(WORKLOAD, RECORD)
        sent = server.matching("POST", CREATE)[0].json()
        assert {key: sent[key] for key in sent if key != "spec"} == {
            "name": NAME,
            "projectId": PROJECT_ID,
            "clusterId": CLUSTER_ID,
        }
        assert sent["spec"] == CREATED_SPEC
        assert (live.handle, live.phase, live.managed) == (WORKLOAD_ID, base.CREATING, True)
        assert live.record is not None
        assert comparable(live.body) == comparable(WORKLOAD.body)
        assert [asked.path for asked in server.asked] == ["/api/v2/token", PROJECTS, CREATE]

    @pytest.mark.parametrize("content", [{}, {"workloadId": WORKLOAD_ID}, {"workloadId": WORKLOAD_ID, "spec": None}])
    def test_answers_that_say_less(self, server: ScriptedServer, platform: RunaiPlatform, content: Any) -> None:
        server.on("POST", CREATE, Answer(202, content))
        exists(server)
        live = platform.create(WORKLOAD, RECORD)
        assert (live.handle, live.managed) == (WORKLOAD_ID, True)

    @pytest.mark.parametrize(
        "reaction", [Reset(), Silence(), Answer(500), Answer(502), Answer(503, {}, {"Retry-After": "9"}), Answer(504)]
    )
    def test_executed_without_a_clear_answer(
        self, server: ScriptedServer, make_platform: MakePlatform, reaction: Any, said: list[str]
    ) -> None:
        def accept(asked: Asked) -> Any:
            exists(server, asked.json()["spec"], phase="Pending")
            return reaction

        server.on("POST", CREATE, accept)
        live = make_platform(runai_request_timeout=1).create(WORKLOAD, RECORD)
        assert (live.handle, live.phase) == (WORKLOAD_ID, base.PENDING)
        assert server.count("POST", CREATE) == 1
        assert "no clear answer" in said[-1]

    def test_executed_slowly(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        nothing = Answer(200, {"workloads": []})
        exists(server)
        server.on("GET", LIST, nothing, nothing, Answer(200, {"workloads": [listed()]}))
        server.on("POST", CREATE, Reset())
        assert platform.create(WORKLOAD, RECORD).handle == WORKLOAD_ID
        assert server.count("GET", LIST) == 3

    @pytest.mark.parametrize("reaction", [Reset(), Answer(500, {"code": 500, "message": "Something went wrong."})])
    def test_not_executed(self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime, reaction: Any) -> None:
        server.on("POST", CREATE, reaction)
        began = time.now
        error = failure(lambda: platform.create(WORKLOAD, RECORD))
        assert cause(error) == "creation_unconfirmed"
        assert "Most likely it was not created." in error.message
        assert server.count("POST", CREATE) == 1
        assert time.now - began < 20

    def test_the_server_goes_away_with_the_answer(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime
    ) -> None:
        def gone(asked: Asked) -> Any:
            exists(server)
            back_at = time.now + 60
            here = Answer(200, {"workloads": [listed()]})
            server.on("GET", LIST, lambda asked: Reset() if time.now < back_at else here)
            return Reset()

        server.on("POST", CREATE, gone)
        assert platform.create(WORKLOAD, RECORD).handle == WORKLOAD_ID
        assert server.count("POST", CREATE) == 1

    @pytest.mark.parametrize("away", [Answer(503), Reset()])
    def test_doubt_stays_where_nobody_can_be_asked(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime, away: Any
    ) -> None:
        server.on("POST", CREATE, Answer(503))
        server.on("GET", LIST, away)
        began = time.now
        error = failure(lambda: platform.create(WORKLOAD, RECORD))
        assert error.findings[0].cause == "creation_unconfirmed"
        assert len(error.findings) == 2
        assert "may be under way" in error.message
        assert "not created" not in error.message
        assert server.count("POST", CREATE) == 1
        assert time.now - began < 130

    @pytest.mark.parametrize("status", [409, 400])
    def test_another_run_won_with_the_same_settings(
        self, server: ScriptedServer, platform: RunaiPlatform, status: int
    ) -> None:
        def taken(asked: Asked) -> Answer:
            exists(server, phase="Initializing")
            return Answer(status, {"code": status, "message": "Resource with this name already exists"})

        server.on("POST", CREATE, taken)
        assert platform.create(WORKLOAD, RECORD).phase == base.INITIALIZING

    @pytest.mark.parametrize(
        ("spec", "phase", "words"),
        [
            (
                with_record(WORKLOAD.body["spec"], write_record(replace(RECORD, inputs={"a": 1}))),
                "Running",
                "another run",
            ),
            (FOREIGN_SPEC, "Running", "did not make it"),
            (CREATED_SPEC, "Deleting", "being deleted"),
        ],
    )
    @pytest.mark.parametrize("status", [409, 400])
    def test_the_name_belongs_to_another(
        self, server: ScriptedServer, platform: RunaiPlatform, spec: Any, phase: str, words: str, status: int
    ) -> None:
        def taken(asked: Asked) -> Answer:
            exists(server, spec, phase=phase)
            return Answer(status, {"code": status, "message": "name already in use"})

        server.on("POST", CREATE, taken)
        error = failure(lambda: platform.create(WORKLOAD, RECORD))
        assert cause(error) == "name_in_use"
        assert words in error.message
        assert server.count("POST", CREATE) == 1

    def test_a_name_that_is_still_being_released(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime
    ) -> None:
        conflict = Answer(409, {"code": 409, "message": "Resource with this name already exists"})
        server.on("POST", CREATE, conflict, conflict, ACCEPTED)
        assert platform.create(WORKLOAD, RECORD).handle == WORKLOAD_ID
        assert sum(time.slept) == 1 + 2

    def test_a_name_that_is_never_released(
        self, server: ScriptedServer, platform: RunaiPlatform, time: FakeTime
    ) -> None:
        server.on("POST", CREATE, Answer(409, {"code": 409, "message": "Resource with this name already exists"}))
        error = failure(lambda: platform.create(WORKLOAD, RECORD))
        assert cause(error) == "name_in_use"
        assert "shows no such workload" in error.message
        assert sum(time.slept) <= 30

    def test_other_refusals_are_final(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        server.on("POST", CREATE, Answer(400, {"code": 400, "message": "spec.leader.image: wrong"}))
        assert cause(failure(lambda: platform.create(WORKLOAD, RECORD))) == "request_refused"
        assert server.count("GET", LIST) == 0

    def test_nothing_is_written_in_check_mode(self, server: ScriptedServer, make_platform: MakePlatform) -> None:
        exists(server)
        platform = make_platform(in_check_mode=True)
        live = platform.find(NAME)
        assert live is not None
        for write in (
            lambda: platform.create(WORKLOAD, RECORD),
            lambda: platform.restore(live),
            lambda: platform.delete(live),
            lambda: platform.scale(live, 2),
            lambda: platform.change(live, WORKLOAD, ["spec.replicas"], RECORD),
        ):
            assert cause(failure(write)) == "write_in_check_mode"
        assert {asked.method for asked in server.asked if "token" not in asked.path} == {"GET"}

    def test_nothing_is_written_when_the_parent_is_gone(
        self, server: ScriptedServer, runai: Any, host: Host, time: FakeTime
    ) -> None:
        reads: list[str] = []

        def alive() -> None:
            if server.count("GET", PROJECTS):
                reads.append("dead")
                raise InterruptedByParent("gone")

        platform = RunaiPlatform(Connection("runai", PROJECT, runai), replace(host, alive=alive))
        with pytest.raises(InterruptedByParent):
            platform.create(WORKLOAD, RECORD)
        assert server.count("POST", CREATE) == 0


class TestRestore:
    def restored(self, server: ScriptedServer, platform: RunaiPlatform, live: LiveWorkload) -> Any:
        server.on("POST", CREATE, ACCEPTED)
        platform.restore(live)
        return server.matching("POST", CREATE)[0].json()["spec"]

    def test_exactly_as_it_was(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        spec = {**CREATED_SPEC, "category": "Deploy", "priorityClass": "very-high"}
        exists(server, spec)
        live = platform.find(NAME)
        assert live is not None
        assert self.restored(server, platform, live) == spec

    def test_a_foreign_one_too(self, server: ScriptedServer, platform: RunaiPlatform) -> None:
        exists(server, FOREIGN_SPEC)
        live = platform.find(NAME)
        assert live is not None
        assert self.restored(server, platform, live) == FOREIGN_SPEC

    def test_from_the_value_alone(
        self, server: ScriptedServer, platform: RunaiPlatform, make_platform: MakePlatform
    ) -> None:
        exists(server)
        live = platform.find(NAME)
        assert live is not None
        spec = self.restored(server, make_platform(), live)
        assert comparable({"spec": spec}) == comparable({"spec": CREATED_SPEC})
        assert spec["leader"]["annotations"][-1]["name"] == "gpuops.inference/applied"
