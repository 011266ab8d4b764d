# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the pods of scenario images and runs those of looks: writes their statuses and events into the API."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from typing import Any

from gpuops_cluster.api import STRATEGIC, Api
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.kubelet import look_pods
from gpuops_cluster.kubelet.pods import Pod
from gpuops_cluster.kubelet.scenarios import Event, life
from gpuops_cluster.kubelet.statuses import now

RETRY_SECONDS = 0.3
# How long a container takes to end, and its pod to be taken away: as long as a log can still be read.
STOP_SECONDS = 0.6


class Life(threading.Thread):
    """One pod that is played, until it is deleted or its scenario ends."""

    def __init__(self, api: Api, pod: Pod) -> None:
        super().__init__(name=f"pod {pod.full_name}", daemon=True)
        self.over = threading.Event()
        self._api = api
        self._pod = pod
        self._counts: dict[str, int] = {}

    def run(self) -> None:
        """Write step after step."""
        for step in life(self._pod) if self._pod.is_played else look_pods.life(self._pod, self._api):
            if not self._write(step.status):
                return
            for event in step.events:
                self._tell(event)
            if self.over.wait(step.seconds):
                return

    def _write(self, status: dict[str, Any]) -> bool:
        """Write a status; False once the pod is gone. A server that does not answer is asked again."""
        path = f"/api/v1/namespaces/{self._pod.namespace}/pods/{self._pod.name}/status"
        # With the identity in it the patch of a pod that has been replaced by another of its name is refused.
        body = {"metadata": {"uid": self._pod.uid}, "status": status}
        while not self.over.is_set():
            try:
                code, content = self._api.request("PATCH", path, body, STRATEGIC)
            except OSError:
                self.over.wait(RETRY_SECONDS)
                continue
            if code < 300:
                return True
            if code == 404 or (code == 409 and not self._is_there()):
                return False
            print(f"{self.name}: {code} {content}", file=sys.stderr, flush=True)
            self.over.wait(RETRY_SECONDS)
        return False

    def _is_there(self) -> bool:
        """Say whether the pod is still this one: a successor of its name is not touched."""
        code, content = self._api.request("GET", f"/api/v1/namespaces/{self._pod.namespace}/pods/{self._pod.name}")
        return code == 200 and content["metadata"]["uid"] == self._pod.uid

    def _tell(self, event: Event) -> None:
        """Write an event, or count it up where it was written before, as a kubelet does."""
        key = hashlib.sha256(f"{self._pod.uid}/{event}".encode()).hexdigest()[:16]
        self._counts[key] = count = self._counts.get(key, 0) + 1
        folder = f"/api/v1/namespaces/{self._pod.namespace}/events"
        name = f"{self._pod.name}.{key}"
        try:
            if count == 1:
                self._api.request("POST", folder, describe_event(self._pod, event, name))
            else:
                self._api.request("PATCH", f"{folder}/{name}", {"count": count, "lastTimestamp": now()}, STRATEGIC)
        except OSError:
            # A kubelet does not repeat an event that it could not write either.
            return


class Ending(threading.Thread):
    """One pod that was asked to end: it goes after a moment, and not at all while its machine's kubelet is away."""

    def __init__(self, api: Api, pod: Pod) -> None:
        super().__init__(name=f"end of {pod.full_name}", daemon=True)
        self.over = threading.Event()
        self._api = api
        self._pod = pod

    def run(self) -> None:
        """Take the pod away as a kubelet does."""
        path = f"/api/v1/namespaces/{self._pod.namespace}/pods/{self._pod.name}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._pod.uid}}
        seconds = STOP_SECONDS
        while not self.over.wait(seconds):
            seconds = RETRY_SECONDS
            try:
                if self._has_kubelet() and self._api.request("DELETE", path, body)[0] < 500:
                    return
            except OSError:
                continue

    def _has_kubelet(self) -> bool:
        code, content = self._api.request("GET", f"/api/v1/nodes/{self._pod.machine}")
        conditions = content.get("status", {}).get("conditions", []) if code == 200 else []
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def describe_event(pod: Pod, event: Event, name: str) -> dict[str, Any]:
    """Return the body of an event as a kubelet writes it."""
    place = {"fieldPath": f"spec.containers{{{event.container}}}"} if event.container else {}
    identity = {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    time = now()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **identity, **place},
        "reason": event.reason,
        "message": event.message,
        "type": event.type,
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "source": {"component": "kubelet", "host": pod.machine},
        "reportingComponent": "kubelet",
        "reportingInstance": pod.machine,
    }


class Player:
    """Watches all pods that have a machine, plays those of scenario images and runs those of looks."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lives: dict[str, Life] = {}
        self._endings: dict[str, Ending] = {}

    def run(self) -> None:
        """Watch for ever; a server that went away is asked again."""
        while True:
            try:
                self._watch()
            except (OSError, ClusterError, ValueError) as error:
                print(f"watch: {error}", file=sys.stderr, flush=True)
                time.sleep(RETRY_SECONDS)

    def _watch(self) -> None:
        listed = self._api.get("/api/v1/pods")
        seen = set()
        for content in listed.get("items") or []:
            seen.add(content["metadata"]["uid"])
            self._look(content)
        for uid in {*self._lives, *self._endings} - seen:
            self._forget(uid)
        version = listed["metadata"]["resourceVersion"]
        for event in self._api.watch(f"/api/v1/pods?watch=1&resourceVersion={version}"):
            if event["type"] == "DELETED":
                self._forget(event["object"]["metadata"]["uid"])
            elif event["type"] == "ERROR":
                return
            else:
                self._look(event["object"])

    def _look(self, content: dict[str, Any]) -> None:
        pod = Pod(content)
        if "deletionTimestamp" in content["metadata"]:
            self._stop(pod.uid)
            # Other pods KWOK takes away.
            if pod.machine and pod.is_played and pod.uid not in self._endings:
                self._endings[pod.uid] = Ending(self._api, pod)
                self._endings[pod.uid].start()
        elif pod.machine and (pod.is_played or pod.is_look) and pod.uid not in self._lives:
            self._lives[pod.uid] = Life(self._api, pod)
            self._lives[pod.uid].start()

    def _forget(self, uid: str) -> None:
        self._stop(uid)
        ending = self._endings.pop(uid, None)
        if ending is not None:
            ending.over.set()

    def _stop(self, uid: str) -> None:
        life = self._lives.pop(uid, None)
        if life is not None:
            life.over.set()
