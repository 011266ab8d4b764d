# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVC data sources and storage classes of the simulator: as strict as Run:ai's models, and shown in their shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.control_plane_client import CLUSTER_ID, NAMESPACE, Client, changed, eventually

from gpuops_sandbox.control_plane.models import load_model

PATH = "/api/v1/asset/datasource/pvc"
BODY: dict[str, Any] = {
    "meta": {"name": "llm-models", "scope": "project", "projectId": 33, "clusterId": CLUSTER_ID},
    "spec": {
        "path": "/data",
        "existingPvc": False,
        "claimName": "new-claim",
        "claimInfo": {
            "size": "500Gi",
            "storageClass": "nfs",
            "accessModes": {"readWriteOnce": False, "readOnlyMany": False, "readWriteMany": True},
        },
    },
}
EXISTING = {"path": "/data", "existingPvc": True, "claimName": "my-project-models"}


def create(client: Client, body: dict[str, Any] | None = None) -> str:
    """Create a data source that has to be accepted; return its id."""
    answer = client.call("POST", PATH, json=body or BODY)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["meta"]["id"])


def status(client: Client, asset_id: str) -> str:
    """Return the state of a data source once it was made."""
    eventually(lambda: client.get(f"{PATH}/{asset_id}")["status"]["status"] != "Creating")
    return str(client.get(f"{PATH}/{asset_id}")["status"]["status"])


def folder(client: Client, name: str) -> Path:
    """Return the folder of a claim."""
    return Path(client.running.state["volumes_directory"]) / NAMESPACE / name


def test_a_data_source_is_shown_in_the_shape_of_runapy(client: Client) -> None:
    asset_id = create(client)
    assert status(client, asset_id) == "No issues found"
    listed = client.get(PATH, projectId="33", scope="project", statusInfo="true", usageInfo="true")
    assert [entry["meta"]["id"] for entry in listed["entries"]] == [asset_id]
    load_model("pvc_list_response", "PVCListResponse").model_validate(listed)
    assert folder(client, "new-claim").is_dir()


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("meta.projectId", "33", "meta.projectId"),
        ("meta.projectId", None, "meta.projectId"),
        ("meta.scope", "everywhere", "meta.scope"),
        ("meta.labels", {}, "meta.labels"),
        ("spec.path", None, "spec.path"),
        ("spec.claimInfo.size", None, "spec.claimInfo.size"),
        ("spec.claimInfo.class", "nfs", "spec.claimInfo.class"),
        ("spec.claimName", "n" * 64, "spec.claimName"),
        ("spec.existingPvc", True, "spec.claimInfo"),
    ],
)
def test_what_the_models_do_not_know_is_refused(shared_client: Client, path: str, value: Any, named: str) -> None:
    answer = shared_client.call("POST", PATH, json=changed(BODY, path, value))
    assert answer.status_code == 400 and named in answer.json()["message"]
    assert shared_client.get(PATH)["entries"] == []


def test_a_name_is_taken_once(client: Client) -> None:
    create(client)
    assert client.call("POST", PATH, json=BODY).status_code == 409


def test_an_existing_claim_is_looked_for(client: Client) -> None:
    there = create(client, {"meta": BODY["meta"], "spec": EXISTING})
    assert status(client, there) == "No issues found"
    missing = {"meta": {**BODY["meta"], "name": "other"}, "spec": {**EXISTING, "claimName": "nowhere"}}
    asset_id = create(client, missing)
    assert status(client, asset_id) == "Issues found"
    assert [issue["issue"] for issue in client.get(f"{PATH}/{asset_id}")["status"]["issues"]] == ["NotCreated"]


def test_only_name_description_and_path_can_be_changed(client: Client) -> None:
    asset_id = create(client)
    refused = client.call("PUT", f"{PATH}/{asset_id}", json={"meta": {"name": "x"}, "spec": {"claimInfo": {}}})
    assert refused.status_code == 400
    body = {"meta": {"name": "llm-models", "description": "ours"}, "spec": {"path": "/models"}}
    assert client.call("PUT", f"{PATH}/{asset_id}", json=body).status_code == 202
    shown = client.get(f"{PATH}/{asset_id}")
    assert (shown["meta"]["description"], shown["spec"]["path"]) == ("ours", "/models")


def test_a_claim_goes_with_its_data_source_unless_it_was_there(client: Client) -> None:
    own, other = create(client), create(client, {"meta": {**BODY["meta"], "name": "other"}, "spec": EXISTING})
    for asset_id in (own, other):
        status(client, asset_id)
        assert client.call("DELETE", f"{PATH}/{asset_id}").status_code == 202
    eventually(lambda: client.get(PATH)["entries"] == [])
    assert not folder(client, "new-claim").exists() and folder(client, "my-project-models").is_dir()


def test_storage_classes_are_shown_in_the_shape_of_runapy(client: Client) -> None:
    listed = client.get("/api/v2/storage-classes", clusterId=CLUSTER_ID)
    load_model("storage_classes_v2", "StorageClassesV2").model_validate(listed)
    assert [entry["storageClassName"] for entry in listed["items"]] == ["nfs", "local-disk", "reserved"]
    assert client.call("GET", "/api/v2/storage-classes").status_code == 400
