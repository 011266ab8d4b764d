# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Extended resources that bring network devices into pods: what their names say where no custom resource does.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import EFA, IB, ROCE

# How pods use a device: many the same one, an SR-IOV function each, or a device of the host each.
SHARED = "shared"
VIRTUAL = "virtual"
WHOLE = "whole"

_OPERATOR = "NVIDIA network operator"


@dataclass(frozen=True)
class KnownResource:
    """What a resource's name says: the kind of fabric and the sharing (``None`` where it does not say), and where this
    name is known from."""

    kind: str | None
    sharing: str | None
    source: str


# Names in public use. Names and prefixes can be configured, so that this list is never complete.
KNOWN = {
    "rdma/rdma_shared_device_a": KnownResource(None, SHARED, _OPERATOR),
    "rdma/hca_shared_devices_a": KnownResource(None, SHARED, "k8s-rdma-shared-dev-plugin"),
    "rdma/ib": KnownResource(IB, SHARED, "CoreWeave, llm-d"),
    "rdma/shared_ib": KnownResource(IB, SHARED, "AKS"),
    "rdma/roce_gdr": KnownResource(ROCE, SHARED, "llm-d"),
    "nvidia.com/hostdev": KnownResource(None, WHOLE, _OPERATOR),
    "nvidia.com/mlnxnics": KnownResource(None, VIRTUAL, _OPERATOR),
    "nvidia.com/rdma-vf": KnownResource(None, VIRTUAL, "OCI"),
    "nvidia.com/rdma_ib": KnownResource(IB, WHOLE, "Together, by SkyPilot"),
    "openshift.io/mellanoxnics": KnownResource(None, VIRTUAL, "OpenShift's SR-IOV operator"),
    "vpc.amazonaws.com/efa": KnownResource(EFA, WHOLE, "AWS"),
    "vke.volcengine.com/rdma": KnownResource(None, None, "Volcengine"),
}

# "ib", "efa" and "vf" count as whole words only: "visible" and "default" hold them too.
_LOOKS_LIKE_RDMA = re.compile(
    r"rdma|hca|roce|mlnx|mellanox|hostdev|sriov|infiniband|(?<![a-z])(ib|efa)(?![a-z])", re.IGNORECASE
)
_KINDS = (
    (re.compile(r"roce", re.IGNORECASE), ROCE),
    (re.compile(r"infiniband|(?<![a-z])ib(?![a-z])", re.IGNORECASE), IB),
)
_SHARINGS = (
    (re.compile(r"shared", re.IGNORECASE), SHARED),
    (re.compile(r"hostdev", re.IGNORECASE), WHOLE),
    (re.compile(r"sriov|(?<![a-z])vfs?(?![a-z])", re.IGNORECASE), VIRTUAL),
    # The default prefix of the shared device plugin.
    (re.compile(r"^rdma/"), SHARED),
)
# What GKE calls a resource is a network; that its pods need it is told with the platform.
_NETWORKS = "networking.gke.io.networks/"


def known_resource(name: str) -> KnownResource | None:
    """Return what a resource's name says, or ``None`` where it does not look like a network device."""
    if name in KNOWN:
        return KNOWN[name]
    if not is_device(name) or not _LOOKS_LIKE_RDMA.search(name):
        return None
    return KnownResource(_first(_KINDS, name), _first(_SHARINGS, name), "its name alone")


def is_device(name: str) -> bool:
    """Say whether a resource may be a device at all."""
    return not name.startswith(_NETWORKS)


def _first(patterns: tuple[tuple[re.Pattern[str], str], ...], name: str) -> str | None:
    return next((meaning for pattern, meaning in patterns if pattern.search(name)), None)
