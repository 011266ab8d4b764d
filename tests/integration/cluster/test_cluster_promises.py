# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster does what tests rely on: a real control plane, kubelets that are played, a true log of requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cluster import CLAIM, LEADERWORKERSETS, NAMESPACE, PODS, ClusterHandle
from support.sandbox import until

from gpuops_cluster import launcher, processes
from gpuops_cluster.api import Api, Identity
from gpuops_cluster.kubelet.pods import recorded_log

SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
PROBE = {"httpGet": {"path": "/v1/models", "port": 8000}}
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def spec(image: str, *command: str) -> dict[str, Any]:
    container = {
        "name": "vllm",
        "image": f"registry.example.com/{image}",
        "command": list(command) or ["vllm", "serve"],
        "readinessProbe": PROBE,
        "securityContext": SAFE,
        "resources": {"limits": {"nvidia.com/gpu": "2"}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 2000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"securityContext": security, "containers": [container]}


def pod(name: str, image: str, *command: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec(image, *command)}


def reason(cluster: ClusterHandle, name: str) -> str:
    """Return why a pod does not run, or its state."""
    status = cluster.get(f"{PODS}/{name}")["status"]
    for entry in status.get("containerStatuses", []):
        for kind, state in entry["state"].items():
            return str(state.get("reason", kind))
    return str(status["phase"])


def client(connection: dict[str, Any], cluster: ClusterHandle) -> Api:
    """Return a client of the user of a connection that ``ClusterHandle.user`` has made."""
    folder = Path(cluster.description["ca_path"]).parent
    name = Path(connection["kubeconfig"]).stem
    url, authority = cluster.description["api_url"], Path(cluster.description["ca_path"])
    return Api(Identity(url, authority, folder / f"user-{name}.crt", folder / f"user-{name}.key"))


def test_groups_of_pods_get_their_variables_and_are_made_again_as_a_whole(cluster: ClusterHandle) -> None:
    template = {"size": 2, "restartPolicy": "RecreateGroupOnPodRestart", "workerTemplate": {"spec": spec("stand-in")}}
    body = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "group", "namespace": NAMESPACE},
        "spec": {"replicas": 1, "leaderWorkerTemplate": template},
    }
    cluster.apply(body)
    path = f"{LEADERWORKERSETS}/namespaces/{NAMESPACE}/leaderworkersets/group"
    until(lambda: cluster.get(path).get("status", {}).get("readyReplicas") == 1, "the group is ready", 60)
    (container,) = cluster.get(f"{PODS}/group-0-1")["spec"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    assert variables["LWS_GROUP_SIZE"] == "2" and variables["LWS_WORKER_INDEX"] == "1"
    assert variables["LWS_LEADER_ADDRESS"] == f"group-0.group.{NAMESPACE}"
    before = cluster.get(f"{PODS}/group-0")["metadata"]["uid"]
    cluster.restart_container("group-0-1")
    until(lambda: before not in [entry["metadata"]["uid"] for entry in cluster.pods()], "the leader is a new pod", 60)
    until(lambda: cluster.get(path)["status"].get("readyReplicas") == 1, "the group is ready again", 60)


@pytest.mark.parametrize("level", ["restricted", "baseline", "privileged"])
def test_namespaces_refuse_what_their_level_forbids(cluster: ClusterHandle, level: str) -> None:
    namespaces = cluster.description["namespaces"]
    namespace = next(name for name, enforced in namespaces.items() if enforced == level)
    container = {"name": "c", "image": "a"}
    asked = {
        "restricted": {"containers": [container]},
        "baseline": {"containers": [container], "hostNetwork": True},
        "privileged": {"containers": [{**container, "securityContext": {"privileged": True}}]},
    }[level]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": asked}
    status, content = cluster.api("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body)
    assert status == (201 if level == "privileged" else 403), content


def test_pods_live_as_their_image_says(cluster: ClusterHandle) -> None:
    wanted = {
        "stand-in": "running",
        "crash-loop": "CrashLoopBackOff",
        "oom-killed": "CrashLoopBackOff",
        "no-program": "CrashLoopBackOff",
        "image-missing": "ImagePullBackOff",
        "config-error": "CreateContainerConfigError",
    }
    others = ("evicted", "never-ready")
    cluster.apply(*(pod(image, image) for image in (*wanted, *others)))
    for image, expected in wanted.items():
        until(lambda name=image: reason(cluster, name), f"{image} is {expected}", 60, good=expected.__eq__)
    until(lambda: cluster.get(f"{PODS}/evicted")["status"].get("reason") == "Evicted", "a pod is evicted", 60)
    (status,) = cluster.get(f"{PODS}/never-ready")["status"]["containerStatuses"]
    assert "running" in status["state"] and not status["ready"]
    events = cluster.items(f"/api/v1/namespaces/{NAMESPACE}/events")
    said = {(entry["involvedObject"]["name"], entry["reason"]) for entry in events}
    assert {("crash-loop", "BackOff"), ("image-missing", "Failed"), ("never-ready", "Unhealthy")} <= said


def test_logs_are_those_of_a_recorded_engine(cluster: ClusterHandle) -> None:
    cluster.apply(
        pod("leader", "stand-in:v1"),
        pod("follower", "stand-in:v1", "vllm", "serve", "--headless"),
        pod("broken", "crash-loop:unknown_flag"),
        pod("absent", "image-missing"),
    )

    def log(name: str, query: str = "") -> tuple[int, Any]:
        return cluster.api("GET", f"{PODS}/{name}/log{query}")

    for name in ("leader", "follower"):
        until(lambda of=name: reason(cluster, of) == "running", f"the {name} runs", 60)
        lines = recorded_log("good_start", follower=name == "follower")
        status, text = log(name)
        assert (status, text.splitlines()) == (200, lines)
    until(lambda: reason(cluster, "broken") == "CrashLoopBackOff", "the broken one waits", 60)
    wanted = recorded_log("unknown_flag", follower=False)
    assert wanted is not None
    assert log("broken", "?previous=true&tailLines=2")[1].splitlines() == wanted[-2:]
    until(lambda: reason(cluster, "absent") == "ImagePullBackOff", "the image is missing", 60)
    status, answer = log("absent")
    assert status == 400 and "is waiting to start: trying and failing to pull image" in answer["message"]


def test_claims_are_bound_or_wait_as_their_class_says(cluster: ClusterHandle) -> None:
    def claim(name: str, **more: str) -> dict[str, Any]:
        wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}, **more}
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted}

    def phase(name: str) -> Any:
        return cluster.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{name}")["status"]["phase"]

    cluster.apply(claim("of-the-default-class"), claim("waits", storageClassName="never-binds"))
    until(lambda: phase("of-the-default-class") == "Bound", "the default class provisions", 60)
    assert (phase("waits"), phase(CLAIM)) == ("Pending", "Bound")


def test_the_log_of_requests_knows_the_tests_users_and_not_the_administrator(cluster: ClusterHandle) -> None:
    someone = client(cluster.user("someone", [READ_PODS]), cluster)
    cluster.items(PODS)
    assert someone.request("GET", PODS)[0] == 200
    assert someone.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets")[0] == 403
    assert someone.request("POST", f"{PODS}?dryRun=All", pod("a", "stand-in"))[0] == 403
    assert someone.request("POST", PODS, pod("a", "stand-in"))[0] == 403
    seen = [(entry["user"], entry["method"], entry["path"], entry["status"]) for entry in cluster.requests()]
    assert seen == [
        ("someone", "GET", PODS, 200),
        ("someone", "GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", 403),
        ("someone", "POST", PODS, 403),
        ("someone", "POST", PODS, 403),
    ]
    assert cluster.writes() == [f"POST {PODS}"]
    cluster.forget_requests()
    assert cluster.requests() == []


def test_watches_can_be_made_to_expire(cluster: ClusterHandle) -> None:
    version = cluster.get(PODS)["metadata"]["resourceVersion"]
    cluster.expire_watches()
    status, content = cluster.api("GET", f"{PODS}?watch=1&resourceVersion={version}&timeoutSeconds=5")
    assert (status, content["type"], content["object"]["code"]) == (200, "ERROR", 410)


def test_leaderworkersets_can_be_missing_and_come_back(cluster: ClusterHandle) -> None:
    path = f"{LEADERWORKERSETS}/leaderworkersets"
    cluster.remove_leaderworkersets()
    assert cluster.api("GET", path)[0] == 404
    cluster.reset()
    assert cluster.api("GET", path)[0] == 200


def test_a_cluster_ends_with_whoever_started_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    program = (
        "import subprocess, sys, time\n"
        "subprocess.run([sys.executable, '-m', 'gpuops_cluster', 'up', '--die-with-parent', '--machines', '1',"
        f" '--without-leaderworkersets', '--state-dir', {str(folder)!r}], check=True)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    command, variables = [sys.executable, "-c", program], {**os.environ, **launcher.VARIABLES}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as owner:
        assert owner.stdout is not None
        until(lambda: (owner.stdout.readline() if owner.stdout else "") == "up\n", "the cluster is up", 120)
        running = processes.recorded(folder)
        assert {"etcd", "api-server", "keeper"} <= set(running) and all(entry.lives for entry in running.values())
        owner.send_signal(signal.SIGKILL)
    until(lambda: not any(entry.lives for entry in running.values()), "everything has ended", 60)
    until(lambda: not folder.exists(), "its folder is gone", 60)
