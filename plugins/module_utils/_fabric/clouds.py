# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Clouds whose machines say by a label what their fabric is, and what their owners ask of NCCL.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import FabricMachine
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import EFA, GKE, IB, ROCE
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

_COREWEAVE = "CoreWeave's published settings, as SkyPilot has them"
_ORACLE = "Oracle's published settings for RoCE cluster networks"


@dataclass(frozen=True)
class Cloud:
    """A cloud. It is recognised by one of ``labels`` (``name`` begins so, ``value`` matches) or by ``resource``.

    ``kind`` is the fabric of all its machines with that label, where that is so; ``network`` the name of NCCL's network
    there. ``variables`` are set where that fabric is used; ``advice`` is what its owner asks for besides.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    resource: str | None = None
    kind: str | None = None
    network: str | None = None
    variables: tuple[FabricVariable, ...] = ()
    advice: Finding | None = None


_GKE_FAMILY = "cloud.google.com/machine-family"
_INSTANCE = "node.kubernetes.io/instance-type"
_GKE_HINT = (
    "Take Google's page on GPUDirect for this machine type: secondary networks by the annotation "
    "networking.gke.io/interfaces, the plugin from the machine's own folder, and its settings. Without them NCCL uses "
    "TCP."
)


def _gke(machines: str, label: tuple[str, str], plugin: str, network: str | None) -> Cloud:
    evidence = (
        f"NCCL reaches the fabric of {machines} machines only through Google's plugin {plugin}, which is not part of "
        "vLLM's image."
    )
    advice = Finding(WARNING, "gke_plugin_needed", evidence, _GKE_HINT, "fabric")
    return Cloud(f"GKE, {machines}", (label,), kind=GKE, network=network, advice=advice)


# The more special first.
CLOUDS = (
    _gke("A3 Mega", (_INSTANCE, r"a3-megagpu-.*"), "TCPXO (FasTrak)", "FasTrak"),
    _gke("A3 Ultra", (_INSTANCE, r"a3-ultragpu-.*"), "gIB", "gIB"),
    _gke("A3 High", (_INSTANCE, r"a3-(highgpu|edgegpu)-.*"), "TCPX", None),
    _gke("A4", (_INSTANCE, r"a4x?-.*"), "gIB", "gIB"),
    _gke("A3 and A4", (_GKE_FAMILY, r"a[34]x?"), "(gIB, TCPXO or TCPX)", None),
    Cloud(
        "CoreWeave",
        (("ib.coreweave.cloud/", ".*"),),
        kind=IB,
        variables=(
            FabricVariable(
                "NCCL_IB_HCA", "ibp", "the names of all InfiniBand devices there begin with ibp", _COREWEAVE
            ),
            FabricVariable(
                "NCCL_SOCKET_IFNAME", "=eth0", "the pods' own interface; others lead to InfiniBand", _COREWEAVE
            ),
        ),
    ),
    Cloud(
        "OCI",
        (("oci.oraclecloud.com/rdma.", ".*"),),
        kind=ROCE,
        variables=(
            FabricVariable(
                "NCCL_IB_GID_INDEX",
                "3",
                "the platform's owner asks for it; elsewhere NCCL finds the GID better by itself",
                _ORACLE,
            ),
            FabricVariable("NCCL_IB_TC", "41", "the traffic class that this network carries without loss", _ORACLE),
            FabricVariable("NCCL_IB_TIMEOUT", "22", "the platform's owner asks for longer patience", _ORACLE),
        ),
        advice=Finding(
            INFO,
            "oci_settings",
            "Oracle publishes NCCL's settings for each shape of machine, and keeps them in the ConfigMap "
            "oci-nccl-parameters-<shape> where its operator runs; only those that all shapes share are set.",
            "Take the others over as your own variables.",
            "fabric",
        ),
    ),
    Cloud(
        "AWS",
        (("k8s.io/cloud-provider-aws", ".*"), ("topology.k8s.aws", ".*"), ("topology.ebs.csi.aws.com", ".*")),
        resource="vpc.amazonaws.com/efa",
    ),
    Cloud("Nebius", (("nebius.com/", ".*"),)),
    Cloud("Together", (("node-role.together.ai/", ".*"),)),
    Cloud(
        "AKS",
        (("kubernetes.azure.com/", ".*"),),
        resource="rdma/shared_ib",
        advice=Finding(
            INFO,
            "aks_topology_file",
            "Azure publishes a topology file for each of its machine types, which NCCL reads where NCCL_TOPO_FILE "
            "names it; it is not part of vLLM's image.",
            "Where bandwidth matters, put it on a volume and name it in your own variables.",
            "fabric",
        ),
    ),
)

# What EFA needs, wherever it is offered.
EFA_VARIABLES = (
    FabricVariable("FI_PROVIDER", "efa", "libfabric shall use EFA and nothing else", "AWS, SkyPilot"),
    FabricVariable(
        "NCCL_NET_PLUGIN", "ofi", "NCCL reaches EFA only through the plugin aws-ofi-nccl", "vLLM, Dockerfile.efa"
    ),
)
EFA_ADVICE = Finding(
    WARNING,
    "efa_plugin_needed",
    "NCCL's own transport cannot use EFA: the image needs the plugin aws-ofi-nccl with libfabric, and the pods huge "
    "pages.",
    "Build the image by vLLM's Dockerfile.efa. Without the plugin NCCL uses TCP.",
    "image",
)


def recognise(machines: Sequence[FabricMachine]) -> Cloud | None:
    """Return the cloud that one of the machines belongs to."""
    for cloud in CLOUDS:
        if any(_is_of(machine, cloud) for machine in machines):
            return cloud
    return None


def has_fabric_of(machines: Sequence[FabricMachine], cloud: Cloud) -> bool:
    """Say whether all machines belong to the cloud's fabric."""
    return all(_is_of(machine, cloud) for machine in machines)


def _is_of(machine: FabricMachine, cloud: Cloud) -> bool:
    if cloud.resource and machine.resources.get(cloud.resource, 0) > 0:
        return True
    return any(
        label.startswith(name) and re.fullmatch(value, machine.labels[label], re.DOTALL)
        for name, value in cloud.labels
        for label in machine.labels
    )


def variables_of(cloud: Cloud | None, kind: str) -> tuple[FabricVariable, ...]:
    """Return what is set because of the platform where a kind of fabric is used."""
    own = cloud.variables if cloud is not None and cloud.kind == kind else ()
    return (*EFA_VARIABLES, *own) if kind == EFA else own


def advice_of(cloud: Cloud | None, kind: str) -> list[Finding]:
    """Return what the platform's owner asks for besides, where a kind of fabric is used."""
    own = [cloud.advice] if cloud and cloud.advice and (cloud.kind in (None, kind)) and kind in (IB, ROCE, GKE) else []
    return [EFA_ADVICE, *own] if kind == EFA else own
