# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the cluster of a Run:ai project is looked into, what is taken from it, and why it is left alone otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    FAILED,
    INITIALIZING,
    RUNNING,
    LiveWorkload,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_pods import (
    Handles,
    agreement,
    belonging,
    with_cluster,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from cluster_server import CANARY_KEY, CORE, ClusterServer, ended, event, pod, told
from hypothesis import given
from hypothesis import strategies as st
from runai_examples import CANARY_TOKEN, NAME, NAMESPACE, FakeTime, project
from scripted_server import Answer, ScriptedServer
from scripted_workload import CREATED_SPEC, PROJECTS, STATUS, MakePlatform, exists

Both = tuple[RunaiPlatform, LiveWorkload]
WithView = Callable[..., RunaiPlatform]
KEYS = st.sampled_from(
    (
        *("podIP", "podIPs", "ip", "nodeName", "phase", "conditions", "containerStatuses", "state", "terminated"),
        *("metadata", "name", "uid", "labels", "creationTimestamp"),
        *("involvedObject", "kind", "reason", "message", "eventTime"),
    )
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(f"{NAME}-0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def status_of(both: Both) -> WorkloadStatus:
    platform, live = both
    return platform.status(live)


def runai_lists(server: ScriptedServer, pods: list[Any]) -> None:
    """Let Run:ai's API list these pods of the cluster."""
    server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": [told(one) for one in pods]}))


def runai_says(server: ScriptedServer, phase: str) -> None:
    """Let Run:ai's API say that the workload is in this phase."""
    server.on("GET", STATUS, Answer(200, {"id": "x", "phase": phase, "namespace": NAMESPACE}))


def unused(status: WorkloadStatus) -> Finding:
    """Return the one reason why the cluster was not looked into; the status is then as Run:ai tells it."""
    [finding] = status.unseen
    assert (finding.severity, finding.cause) == (WARNING, "cluster_view_not_used")
    assert CANARY_KEY not in f"{finding}"
    assert [one.messages for one in status.pods] == [()] * len(status.pods)
    return finding


class TestWithoutAWay:
    def test_nothing_is_looked_for(
        self, server: ScriptedServer, seen: None, platform: RunaiPlatform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "kubernetes", None)
        live = platform.find(NAME)
        assert live is not None
        status = platform.status(live)
        assert status.unseen == ()
        assert platform.log(live, status.pods[0], 10) is None
        assert platform.execute(live, status.pods[0], ["nvidia-smi"], 5) is None


class TestWhatIsLookedFor:
    def test_the_pods_of_both_sides_are_the_same(self, both: Both, cluster: ClusterServer) -> None:
        status = status_of(both)
        assert (status.phase, status.unseen) == (RUNNING, ())
        assert [(one.name, one.role, one.phase, one.machine) for one in status.pods] == [
            (f"{NAME}-0", "leader", "running", "gpu-1"),
            (f"{NAME}-0-1", "follower", "running", "gpu-2"),
        ]
        asked = [f"{one.method} {one.path}" for one in cluster.asked]
        assert asked == [f"GET /api/v1/namespaces/{NAMESPACE}", f"GET {CORE}/pods", f"GET {CORE}/events"]
        status_of(both)
        assert len(cluster.asked) == len(asked) + 2, "the namespace is looked for once"

    def test_each_side_gets_its_own_credentials(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        status_of(both)
        assert {one.headers["authorization"] for one in cluster.asked} == {f"Bearer {CANARY_KEY}"}
        of_runai = {one.headers.get("authorization") for one in server.asked if "/token" not in one.path}
        assert of_runai == {f"Bearer {CANARY_TOKEN}"}

    def test_nothing_is_written(self, both: Both, cluster: ClusterServer) -> None:
        status_of(both)
        assert {one.method for one in cluster.asked} == {"GET"}

    @pytest.mark.parametrize("label", ["leaderworkerset.sigs.k8s.io/name", "workloadName", "gpuops.inference/workload"])
    def test_any_of_the_labels_will_do(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer, label: str
    ) -> None:
        other = pod(uid="other")
        other["metadata"] = {**other["metadata"], "name": "other-0", "labels": {}}
        for one in cluster.pods:
            index = one["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/worker-index"]
            one["metadata"]["labels"] = {label: NAME, "leaderworkerset.sigs.k8s.io/worker-index": index}
        listed = list(cluster.pods)
        cluster.pods.append(other)
        runai_lists(server, listed)
        assert [one.name for one in status_of(both).pods] == [f"{NAME}-0", f"{NAME}-0-1"]
        cluster.asked.clear()
        status_of(both)
        assert cluster.count("GET", f"{CORE}/pods") == 1, "the label that fits is remembered"

    def test_without_any_label_the_names_of_runai_are_what_counts(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        for one in cluster.pods:
            one["metadata"]["labels"] = {}
        listed = list(cluster.pods)
        cluster.pods.append(pod(uid="other", metadata={**pod()["metadata"], "name": "other-0", "labels": {}}))
        runai_lists(server, listed)
        found = status_of(both).pods
        assert [(one.name, one.role) for one in found] == [(f"{NAME}-0", "leader"), (f"{NAME}-0-1", "follower")]


class TestWhyItIsLeftAlone:
    def test_another_cluster_has_no_such_namespace(self, both: Both, cluster: ClusterServer) -> None:
        cluster.namespaces = ["default"]
        finding = unused(status_of(both))
        assert f"has no namespace {NAMESPACE}, which is that of project my-project" in finding.evidence
        assert cluster.url in finding.evidence
        cluster.asked.clear()
        unused(status_of(both))
        assert cluster.asked == [], "it is another cluster, and stays one"

    def test_another_cluster_has_the_namespace_and_not_the_pods(
        self, server: ScriptedServer, both: Both, cluster: ClusterServer
    ) -> None:
        runai_lists(server, cluster.pods)
        cluster.pods = []
        finding = unused(status_of(both))
        assert f"none of the pods that Run:ai lists ({NAME}-0, {NAME}-0-1)" in finding.evidence

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"nodeName": "gpu-9", "ip": None, "createdAt": None}, "runs on gpu-1, and on gpu-9 by what Run:ai says"),
            ({"nodeName": None, "ip": "10.9.9.9", "createdAt": None}, "has the address 10.0.0.1, and 10.9.9.9"),
            (
                {"nodeName": None, "ip": None, "createdAt": "2026-11-23T10:00:00Z"},
                "was created at 2026-11-23T12:00:00Z",
            ),
        ],
    )
    def test_another_cluster_has_pods_of_the_same_names(
        self, server: ScriptedServer, both: Both, cluster: ClusterServer, changes: dict[str, Any], words: str
    ) -> None:
        listed = [told(cluster.pods[0], **changes)]
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": listed}))
        finding = unused(status_of(both))
        assert words in finding.evidence
        assert "another cluster" in finding.hint

    def test_one_pod_that_was_just_made_anew_proves_nothing(
        self, server: ScriptedServer, both: Both, cluster: ClusterServer
    ) -> None:
        listed = [told(cluster.pods[0], nodeName="gpu-9", ip="10.9.9.9"), told(cluster.pods[1])]
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": listed}))
        assert status_of(both).unseen == ()

    def test_pods_without_rights(self, both: Both, cluster: ClusterServer) -> None:
        cluster.forbidden = {"pods"}
        finding = unused(status_of(both))
        assert "user jane may not get pods" in finding.evidence
        assert "docs/kubernetes.md" in finding.hint
        unused(status_of(both))
        assert cluster.count("GET", f"{CORE}/pods") == 1, "it is left alone for a while"

    def test_a_namespace_that_may_not_be_seen_is_proven_by_its_pods(self, both: Both, cluster: ClusterServer) -> None:
        cluster.forbidden = {"namespaces", "events"}
        assert status_of(both).unseen == ()
        status_of(both)
        assert cluster.count("GET", "/api/v1/namespaces/[^/]+") == 1
        assert cluster.count("GET", f"{CORE}/events") == 1

    def test_a_namespace_that_runai_does_not_tell(
        self, server: ScriptedServer, with_view: WithView, cluster: ClusterServer
    ) -> None:
        exists(server, namespace=None)
        server.on("GET", PROJECTS, Answer(200, {"projects": [project(status={"phase": "Ready"})]}))
        platform = with_view()
        live = platform.find(NAME)
        assert live is not None
        assert "does not say which namespace project my-project has" in unused(platform.status(live)).evidence
        assert cluster.asked == []

    def test_credentials_that_are_not_taken(self, both: Both, cluster: ClusterServer) -> None:
        cluster.on("GET", "/api/v1/.*", Answer(401, {"kind": "Status", "message": "Unauthorized"}))
        assert "does not accept the credentials" in unused(status_of(both)).evidence

    def test_an_api_server_that_is_away_is_left_alone_for_a_while(
        self, seen: None, with_view: WithView, time: FakeTime
    ) -> None:
        platform = with_view(kubernetes=KubernetesConnection(host="http://127.0.0.1:9", only_stated=True))
        live = platform.find(NAME)
        assert live is not None
        before = time.now
        assert "the connection was refused" in unused(platform.status(live)).evidence
        assert time.now - before <= 10, "Run:ai's own answer does not wait for it"
        before = time.now
        unused(platform.status(live))
        assert time.now == before
        time.now += 31
        unused(platform.status(live))
        assert time.now > before + 31, "it is asked again"

    @pytest.mark.parametrize(
        ("way", "option", "words"),
        [
            (KubernetesConnection(kubeconfig="/no/such/file", only_stated=True), "kubeconfig", "does not exist"),
            (KubernetesConnection(api_key="x", only_stated=True), "kubeconfig", "no cluster is named"),
            (KubernetesConnection(context="prod", only_stated=True), "context", "no kubeconfig is given"),
            (KubernetesConnection(host="https://a", context="prod", only_stated=True), "context", "no kubeconfig"),
        ],
    )
    def test_options_that_lead_nowhere(
        self,
        seen: None,
        with_view: WithView,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        way: KubernetesConnection,
        option: str,
        words: str,
    ) -> None:
        """Neither the usual files nor the account of the pod that this runs in are a way there."""
        usual = tmp_path / ".kube" / "config"
        usual.parent.mkdir()
        usual.write_text("{not: used", encoding="utf-8")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("KUBECONFIG", str(usual))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
        platform = with_view(kubernetes=way)
        live = platform.find(NAME)
        assert live is not None
        finding = unused(platform.status(live))
        assert (finding.object, words in finding.evidence) == (option, True), finding

    def test_without_the_package(self, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "kubernetes.client", None)
        finding = unused(status_of(both))
        assert "the Python package kubernetes is needed" in finding.evidence

    def test_a_workload_without_pods_is_not_looked_for(
        self, server: ScriptedServer, both: Both, cluster: ClusterServer
    ) -> None:
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": []}))
        status = status_of(both)
        assert (status.pods, status.unseen) == ((), ())
        cluster.namespaces = []


class TestWhatIsTaken:
    def test_the_phase_is_runais(self, server: ScriptedServer, both: Both, cluster: ClusterServer) -> None:
        server.on("GET", STATUS, Answer(200, {"id": "x", "phase": "Initializing", "namespace": NAMESPACE}))
        assert status_of(both).phase == INITIALIZING

    def test_what_the_kubelet_says_of_a_container_that_ended(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        runai_says(server, "Initializing")
        cluster.pods[1] = ended(cluster.pods[1], 137)
        follower = status_of(both).pods[1]
        assert (follower.phase, follower.messages) == ("failed", ("container workload ended: Error (exit code 137)",))

    def test_events_of_both_sides_are_told_once(
        self, server: ScriptedServer, both: Both, cluster: ClusterServer
    ) -> None:
        shared = {"type": "Warning", "createdAt": "2026-11-23T12:00:05Z"}
        server.on(
            "GET",
            f"{STATUS}/events",
            Answer(
                200,
                {
                    "events": [
                        {**shared, "reason": "BackOff", "message": "b", "involvedObject": {"name": f"{NAME}-0"}},
                        {**shared, "reason": "OverLimit", "message": "q", "involvedObject": {"name": NAME}},
                    ]
                },
            ),
        )
        leader = cluster.pods[0]["metadata"]["uid"]
        cluster.events = [
            event(f"{NAME}-0", "BackOff", "b", uid=leader),
            event(f"{NAME}-0", "Failed", "f", uid=leader),
            event("another-0", "BackOff", "b", uid="another"),
        ]
        platform, live = both
        status = platform.status(live)
        assert sorted(one.reason for one in status.events) == ["BackOff", "Failed", "OverLimit"]
        handles = {one.name: one.handle for one in status.pods}
        assert {one.handle for one in status.events if one.handle} == {handles[f"{NAME}-0"]}

    def test_events_of_an_earlier_workload_of_the_name_are_left_out(self, both: Both, cluster: ClusterServer) -> None:
        old = event(f"{NAME}-0", "Failed", "old", uid="gone")
        cluster.events = [{**old, "lastTimestamp": "2026-11-23T11:00:00Z"}]
        assert status_of(both).events == ()

    def test_pods_that_cannot_be_made_are_told_by_their_controller(self, both: Both, cluster: ClusterServer) -> None:
        cluster.pods = cluster.pods[:1]
        cluster.events = [event(f"{NAME}-0", "FailedCreate", "exceeded quota: gpus", "StatefulSet")]
        assert status_of(both).messages == ("FailedCreate: exceeded quota: gpus",)

    def test_logs_come_from_the_container_whatever_it_is_called(self, both: Both, cluster: ClusterServer) -> None:
        platform, live = both
        cluster.logs = {f"{NAME}-0": "the leader's words\n"}
        leader = platform.status(live).pods[0]
        assert platform.log(live, leader, 10) == "the leader's words\n"
        [asked] = cluster.matching("GET", f"{CORE}/pods/{NAME}-0/log")
        assert asked.query["tailLines"] == ["10"]
        assert platform.log(live, replace(leader, name="other"), 10) is None

    def test_logs_that_may_not_be_read(self, both: Both, cluster: ClusterServer) -> None:
        platform, live = both
        cluster.forbidden = {"pods/log"}
        assert platform.log(live, platform.status(live).pods[0], 10) is None

    def test_a_status_that_was_not_seen_leaves_no_log(self, both: Both, cluster: ClusterServer) -> None:
        platform, live = both
        leader = platform.status(live).pods[0]
        cluster.forbidden = {"pods"}
        platform.status(live)
        assert platform.log(live, leader, 10) is None


class TestOneHandleForEachPod:
    """What tells a recreated pod from its predecessor must not change with who shows the pod."""

    def handles(self, both: Both) -> list[str]:
        return [one.handle for one in status_of(both).pods]

    def test_while_the_cluster_comes_and_goes(self, both: Both, cluster: ClusterServer, time: FakeTime) -> None:
        cluster.forbidden = {"pods"}
        from_runai = self.handles(both)
        assert self.handles(both) == from_runai
        cluster.forbidden = set()
        time.now += 31
        assert self.handles(both) == from_runai
        assert status_of(both).unseen == ()
        cluster.forbidden = {"pods"}
        assert self.handles(both) == from_runai

    def test_from_the_cluster_on(self, both: Both, cluster: ClusterServer) -> None:
        from_cluster = self.handles(both)
        cluster.forbidden = {"pods"}
        assert self.handles(both) == from_cluster

    def test_a_recreated_pod_has_another_one_also_before_runai_knows(
        self, both: Both, cluster: ClusterServer, server: ScriptedServer
    ) -> None:
        before = self.handles(both)
        stale = [told(one) for one in cluster.pods]
        fresh = pod(0, uid="uid-new")
        fresh["metadata"]["creationTimestamp"] = "2026-11-23T12:05:00Z"
        fresh["status"]["podIP"] = "10.0.0.77"
        cluster.pods[0] = fresh
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": stale}))
        meanwhile = self.handles(both)
        assert (meanwhile[0] != before[0], meanwhile[1]) == (True, before[1])
        server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": [told(one) for one in cluster.pods]}))
        assert self.handles(both) == meanwhile

    def test_pods_without_an_id(self, both: Both, cluster: ClusterServer, server: ScriptedServer) -> None:
        server.on("GET", f"{STATUS}/pods", lambda asked: Answer(200, {"pods": [told(cluster.pods[0], id=None)]}))
        before = self.handles(both)
        cluster.pods[0] = pod(0, uid="uid-new")
        assert self.handles(both) != before


@given(pods=st.lists(PLAIN, max_size=3), events=st.lists(PLAIN, max_size=3))
def test_nothing_that_a_cluster_says_breaks_it(pods: list[Any], events: list[Any]) -> None:
    live = LiveWorkload(NAME, "distributed-inferences", "x", RUNNING, True, {})
    listed_pods = (PodStatus(f"{NAME}-0", "id", "running", "leader"),)
    found = [{"metadata": {"name": f"{NAME}-0", "uid": "u"}, "spec": one, "status": one} for one in pods]
    agreement(listed_pods, belonging([*found, *({"metadata": one} for one in pods)], NAME, listed_pods))
    status = WorkloadStatus(RUNNING, pods=listed_pods, pods_expected=2)
    told_events = [one for one in events if isinstance(one, dict)]
    merged = with_cluster(live, status, found, told_events, "2026-11-23T11:59:59Z")
    Handles().of_cluster(merged, listed_pods, found)


def test_a_failed_workload_keeps_its_history(both: Both, cluster: ClusterServer, server: ScriptedServer) -> None:
    server.on("GET", STATUS, Answer(200, {"id": "x", "phase": "Failed", "namespace": NAMESPACE}))
    told_before = {"spec": {"phaseUpdate": {"phaseMessage": "the group failed"}}}
    server.on("GET", f"{STATUS}/history", Answer(200, {"records": [told_before]}))
    status = status_of(both)
    assert (status.phase, "the group failed" in status.messages) == (FAILED, True)


def test_the_pods_of_a_single_pod_inference_all_lead(
    make_platform: MakePlatform, way: KubernetesConnection, server: ScriptedServer, cluster: ClusterServer
) -> None:
    exists(server, CREATED_SPEC)
    names = [f"{NAME}-00002-deployment-{suffix}" for suffix in ("aa", "bb")]
    found = [pod(uid=name) for name in (*names, f"{NAME}-00001-deployment-cc")]
    for name, one in zip((*names, f"{NAME}-00001-deployment-cc"), found, strict=True):
        one["metadata"].update(name=name, labels={"workloadName": NAME})
    cluster.pods = found
    server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": [told(one) for one in found]}))
    platform = make_platform(kubernetes=way)
    live = platform.find(NAME)
    assert live is not None
    status = platform.status(replace(live, kind="inferences"))
    assert [(one.name, one.role) for one in status.pods] == [(name, "leader") for name in names]
