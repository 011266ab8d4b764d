# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox's control plane does with workloads, whatever stands below it: the same tests over both back ends.

A subclass in a test file brings the fixtures ``client`` (nothing is there, all switches at their defaults) and
``leaders``. Pods fail both by their image's name, which the test cluster plays, and by what the stand-in is told.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.control_plane_client import (
    DISTRIBUTED,
    INFERENCES,
    NAMESPACE,
    TRAININGS,
    Client,
    changed,
    distributed_body,
    eventually,
    inference_body,
    pod_spec,
)
from support.leaders import Leaders

CHAT = {"model": "mistral4", "messages": [{"role": "user", "content": "hello"}]}
PROBE = {"readiness": {"periodSeconds": 1, "timeoutSeconds": 1, "handler": {"httpGet": {"path": "/health"}}}}
# Controllers and kubelets of a real cluster wait between two attempts.
PATIENCE = 60.0


def crashing(restart_policy: str, role: str) -> dict[str, Any]:
    """Return a workload of whose pods one ends again and again."""
    variables = [{"name": "STAND_IN_EXIT_CODE", "value": "1"}]
    pod = pod_spec("--headless" if role == "worker" else "--port 8000")
    pod |= {"image": "registry.example.com/crash-loop:v1", "environmentVariables": variables, "probes": PROBE}
    return distributed_body(restartPolicy=restart_policy, **{role: pod})


def training(exit_code: int, **spec: Any) -> dict[str, Any]:
    """Return a training whose pod ends with this code."""
    pod = pod_spec() | {"environmentVariables": [{"name": "STAND_IN_EXIT_CODE", "value": str(exit_code)}]}
    return {**distributed_body("my-look"), "spec": {**pod, "backoffLimit": 0, **spec}}


class ControlPlaneLives:
    """The lives of workloads."""

    def test_a_workload_goes_through_its_phases_and_serves(self, client: Client) -> None:
        workload_id = client.create(distributed_body())
        workload = client.reach(workload_id, "Running", PATIENCE)
        assert client.phases(workload_id) == ["Creating", "Pending", "Initializing", "Running"]
        pods = client.pods(workload_id)
        assert [pod["name"] for pod in pods] == ["my-llm-0", "my-llm-0-1"]
        assert all(pod["nodeName"] and pod["ip"] and pod["k8sPhase"] == "Running" for pod in pods)
        assert workload["runningPods"] == 2 and workload["requestedPods"]["number"] == 2
        assert workload["namespace"] == NAMESPACE and workload["actionsSupport"]["suspend"] is False
        assert eventually(lambda: client.reasons(workload_id).count("Scheduled") == 2, PATIENCE)

    @pytest.mark.parametrize("status", [409, 400])
    def test_a_name_in_use_is_refused_until_it_is_free(self, client: Client, status: int) -> None:
        client.running.admin("PUT", "/switches", {"name_conflict_status": str(status)})
        workload_id = client.create(distributed_body())
        assert client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == status
        other = client.running.admin("POST", "/projects", {"name": "other", "deserved_gpus": 8})
        client.create(changed(distributed_body(), "projectId", other["id"]))
        assert client.call("DELETE", f"{DISTRIBUTED}/{workload_id}").json()["code"] == 202
        assert client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == status
        eventually(lambda: client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == 202, PATIENCE)

    @pytest.mark.parametrize("after", ["404", "deletedAt"])
    def test_a_deleted_workload_is_gone_as_the_switch_says(self, client: Client, after: str) -> None:
        client.running.admin("PUT", "/switches", {"get_after_delete": after})
        workload_id = client.create(distributed_body())
        client.reach(workload_id, "Running", PATIENCE)
        client.call("DELETE", f"{DISTRIBUTED}/{workload_id}")
        shown = client.get(f"{DISTRIBUTED}/{workload_id}")
        assert (shown["desiredPhase"], shown["actualPhase"], shown["deletedAt"]) == ("Deleted", "Deleting", None)
        eventually(lambda: not client.get("/api/v1/workloads")["workloads"], PATIENCE)
        answer = client.call("GET", f"{DISTRIBUTED}/{workload_id}")
        if after == "404":
            assert answer.status_code == 404 and answer.json()["code"] == 404
        else:
            assert answer.json()["deletedAt"] is not None
        assert client.call("DELETE", f"{DISTRIBUTED}/{workload_id}").status_code == 404
        [entry] = [one for one in client.running.admin("GET", "/state")["workloads"] if one["id"] == workload_id]
        assert entry["deleted"] and entry["pods"] == []

    def test_replicas_come_and_go(self, client: Client) -> None:
        workload_id = client.create(distributed_body())
        client.reach(workload_id, "Running", PATIENCE)
        answer = client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 3}})
        assert answer.status_code == 202 and answer.json()["spec"]["replicas"] == 3
        eventually(lambda: client.workload(workload_id)["runningPods"] == 6, PATIENCE)
        first = [pod["id"] for pod in client.pods(workload_id)[:2]]
        client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 1}})
        eventually(lambda: len(client.pods(workload_id)) == 2, PATIENCE)
        assert [pod["id"] for pod in client.pods(workload_id)] == first
        assert client.phase(workload_id) == "Running"

    def test_a_replica_that_is_wanted_again_while_it_leaves_comes_back(self, client: Client) -> None:
        workload_id = client.create(distributed_body())
        client.reach(workload_id, "Running", PATIENCE)
        for replicas in (0, 1, 0, 2):
            client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": replicas}})
        eventually(lambda: client.workload(workload_id)["runningPods"] == 4, PATIENCE)

    @pytest.mark.parametrize("phase", ["Running", "Stopped", "Pending", "Completed", "Initializing"])
    def test_no_replicas_have_the_phase_of_the_switch(self, client: Client, phase: str) -> None:
        client.running.admin("PUT", "/switches", {"phase_at_zero_replicas": phase})
        workload_id = client.create(distributed_body(replicas=0))
        client.reach(workload_id, phase, PATIENCE)
        assert client.pods(workload_id) == []
        client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 1}})
        eventually(lambda: client.workload(workload_id)["runningPods"] == 2, PATIENCE)

    @pytest.mark.parametrize(
        ("switches", "body", "path"),
        [
            ({"lws_installed": False}, distributed_body(), DISTRIBUTED),
            ({"inference_available": False}, inference_body(), INFERENCES),
            ({"invalid_name": "fails_later"}, distributed_body("My_LLM"), DISTRIBUTED),
        ],
    )
    def test_what_the_cluster_cannot_do_is_accepted_and_fails(
        self, client: Client, switches: dict[str, Any], body: dict[str, Any], path: str
    ) -> None:
        client.running.admin("PUT", "/switches", switches)
        workload = client.reach(client.create(body, path), "Failed", PATIENCE)
        assert workload["phaseMessage"] and workload["runningPods"] == 0

    def test_an_inference_is_updated_by_a_new_revision(self, client: Client) -> None:
        workload_id = client.create(inference_body(), INFERENCES)
        client.reach(workload_id, "Running", PATIENCE)
        [before] = client.pods(workload_id)
        change = {"spec": {"args": "--port 8000 --seed 1"}}
        answer = client.call("PATCH", f"{INFERENCES}/{workload_id}", json=change)
        assert answer.status_code == 202 and answer.json()["spec"]["args"] == "--port 8000 --seed 1"
        eventually(lambda: [pod["id"] for pod in client.pods(workload_id)] not in ([before["id"]], []), PATIENCE)
        eventually(lambda: len(client.pods(workload_id)) == 1, PATIENCE)
        [after] = client.pods(workload_id)
        assert after["id"] != before["id"] and "-00002-" in after["name"]
        unchanged = client.call("PATCH", f"{INFERENCES}/{workload_id}", json=change)
        assert unchanged.status_code == 202 and [pod["id"] for pod in client.pods(workload_id)] == [after["id"]]

    def test_an_inference_is_scaled(self, client: Client) -> None:
        workload_id = client.create(inference_body(), INFERENCES)
        client.reach(workload_id, "Running", PATIENCE)
        bounds = {"spec": {"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}}
        assert client.call("PATCH", f"{INFERENCES}/{workload_id}", json=bounds).status_code == 202
        eventually(lambda: client.workload(workload_id)["runningPods"] == 2, PATIENCE)

    # Trainings

    def test_a_training_runs_to_its_end_and_holds_no_gpus_then(self, client: Client) -> None:
        workload_id = client.create(training(0), TRAININGS)
        ended = client.reach(workload_id, "Completed", PATIENCE)
        assert (ended["type"], ended["category"]) == ("Training", "Train")
        assert [pod["k8sPhase"] for pod in client.pods(workload_id)] == ["Succeeded"]
        [project] = [one for one in client.get("/api/v1/org-unit/projects")["projects"] if one["id"] == "33"]
        assert project["status"]["quotaStatus"]["allocated"]["gpu"] == 0
        assert client.call("DELETE", f"{TRAININGS}/{workload_id}").status_code == 202
        eventually(lambda: client.call("GET", f"{TRAININGS}/{workload_id}").status_code == 404, PATIENCE)

    def test_a_training_without_retries_fails_with_its_pod(self, client: Client) -> None:
        workload_id = client.create(training(1, image="registry.example.com/crash-loop:v1"), TRAININGS)
        client.reach(workload_id, "Failed", PATIENCE)
        assert [pod["k8sPhase"] for pod in client.pods(workload_id)] == ["Failed"]
        eventually(lambda: "BackoffLimitExceeded" in client.reasons(workload_id), PATIENCE)

    def test_a_training_deletes_itself_after_its_time(self, client: Client) -> None:
        workload_id = client.create(training(0, autoDeletionTimeAfterCompletionSeconds=1), TRAININGS)
        client.reach(workload_id, "Completed", PATIENCE)
        eventually(lambda: client.call("GET", f"{TRAININGS}/{workload_id}").status_code == 404, PATIENCE)

    # What fails

    @pytest.mark.parametrize("policy", ["RecreateGroupOnPodRestart", "None"])
    def test_a_lost_pod_comes_back(self, client: Client, policy: str) -> None:
        workload_id = client.create(distributed_body(restartPolicy=policy))
        client.reach(workload_id, "Running", PATIENCE)
        before = {pod["name"]: pod["id"] for pod in client.pods(workload_id)}
        client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-0-1/kill")

        # A group that is made anew may have its follower before its leader.
        lost = {"my-llm-0-1"} if policy == "None" else set(before)

        def renewed() -> bool:
            now = {pod["name"]: pod["id"] for pod in client.pods(workload_id)}
            return now.keys() == before.keys() and all(now[name] != before[name] for name in lost)

        eventually(renewed, PATIENCE)
        client.reach(workload_id, "Running", PATIENCE)
        kept = {pod["name"]: pod["id"] for pod in client.pods(workload_id)}["my-llm-0"] == before["my-llm-0"]
        assert kept is (policy == "None")
        deleted = client.get(f"/api/v1/workloads/{workload_id}/pods", deleted="true")["pods"]
        assert before["my-llm-0-1"] in {pod["id"] for pod in deleted}

    def test_an_image_that_is_not_there_backs_off(self, client: Client) -> None:
        image = "registry.example.com/image-missing:missing"
        workload_id = client.create(changed(distributed_body(), "spec.leader.image", image))
        eventually(lambda: "BackOff" in client.reasons(workload_id), PATIENCE)
        events = client.get(f"/api/v1/workloads/{workload_id}/events", limit="500")["events"]
        assert any(event["message"].startswith(f'Failed to pull image "{image}"') for event in events)
        eventually(lambda: "ImagePullBackOff" in client.workload(workload_id)["phaseMessage"], PATIENCE)
        client.reach(workload_id, "Initializing", PATIENCE)
        client.running.admin("PUT", "/switches", {"phase_messages": False})
        assert client.workload(workload_id)["phaseMessage"] == ""

    @pytest.mark.parametrize("phase", ["Initializing", "Failed", "Degraded"])
    def test_a_crash_loop_shows_the_phase_of_the_switch(self, client: Client, phase: str) -> None:
        client.running.admin("PUT", "/switches", {"crash_loop_phase": phase})
        workload_id = client.create(crashing("RecreateGroupOnPodRestart", "leader"))
        eventually(lambda: "RecreateGroup" in " ".join(client.reasons(workload_id)), PATIENCE)
        client.reach(workload_id, phase, PATIENCE)
        assert "Running" not in client.phases(workload_id)

    def test_without_group_restart_only_that_container_restarts(self, client: Client) -> None:
        workload_id = client.create(crashing("None", "worker"))
        eventually(lambda: "BackOff" in client.reasons(workload_id), PATIENCE)
        eventually(lambda: "CrashLoopBackOff" in client.workload(workload_id)["phaseMessage"], PATIENCE)
        assert "RecreateGroup" not in " ".join(client.reasons(workload_id))
        assert client.pods(workload_id)[0]["k8sPhase"] == "Running"

    def test_a_secret_that_is_missing_stops_the_container(self, client: Client) -> None:
        secret = [{"name": "TOKEN", "secret": {"name": "hub", "key": "token"}}]
        leader = pod_spec() | {"image": "registry.example.com/config-error:v1", "environmentVariables": secret}
        workload_id = client.create(distributed_body(leader=leader))
        said = 'CreateContainerConfigError: secret "hub" not found'
        eventually(lambda: said in client.workload(workload_id)["phaseMessage"], PATIENCE)
        workload = client.reach(workload_id, "Initializing", PATIENCE)
        assert said in workload["phaseMessage"] and "TOKEN" not in workload["environmentVariables"]

    def test_pods_wait_for_a_claim_that_is_missing(self, client: Client) -> None:
        body = changed(distributed_body(), "spec.leader.storage.pvc.0.claimName", "later")
        workload_id = client.create(body)
        said = 'persistentvolumeclaim "later" not found'
        eventually(lambda: said in client.workload(workload_id)["phaseMessage"], PATIENCE)
        assert client.phase(workload_id) == "Pending"
        client.running.admin("POST", "/claims", {"namespace": NAMESPACE, "name": "later"})
        client.reach(workload_id, "Running", PATIENCE)

    # The serving endpoint

    def test_a_chat_is_answered_and_the_engine_s_own_refusals_come_through(
        self, client: Client, leaders: Leaders
    ) -> None:
        url = self._served(client, leaders, authorizationType="authenticatedUsers")
        headers = {"Authorization": f"Bearer {client.token}"}
        answer = client.http.post(f"{url}/v1/chat/completions", headers=headers, json=CHAT)
        assert answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"]
        answer = client.http.post(f"{url}/v1/chat/completions", headers=headers, json=CHAT | {"model": "other"})
        assert answer.status_code == 404 and "other" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("port", "anonymous", "account", "user"),
        [
            ({}, 200, 200, 200),
            ({"authorizationType": "authenticatedUsers"}, 401, 200, 200),
            ({"authorizationType": "authorizedUsers", "authorizedUsers": ["researcher@example.com"]}, 401, 403, 200),
        ],
    )
    def test_access_is_what_the_serving_port_says(
        self, client: Client, leaders: Leaders, port: dict[str, Any], anonymous: int, account: int, user: int
    ) -> None:
        state = client.running.state
        password = {"grant_type": "password", "username": state["username"], "password": state["password"]}
        url = self._served(client, leaders, **port)
        assert self._call(client, url, None).status_code == anonymous
        assert self._call(client, url, client.token).status_code == account
        assert self._call(client, url, client.new_token(**password)).status_code == user

    def test_what_is_not_external_is_not_served_outside(self, client: Client, leaders: Leaders) -> None:
        inside = self._served(client, leaders, exposeExternally=False)
        assert inside == f"http://my-llm-serving.{NAMESPACE}.svc.cluster.local:{leaders.port}"
        url = f"{client.running.state['endpoint_base']}/{NAMESPACE}/my-llm"
        assert self._call(client, url, client.token).status_code == 404

    def test_without_a_ready_leader_there_is_no_answer(self, client: Client) -> None:
        variables = [{"name": "STAND_IN_NEVER_READY", "value": "1"}]
        image = "registry.example.com/never-ready:v1"
        leader = pod_spec() | {"image": image, "environmentVariables": variables, "probes": PROBE}
        workload_id = client.create(distributed_body(leader=leader, servingPort={"port": 8000}))
        eventually(lambda: client.workload(workload_id)["runningPods"] == 2, PATIENCE)
        assert self._call(client, str(client.workload(workload_id)["urls"][0]), None).status_code == 503

    def _served(self, client: Client, leaders: Leaders, **port: Any) -> str:
        workload_id = client.create(distributed_body(servingPort={"port": leaders.port, **port}))
        url = str(client.reach(workload_id, "Running", PATIENCE)["urls"][0])
        leaders.open(pod["name"] for pod in client.pods(workload_id) if pod["name"] == "my-llm-0")
        return url

    def _call(self, client: Client, url: str, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return client.http.get(f"{url}/v1/models", headers=headers)
