# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every evidence and every wish: any combination, however odd, made by hypothesis."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.as_data import (
    checked,
    evidence_as_dict,
    read_evidence,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    ClusterEvidence,
    DeviceResource,
    DeviceUse,
    Evidence,
    FabricMachine,
    Gid,
    Interface,
    PodEvidence,
    ProofEvidence,
    RdmaPort,
    Reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import (
    AUTO,
    REQUIRE_RDMA,
    TCP_ONLY,
    FabricInputs,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.judgement import Judgement
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import KNOWN
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import (
    CONFIDENCES,
    KINDS,
    FabricDecision,
)
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(max_size=12)
DEVICES = st.sampled_from(["mlx5_0", "mlx5_1", "mlx5_10", "mlx5_bond_0", "ibp3", "rdmap79s0"]) | TEXTS
MACHINES = st.sampled_from(["gpu-1", "gpu-2", "gpu-3"])
RESOURCES = st.dictionaries(
    st.sampled_from([*KNOWN, "example.com/odd", "example.com/sriov_ib", "networking.gke.io.networks/a"]),
    st.integers(-1, 100),
    max_size=3,
)
LABELS = st.dictionaries(
    st.sampled_from(
        [
            "cloud.google.com/machine-family",
            "node.kubernetes.io/instance-type",
            "ib.coreweave.cloud/speed",
            "oci.oraclecloud.com/rdma.host_id",
            "nebius.com/x",
            "node-role.together.ai/x",
            "topology.k8s.aws/x",
            "feature.node.kubernetes.io/pci-15b3.present",
            "feature.node.kubernetes.io/pci-0207_15b3.present",
        ]
    ),
    st.sampled_from(["a3", "a4", "a3-ultragpu-8g", "a3-megagpu-8g", "a3-highgpu-8g", "true", "false"]),
    max_size=3,
)
NUMBERS = st.none() | st.floats(0, 800) | st.just(float("nan"))
GIDS = st.builds(
    Gid,
    index=st.integers(0, 9),
    value=st.sampled_from(["fe80::1", "::ffff:192.168.10.5", "fd00::5", "no address"]),
    kind=st.sampled_from(["RoCE v2", "IB/RoCE v1", None]),
    interface=st.sampled_from(["eth0", "net1", None]),
)
PORTS = st.builds(
    RdmaPort,
    device=DEVICES,
    port=st.integers(1, 2),
    link_layer=st.sampled_from([INFINIBAND, ETHERNET, "Unspecified"]),
    state=st.sampled_from(["ACTIVE", "4: ACTIVE", "DOWN", ""]),
    rate=NUMBERS,
    lid=st.sampled_from([None, 0, 7]),
    gids=st.lists(GIDS, max_size=3).map(tuple),
    driver=st.sampled_from([None, "mlx5_core", "efa"]),
    is_virtual=st.booleans(),
)
USES = st.builds(
    DeviceUse,
    device=DEVICES,
    is_visible=st.booleans(),
    can_open=st.sampled_from([None, True, False]),
    can_register=st.sampled_from([None, True, False]),
    error=TEXTS,
)
INTERFACES = st.builds(
    Interface,
    name=st.sampled_from(["lo", "eth0", "net1", "ib0"]) | TEXTS,
    addresses=st.lists(st.sampled_from(["10.0.0.1", "fe80::1"]), max_size=2).map(tuple),
    has_default_route=st.booleans(),
)
REACHES = st.builds(Reach, machine=MACHINES, port=st.integers(1, 65535), is_reached=st.booleans(), bandwidth=NUMBERS)
PODS = st.builds(
    PodEvidence,
    machine=MACHINES,
    ports=st.lists(PORTS, max_size=2).map(tuple),
    uses=st.lists(USES, max_size=2).map(tuple),
    memlock=st.sampled_from([None, 0, 8 * 1024**2, 2**40]),
    locked=st.sampled_from([None, 0, 256 * 1024**2]),
    effective_capabilities=st.sampled_from([(), ("IPC_LOCK",)]),
    bounding_capabilities=st.sampled_from([(), ("IPC_LOCK",)]),
    gpudirect=st.sampled_from(["unknown", "nvidia_peermem"]),
    interfaces=st.lists(INTERFACES, max_size=2).map(tuple),
    reaches=st.lists(REACHES, max_size=1).map(tuple),
    requested_resources=RESOURCES,
)
CLUSTERS = st.builds(
    ClusterEvidence,
    machines=st.none()
    | st.lists(
        st.builds(
            FabricMachine,
            name=MACHINES,
            gpus=st.integers(0, 8),
            gpu_product=st.sampled_from(["", "H100"]),
            labels=LABELS,
            resources=RESOURCES,
        ),
        max_size=3,
    ).map(tuple),
    resources=st.lists(
        st.builds(
            DeviceResource,
            resource=st.sampled_from([*KNOWN, "example.com/odd"]),
            link_layer=st.sampled_from([INFINIBAND, ETHERNET, None]),
            sharing=st.sampled_from(["shared", "virtual", "whole", None]),
            is_rdma=st.sampled_from([True, False, None]),
            networks=st.lists(st.sampled_from(["a/b", "a/c"]), max_size=2).map(tuple),
            source=st.sampled_from(["", "HostDeviceNetwork/x"]),
        ),
        max_size=3,
    ).map(tuple),
    networks=st.lists(st.sampled_from(["a/b", "a/c"]), max_size=2).map(tuple),
    unseen=st.dictionaries(st.sampled_from(["Node", "NicClusterPolicy"]), st.just("forbidden"), max_size=2),
)
PROOFS = st.none() | st.builds(
    ProofEvidence,
    network=st.sampled_from([None, "", "IB", "Socket", "AWS Libfabric", "gIB", "FasTrak", "other"]),
    bandwidth=NUMBERS,
    lines=st.sampled_from([(), ("NET/IB : Using [0]mlx5_0:1/RoCE",)]),
    error=st.sampled_from(["", "", "timed out"]),
)
EVIDENCE = st.builds(
    Evidence,
    cluster=st.none() | CLUSTERS,
    pods=st.lists(PODS, max_size=2).map(tuple),
    proof=PROOFS,
    not_looked=st.sampled_from(["", "no time"]),
    confirmed=st.none() | st.booleans(),
)
VARIABLES = st.dictionaries(
    st.sampled_from(
        [
            "NCCL_NET",
            "NCCL_IB_DISABLE",
            "NCCL_IB_HCA",
            "NCCL_SOCKET_IFNAME",
            "GLOO_SOCKET_IFNAME",
            "NCCL_DEBUG",
            "NCCL_IB_GID_INDEX",
            "NCCL_IB_ADDR_FAMILY",
            "FI_PROVIDER",
            "OTHER",
        ]
    ),
    st.sampled_from(["", "0", "1", "3", "IB", "Socket", "^=mlx5_1:1", "mlx5_1,", "=eth0", "WARN", "²", "AF_INET6"]),
    max_size=4,
)


def inputs_of(*modes: str) -> st.SearchStrategy[FabricInputs]:
    return st.builds(
        FabricInputs,
        mode=st.sampled_from(modes),
        pods=st.integers(1, 3),
        gpus_per_pod=st.integers(1, 8),
        variables=VARIABLES,
        resources=st.just({}) | RESOURCES,
        annotations=st.sampled_from([{}, {"k8s.v1.cni.cncf.io/networks": "a/b"}]),
        expect=st.none() | st.sampled_from(KINDS),
        nccl_debug=st.booleans(),
        uid=st.sampled_from([0, 2000]),
    )


NOT_REQUIRING = inputs_of(AUTO, TCP_ONLY)


@given(NOT_REQUIRING, EVIDENCE)
def test_without_a_requirement_it_never_fails_and_always_says_the_same(
    inputs: FabricInputs, evidence: Evidence
) -> None:
    judgement = decide(inputs, evidence)
    assert judgement == decide(inputs, evidence)
    assert judgement.decision.kind in KINDS
    assert judgement.decision.confidence in CONFIDENCES
    assert max(map(len, judgement.table)) <= 100
    assert all(line.isprintable() for line in judgement.table)
    assert json.loads(json.dumps(judgement.as_dict())) == judgement.as_dict()


@given(inputs_of(AUTO, REQUIRE_RDMA, TCP_ONLY), EVIDENCE)
def test_what_the_user_sets_stays_and_everything_has_a_reason(inputs: FabricInputs, evidence: Evidence) -> None:
    decision = _decision(inputs, evidence)
    names = [variable.name for variable in decision.variables]
    assert len(set(names)) == len(names)
    values = {variable.name: variable.value for variable in decision.variables}
    assert {name: values[name] for name in inputs.variables} == dict(inputs.variables)
    assert all(variable.reason and variable.source for variable in decision.variables)
    if inputs.pods == 1:
        assert values == dict(inputs.variables)
    if inputs.resources:
        assert decision.resources == dict(inputs.resources)
    if inputs.annotations:
        assert decision.annotations == dict(inputs.annotations)


@given(inputs_of(REQUIRE_RDMA), EVIDENCE)
def test_require_rdma_never_ends_in_quiet_tcp(inputs: FabricInputs, evidence: Evidence) -> None:
    try:
        decision = decide(inputs, evidence).decision
    except GpuopsError as refused:
        assert inputs.pods > 1
        assert refused.findings[0].severity == "error"
        assert refused.message
        return
    if inputs.pods > 1:
        network = {variable.name: variable.value for variable in decision.variables}["NCCL_NET"]
        assert network
        assert network.lower() != "socket"
        assert decision.kind in {"infiniband", "roce", "efa", "gke"}


@given(inputs_of(AUTO, REQUIRE_RDMA, TCP_ONLY), EVIDENCE, st.randoms(use_true_random=False))
def test_the_order_of_machines_and_pods_does_not_matter(inputs: FabricInputs, evidence: Evidence, dice: Any) -> None:
    shuffled = _shuffled(evidence, dice)
    assert _decision(inputs, shuffled).does_the_same(_decision(inputs, evidence))
    assert _outcome(inputs, shuffled) == _outcome(inputs, evidence)


@given(NOT_REQUIRING, st.none() | CLUSTERS)
def test_what_nobody_saw_is_no_certain_tcp(inputs: FabricInputs, cluster: ClusterEvidence | None) -> None:
    """Without machines and without looks nothing is known, unless the user says so or forces it."""
    blind = None if cluster is None else dataclasses.replace(cluster, machines=None)
    inputs = dataclasses.replace(inputs, expect=None, mode=AUTO, variables={})
    decision = decide(inputs, Evidence(cluster=blind)).decision
    assert (decision.kind, decision.confidence) == ("unknown", "unknown")
    assert {variable.name for variable in decision.variables} <= {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS"}


@given(NOT_REQUIRING, EVIDENCE)
def test_only_a_proof_proves_and_only_use_is_use(inputs: FabricInputs, evidence: Evidence) -> None:
    decision = decide(inputs, evidence).decision
    if evidence.proof is None:
        assert decision.confidence != "proven"
    if not evidence.pods and not evidence.confirmed:
        assert decision.confidence != "usable"


@given(EVIDENCE)
def test_evidence_survives_its_dictionary(evidence: Evidence) -> None:
    whole = _without_nan(evidence)
    assert read_evidence(json.loads(json.dumps(evidence_as_dict(whole)))) == whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = [item.name for item in dataclasses.fields(PodEvidence)]


@given(JSON)
def test_nonsense_is_refused_with_a_sentence(content: Any) -> None:
    try:
        read_evidence(content)
    except GpuopsError as damaged:
        assert damaged.message.startswith("evidence")
        return
    assert isinstance(content, dict)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_a_damaged_report_gives_a_pod_or_a_sentence(content: dict[str, Any]) -> None:
    try:
        pod = checked(dataclasses.replace(PodEvidence("gpu-1"), **content))
    except GpuopsError as damaged:
        assert damaged.message.startswith("report")
        assert damaged.findings[0].cause == "evidence_damaged"
        assert damaged.message.isprintable()
        return
    assert isinstance(decide(FabricInputs(), Evidence(pods=(pod,))), Judgement)


def _decision(inputs: FabricInputs, evidence: Evidence) -> FabricDecision:
    """Return the decision, also one that is refused."""
    try:
        return decide(inputs, evidence).decision
    except GpuopsError as refused:
        return FabricDecision.from_dict(refused.result["decision"])


def _outcome(inputs: FabricInputs, evidence: Evidence) -> tuple[Any, ...]:
    try:
        judgement = decide(inputs, evidence)
    except GpuopsError as refused:
        return refused.message, refused.findings, refused.result
    return judgement.as_dict(), judgement.findings


def _shuffled(evidence: Evidence, dice: Any) -> Evidence:
    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dice.sample(items, len(items)))

    cluster = evidence.cluster
    if cluster is not None:
        machines = None if cluster.machines is None else mixed(cluster.machines)
        cluster = dataclasses.replace(
            cluster, machines=machines, resources=mixed(cluster.resources), networks=mixed(cluster.networks)
        )
    return dataclasses.replace(evidence, cluster=cluster, pods=mixed(evidence.pods))


def _without_nan(value: Any) -> Any:
    """Return evidence as JSON can hold it."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, tuple):
        return tuple(_without_nan(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{item.name: _without_nan(getattr(value, item.name)) for item in dataclasses.fields(value)}
        )
    return value
