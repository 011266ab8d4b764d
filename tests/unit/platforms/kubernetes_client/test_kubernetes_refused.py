# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals as findings, from Status objects as Kubernetes 1.36 answered them (texts shortened where they repeat)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.field_paths import our_path
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import (
    ApiServerFailing,
    Call,
    NotServed,
    Refused,
    is_final,
    refusal,
    webhook_failed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
    PODS,
    SERVICE_MONITORS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpReply
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor
from hypothesis import given
from hypothesis import strategies as st

MANIFEST = {
    "spec": {
        "containers": [
            {"name": "vllm", "ports": [{"name": "http", "containerPort": 8000}], "volumeMounts": [{"mountPath": "/a"}]}
        ]
    }
}
APPLY = Call("patch", DEPLOYMENTS, "my-project", "my-llm", manifest=MANIFEST)
CREATE_POD = Call("create", PODS, "my-project", "my-pod")


def refused(code: int, call: Call = APPLY, **status: Any) -> Refused:
    content = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, **status})
    return refusal(HttpReply(code, {}, content.encode()), call, Redactor(["canary-secret"]))


def only(error: Refused) -> Finding:
    (finding,) = error.findings
    return finding


@pytest.mark.parametrize(
    ("message", "evidence"),
    [
        (
            'deployments.apps "my-llm" is forbidden: User "system:serviceaccount:my-project:bot" cannot patch resource '
            '"deployments" in API group "apps" in the namespace "my-project"',
            "user system:serviceaccount:my-project:bot may not patch deployments.apps in namespace my-project.",
        ),
        (
            'nodes is forbidden: User "me" cannot list resource "nodes" in API group "" at the cluster scope',
            "user me may not list nodes.",
        ),
        (
            'users "root" is forbidden: User "me" cannot impersonate resource "users" in API group "" at the cluster '
            "scope",
            "user me may not impersonate users.",
        ),
    ],
)
def test_permission(message: str, evidence: str) -> None:
    error = refused(403, reason="Forbidden", message=message)
    assert error.is_permission and only(error).evidence == evidence and only(error).hint


def test_no_credentials() -> None:
    message = (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "x"'
    )
    assert "api_key" in only(refused(403, message=message)).hint


@pytest.mark.parametrize(
    ("code", "message", "cause", "words"),
    [
        (
            403,
            'pods "my-pod" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or '
            'container "vllm" must set securityContext.runAsNonRoot=true)',
            "admission_denied",
            ("restricted:latest", "runAsNonRoot != true"),
        ),
        (
            403,
            'pods "my-pod" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=8, used: '
            "requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=4",
            "quota_exceeded",
            ("gpus", "limited: requests.nvidia.com/gpu=4"),
        ),
        (
            403,
            'pods "my-pod" is forbidden: failed quota: gpus: must specify limits.cpu for: vllm',
            "quota_exceeded",
            ("gpus", "limits.cpu"),
        ),
        (
            403,
            'admission webhook "vpod.example.com" denied the request: no floating tags',
            "admission_denied",
            ("vpod.example.com", "no floating tags"),
        ),
        (400, 'admission webhook "v.example.com" denied the request without explanation', "admission_denied", ("v.",)),
        (
            422,
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'tags' with binding 'all' denied request: no latest",
            "admission_denied",
            ("tags", "no latest"),
        ),
        (
            403,
            'pods "my-pod" is forbidden: no PriorityClass with name nope was found',
            "admission_denied",
            ("no PriorityClass with name nope",),
        ),
    ],
)
def test_admission(code: int, message: str, cause: str, words: tuple[str, ...]) -> None:
    error = refused(code, CREATE_POD, message=message, details={"name": "my-pod", "kind": "pods"})
    finding = only(error)
    assert (finding.cause, error.is_permission) == (cause, False)
    assert all(word in finding.evidence for word in words)


def test_a_namespace_that_ends_or_is_not_there() -> None:
    ending = refused(403, message="...", details={"causes": [{"reason": "NamespaceTerminating", "message": "..."}]})
    missing = refused(404, message='namespaces "x" not found', details={"name": "x", "kind": "namespaces"})
    assert {only(ending).cause, only(missing).cause} == {"namespace_not_found"}
    assert not isinstance(missing, NotServed)


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (LEADERWORKERSETS, "controller: deployments"),
        (SERVICE_MONITORS, "monitoring.coreos.com"),
        (Resource("policy", "v9", "poddisruptionbudgets", "PodDisruptionBudget"), "older"),
    ],
)
def test_a_kind_that_is_not_served(resource: Resource, words: str) -> None:
    plain = refusal(HttpReply(404, {}, b"404 page not found\n"), Call("get", resource, "x", "y"), Redactor())
    typed = refused(404, Call("list", resource, "x"), message="the server could not find the requested resource")
    for error in (plain, typed):
        assert isinstance(error, NotServed) and only(error).cause == "not_served" and words in only(error).hint


@pytest.mark.parametrize(
    ("body", "resource"),
    [
        (b"<html>404 Not Found</html>", LEADERWORKERSETS),
        (b'{"message": "no Route matched with those values"}', LEADERWORKERSETS),
        (b"404 page not found", DEPLOYMENTS),
        (b'{"kind": "Status", "message": "the server could not find the requested resource"}', PODS),
    ],
)
def test_a_404_that_says_nothing_of_the_cluster(body: bytes, resource: Resource) -> None:
    error = refusal(HttpReply(404, {}, body), Call("get", resource, "x", "y"), Redactor())
    assert only(error).cause == "not_the_api" and isinstance(error, PlatformUnreachable)
    assert not isinstance(error, NotServed) and not error.is_absent


def test_a_way_to_a_pod_that_is_closed() -> None:
    call = Call("create", PODS, "x", "y", "portforward")
    assert isinstance(refusal(HttpReply(404, {}, b"not found"), call, Redactor()), NotServed)


def test_an_object_that_is_not_there() -> None:
    error = refused(404, message='pods "a" not found', details={"name": "a", "kind": "pods"})
    assert (error.code, only(error).cause) == (404, "not_found") and not isinstance(error, NotServed)


def test_invalid_fields() -> None:
    causes = [
        {"reason": "FieldValueInvalid", "message": "Invalid value: 0", "field": "spec.containers[0].ports[0].hostPort"},
        {
            "reason": "FieldValueRequired",
            "message": "Required value",
            "field": "spec.containers[0].volumeMounts[0].name",
        },
    ]
    error = refused(422, reason="Invalid", message="Deployment is invalid", details={"name": "x", "causes": causes})
    assert [(finding.cause, finding.object) for finding in error.findings] == [
        ("invalid_object", "Deployment/my-llm.spec.containers[vllm].ports[http].hostPort"),
        ("invalid_object", "Deployment/my-llm.spec.containers[vllm].volumeMounts[0].name"),
    ]
    assert only(refused(422, message="is invalid: something")).cause == "invalid_object"


def test_a_field_that_the_schema_lacks_is_final() -> None:
    message = (
        "failed to create typed patch object (/d1; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema"
    )
    reply = HttpReply(500, {}, json.dumps({"message": message}).encode())
    assert is_final(reply)
    finding = only(refused(500, message=message))
    assert (finding.cause, finding.object) == ("invalid_object", "Deployment/my-llm.spec.bogus")


def test_a_webhook_that_cannot_be_asked() -> None:
    message = 'Internal error occurred: failed calling webhook "m.kb.io": failed to call webhook: connection refused'
    reply = HttpReply(500, {}, json.dumps({"message": message}).encode())
    assert webhook_failed(reply) and not is_final(reply)
    error = refused(500, message=message)
    assert only(error).cause == "webhook_failed" and "m.kb.io" in only(error).evidence
    assert not isinstance(error, PlatformUnreachable)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_an_api_server_out_of_order(code: int) -> None:
    error = refused(code, message="etcdserver: leader changed")
    assert isinstance(error, ApiServerFailing) and isinstance(error, PlatformUnreachable)
    assert only(error).cause == "api_server_failing"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (413, "Request entity too large: limit is 3145728"),
        (500, "etcdserver: request is too large"),
        (422, "metadata.annotations: Too long: may not be more than 262144 bytes"),
    ],
)
def test_too_large(code: int, message: str) -> None:
    assert only(refused(code, message=message)).cause == "too_large"


def test_conflicts_of_other_kinds() -> None:
    assert only(refused(409, reason="AlreadyExists", message="exists")).cause == "already_exists"
    assert only(refused(409, reason="Conflict", message="the object has been modified")).cause == "changed_meanwhile"


def test_the_same_is_said_once() -> None:
    cause = {"reason": "FieldValueInvalid", "message": "Invalid value", "field": "spec.replicas"}
    assert len(refused(422, details={"causes": [cause, cause]}).findings) == 1


def test_secrets_do_not_come_back() -> None:
    cause = {"reason": "FieldValueInvalid", "message": 'Invalid value: "canary-secret"', "field": "spec.x"}
    for error in (
        refused(422, message="canary-secret", details={"causes": [cause]}),
        refused(403, message="canary-secret"),
        refused(500, message="canary-secret"),
    ):
        assert "canary-secret" not in error.message


statuses = st.fixed_dictionaries(
    {},
    optional={
        "message": st.one_of(st.none(), st.text(max_size=80), st.integers()),
        "reason": st.one_of(st.none(), st.text(max_size=10)),
        "details": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.text(max_size=5),
                    "kind": st.text(max_size=5),
                    "causes": st.lists(
                        st.fixed_dictionaries(
                            {}, optional={name: st.text(max_size=30) for name in ("reason", "message", "field")}
                        ),
                        max_size=3,
                    ),
                },
            ),
        ),
    },
)


@given(st.integers(300, 599), st.one_of(statuses.map(json.dumps), st.text(max_size=50)))
def test_any_answer_becomes_an_error_with_findings(code: int, body: str) -> None:
    error = refusal(HttpReply(code, {}, body.encode()), APPLY, Redactor())
    assert error.findings and error.message and all(finding.evidence for finding in error.findings)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        (".spec.replicas", "A/b.spec.replicas"),
        ("spec.containers[0].image", "A/b.spec.containers[vllm].image"),
        ('.spec.containers[name="vllm"].env[name="A.B"].value', "A/b.spec.containers[vllm].env[A.B].value"),
        (
            '.spec.containers[name="vllm"].ports[containerPort=8000,protocol="TCP"].name',
            "A/b.spec.containers[vllm].ports[http].name",
        ),
        ('.spec.ports[port=1,protocol="UDP"]', "A/b.spec.ports[1,UDP]"),
        ('.metadata.finalizers["example.com/x"]', "A/b.metadata.finalizers[example.com/x]"),
        ("spec.containers[7].image", "A/b.spec.containers[7].image"),
        ("", "A/b"),
    ],
)
def test_paths(field: str, path: str) -> None:
    assert our_path("A/b", field, MANIFEST) == path


@given(st.text(max_size=60))
def test_any_field_has_a_path(field: str) -> None:
    assert our_path("A/b", field, MANIFEST).startswith("A/b")
