# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From answers to values: phases, kinds, pods, events, endpoints in every shape, and nothing that breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import DISTRIBUTED, INFERENCE
from hypothesis import given
from hypothesis import strategies as st
from runai_examples import NAME, WORKLOAD_ID, definition, listed, record_of, rendered, with_nulls

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
EXTERNAL = "https://my-llm-inference-runai-my-project.inference.example.com"
IN_CLUSTER = "http://my-llm-inference.runai-my-project.svc.cluster.local:8000"


def live(kind: str = DISTRIBUTED, **changes: Any) -> LiveWorkload:
    workload = rendered(pods=2 if kind == DISTRIBUTED else 1, **changes)
    spec = with_record(workload.body["spec"], write_record(record_of(workload)))
    return observe.live_workload(NAME, kind, listed(), definition(with_nulls(spec)))


@pytest.mark.parametrize(
    ("phase", "ours"),
    [
        ("Creating", base.CREATING),
        ("Pending", base.PENDING),
        ("Initializing", base.INITIALIZING),
        ("Resuming", base.INITIALIZING),
        ("Updating", base.INITIALIZING),
        ("Running", base.RUNNING),
        ("Degraded", base.DEGRADED),
        ("Stopping", base.STOPPED),
        ("Stopped", base.STOPPED),
        ("Completed", base.STOPPED),
        ("Failed", base.FAILED),
        ("Deleting", base.DELETING),
        ("Terminating", base.DELETING),
        ("Unknown", base.UNKNOWN),
        ("SomethingNew", base.UNKNOWN),
        (None, base.UNKNOWN),
    ],
)
def test_phases(phase: str | None, ours: str) -> None:
    assert observe.phase_of({"phase": phase}) == ours
    assert observe.phase_of({"actualPhase": phase}) == ours
    assert observe.phase_of({"phase": phase, "desiredPhase": "Deleted"}) == base.DELETING


@pytest.mark.parametrize(
    ("literal", "kinds"),
    [
        ("DistributedInference", (DISTRIBUTED, INFERENCE)),
        ("Distributed Inference", (DISTRIBUTED, INFERENCE)),
        ("distributed-inference", (DISTRIBUTED, INFERENCE)),
        ("DistributedInferenceWorkload", (DISTRIBUTED, INFERENCE)),
        ("Distributed", (DISTRIBUTED, INFERENCE)),
        ("Inference", (INFERENCE, DISTRIBUTED)),
        ("InferenceWorkload", (INFERENCE, DISTRIBUTED)),
        ("LeaderWorkerSet", (DISTRIBUTED, INFERENCE)),
        (None, (DISTRIBUTED, INFERENCE)),
        ("Workspace", ()),
        ("Training", ()),
    ],
)
def test_the_type_is_only_a_hint(literal: str | None, kinds: tuple[str, ...]) -> None:
    assert observe.kinds_to_try({"type": literal}) == kinds


def test_a_workload_of_ours() -> None:
    found = live(replicas=3)
    assert (found.name, found.kind, found.handle) == (NAME, DISTRIBUTED, WORKLOAD_ID)
    assert (found.phase, found.managed, found.replicas) == (base.RUNNING, True, 3)
    assert found.record is not None
    assert found.body == rendered(replicas=3).body


def test_a_workload_of_somebody_else() -> None:
    spec = {"workers": 2, "leader": {"image": "x", "labels": [{"name": "team", "value": "ml"}]}, "worker": {}}
    found = observe.live_workload(NAME, DISTRIBUTED, listed(), definition(spec))
    assert (found.managed, found.record, found.replicas) == (False, None, 1)
    assert not observe.live_workload(NAME, "workspace", listed(), None).managed


def test_ours_without_a_record_is_still_ours() -> None:
    found = observe.live_workload(NAME, DISTRIBUTED, listed(), definition(rendered().body["spec"]))
    assert (found.managed, found.record) == (True, None)
    single = observe.live_workload(NAME, INFERENCE, listed(), definition(rendered(pods=1).body["spec"]))
    assert single.managed


def test_a_deletion_that_was_asked_for_counts() -> None:
    found = observe.live_workload(NAME, DISTRIBUTED, listed(), definition({}, desiredPhase="Deleted"))
    assert found.phase == base.DELETING


@pytest.mark.parametrize(
    ("bounds", "replicas"),
    [({"minReplicas": 2, "maxReplicas": 2}, 2), ({"minReplicas": 0, "maxReplicas": 2}, None), ({}, None), (None, None)],
)
def test_replicas_of_an_inference(bounds: Any, replicas: int | None) -> None:
    assert observe.replicas_of(INFERENCE, {"spec": {"autoscaling": bounds}}) == replicas


class TestEndpoint:
    @pytest.mark.parametrize(
        "shape",
        [
            {"urls": [EXTERNAL]},
            {"urls": None, "endpoints": [EXTERNAL]},
            {"urls": [], "endpoints": [{"url": EXTERNAL, "type": "external"}]},
            {"urls": [IN_CLUSTER], "endpoints": [{"externalUrl": EXTERNAL}]},
            {"urls": [IN_CLUSTER, EXTERNAL + "/"]},
            {"urls": [], "externalConnections": [{"name": "serving", "url": EXTERNAL}]},
        ],
    )
    def test_every_shape_gives_the_outside_address(self, shape: dict[str, Any]) -> None:
        found = observe.endpoint_of(listed(**shape), live().body)
        assert found == base.Endpoint(EXTERNAL, True, True)

    def test_an_address_inside_the_cluster_is_better_than_none(self) -> None:
        found = observe.endpoint_of(listed(urls=[IN_CLUSTER]), live().body)
        assert found == base.Endpoint(IN_CLUSTER, False, True)

    def test_public_endpoints_need_no_token(self) -> None:
        body = {"spec": {"servingPort": {"authorizationType": "public"}}}
        assert observe.endpoint_of(listed(), body) == base.Endpoint(EXTERNAL, True, False)

    @pytest.mark.parametrize(
        "shape", [{"urls": []}, {"urls": "x"}, {"urls": [None, 3, {}, "ftp://x"]}, {"endpoints": {"a": "b"}, "urls": 0}]
    )
    def test_no_address(self, shape: dict[str, Any]) -> None:
        assert observe.endpoint_of(listed(**shape), live().body) is None

    @pytest.mark.parametrize(
        ("address", "external"),
        [
            ("https://localhost:8443/ns/name", True),
            ("https://127.0.0.1:8443", True),
            ("http://name", False),
            ("http://name.ns.svc:8000", False),
            ("http://name.ns.svc.cluster.local", False),
            ("https://name.svc-host.example.com", True),
            ("https://[::bad", False),
        ],
    )
    def test_inside_and_outside(self, address: str, external: bool) -> None:
        found = observe.endpoint_of({"urls": [address]}, {})
        assert found is not None
        assert found.external is external


def test_status_of_pods_and_events() -> None:
    pods = [
        {
            "name": f"{NAME}-0",
            "id": "u-0",
            "k8sPhase": "Running",
            "nodeName": "m1",
            "ip": "10.0.0.1",
            "createdAt": "2026-11-23T16:00:00Z",
            "containers": [{"name": "c", "image": "vllm:1"}],
        },
        {"name": f"{NAME}-0-1", "id": "u-1", "k8sPhase": "Pending", "nodeName": ""},
        {"name": f"{NAME}-0-2", "id": "u-2", "k8sPhase": "Running", "deletedAt": "2026-11-23T16:00:00Z"},
        {"name": "another-pod-0"},
    ]
    events = [
        {"createdAt": "2026-11-23T16:00:02Z", "type": "Warning", "reason": "BackOff", "message": "b", "source": "k"},
        {
            "createdAt": "2026-11-23T16:00:01Z",
            "type": "Normal",
            "reason": "Pulled",
            "message": "a",
            "involvedObject": {"uid": "u-0", "kind": "Pod", "name": f"{NAME}-0"},
        },
    ]
    status = observe.workload_status(live(), listed(), pods, events, 1)
    assert [(pod.name, pod.role, pod.phase, pod.machine) for pod in status.pods] == [
        (f"{NAME}-0", "leader", "running", "m1"),
        (f"{NAME}-0-1", "follower", "pending", None),
        ("another-pod-0", "unknown", "unknown", None),
    ]
    assert (status.pods[0].handle, status.pods[0].image, status.pods[0].address) == ("u-0", "vllm:1", "10.0.0.1")
    assert [(event.reason, event.object) for event in status.events] == [("Pulled", f"{NAME}-0"), ("BackOff", "")]
    assert (status.phase, status.pods_expected, status.deleted) == (base.RUNNING, 2, False)


def test_every_pod_of_an_inference_leads() -> None:
    status = observe.workload_status(live(INFERENCE), listed(), [{"name": f"{NAME}-00001-deployment-x"}], [], 3)
    assert [pod.role for pod in status.pods] == ["leader"]
    assert status.pods_expected == 3


def test_the_platforms_own_sentences() -> None:
    entry = listed(
        phase="Pending",
        phaseReason="NonPreemptibleOverQuota",
        phaseMessage="Not enough resources",
        pendingSchedulingMessages=[
            {
                "nodePool": "default",
                "phaseReason": "NonPreemptibleOverQuota",
                "orgType": "PROJECT",
                "userMessage": "You have reached the limit of non-preemptible resources",
            },
            {"reason": "OverLimit"},
            "odd",
        ],
    )
    assert observe.workload_status(live(), entry, [], [], 1).messages == (
        "NonPreemptibleOverQuota: You have reached the limit of non-preemptible resources",
        "OverLimit",
        "NonPreemptibleOverQuota",
        "Not enough resources",
    )


def test_messages_of_phases_that_passed() -> None:
    records = [
        {"meta": {"type": "PhaseUpdate"}, "spec": {"phaseUpdate": {"phase": "Failed", "phaseMessage": "no LWS"}}},
        {"meta": {"type": "Event"}, "spec": {"event": {"message": "x"}}},
        {"spec": {"phaseUpdate": {"phase": "Pending", "phaseMessage": None}}},
        {"spec": None},
    ]
    assert observe.history_messages(records) == ("no LWS",)


def test_what_concerns_an_earlier_revision_of_an_inference_is_left_out() -> None:
    pods = [{"name": f"{NAME}-0000{number}-deployment-x", "k8sPhase": "Running"} for number in (1, 2)]
    events = [{"reason": "BackOff", "involvedObject": {"name": pod["name"]}} for pod in pods]
    entry = listed(phaseMessage=f"pod {NAME}-00001-deployment-x: image not found")
    status = observe.workload_status(live(INFERENCE), entry, pods, events, 1)
    assert [pod.name for pod in status.pods] == [f"{NAME}-00002-deployment-x"]
    assert [event.object for event in status.events] == [f"{NAME}-00002-deployment-x"]
    assert status.messages == ()


@given(PLAIN, st.sampled_from([DISTRIBUTED, INFERENCE, "workspace"]))
def test_odd_answers_never_break_it(content: Any, kind: str) -> None:
    keys = ("phase", "spec", "urls", "endpoints", "pendingSchedulingMessages", "type", "id", "desiredPhase")
    for entry in (dict.fromkeys(keys, content), {"spec": {"leader": content, "workers": content, "replicas": content}}):
        found = observe.live_workload(NAME, kind, entry, entry)
        observe.kinds_to_try(entry)
        pods = [{"name": content, "containers": content, "k8sPhase": content}]
        events = [{"createdAt": content, "involvedObject": content}]
        observe.workload_status(found, entry, [{"name": str(content)}, *pods], events, found.replicas)
        observe.history_messages([{"spec": content}, {"spec": {"phaseUpdate": content}}])
