# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A PVC data source in Run:ai's words and in those of the options. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import volumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Project
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AT_ONCE,
    CONTROLLER_GRACE,
    LiveClaim,
    Trouble,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload import claim
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimSpec

Entry = Mapping[str, Any]

# A data source has no labels: what it is described by says whose it is.
MARK = "Managed by gpuops.inference."
_ACCESS_MODES = {
    claim.READ_WRITE_MANY: "readWriteMany",
    claim.READ_ONLY_MANY: "readOnlyMany",
    claim.READ_WRITE_ONCE: "readWriteOnce",
}
_VOLUME_MODES = {claim.FILESYSTEM: "Filesystem", claim.BLOCK: "Block"}
_OUR_VOLUME_MODES = {theirs: ours for ours, theirs in _VOLUME_MODES.items()}
# Nothing else than name, description and path of a data source can be changed.
_FIXED = dict.fromkeys(
    ("access_modes", "volume_mode", "storage_class"), "Run:ai changes nothing of the claim of a data source."
)
_FIXED_SIZE = {"size": "Run:ai cannot let a claim grow: have it done in the cluster (kubectl), and give a kubeconfig."}
_PHASES = {
    "Creating": volumes.PENDING,
    "Updating": volumes.PENDING,
    "Deleting": volumes.DELETING,
    "Failed": volumes.FAILED,
    "Deletion failed": volumes.FAILED,
    "Issues found": volumes.FAILED,
    "No issues found": volumes.AVAILABLE,
}
# What an issue means, and how long it may last.
_ISSUES = {
    "LostPhase": ("volume_claim_lost", "the claim has lost its volume", AT_ONCE),
    "NotCreated": ("volume_not_made", "the claim is not there in the cluster", CONTROLLER_GRACE),
    "ReplicationError": ("volume_not_made", "the claim could not be made in the cluster", CONTROLLER_GRACE),
}


def is_living(entry: Entry) -> bool:
    """Say whether a data source was not deleted."""
    return not mapping(entry.get("meta")).get("deletedAt")


def source_name(entry: Entry) -> str:
    """Return what people see as the data source's name."""
    return str(mapping(entry.get("meta")).get("name") or "")


def handle_of(entry: Entry) -> str:
    """Return the id of a data source."""
    return str(mapping(entry.get("meta")).get("id") or "")


def claim_names(entry: Entry) -> list[str]:
    """Return what the claim of a data source is called in the cluster. Which field tells it is not promised."""
    made = [resource.get("name") for resource in mappings(mapping(entry.get("clusterInfo")).get("resources"))]
    return [str(name) for name in (*made, mapping(entry.get("spec")).get("claimName")) if name]


def is_ours(entry: Entry) -> bool:
    """Say whether the collection made a data source, or took it over."""
    return str(mapping(entry.get("meta")).get("description") or "") == MARK


def makes_its_claim(entry: Entry) -> bool:
    """Say whether the claim was made with the data source, and goes with it."""
    return mapping(entry.get("spec")).get("existingPvc") is not True


def described(entry: Entry) -> dict[str, Any]:
    """Return what is known of the claim, by option: what was asked for when it was made, and nothing of one that was
    there before."""
    info = mapping(mapping(entry.get("spec")).get("claimInfo"))
    if not makes_its_claim(entry) or not info:
        return {}
    modes = mapping(info.get("accessModes"))
    volume_mode = str(info.get("volumeMode") or "Filesystem")
    return {
        "size": info.get("size"),
        "access_modes": sorted(ours for ours, theirs in _ACCESS_MODES.items() if modes.get(theirs)),
        "volume_mode": _OUR_VOLUME_MODES.get(volume_mode, volume_mode),
        "storage_class": info.get("storageClass"),
    }


def live_claim(name: str, entry: Entry) -> LiveClaim:
    """Return the claim called ``name`` as its data source tells of it."""
    status = mapping(entry.get("status"))
    word = str(status.get("status") or "")
    return LiveClaim(
        name=name,
        handle=handle_of(entry),
        phase=_PHASES.get(word, volumes.UNKNOWN),
        managed=is_ours(entry),
        described=described(entry),
        fixed={**_FIXED, **_FIXED_SIZE},
        troubles=tuple(_troubles(name, word, status)),
        message=str(status.get("message") or ""),
    )


def creation_body(spec: ClaimSpec, project: Project, is_there: bool) -> dict[str, Any]:
    """Return what is sent to make a data source, with its claim unless that ``is_there`` already."""
    fields: dict[str, Any] = {"path": spec.path, "existingPvc": is_there, "claimName": spec.name}
    if not is_there:
        wanted = spec.for_creation()
        modes = {theirs: ours in wanted["access_modes"] for ours, theirs in _ACCESS_MODES.items()}
        fields["claimInfo"] = {
            "size": wanted["size"],
            # All three are sent: ReadWriteOnce is what Run:ai takes where nothing is said.
            "accessModes": modes,
            "volumeMode": _VOLUME_MODES[wanted["volume_mode"]],
            **({"storageClass": spec.storage_class} if spec.storage_class is not None else {}),
        }
    meta = {
        "name": spec.data_source or spec.name,
        "description": MARK,
        "scope": "project",
        # Asset bodies want a number, where workload bodies want a text.
        "projectId": int(project.handle),
        "clusterId": project.cluster,
    }
    return {"meta": meta, "spec": fields}


def update_body(spec: ClaimSpec, entry: Entry) -> dict[str, Any]:
    """Return what is sent to make a data source ours, with the path that is wanted."""
    return {"meta": {"name": source_name(entry), "description": MARK}, "spec": {"path": spec.path}}


def users_of(entry: Entry) -> list[str]:
    """Return the workloads that were made with a data source, as the API tells it."""
    used = mapping(entry.get("usedBy"))
    kinds = ("workspaces", "trainings", "distributed", "inferences")
    return [str(one.get("name")) for kind in kinds for one in mappings(used.get(kind))]


def mounted_claims(definition: Entry) -> set[str]:
    """Return the claims that a workload mounts, as the API describes it."""
    spec = mapping(definition.get("spec"))
    parts = [spec, mapping(spec.get("leader")), mapping(spec.get("worker"))]
    mounts = [mount for part in parts for mount in mappings(mapping(part.get("storage")).get("pvc"))]
    return {str(mount["claimName"]) for mount in mounts if mount.get("claimName")}


def _troubles(name: str, word: str, status: Entry) -> list[Trouble]:
    """Return what the control plane says is wrong with a data source."""
    said = str(status.get("message") or "").strip()
    troubles = []
    for issue in mappings(status.get("issues")):
        kind = str(issue.get("issue"))
        cause, text, patience = _ISSUES.get(kind, ("volume_not_made", "Run:ai reports an issue", CONTROLLER_GRACE))
        evidence = f"{text} ({kind}{f': {said}' if said else ''})."
        troubles.append(Trouble(_error(cause, evidence, name), patience))
    if word in ("Failed", "Deletion failed"):
        evidence = f"the data source is in the state {word!r}{f': {said}' if said else ''}."
        troubles.append(Trouble(_error("data_source_failed", evidence, name)))
    return troubles


def _error(cause: str, evidence: str, name: str) -> Finding:
    hint = "The claim's own events in the cluster say more: give a kubeconfig, or look there."
    return Finding(ERROR, cause, evidence, hint, name)
