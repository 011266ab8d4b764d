# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LeaderWorkerSet controller beside the cluster: its custom resources, its configuration and its webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gpuops_cluster.api import Api
from gpuops_cluster.objects import path_of

CRD_FILES = (
    "leaderworkerset.x-k8s.io_leaderworkersets.yaml",
    "disaggregatedset.x-k8s.io_disaggregatedsets.yaml",
)
WEBHOOK_FILE = "manifests.yaml"
# Pods that are not the controller's must not need its webhook.
OWN_PODS = {"matchExpressions": [{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}]}
POD_WEBHOOKS = ("mpod.kb.io", "vpod.kb.io")


def configuration(webhook_port: int, health_port: int, certificates: Path) -> dict[str, Any]:
    """Return the controller's configuration: certificates are ours, one controller without election."""
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"host": "127.0.0.1", "port": webhook_port, "certDir": str(certificates)},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
        "clientConnection": {"qps": 500, "burst": 1000},
    }


def definitions(files: dict[str, Path]) -> list[dict[str, Any]]:
    """Return the custom resource definitions of the built module."""
    return [yaml.safe_load(files[name].read_text(encoding="utf-8")) for name in CRD_FILES]


def webhooks(files: dict[str, Path], port: int, authority: str) -> list[dict[str, Any]]:
    """Return the module's webhook configurations, pointed at an address of this machine.

    ``authority``: the certificate authority, PEM in base64.
    """
    found = []
    for content in yaml.safe_load_all(files[WEBHOOK_FILE].read_text(encoding="utf-8")):
        content["metadata"]["name"] = f"lws-{content['metadata']['name']}"
        for webhook in content["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority}
            if webhook["name"] in POD_WEBHOOKS:
                webhook["objectSelector"] = OWN_PODS
        found.append(content)
    return found


def create_definitions(api: Api, files: dict[str, Path]) -> None:
    """Create the custom resources."""
    for content in definitions(files):
        api.apply(path_of(content), content)


def are_served(api: Api) -> bool:
    """Say whether the API serves the custom resources of this controller."""
    return api.request("GET", "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets")[0] == 200
