# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain client for the tests of the sandbox's control plane."""

from __future__ import annotations

import copy
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from gpuops_sandbox.testing import RunningSandbox

DISTRIBUTED = "/api/v1/workloads/distributed-inferences"
INFERENCES = "/api/v1/workloads/inferences"
TRAININGS = "/api/v1/workloads/trainings"
CLUSTER_ID = "71f69d83-ba66-4822-adf5-55ce55efd210"
NAMESPACE = "runai-my-project"
IMAGE = "registry.example.com/stand-in:v1"

Value = TypeVar("Value")


def eventually(look: Callable[[], Value], seconds: float = 15.0) -> Value:
    """Return the first true value of ``look``, or fail with the last one after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {value!r}"
        time.sleep(0.01)


def pod_spec(arguments: str = "--port 8000", gpus: int = 2) -> dict[str, Any]:
    """Return a pod as the reference recipe has it."""
    return {
        "image": IMAGE,
        "command": "vllm serve /data/model --served-model-name mistral4",
        "args": arguments,
        "compute": {"gpuDevicesRequest": gpus, "largeShmRequest": True},
        "storage": {"pvc": [{"path": "/data", "existingPvc": True, "claimName": "my-project-models"}]},
        "security": {"uidGidSource": "custom", "runAsUid": 2000, "runAsGid": 2000, "runAsNonRoot": True},
        "environmentVariables": [{"name": "NCCL_IB_DISABLE", "value": "1"}],
    }


def distributed_body(name: str = "my-llm", **spec: Any) -> dict[str, Any]:
    """Return a create body: one leader and one follower of two GPUs each, unless ``spec`` says otherwise."""
    return {
        "name": name,
        "projectId": "33",
        "clusterId": CLUSTER_ID,
        "spec": {
            "workers": 1,
            "replicas": 1,
            "preemptibility": "preemptible",
            "servingPort": {"port": 8000, "authorizationType": "authenticatedUsers", "exposeExternally": True},
            "leader": pod_spec(),
            "worker": pod_spec("--headless"),
            **spec,
        },
    }


def inference_body(name: str = "my-small-llm", **spec: Any) -> dict[str, Any]:
    """Return a create body of a single-pod inference."""
    return {
        "name": name,
        "projectId": "33",
        "clusterId": CLUSTER_ID,
        "spec": {
            **pod_spec(),
            "servingPort": {"container": 8000, "protocol": "http", "authorizationType": "authenticatedUsers"},
            "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
            **spec,
        },
    }


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of ``body`` with one value set; ``path`` is dotted, numbers are positions of a list."""
    result = copy.deepcopy(body)
    holder: Any = result
    *parents, last = path.split(".")
    for part in parents:
        holder = holder[int(part)] if part.isdigit() else holder.setdefault(part, {})
    holder[int(last) if last.isdigit() else last] = value
    return result


class Client:
    """Calls the API of a running sandbox with a token."""

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        context = ssl.create_default_context(cafile=running.state["ca_path"])
        self.http = httpx.Client(base_url=running.state["api_url"], verify=context, timeout=20.0, trust_env=False)
        self.token = self.new_token()

    def new_token(self, **form: str) -> str:
        """Ask for a token by the OAuth form; the service account's unless ``form`` is given."""
        state = self.running.state
        own = {
            "grant_type": "client_credentials",
            "client_id": state["client_id"],
            "client_secret": state["client_secret"],
        }
        answer = self.http.post("/api/v2/token", data=form or own)
        if answer.status_code == 404:
            return ""
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the bearer token."""
        return self.http.request(method, path, headers={"Authorization": f"Bearer {self.token}"}, **options)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the JSON of a GET that has to succeed."""
        answer = self.call("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, body: dict[str, Any], path: str = DISTRIBUTED) -> str:
        """Create a workload that has to be accepted; return its id."""
        answer = self.call("POST", path, json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["workloadId"])

    def workload(self, workload_id: str) -> dict[str, Any]:
        """Return a workload in detail."""
        found: dict[str, Any] = self.get(f"/api/v1/workloads/{workload_id}")
        return found

    def phase(self, workload_id: str) -> str:
        """Return the phase of a workload."""
        return str(self.workload(workload_id)["phase"])

    def reach(self, workload_id: str, phase: str, seconds: float = 15.0) -> dict[str, Any]:
        """Wait until a workload has that phase; return it."""
        eventually(lambda: self.phase(workload_id) == phase, seconds)
        return self.workload(workload_id)

    def pods(self, workload_id: str) -> list[dict[str, Any]]:
        """Return the pods of a workload."""
        pods: list[dict[str, Any]] = self.get(f"/api/v1/workloads/{workload_id}/pods")["pods"]
        return pods

    def reasons(self, workload_id: str) -> list[str]:
        """Return the reasons of a workload's events, oldest first."""
        events = self.get(f"/api/v1/workloads/{workload_id}/events", sortOrder="asc", limit="500")["events"]
        return [event["reason"] for event in events]

    def phases(self, workload_id: str) -> list[str]:
        """Return the phases of a workload's history, oldest first."""
        records = self.get(f"/api/v1/workloads/{workload_id}/history", sortOrder="asc", limit="500")["records"]
        updates = [record["spec"] for record in records if record["meta"]["type"] == "PhaseUpdate"]
        return [update["phaseUpdate"]["phase"] for update in updates]
