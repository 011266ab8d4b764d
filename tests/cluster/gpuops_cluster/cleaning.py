# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a cluster back to its beginning between two tests."""

from __future__ import annotations

from typing import Any

from gpuops_cluster.api import MERGE, Api, wait_until
from gpuops_cluster.objects import CLAIM, MACHINE, NAMESPACES, machine
from gpuops_cluster.users import LABEL

# Owners before what they own, so that nothing is made again.
NAMESPACED = (
    "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/jobs",
    "/api/v1/pods",
    "/api/v1/services",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/events",
    "/api/v1/limitranges",
    "/api/v1/resourcequotas",
    "/api/v1/serviceaccounts",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/monitoring.coreos.com/v1/servicemonitors",
)
CLUSTER_WIDE = (
    f"/apis/rbac.authorization.k8s.io/v1/clusterroles?labelSelector={LABEL}",
    f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?labelSelector={LABEL}",
    f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations?labelSelector={LABEL}",
    f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies?labelSelector={LABEL}",
    f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings?labelSelector={LABEL}",
    f"/apis/storage.k8s.io/v1/storageclasses?labelSelector={LABEL}",
    "/api/v1/persistentvolumes?labelSelector=gpuops.test/provisioned",
)
# What the cluster itself keeps in every namespace.
KEPT = {
    ("configmaps", "kube-root-ca.crt"),
    ("serviceaccounts", "default"),
    ("persistentvolumeclaims", CLAIM),
    ("resourcequotas", "gpus"),
}
EMPTY_SECONDS = 180.0
AT_ONCE = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background"}


def clean(api: Api) -> None:
    """Remove what tests have left, and take back what they did to the machines."""
    clean_namespaces(api)
    _restore_machines(api)


def clean_namespaces(api: Api) -> None:
    """Remove what tests have left in the test namespaces and beside them, and wait until it is gone."""
    for path in CLUSTER_WIDE:
        for entry in api.items(path):
            api.request("DELETE", f"{path.partition('?')[0]}/{entry['metadata']['name']}", AT_ONCE)
    # What a controller makes while its owner goes (a pod of a set that shrinks) is met in the next round.
    wait_until(lambda: not _remove_leftovers(api), "the test namespaces are empty", EMPTY_SECONDS)


def _remove_leftovers(api: Api) -> bool:
    """Delete what is there and return whether there was anything."""
    found = False
    for path in NAMESPACED:
        root, _slash, resource = path.rpartition("/")
        kept = [name for kind, name in KEPT if kind == resource]
        foreign = [
            entry["metadata"]
            for entry in api.items(path)
            if entry["metadata"]["namespace"] in NAMESPACES and entry["metadata"]["name"] not in kept
        ]
        found = found or bool(foreign)
        # All of a namespace with one request: tests make hundreds of pods.
        others = ",".join(f"metadata.name!={name}" for name in kept)
        for namespace in {metadata["namespace"] for metadata in foreign if "deletionTimestamp" not in metadata}:
            within = f"{root}/namespaces/{namespace}/{resource}"
            api.request("DELETE", f"{within}?fieldSelector={others}" if others else within, AT_ONCE)
        for metadata in foreign:
            if metadata.get("finalizers") and "deletionTimestamp" in metadata:
                within = f"{root}/namespaces/{metadata['namespace']}/{resource}/{metadata['name']}"
                api.request("PATCH", within, {"metadata": {"finalizers": None}}, MERGE)
    return found


def _restore_machines(api: Api) -> None:
    """Take back what a test has done to the machines: cordons, taints, other labels, missing GPUs, other devices."""
    for entry in api.items("/api/v1/nodes"):
        if entry["metadata"]["name"] == MACHINE:
            # Its kubelet and the controllers say the rest.
            continue
        wanted = machine(int(entry["metadata"]["name"].removeprefix("gpu-")))
        path = f"/api/v1/nodes/{entry['metadata']['name']}"
        spec: dict[str, Any] = entry["spec"]
        labels = dict.fromkeys(entry["metadata"]["labels"]) | wanted["metadata"]["labels"]
        if "taints" in spec or "unschedulable" in spec or entry["metadata"]["labels"] != wanted["metadata"]["labels"]:
            body = {"metadata": {"labels": labels}, "spec": {"taints": None, "unschedulable": None}}
            api.request("PATCH", path, body, MERGE)
        if entry["status"]["allocatable"] != wanted["status"]["allocatable"]:
            status = {
                part: dict.fromkeys(entry["status"].get(part, ())) | wanted["status"][part]
                for part in ("allocatable", "capacity")
            }
            api.request("PATCH", f"{path}/status", {"status": status}, MERGE)
