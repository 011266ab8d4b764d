# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the Kubernetes cluster for tests and talks to it as its administrator."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.needs import missing
from support.sandbox import until

from gpuops_cluster import binaries
from gpuops_cluster.api import MERGE, Api, Identity
from gpuops_cluster.audit import AuditLog, is_write
from gpuops_cluster.cleaning import clean
from gpuops_cluster.etcd import compact
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.kubelet.statuses import now
from gpuops_cluster.leaderworkerset import are_served, create_definitions
from gpuops_cluster.objects import CLAIM, NAMESPACE, path_of
from gpuops_cluster.users import Users, connection

REPOSITORY = Path(__file__).resolve().parent.parent.parent
IMAGE = "registry.example.com/stand-in:v0.33.0"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LEADERWORKERSETS = "/apis/leaderworkerset.x-k8s.io/v1"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/leaderworkersets.leaderworkerset.x-k8s.io"
MARK = "gpuops-mark"

__all__ = ["CLAIM", "IMAGE", "NAMESPACE", "PODS", "ClusterHandle", "need_cluster"]


def need_cluster() -> None:
    """Stop the test unless the cluster's programs are there or can be built (then it builds them: some minutes)."""
    try:
        binaries.build()
    except ClusterError as error:
        if error.code == binaries.GO_IS_MISSING:
            missing(str(error))
        raise


class ClusterHandle:
    """A running cluster: ``python -m gpuops_cluster up`` in ``folder``, with ``options`` (``--machines 8``)."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._run("up", "--die-with-parent", *options)
        self.description: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        self._admin = Api(self._identity("admin"))
        self._tests = Api(self._identity("client"))
        self._audit = AuditLog(Path(self.description["audit_log"]))
        self._users = Users(self._admin, folder / "users")
        self._numbers = itertools.count(1)

    def end(self) -> None:
        """End the cluster; nothing of it stays."""
        self._run("down")

    # What a task says

    @property
    def connection(self) -> dict[str, Any]:
        """The connection options of every module of the collection, as a user who may do everything."""
        return self.connection_in(NAMESPACE)

    def connection_in(self, namespace: str) -> dict[str, Any]:
        """Return the same for another namespace."""
        return connection(Path(self.description["kubeconfig"]), namespace)

    def workload(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the whole parameters of ``vllm_workload`` for the recipe's 2 x 2 topology on the stand-in image.

        ``options`` are put over them; ``None`` leaves an option out.
        """
        whole = {
            **self.connection,
            "name": name,
            "image": IMAGE,
            "pods": 2,
            "gpus_per_pod": 2,
            "model": {"path": "/data/input/Models/Mistral-Small-4-119B-2603", "served_names": ["mistral4"]},
            "volumes": [{"claim": CLAIM, "path": "/data"}],
            "serving": {"access": "cluster_internal"},
            **options,
        }
        return {option: value for option, value in whole.items() if value is not None}

    def unique_name(self, prefix: str = "w") -> str:
        """Return a workload name that no test of this run has had."""
        return f"{prefix}-{next(self._numbers)}"

    def needs_played_pods(self) -> None:
        """Skip the test where pods do not live as their image says (a cluster of the user's)."""

    # Users

    def user(
        self,
        name: str,
        rules: Sequence[dict[str, Any]],
        namespace: str = NAMESPACE,
        cluster_rules: Sequence[dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the connection of a new user (client certificate) with exactly these rules of a Role."""
        path, _identity = self._users.with_certificate(name)
        self._users.allow({"kind": "User", "name": name}, namespace, rules, cluster_rules)
        return connection(path, namespace)

    def service_account(
        self,
        name: str,
        rules: Sequence[dict[str, Any]],
        namespace: str = NAMESPACE,
        cluster_rules: Sequence[dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the connection (host and token) of a new service account with exactly these rules of a Role."""
        token = self._users.service_account(name, namespace)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self._users.allow(subject, namespace, rules, cluster_rules)
        return {
            "platform": "kubernetes",
            "host": self.description["api_url"],
            "api_key": token,
            "ca_cert": self.description["ca_path"],
            "namespace": namespace,
            "progress": "none",
        }

    def certificate_connection(self) -> dict[str, Any]:
        """Return the connection of the usual test user by host, certificate and key, without a kubeconfig."""
        return {
            "platform": "kubernetes",
            "host": self.description["api_url"],
            "client_cert": self.description["client_cert_path"],
            "client_key": self.description["client_key_path"],
            "ca_cert": self.description["ca_path"],
            "namespace": NAMESPACE,
            "progress": "none",
        }

    def expired_connection(self) -> dict[str, Any]:
        """Return the connection of a user whose certificate has expired: the server answers 401."""
        path, _identity = self._users.with_certificate("gpuops-expired", expired=True)
        return connection(path, NAMESPACE)

    def exec_connection(self, rules: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return the connection of a kubeconfig that runs a program for its token; without rules it may nothing."""
        token = self.service_account("gpuops-exec", rules)["api_key"]
        credential = self.folder / "users" / "exec-credential.json"
        content = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        credential.write_text(json.dumps(content), encoding="utf-8")
        return connection(self._users.with_exec_plugin("gpuops-exec", credential, "cat"), NAMESPACE)

    # The API, as its administrator; never in the log of requests

    def api(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Send a request and return status and content."""
        return self._admin.request(method, path, body, content_type)

    def get(self, path: str) -> dict[str, Any]:
        """Return an object that must be there."""
        status, content = self.api("GET", path)
        assert status == 200, f"GET {path}: {status} {content}"
        found: dict[str, Any] = content
        return found

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list; none where the resource is not served."""
        return self._admin.items(path)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects of a test, as the field manager ``test``; conflicts are overruled."""
        for content in objects:
            self._admin.apply(path_of(content), content, manager="test")

    def pods(self, workload: str | None = None) -> list[dict[str, Any]]:
        """Return the pods of the usual namespace, those with this recipe's label where a workload is given."""
        selector = "" if workload is None else f"?labelSelector={urllib.parse.quote(f'run.ai/workload={workload}')}"
        return self.items(f"{PODS}{selector}")

    def patch_status(self, path: str, status: dict[str, Any]) -> None:
        """Change fields of an object's status (lists as a whole), as a controller or kubelet would."""
        code, content = self.api("PATCH", f"{path}/status", {"status": status}, MERGE)
        assert code == 200, f"PATCH {path}/status: {code} {content}"

    def restart_container(self, pod: str, exit_code: int = 1, reason: str = "Error") -> None:
        """Let the first container of a pod have ended and run again, as a kubelet writes that."""
        path = f"{PODS}/{pod}"
        statuses = self.get(path)["status"]["containerStatuses"]
        first = statuses[0]
        started = first["state"]["running"]["startedAt"]
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": started}
        first["lastState"] = {"terminated": ended | {"containerID": first.get("containerID", "")}}
        first["restartCount"] += 1
        self.patch_status(path, {"containerStatuses": statuses})

    def event(self, name: str, reason: str, message: str, kind: str = "Pod", type: str = "Warning") -> None:
        """Create an event about a pod (or another core or apps object), as a kubelet or controller does."""
        root = f"/api/v1/namespaces/{NAMESPACE}"
        version, plural = {
            "Pod": ("v1", f"{root}/pods"),
            "PersistentVolumeClaim": ("v1", f"{root}/persistentvolumeclaims"),
            "Deployment": ("apps/v1", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"),
            "LeaderWorkerSet": (
                "leaderworkerset.x-k8s.io/v1",
                f"{LEADERWORKERSETS}/namespaces/{NAMESPACE}/leaderworkersets",
            ),
        }[kind]
        metadata = self.get(f"{plural}/{name}")["metadata"]
        identity = {"namespace": NAMESPACE, "name": name, "uid": metadata["uid"]}
        time = now()
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name}.", "namespace": NAMESPACE},
            "involvedObject": {"apiVersion": version, "kind": kind, **identity},
            "reason": reason,
            "message": message,
            "type": type,
            "count": 1,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "source": {"component": "test"},
        }
        status, content = self.api("POST", f"{root}/events", body)
        assert status == 201, f"{status} {content}"

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints, as the administrator."""
        state = self.description
        command = [state["programs"]["kubectl"], "--kubeconfig", state["admin_kubeconfig"], *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    # What was asked of the API, by its own log

    def requests(self) -> list[dict[str, Any]]:
        """Return the answered requests of the tests' users since the last reset, as the server saw them.

        Each has method, verb, path, query, status, user, user_agent and ended (false: a watch that still lasts).
        """
        self._await_log()
        return [entry for entry in self._audit.requests() if MARK not in entry["query"]]

    def writes(self) -> list[str]:
        """Return the requests that could change something, as ``PATCH /apis/apps/v1/...``: dry runs are left out."""
        return [f"{entry['method']} {entry['path']}" for entry in self.requests() if is_write(entry)]

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._await_log()
        self._audit.forget()

    # Faults

    def stop_api_server(self) -> None:
        """End the API server; connections are cut."""
        self._run("stop", "api-server")

    def start_api_server(self) -> None:
        """Start the API server on its port again and wait until it is ready."""
        self._run("start", "api-server")

    def restart_api_server(self) -> None:
        """Stop and start the API server."""
        self.stop_api_server()
        self.start_api_server()

    def expire_watches(self) -> None:
        """Make every resourceVersion seen so far too old (410) and cut all watches; restarts the API server."""
        # Something newer than all that was seen: a server that starts knows nothing older than its newest change.
        metadata = {"name": "newest", "namespace": "default", "labels": {"turn": f"t{next(self._numbers)}"}}
        written = self._admin.apply(
            f"/api/v1/namespaces/default/configmaps/{metadata['name']}",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata},
        )
        self.stop_api_server()
        compact(self.description["etcd_url"], int(written["metadata"]["resourceVersion"]))
        self.start_api_server()

    def remove_leaderworkersets(self) -> None:
        """Take the LeaderWorkerSet resource out of the API until the next reset."""
        status, content = self.api("DELETE", CRD)
        assert status == 200, content
        until(lambda: self.api("GET", CRD)[0] == 404, "the definition is gone")
        until(lambda: not are_served(self._admin), "LeaderWorkerSets are no longer served")

    def reset(self) -> None:
        """Bring the cluster back to its beginning: an API server, empty namespaces, no users, an empty log."""
        if not self._has_api_server():
            self.start_api_server()
        if not are_served(self._admin):
            create_definitions(self._admin, {name: Path(path) for name, path in self.description["files"].items()})
            until(lambda: are_served(self._admin), "LeaderWorkerSets are served again")
        clean(self._admin)
        self.forget_requests()

    def _has_api_server(self) -> bool:
        try:
            return self.api("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def _await_log(self) -> None:
        """Wait until everything that was answered stands in the log: a request of our own closes it."""
        mark = str(next(self._numbers))
        self._tests.request("GET", f"/version?{MARK}={mark}")
        until(lambda: any(entry["query"].get(MARK) == mark for entry in self._audit.requests()), "the log is written")

    def _identity(self, who: str) -> Identity:
        state = self.description
        certificate, key = Path(state[f"{who}_cert_path"]), Path(state[f"{who}_key_path"])
        return Identity(state["api_url"], Path(state["ca_path"]), certificate, key)

    def _run(self, verb: str, *options: str) -> None:
        command = [sys.executable, "-m", "gpuops_cluster", verb, "--state-dir", str(self.folder), *options]
        places = (REPOSITORY / "tests" / name for name in ("cluster", "sandbox", "tools"))
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
