# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage classes of the cluster (facts 5.4; the answer's shape is runapy's ``StorageClassesV2``)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.cluster.objects import CLUSTER_ID
from gpuops_sandbox.control_plane.authentication import authenticate
from gpuops_sandbox.control_plane.errors import ApiError, not_found
from gpuops_sandbox.control_plane.listing import check_parameters
from gpuops_sandbox.control_plane.sandbox import sandbox_of

# Shared files, a disk of one machine, and one that data sources may not use.
CLASSES = {"nfs": (True, True), "local-disk": (False, True), "reserved": (True, False)}
DEFAULT = "nfs"

router = APIRouter()


@router.get("/api/v2/storage-classes")
async def list_storage_classes(request: Request) -> JSONResponse:
    """The classes of one cluster, all or one by name."""
    authenticate(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), {"clusterId", "name", "includeNone"})
    if not sandbox_of(request).switches.storage_classes_shown:
        raise ApiError(403, "You do not have sufficient permissions.")
    if not parameters.get("clusterId"):
        raise ApiError(400, "Required parameter is missing", "clusterId")
    if parameters["clusterId"] != CLUSTER_ID:
        raise not_found()
    wanted = parameters.get("name")
    names = [name for name in CLASSES if wanted in (None, name)]
    return JSONResponse({"items": [_shown(name) for name in names]})


def _shown(name: str) -> dict[str, Any]:
    is_shared, for_assets = CLASSES[name]
    supported = {"readWriteOnce": True, "readOnlyMany": is_shared, "readWriteMany": is_shared}
    return {
        "clusterId": CLUSTER_ID,
        "storageClassName": name,
        "spec": {
            "provisioner": f"{name}.sandbox.example.com",
            "allowVolumeExpansion": True,
            "isDefault": name == DEFAULT,
        },
        "permissions": {"allowedForAssets": for_assets},
        "customization": {"accessMode": {"required": False, "supportedValues": supported}},
    }
