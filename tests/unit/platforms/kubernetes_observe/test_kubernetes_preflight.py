# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster is ready: every check passes, warns, fails or does not know, and says why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permission_review import (
    covers,
    in_words,
    missing_permissions,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    cluster_role_manifest,
    role_manifest,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.preflight import Preflight
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ALL_NETWORKS,
    ALL_PODS,
    CLAIMS,
    LEADERWORKERSETS,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SELF_REVIEWS,
    STORAGE_CLASSES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PASSED,
    UNKNOWN,
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO
from fake_cluster import FakeCluster, claim, machine, quota, used_by, without_leaderworkersets

REACHED = KubernetesConnection(host="https://cluster.example.com:6443")
NEEDS = PreflightNeeds(gpus_per_pod=4, pods=2, replicas=1, claims=("models",))


def checks(
    cluster: FakeCluster, needs: PreflightNeeds = NEEDS, connection: KubernetesConnection | None = None
) -> dict[str, PreflightCheck]:
    found = Preflight(cluster, Connection("kubernetes", kubernetes=connection or REACHED)).checks(needs)
    names = [check.name for check in found]
    assert len(set(names)) == len(names)
    for check in found:
        finding = check.finding()
        assert (finding is None) == (check.status == PASSED)
        assert finding is None or (finding.cause and " " not in finding.cause and finding.object == check.name)
    return {check.name: check for check in found}


def statuses(cluster: FakeCluster, needs: PreflightNeeds = NEEDS) -> dict[str, str]:
    return {name: check.status for name, check in checks(cluster, needs).items() if check.status != PASSED}


def test_a_ready_cluster_passes_everything() -> None:
    found = checks(FakeCluster())
    assert {check.status for check in found.values()} == {PASSED}
    assert list(found)[:4] == ["api", "tls", "credentials", "namespace"]
    assert "v1.36.3" in found["api"].evidence
    assert "user me (groups people)" in found["credentials"].evidence
    assert "2 with 8 x H100; 16 of 16 GPUs are free" in found["gpus"].evidence


def test_what_may_not_be_seen_is_unknown() -> None:
    cluster = FakeCluster()
    cluster.forbidden = {NAMESPACES, RESOURCE_QUOTAS, STORAGE_CLASSES, CLAIMS, NODES, PRIORITY_CLASSES, SELF_REVIEWS}
    found = statuses(cluster)
    assert found == dict.fromkeys(
        ("namespace", "quota", "storage", "claim models", "gpus", "priority_classes"), UNKNOWN
    )
    finding = checks(cluster)["claim models"].finding()
    assert finding is not None
    assert (finding.severity, finding.cause) == (INFO, "claim_unknown")


@pytest.mark.parametrize(("minor", "status"), [("28", DOUBTFUL), ("29+", PASSED), ("36", PASSED), ("", PASSED)])
def test_versions(minor: str, status: str) -> None:
    cluster = FakeCluster()
    cluster.versions = {"gitVersion": f"v1.{minor}.0", "major": "1", "minor": minor}
    assert checks(cluster)["api"].status == status


def insecure(**options: Any) -> KubernetesConnection:
    """Return a connection whose kubeconfig turns the check of the certificate off."""
    content = {
        "clusters": [{"name": "c", "cluster": {"server": REACHED.host, "insecure-skip-tls-verify": True}}],
        "users": [],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return KubernetesConnection(kubeconfig=content, **options)


@pytest.mark.parametrize(
    ("connection", "status", "option"),
    [
        (KubernetesConnection(host=REACHED.host, validate_certs=False), DOUBTFUL, "validate_certs"),
        (insecure(), DOUBTFUL, "kubeconfig"),
        (insecure(ca_cert="/etc/ca.pem", validate_certs=False), DOUBTFUL, "validate_certs"),
        (insecure(ca_cert="/etc/ca.pem"), PASSED, ""),
        (insecure(validate_certs=True), PASSED, ""),
        (KubernetesConnection(host=REACHED.host, validate_certs=True), PASSED, ""),
    ],
)
def test_an_unchecked_certificate_is_told(connection: KubernetesConnection, status: str, option: str) -> None:
    check = checks(FakeCluster(), connection=connection)["tls"]
    assert (check.status, check.cause) == (status, "tls_not_verified" if option else "")
    assert option in check.evidence


def test_without_the_namespace_nothing_in_it_is_judged() -> None:
    cluster = FakeCluster()
    cluster.objects[NAMESPACES] = []
    found = checks(cluster)
    assert found["namespace"].status == FAILED
    assert not {"quota", "claim models", "pod_security"} & set(found)


@pytest.mark.parametrize(
    ("pods", "replicas", "status"), [(1, 1, PASSED), (1, 3, PASSED), (2, 1, DOUBTFUL), (2, 2, FAILED)]
)
def test_without_leaderworkersets(pods: int, replicas: int, status: str) -> None:
    found = checks(without_leaderworkersets(), PreflightNeeds(1, pods, replicas))
    assert found["controller"].status == status


def test_the_generated_roles_are_enough() -> None:
    cluster = FakeCluster()
    rules = [*role_manifest("my-project")["rules"], *cluster_role_manifest()["rules"]]
    assert all(any(covers(rule, row) for rule in rules) for row in PERMISSIONS)
    cluster.rules = rules
    assert missing_permissions(cluster, (), ()) == ([], [])


@pytest.mark.parametrize("row", [row for row in PERMISSIONS if row.resource.namespaced], ids=lambda row: str(row.words))
def test_each_missing_permission_is_told(row: Any) -> None:
    cluster = FakeCluster()
    cluster.rules = [
        {"verbs": [other.verb], "apiGroups": [other.resource.group], "resources": [_plural(other)]}
        for other in PERMISSIONS
        if other.words != row.words
    ]
    needed, optional = missing_permissions(cluster, (ALL_PODS, ALL_NETWORKS), ())
    assert [*needed, *optional] == [row]
    assert needed == ([row] if row.needed else [])


def _plural(row: Any) -> str:
    return f"{row.resource.plural}/{row.subresource}" if row.subresource else str(row.resource.plural)


def test_rules_of_the_namespace_do_not_grant_what_belongs_to_the_cluster() -> None:
    """A Role may name nodes; the API server grants nothing by it, so each such right is asked for by itself."""
    cluster = FakeCluster()
    cluster.lacks = {row for row in PERMISSIONS if row.resource == NODES}
    _needed, optional = missing_permissions(cluster, (), ())
    assert in_words(optional) == ["get, list nodes"]


def test_where_the_api_server_cannot_list_the_rules_each_right_is_asked_for() -> None:
    cluster = FakeCluster()
    cluster.rules, cluster.complete = [], False
    assert missing_permissions(cluster, (), ()) == ([], [])
    assert len(cluster.asked) == len(PERMISSIONS)


def test_rules_for_single_objects_do_not_count() -> None:
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["one"]}
    assert not any(covers(rule, row) for row in PERMISSIONS)


def test_the_permission_check_says_what_is_lost() -> None:
    cluster = FakeCluster()
    cluster.rules = role_manifest("my-project")["rules"]
    # The right to list the namespace's pods says nothing of all the others.
    cluster.lacks = {row for row in PERMISSIONS if not row.resource.namespaced}
    check = checks(cluster)["permissions"]
    assert check.status == DOUBTFUL
    assert "to check which machines have free GPUs, and which fabric they show (list nodes)" in check.evidence
    assert "list pods of all namespaces" in check.evidence
    cluster.rules = []
    check = checks(cluster)["permissions"]
    assert (check.status, check.cause) == (FAILED, "permission_denied")
    assert "get, list, watch, create, patch, delete leaderworkersets" in check.evidence
    # Whether the name is taken by a LeaderWorkerSet matters for every workload.
    assert "get leaderworkersets;" in checks(cluster, PreflightNeeds(pods=1))["permissions"].evidence


def test_rights_on_kinds_that_are_not_served_are_not_asked_for() -> None:
    cluster = without_leaderworkersets()
    cluster.rules = [
        {**rule, "resources": [name for name in rule["resources"] if name != "leaderworkersets"]}
        for rule in role_manifest("my-project")["rules"]
    ]
    _needed, optional = missing_permissions(cluster, (LEADERWORKERSETS,), ())
    assert not any(row.resource == LEADERWORKERSETS for row in optional)


@pytest.mark.parametrize(
    ("entry", "needs", "status"),
    [
        (quota(8, 0), NEEDS, PASSED),
        (quota(8, 1), NEEDS, DOUBTFUL),
        (quota(7, 0), NEEDS, FAILED),
        (quota(7, 0), PreflightNeeds(), PASSED),
    ],
)
def test_quota(entry: dict[str, Any], needs: PreflightNeeds, status: str) -> None:
    cluster = FakeCluster()
    cluster.objects[RESOURCE_QUOTAS] = [entry]
    check = checks(cluster, needs)["quota"]
    assert check.status == status
    if status == PASSED:
        assert "of" in check.evidence and "GPUs in use" in check.evidence


@pytest.mark.parametrize(
    ("machines", "others", "status", "cause"),
    [
        ([machine("a", 4), machine("b", 4)], [], PASSED, ""),
        ([machine("a", 4)], [], DOUBTFUL, "machines_too_few"),
        ([], [], DOUBTFUL, "machines_too_few"),
        ([machine("a"), machine("b")], [used_by("a", 6), used_by("b", 6)], DOUBTFUL, "gpus_in_use"),
        ([machine("a"), machine("b")], [used_by("a", 8)], PASSED, ""),
    ],
)
def test_gpus(machines: list[dict[str, Any]], others: list[dict[str, Any]], status: str, cause: str) -> None:
    cluster = FakeCluster()
    cluster.objects[NODES], cluster.objects[ALL_PODS] = machines, others
    check = checks(cluster)["gpus"]
    assert (check.status, check.cause) == (status, cause)


def test_free_gpus_are_not_counted_where_the_pods_of_others_may_not_be_seen() -> None:
    cluster = FakeCluster()
    cluster.forbidden = {ALL_PODS}
    check = checks(cluster)["gpus"]
    assert check.status == PASSED
    assert "free" not in check.evidence


@pytest.mark.parametrize(
    ("provisioner", "status"),
    [("nfs.csi.k8s.io", PASSED), ("ebs.csi.aws.com", DOUBTFUL), ("csi.example.com", UNKNOWN), (None, DOUBTFUL)],
)
def test_storage_for_several_pods_that_have_no_claim_yet(provisioner: str | None, status: str) -> None:
    cluster = FakeCluster()
    entry = {"metadata": {"name": "c"}, "provisioner": provisioner}
    cluster.objects[STORAGE_CLASSES] = [entry] if provisioner else []
    assert checks(cluster, PreflightNeeds(1, 2))["storage"].status == status
    assert checks(cluster, PreflightNeeds(1, 1))["storage"].status == PASSED


@pytest.mark.parametrize(
    ("entry", "status", "cause"),
    [
        (claim(), PASSED, ""),
        (claim(phase="Pending"), DOUBTFUL, "volume_claim_unbound"),
        (claim(modes=("ReadWriteOnce",)), DOUBTFUL, "volume_claim_not_shared"),
        (None, FAILED, "volume_claim_missing"),
    ],
)
def test_claims(entry: dict[str, Any] | None, status: str, cause: str) -> None:
    cluster = FakeCluster()
    cluster.objects[CLAIMS] = [entry] if entry else []
    check = checks(cluster)["claim models"]
    assert (check.status, check.cause) == (status, cause)


def test_priority_classes_are_named_without_kubernetes_own() -> None:
    cluster = FakeCluster()
    names = ["system-node-critical", "gold", "silver"]
    cluster.objects[PRIORITY_CLASSES] = [{"metadata": {"name": name}} for name in names]
    assert checks(cluster)["priority_classes"].evidence == "gold, silver."
