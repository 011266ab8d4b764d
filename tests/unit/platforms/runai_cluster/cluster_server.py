# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP server that answers as the API server of the cluster that runs a Run:ai project's pods.

Real behaviour of an API server is tested in tests/integration; here it is a table of objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runai_examples import NAME, NAMESPACE
from scripted_server import Answer, Asked, Reaction, ScriptedServer

CORE = f"/api/v1/namespaces/{NAMESPACE}"
CREATED = "2026-11-23T12:00:00Z"
# Kinds that only say something where their operators are installed.
OPERATORS = "/apis/(mellanox.com/v1alpha1|sriovnetwork.openshift.io/v1|k8s.cni.cncf.io/v1)"
CANARY_KEY = "canary-cluster-token-9a3c"
GROUP = "leaderworkerset.sigs.k8s.io"

Object = dict[str, Any]


def pod(index: int = 0, replica: int = 0, uid: str = "", **changes: Any) -> Object:
    """Return a running pod as LeaderWorkerSet and the product would make it: its container is not called as ours."""
    name = f"{NAME}-{replica}" + (f"-{index}" if index else "")
    labels = {
        f"{GROUP}/name": NAME,
        f"{GROUP}/group-index": str(replica),
        f"{GROUP}/worker-index": str(index),
        f"{GROUP}/template-revision-hash": "abc",
        "workloadName": NAME,
    }
    whole = {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "creationTimestamp": CREATED, "labels": labels},
        "spec": {"nodeName": f"gpu-{index + 1}", "containers": [{"name": "workload", "image": "vllm:1"}]},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{replica}.{index + 1}",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
            "containerStatuses": [{"name": "workload", "ready": True, "restartCount": 0, "state": {"running": {}}}],
        },
    }
    return {**whole, **changes}


def ended(found: Object, exit_code: int = 1) -> Object:
    """Return a pod whose container ended and was not started again."""
    state = {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    status = {**found["status"], "phase": "Failed", "conditions": []}
    status["containerStatuses"] = [{"name": "workload", "ready": False, "restartCount": 0, "state": state}]
    return {**found, "status": status}


def told(found: Object, **changes: Any) -> Object:
    """Return what Run:ai's API says of a pod of the cluster."""
    meta, status = found["metadata"], found["status"]
    known = {
        "name": meta["name"],
        "id": f"id-of-{meta['uid']}",
        "k8sPhase": status["phase"],
        "nodeName": found["spec"]["nodeName"],
        "ip": status.get("podIP"),
        "createdAt": meta["creationTimestamp"],
        "containers": [{"name": "workload", "image": "vllm:1"}],
    }
    return {**known, **changes}


def event(about: str, reason: str, message: str, kind: str = "Pod", uid: str = "") -> Object:
    """Return a warning about an object."""
    involved = {"kind": kind, "name": about, **({"uid": uid} if uid else {})}
    return {
        "metadata": {"name": f"{about}.1", "creationTimestamp": "2026-11-23T12:00:05Z"},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-11-23T12:00:05Z",
        "involvedObject": involved,
    }


class ClusterServer(ScriptedServer):
    """Set the tables; ``forbidden`` names kinds (``pods``, ``pods/log``) that the user may not see or use.

    ``answers`` are what the pods say over HTTP, by path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.namespaces: list[str] = [NAMESPACE]
        self.pods: list[Object] = [pod(0), pod(1)]
        self.events: list[Object] = []
        self.claims: dict[str, Object] = {"my-project-models": claim()}
        self.logs: dict[str, str] = {}
        self.answers: dict[str, Any] = {"/v1/models": {"data": [{"id": "mistral4", "max_model_len": 4096}]}}
        self.forbidden: set[str] = set()
        self.on("GET", "/api/v1/namespaces/[^/]+", self._guarded("namespaces", self._namespace))
        self.on("GET", f"{CORE}/pods", self._guarded("pods", self._list_pods))
        self.on("GET", f"{CORE}/pods/[^/:]+", self._guarded("pods", self._pod))
        self.on("GET", f"{CORE}/pods/[^/]+/log", self._guarded("pods/log", self._log))
        for method in ("GET", "POST"):
            self.on(method, f"{CORE}/pods/[^/]+/proxy/.*", self._guarded("pods/proxy", self._proxy))
            self.on(method, f"{CORE}/pods/[^/]+/portforward", self._guarded("pods/portforward", _closed))
            self.on(method, f"{CORE}/pods/[^/]+/exec", self._guarded("pods/exec", _closed))
        self.on("GET", f"{CORE}/events", self._guarded("events", self._list_events))
        self.on("GET", f"{CORE}/persistentvolumeclaims/[^/]+", self._guarded("persistentvolumeclaims", self._claim))
        self.on("GET", OPERATORS, Answer(404, b"404 page not found\n"))
        self.on("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", self._review)
        self.on("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._access)

    def react(self, asked: Asked) -> Reaction:
        """Return the answer, which says that the connection ends with it: the client keeps its connections."""
        reaction = super().react(asked)
        if not isinstance(reaction, Answer):
            return reaction
        return replace(reaction, headers={**reaction.headers, "Connection": "close"})

    def replicas(self, count: int) -> None:
        """Let there be so many whole replicas of two pods."""
        self.pods = [pod(index, replica) for replica in range(count) for index in range(2)]

    def _guarded(self, what: str, answer: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        def guarded(asked: Asked) -> Answer:
            return forbidden(what) if what in self.forbidden else answer(asked)

        return guarded

    def _namespace(self, asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        return Answer(200, {"metadata": {"name": name}}) if name in self.namespaces else absent("namespaces", name)

    def _list_pods(self, asked: Asked) -> Answer:
        [selector] = asked.query.get("labelSelector", [""])
        return Answer(200, {"items": [one for one in self.pods if _selected(one, selector)], "metadata": {}})

    def _pod(self, asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        found = [one for one in self.pods if one["metadata"]["name"] == name]
        return Answer(200, found[0]) if found else absent("pods", name)

    def _log(self, asked: Asked) -> Answer:
        name = asked.path.split("/")[-2]
        if asked.query.get("container") != ["workload"]:
            return status(400, f"container is not valid for pod {name}", "BadRequest")
        return Answer(200, self.logs.get(name, "").encode(), {"Content-Type": "text/plain"})

    def _proxy(self, asked: Asked) -> Answer:
        path = asked.path.partition("/proxy")[2]
        return Answer(200, self.answers[path]) if path in self.answers else Answer(404, {"detail": "Not Found"})

    def _list_events(self, asked: Asked) -> Answer:
        return Answer(200, {"items": self.events, "metadata": {}})

    def _claim(self, asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        found = self.claims.get(name)
        return Answer(200, found) if found else absent("persistentvolumeclaims", name)

    def _review(self, asked: Asked) -> Answer:
        return Answer(201, {"status": {"resourceRules": [], "incomplete": True}})

    def _access(self, asked: Asked) -> Answer:
        attributes = asked.json()["spec"]["resourceAttributes"]
        kind = "/".join(part for part in (attributes["resource"], attributes.get("subresource")) if part)
        return Answer(201, {"status": {"allowed": kind not in self.forbidden}})


def claim(modes: tuple[str, ...] = ("ReadWriteMany",), phase: str = "Bound") -> Object:
    """Return a volume claim."""
    return {
        "metadata": {"name": "my-project-models"},
        "spec": {"accessModes": list(modes), "storageClassName": "shared"},
        "status": {"phase": phase, "accessModes": list(modes), "capacity": {"storage": "500Gi"}},
    }


def status(code: int, message: str, reason: str, **details: Any) -> Answer:
    """Return the API server's own refusal."""
    content = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return Answer(code, {**content, "code": code, "details": details})


def absent(plural: str, name: str) -> Answer:
    """Return the answer about an object that is not there."""
    return status(404, f'{plural} "{name}" not found', "NotFound", name=name, kind=plural)


def forbidden(what: str) -> Answer:
    """Return the answer to a user who may not do that."""
    said = f'User "jane" cannot get resource "{what}" in API group "" in the namespace "{NAMESPACE}"'
    return status(403, f"{what} is forbidden: {said}", "Forbidden", kind=what)


def _closed(asked: Asked) -> Answer:
    return status(400, "Upgrade request required", "BadRequest")


def _selected(found: Object, selector: str) -> bool:
    """Say whether a pod has the labels of a selector."""
    labels = found["metadata"]["labels"]
    terms = [term for term in selector.split(",") if term]
    return all(_has(labels, term) for term in terms)


def _has(labels: dict[str, str], term: str) -> bool:
    excluded = re.fullmatch(r"!(.+)", term)
    if excluded:
        return excluded[1] not in labels
    name, _equals, value = term.partition("=")
    return labels.get(name) == value
