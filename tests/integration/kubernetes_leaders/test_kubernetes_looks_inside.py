# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks as real Jobs of a real API server: the smoke test where no other way leads to the leaders.

Their commands run on this machine instead of in a container, and ask what stands in for the engines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import REPORT_PATH, Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from served_workloads import CHAT, KEY, MODELS, WITH_KEY, ServedWorkloads, causes, rules_without, statuses
from support.cluster import IMAGE, NAMESPACE, ClusterHandle
from support.leader_server import HANG, LeaderServer, own_address
from support.modules import run_module
from support.playbook import Playbooks
from support.sandbox import until

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
RANKS = "/get_world_size"
REGISTRY = IMAGE.rpartition("/")[0]
LOOK_LABEL = "gpuops.inference/look"


@pytest.fixture
def asking_for_a_key() -> Iterator[LeaderServer]:
    """Leaders that ask for a key."""
    server = LeaderServer(own_address(), api_key=KEY)
    yield server
    server.end()


@pytest.fixture(autouse=True)
def played_pods(cluster: ClusterHandle) -> None:
    """Skip where pods do not live as they do here."""
    cluster.needs_played_pods()


def blocked(served: ServedWorkloads, *kinds: str) -> dict[str, Any]:
    """Return the connection of a user whom no request brings to a pod; of ``kinds`` it may have none either."""
    return served.cluster.user("-".join(("blocked", *kinds)), rules_without("proxy", "portforward", *kinds))


def jobs(served: ServedWorkloads) -> list[dict[str, Any]]:
    return served.cluster.items(JOBS)


def applied(served: ServedWorkloads) -> list[str]:
    """Return the names of the jobs that were applied since the log was emptied."""
    written = [entry for entry in served.cluster.writes() if entry.startswith(f"PATCH {JOBS}/")]
    return [entry.rpartition("/")[2] for entry in written]


def look(name: str, script: str, image: str = IMAGE, time_limit: float = 20) -> Look:
    """Return a look that runs a script; ``$1`` is where its report goes."""
    command = ("sh", "-c", script, "sh", REPORT_PATH)
    return Look(name, "test", LookPlace(image, RunAsSpec()), command, time_limit)


def carried_out(served: ServedWorkloads, wanted: Look) -> Any:
    """Carry a look out as an operation does."""
    return Looks(served.platform(), Host(), in_check_mode=False).run(wanted, "a test")


# The smoke test


def test_leaders_are_proven_by_looks_where_no_way_leads_to_them(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    user = blocked(served)
    served.cluster.forget_requests()
    result = served.smoke_test(name, user)
    assert (result["verdict"], result["findings"], statuses(result)) == ("passed", [], ["passed"] * 3)
    assert (result["replicas_proven"], result["looks"], result["changed"]) == ("2 of 2", 2, False)
    assert result["world_size"]["value"] == 4
    assert result["answer"]["text"] == "I am a stand-in, not a model."
    assert sorted(served.server.paths()) == sorted([MODELS, RANKS, CHAT, CHAT] * 2)
    # Nothing is left, and nothing but looks was written.
    assert len(applied(served)) == 2
    until(lambda: not jobs(served), "the looks are gone")
    assert not [entry for entry in served.cluster.writes() if JOBS not in entry and "/proxy/" not in entry]


def test_the_key_comes_from_the_workloads_own_secret(cluster: ClusterHandle, asking_for_a_key: LeaderServer) -> None:
    served = ServedWorkloads(cluster, asking_for_a_key)
    name = served.make(serving=WITH_KEY)
    metadata = {"name": "my-key", "namespace": NAMESPACE}
    content = {"api-key": base64.b64encode(KEY.encode()).decode()}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": content})
    result = served.smoke_test(name, blocked(served), endpoint_token="another-key-0123456789")
    assert (result["verdict"], result["looks"]) == ("passed", 2)
    assert {asked.headers["authorization"] for asked in asking_for_a_key.asked} == {f"Bearer {KEY}"}
    assert KEY not in json.dumps(result)


def test_a_leader_that_hangs_fails_it(served: ServedWorkloads) -> None:
    name = served.make()
    served.server.replies[("", CHAT)] = HANG
    result = served.smoke_test(name, blocked(served), time_limit=1)
    assert (statuses(result), causes(result)) == (["passed", "passed", "failed"], ["completion_timeout"])
    assert result["findings"][0]["object"] == f"{name}-0"


def test_a_leader_that_no_look_reaches_leaves_it_unknown(served: ServedWorkloads) -> None:
    name = served.make()
    served.server.end()
    result = served.smoke_test(name, blocked(served))
    assert (statuses(result), causes(result)) == (["passed", "unknown", "unknown"], ["not_reachable_from_here"])
    assert (result["looks"], "network policy" in result["findings"][0]["evidence"]) == (1, True)


def test_without_the_right_to_jobs_it_stays_unknown_and_says_which(served: ServedWorkloads) -> None:
    name = served.make()
    result = served.smoke_test(name, blocked(served, "jobs"))
    assert (result["verdict"], result["looks"]) == ("unknown", 0)
    [finding] = result["findings"]
    for missing in ("may not get pods/proxy", "pods/portforward", "may not list jobs.batch", "docs/kubernetes.md"):
        assert missing in finding["evidence"]


def test_check_mode_starts_none_unless_it_is_wanted(served: ServedWorkloads) -> None:
    name = served.make()
    asked = {**blocked(served), "name": name, "fail_on": "never"}
    served.cluster.forget_requests()
    result = run_module("vllm_smoke_test", asked, check_mode=True)
    assert (result["verdict"], result["looks"], applied(served)) == ("unknown", 0, [])
    assert result["not_looked_at"] == [f"what the leaders of {name} answer"]
    result = run_module("vllm_smoke_test", {**asked, "looks_in_check_mode": True}, check_mode=True)
    assert (result["verdict"], result["looks"], result["not_looked_at"]) == ("passed", 2, [])


def test_the_playbook_counts_looks(served: ServedWorkloads, playbooks: Playbooks, tmp_path: Path) -> None:
    name = served.make()
    user = blocked(served)
    variables = {
        "gpuops_platform": "kubernetes",
        "gpuops_kubeconfig": user["kubeconfig"],
        "gpuops_kubernetes_context": user["context"],
        "gpuops_namespace": user["namespace"],
    }
    inventory = tmp_path / "inventory.json"
    group = {"hosts": {name: {}}, "vars": variables}
    inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
    result = playbooks.run_playbook("gpuops.inference.smoke_test", inventory=str(inventory)).check()
    assert result.changed == 0
    assert f"{name}: passed" in result.stdout and "looks inside the cluster: 2" in result.stdout
    assert f"looking inside the cluster at what the leaders of {name} answer: ended" in result.stderr
    result = playbooks.run_playbook("gpuops.inference.smoke_test", "--check", inventory=str(inventory)).check()
    assert f"not looked at in check mode: what the leaders of {name} answer" in result.stdout


def test_a_task_that_runs_as_a_module_has_the_program_too(served: ServedWorkloads, playbooks: Playbooks) -> None:
    name = served.make()
    asked = {**blocked(served), "name": name}
    task = {"name": "Prove it", "gpuops.inference.vllm_smoke_test": asked, "async": 60, "poll": 1}
    result = playbooks.run([task]).check().last
    assert (result["verdict"], result["looks"]) == ("passed", 2)


# Looks themselves


def test_a_namespace_of_the_strictest_level_takes_it(served: ServedWorkloads) -> None:
    name = served.make()
    assert carried_out(served, look(name, 'echo \'{"found": "it"}\' >"$1"')) == {"found": "it"}
    levels = served.cluster.get(f"/api/v1/namespaces/{NAMESPACE}")["metadata"]["labels"]
    assert levels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_one_that_fails_tells_the_end_of_what_it_printed(served: ServedWorkloads) -> None:
    name = served.make()
    with pytest.raises(NotLooked, match=r"ended with exit status 3: .*no such volume") as error:
        carried_out(served, look(name, "echo first; echo no such volume >&2; exit 3"))
    assert error.value.findings[0].cause == "look_failed"
    until(lambda: not jobs(served), "the look is gone")


def test_a_program_that_the_image_lacks(served: ServedWorkloads) -> None:
    name = served.make()
    wanted = Look(name, "test", LookPlace(IMAGE, RunAsSpec()), ("no-such-program",), 20)
    with pytest.raises(NotLooked, match="no-such-program"):
        carried_out(served, wanted)


def test_an_image_that_is_missing_ends_the_wait(served: ServedWorkloads) -> None:
    name = served.make()
    with pytest.raises(NotLooked) as error:
        carried_out(served, look(name, "true", image=f"{REGISTRY}/image-missing:v9"))
    assert error.value.findings[0].cause == "image_pull_failed"
    until(lambda: not jobs(served), "the look is gone")


def test_one_that_was_left_over_is_removed_by_the_next(served: ServedWorkloads) -> None:
    name = served.make()
    platform = served.platform()
    # As a run that was killed leaves it, and one about something else.
    assert platform.start_look(look(name, "sleep 60"))
    other = Look(name, "other", LookPlace(IMAGE, RunAsSpec()), ("sleep", "60"), 60)
    assert platform.start_look(other)
    [left] = [job["metadata"]["name"] for job in jobs(served) if job["metadata"]["labels"][LOOK_LABEL] == "test"]
    assert carried_out(served, look(name, 'echo {} >"$1"')) == {}
    until(lambda: left not in [job["metadata"]["name"] for job in jobs(served)], "the old one is gone")
    assert [job["metadata"]["labels"][LOOK_LABEL] for job in jobs(served)] == ["other"]


def test_one_that_nobody_comes_for_ends_by_its_own_deadline(served: ServedWorkloads) -> None:
    name = served.make()
    wanted = Look(name, "test", LookPlace(IMAGE, RunAsSpec()), ("sleep", "60"), time_limit=1, start_limit=1)
    started = served.platform().start_look(wanted)
    until(lambda: started.status().is_over, "its time is over")
    seen = started.status()
    assert seen.exit_status is None and "DeadlineExceeded" in " ".join(seen.status.messages)


def test_its_pod_is_nobody_elses(served: ServedWorkloads) -> None:
    name = served.make()
    platform = served.platform()
    assert platform.start_look(look(name, "sleep 60"))
    until(
        lambda: [
            pod
            for pod in served.cluster.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={LOOK_LABEL}")
            if pod["status"].get("phase") == "Running"
        ],
        "its pod runs",
    )
    live = platform.find(name)
    assert live is not None
    assert [pod.name for pod in platform.status(live).pods] == [f"{name}-0", f"{name}-0-1"]
    platform.await_news(live, 0)
    assert [pod.name for pod in platform.status(live).pods] == [f"{name}-0", f"{name}-0-1"]
    platform.close()
    service = served.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/endpoints/{name}")
    targets = [address["targetRef"]["name"] for subset in service["subsets"] for address in subset["addresses"]]
    assert targets == [f"{name}-0"]
    # The workload can go, and its name is free, while a look at it is still there.
    asked = {**served.cluster.workload(name), "state": "absent"}
    assert run_module("vllm_workload", asked)["changed"] is True
    assert jobs(served)
    assert platform.find(name) is None
    assert run_module("vllm_workload", asked)["changed"] is False


def test_a_network_policy_of_the_workload_lets_it_through(served: ServedWorkloads) -> None:
    name = served.make(network_policy={"clients": []})
    assert served.platform().start_look(look(name, "sleep 60"))
    [job] = jobs(served)
    labels = job["spec"]["template"]["metadata"]["labels"]
    policy = served.cluster.get(f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/{name}")
    [allowed] = policy["spec"]["ingress"][0]["from"]
    assert allowed["podSelector"]["matchLabels"].items() <= labels.items()
    assert "ports" not in policy["spec"]["ingress"][0]
