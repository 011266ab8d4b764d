# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""**Stand-ins** for a storage driver's provisioner and resizer: volumes are folders of the machine.

A claim of the class gets a folder and a volume for it; one that asks for more than its volume says gets a larger
number, since a folder has no size. Binding is Kubernetes' own.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from gpuops_cluster.api import MERGE, Api, Identity
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.objects import PROVISIONER, STORAGE_CLASS, VOLUMES, path_of

CLAIMS = "/api/v1/persistentvolumeclaims"
LOOK_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Look again and again until killed."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.machine.storage", description=__doc__)
    parser.add_argument("--api-url", required=True)
    for name in ("--ca", "--client-certificate", "--client-key"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args(arguments)
    api = Api(Identity(options.api_url, options.ca, options.client_certificate, options.client_key))
    while True:
        try:
            for claim in api.items(CLAIMS):
                _serve(api, claim)
        except (OSError, ClusterError) as error:
            print(f"again in {LOOK_SECONDS} s: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK_SECONDS)


def _serve(api: Api, claim: dict[str, Any]) -> None:
    spec = claim["spec"]
    if claim["status"].get("phase") == "Pending" and not spec.get("volumeName"):
        if spec.get("storageClassName") == STORAGE_CLASS:
            _provision(api, claim)
    elif claim["status"].get("phase") == "Bound" and _asked(spec) != claim["status"].get("capacity", {}).get("storage"):
        _expand(api, claim)


def _provision(api: Api, claim: dict[str, Any]) -> None:
    """Make a folder, as an NFS provisioner leaves it: root's, and open to everybody, and the volume of it."""
    metadata, spec = claim["metadata"], claim["spec"]
    folder = Path(VOLUMES) / metadata["namespace"] / metadata["name"]
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"pvc-{metadata['uid']}",
            "labels": {"gpuops.test/provisioned": "true"},
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "capacity": {"storage": _asked(spec)},
            "accessModes": spec["accessModes"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder)},
            "claimRef": {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]},
        },
    }
    api.apply(path_of(volume), volume)


def _expand(api: Api, claim: dict[str, Any]) -> None:
    """Say of the volume and of the claim that they are as large as was asked for (smaller is refused by the API)."""
    size = {"storage": _asked(claim["spec"])}
    api.request(
        "PATCH", f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}", {"spec": {"capacity": size}}, MERGE
    )
    api.request("PATCH", f"{path_of({**claim, **KIND})}/status", {"status": {"capacity": size}}, MERGE)


def _asked(spec: dict[str, Any]) -> str:
    return str(spec["resources"]["requests"]["storage"])


# Entries of a list lack them.
KIND = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
