# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test on plain Kubernetes: module, role and playbook, with leaders that really answer or really do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from served_workloads import CHAT, KEY, MODELS, WITH_KEY, ServedWorkloads, causes, rules_without, statuses
from support.leader_server import HANG, LeaderServer
from support.playbook import Playbooks, PlayResult

ENGINE_DIED = (500, {"error": {"message": "EngineCore encountered an issue. See stack trace (above)."}})


def test_every_replica_is_proven(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    result = served.smoke_test(name)
    assert (result["verdict"], statuses(result)) == ("passed", ["passed"] * 3)
    assert result["findings"] == []
    assert result["replicas_proven"] == "2 of 2"
    assert result["world_size"] == {"value": 4, "source": "the engine's /get_world_size"}
    assert result["answer"]["text"] == "I am a stand-in, not a model."
    assert result["answer"]["repeatable"] is True
    for leader in served.leaders(name):
        assert served.server.paths(leader) == [MODELS, "/get_world_size", CHAT, CHAT]


def test_a_replica_whose_engine_is_dead_fails_it(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    served.server.replies[(f"{name}-1", CHAT)] = ENGINE_DIED
    result = served.smoke_test(name)
    assert (result["verdict"], statuses(result)) == ("failed", ["passed", "passed", "failed"])
    assert causes(result) == ["completion_failed", "replicas_not_proven"]
    assert result["findings"][0]["object"] == f"{name}-1"
    assert result["replicas_proven"] == "1 of 2"


def test_a_replica_that_lost_a_follower_fails_it(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    served.server.replies[(f"{name}-0", CHAT)] = HANG
    result = served.smoke_test(name, time_limit=1)
    assert statuses(result) == ["passed", "passed", "failed"]
    assert causes(result) == ["completion_timeout", "replicas_not_proven"]
    assert result["findings"][0]["object"] == f"{name}-0"
    assert "1 of 2 replicas were proven" in result["findings"][1]["evidence"]


def test_a_replica_that_is_not_ready_is_not_hidden(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    served.make_unready(f"{name}-1")
    result = served.smoke_test(name)
    assert statuses(result)[1:] == ["passed", "passed"]
    assert causes(result) == ["degraded", "leader_not_ready", "replicas_not_proven"]
    assert result["findings"][1]["object"] == f"{name}-1"
    assert result["replicas_proven"] == "1 of 2"
    assert served.server.paths(f"{name}-1") == []


def test_a_user_who_may_not_ask_pods_leaves_it_unknown(served: ServedWorkloads) -> None:
    name = served.make()
    user = served.cluster.user("no-way-in", rules_without("proxy", "portforward", "jobs"))
    result = served.smoke_test(name, user)
    assert (result["verdict"], statuses(result)) == ("unknown", ["passed", "unknown", "unknown"])
    assert causes(result) == ["not_reachable_from_here"]
    assert "may not get pods/proxy" in result["findings"][0]["evidence"]
    assert result["replicas_proven"] == "0 of 1"


def test_with_an_api_key(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    served.server.replies[("", MODELS)] = (401, {"error": "Unauthorized"})
    result = served.smoke_test(name, endpoint_token=KEY)
    assert (result["verdict"], result["replicas_proven"]) == ("passed", "1 of 1")
    assert KEY not in json.dumps(result)
    result = served.smoke_test(name)
    assert (result["verdict"], causes(result)) == ("failed", ["endpoint_unauthorized"])
    assert "endpoint_token" in result["findings"][0]["hint"]
    result = served.smoke_test(name, endpoint_token="wrong-key-012345")
    assert causes(result) == ["endpoint_unauthorized"]
    assert "sent: endpoint_token" in result["findings"][0]["evidence"]


def play(playbooks: Playbooks, folder: Path, name: str, **variables: Any) -> PlayResult:
    """Run the playbook ``smoke_test`` on one workload of an inventory."""
    inventory = folder / "inventory.json"
    group = {"hosts": {name: {}}, "vars": {"gpuops_platform": "kubernetes", **variables}}
    inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
    return playbooks.run_playbook("gpuops.inference.smoke_test", inventory=str(inventory))


def connection_variables(connection: dict[str, Any]) -> dict[str, Any]:
    """Return a connection of the test cluster as variables of an inventory."""
    return {
        "gpuops_kubeconfig": connection["kubeconfig"],
        "gpuops_kubernetes_context": connection["context"],
        "gpuops_namespace": connection["namespace"],
    }


def test_the_playbook_passes(
    served: ServedWorkloads, forwarded: LeaderServer, playbooks: Playbooks, tmp_path: Path
) -> None:
    variables = connection_variables(served.cluster.connection)
    name = served.make()
    result = play(playbooks, tmp_path, name, **variables).check()
    assert result.changed == 0
    assert f"{name}: passed" in result.stdout
    name = served.make(serving=WITH_KEY)
    result = play(playbooks, tmp_path, name, **variables, gpuops_endpoint_token=KEY).check()
    assert f"{name}: passed" in result.stdout
    assert KEY not in result.stdout + result.stderr


def test_the_playbook_says_what_it_could_not_see(served: ServedWorkloads, playbooks: Playbooks, tmp_path: Path) -> None:
    name = served.make()
    user = served.cluster.user("no-way-in", rules_without("proxy", "portforward", "jobs"))
    variables = connection_variables(user)
    result = play(playbooks, tmp_path, name, **variables).check()
    assert f"{name}: unknown" in result.stdout
    assert "may not get pods/proxy" in result.stdout
    assert play(playbooks, tmp_path, name, **variables, gpuops_smoke_test_fail_on="unknown").rc != 0
