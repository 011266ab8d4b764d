# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the decision: NCCL's lists of names, names of resources, ports, needs, the user's values, the table."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.as_data import read_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    AppliedFabric,
    ClusterEvidence,
    DeviceResource,
    DeviceUse,
    Evidence,
    Gid,
    Interface,
    PodEvidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.interfaces import socket_variables
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import known_resource
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.name_list import exact_list, read_name_list
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import choose_needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import view_pod
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from fabric_builders import MIB, cluster, eth0, infiniband, machine, net1, pod, pods, roce, used
from fabric_cases_rdma import SHARED, SHARED_PLUGIN, TWO


# NVIDIA/nccl 2.30.7, env.rst: prefixes unless the list starts with "=", "^" leaves out, a port behind a colon.
@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [
        ("mlx5_1", ["mlx5_1", "mlx5_10"], ["mlx5_0"]),
        ("=mlx5_1", ["mlx5_1"], ["mlx5_10"]),
        ("^mlx5_1", ["mlx5_0"], ["mlx5_1", "mlx5_10"]),
        ("^=mlx5_1", ["mlx5_0", "mlx5_10"], ["mlx5_1"]),
        ("mlx5_0,ibp", ["mlx5_0", "ibp7"], ["rdma0"]),
        ("", ["mlx5_0"], []),
    ],
)
def test_a_list_takes_what_nccl_takes(text: str, taken: list[str], left: list[str]) -> None:
    names = read_name_list(text)
    assert [name for name in (*taken, *left) if names.takes(name)] == taken


def test_a_port_of_a_list_counts() -> None:
    names = read_name_list("=mlx5_0:2:0:1,mlx5_1")
    assert not names.takes("mlx5_0", 1)
    assert names.takes("mlx5_0", 2)
    assert names.takes("mlx5_1", 2)
    assert read_name_list(exact_list([("mlx5_0", 1)])).takes("mlx5_0", 1)


# The names of facts and of upstream's documentation; below, words that only hold the letters.
@pytest.mark.parametrize(
    ("name", "kind", "sharing"),
    [
        ("rdma/shared_ib", "infiniband", "shared"),
        ("rdma/roce_gdr", "roce", "shared"),
        ("nvidia.com/hostdev", None, "whole"),
        ("rdma/fabric_of_ours", None, "shared"),
        ("nvidia.com/sriov_ib", "infiniband", "virtual"),
        ("openshift.io/roce_vfs", "roce", "virtual"),
        ("vpc.amazonaws.com/efa", "efa", "whole"),
    ],
)
def test_names_of_resources(name: str, kind: str | None, sharing: str | None) -> None:
    known = known_resource(name)
    assert known is not None
    assert (known.kind, known.sharing) == (kind, sharing)


@pytest.mark.parametrize("name", ["example.com/visible", "example.com/default", "networking.gke.io.networks/rdma-0"])
def test_names_that_are_no_network_device(name: str) -> None:
    assert known_resource(name) is None


def test_a_custom_resource_counts_more_than_a_name() -> None:
    """The owner calls it ib, and his policy says Ethernet."""
    defined = DeviceResource("nvidia.com/sriov_ib", ETHERNET, "virtual", True, ("net/a",), "SriovNetworkNodePolicy/a")
    decision = decide(FabricInputs(), Evidence(cluster({"nvidia.com/sriov_ib": 8}, [defined]))).decision
    assert decision.kind == "roce"


def test_a_resource_without_rdma_is_none() -> None:
    defined = DeviceResource("openshift.io/sriov_dpdk", ETHERNET, "virtual", False)
    judgement = decide(FabricInputs(), Evidence(cluster({"openshift.io/sriov_dpdk": 8}, [defined])))
    assert judgement.decision.kind == "tcp"


def test_infiniband_is_preferred_and_the_others_are_told() -> None:
    resources = {"rdma/roce_gdr": 100, "rdma/ib": 63}
    needs, findings = choose_needs(FabricInputs(), cluster(resources))
    assert needs.resources == {"rdma/ib": 1}
    assert [finding.cause for finding in findings] == ["several_fabric_resources"]


def test_the_count_is_the_pods_part_of_the_poorest_machine() -> None:
    machines = (machine("gpu-1", {"nvidia.com/hostdev": 8}), machine("gpu-2", {"nvidia.com/hostdev": 4}))
    needs, _findings = choose_needs(FabricInputs(gpus_per_pod=4), ClusterEvidence(machines=machines))
    assert needs.resources == {"nvidia.com/hostdev": 2}


def test_what_the_user_states_is_taken_and_checked() -> None:
    inputs = FabricInputs(resources={"rdma/ib": 2}, annotations={"k8s.v1.cni.cncf.io/networks": "a/b"})
    machines = (machine("gpu-1", {"rdma/ib": 63}), machine("gpu-2"))
    judgement = decide(inputs, Evidence(ClusterEvidence(machines=machines)))
    assert judgement.decision.resources == {"rdma/ib": 2}
    assert judgement.decision.annotations == {"k8s.v1.cni.cncf.io/networks": "a/b"}
    assert "fabric_resource_not_everywhere" in {finding.cause for finding in judgement.findings}


# The limits of 7.2 of the facts: less than 1 GiB counts as too little where registration was not tried.
@pytest.mark.parametrize(
    ("memlock", "capabilities", "is_sound"),
    [(None, (), True), (8 * MIB, (), False), (1024 * MIB, (), True), (8 * MIB, ("IPC_LOCK",), True)],
)
def test_locked_memory_counts_where_registration_was_not_tried(
    memlock: int | None, capabilities: tuple[str, ...], is_sound: bool
) -> None:
    uses = (DeviceUse("mlx5_0", is_visible=True, can_open=True),)
    seen = PodEvidence("m", (infiniband("mlx5_0"),), uses, memlock, effective_capabilities=capabilities)
    view = view_pod(seen, {})
    assert bool(view.sound("infiniband")) == is_sound
    assert not view.usable("infiniband")


def test_registered_memory_counts_more_than_the_limit() -> None:
    view = view_pod(PodEvidence("m", (infiniband("mlx5_0"),), used(infiniband("mlx5_0")), 512 * MIB), {})
    assert view.usable("infiniband")


@pytest.mark.parametrize(
    ("gid", "variables", "is_sound"),
    [
        (Gid(3, "::ffff:192.168.10.5", "RoCE v2", "net1"), {}, True),
        (Gid(3, "::ffff:192.168.10.5", "RoCE v2", "ens1f0"), {}, False),
        (Gid(3, "::ffff:192.168.10.5", "IB/RoCE v1", "net1"), {}, False),
        (Gid(3, "fd00::5", "RoCE v2", "net1"), {}, False),
        (Gid(3, "fd00::5", "RoCE v2", "net1"), {"NCCL_IB_ADDR_FAMILY": "AF_INET6"}, True),
        (Gid(3, "no address", "RoCE v2", "net1"), {}, False),
    ],
)
def test_roce_needs_an_address_of_the_pod(gid: Gid, variables: dict[str, str], is_sound: bool) -> None:
    port = dataclasses.replace(roce("mlx5_0"), gids=(gid,))
    own = Interface("net1", ("192.168.10.5", "fd00::5"))
    view = view_pod(PodEvidence("m", (port,), used(port), interfaces=(eth0(), own)), variables)
    assert bool(view.sound("roce")) == is_sound


def test_the_hosts_card_may_have_the_name_of_the_pods_interface() -> None:
    """Where devices are shared, a pod without a network sees the GIDs of its machine."""
    port = roce("mlx5_0", interface="eth0")
    seen = PodEvidence("m", (port,), used(port), interfaces=(eth0(),))
    assert not view_pod(seen, {}).sound("roce")
    unknown = PodEvidence("m", (port,), used(port), interfaces=(Interface("eth0"),))
    assert view_pod(unknown, {}).sound("roce"), "a report had no room for addresses"


def test_a_stated_fabric_without_a_device_in_any_pod_is_told() -> None:
    looked = Evidence(None, pods())
    findings = {finding.cause: finding for finding in decide(FabricInputs(expect="infiniband"), looked).findings}
    assert findings["no_resource_known"].severity == "warning"
    with pytest.raises(GpuopsError) as error:
        decide(FabricInputs(mode="require_rdma", expect="infiniband"), looked)
    assert "no_resource_known" in [finding.cause for finding in error.value.findings]


def test_devices_are_in_the_order_a_person_expects() -> None:
    ports = tuple(infiniband(f"mlx5_{number}") for number in (10, 2, 1))
    decision = decide(FabricInputs(), Evidence(cluster({SHARED: 9}, [SHARED_PLUGIN]), pods(ports))).decision
    assert {v.name: v.value for v in decision.variables}["NCCL_IB_HCA"] == "=mlx5_1:1,mlx5_2:1,mlx5_10:1"


def test_more_devices_than_nccl_reads_make_no_list() -> None:
    ports = [infiniband(f"mlx5_{number}") for number in range(33)]
    decision = decide(FabricInputs(), Evidence(cluster({SHARED: 9}, [SHARED_PLUGIN]), pods(ports))).decision
    assert "NCCL_IB_HCA" not in {variable.name for variable in decision.variables}


def test_a_prefix_tells_functions_from_another_vendor_apart() -> None:
    ports = [infiniband("mlx5_4", is_virtual=True), roce("bnxt_re0")]
    evidence = Evidence(cluster({"rdma/ib": 8}), (pod(1, ports, interfaces=(eth0(), net1())),))
    decision = decide(FabricInputs(), evidence).decision
    assert {v.name: v.value for v in decision.variables}["NCCL_IB_HCA"] == "mlx"


def test_functions_that_no_list_can_tell_apart_are_told() -> None:
    ports = [infiniband("mlx5_4", is_virtual=True), roce("mlx5_0")]
    evidence = Evidence(cluster({"rdma/ib": 8}), (pod(1, ports, interfaces=(eth0(), net1())),))
    judgement = decide(FabricInputs(), evidence)
    assert "NCCL_IB_HCA" not in {variable.name for variable in judgement.decision.variables}
    assert "mixed_link_layers" in {finding.cause for finding in judgement.findings}


def test_one_interface_needs_no_name() -> None:
    assert socket_variables(pods()) == ()


def test_interfaces_that_differ_get_no_name() -> None:
    other = Interface("ens3", ("10.0.0.2",), has_default_route=True)
    seen = (pod(1, interfaces=(eth0(), net1())), pod(2, interfaces=(other, net1())))
    assert socket_variables(seen) == ()
    assert "machines_differ" in {f.cause for f in decide(FabricInputs(), Evidence(cluster(), seen)).findings}


def test_subnets_that_differ_are_told() -> None:
    far = dataclasses.replace(infiniband("mlx5_0"), gids=(Gid(0, "fec0:0000:0000:0001:946d:ae03:00a1:b2c4"),))
    seen = (pod(1, [infiniband("mlx5_0")]), pod(2, [far]))
    judgement = decide(FabricInputs(), Evidence(cluster({"rdma/ib": 63}), seen))
    assert "infiniband_subnets_differ" in {finding.cause for finding in judgement.findings}


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"NCCL_NET": "IB"}, "pinned_without_fabric"),
        ({"GLOO_SOCKET_IFNAME": "eth"}, "socket_interface_absent"),
        ({"NCCL_SOCKET_IFNAME": "^eth"}, "socket_interface_absent"),
    ],
)
def test_values_that_contradict_ethernet(variables: dict[str, str], cause: str) -> None:
    judgement = decide(FabricInputs(variables=variables), Evidence(cluster(), pods()))
    assert cause in {finding.cause for finding in judgement.findings}


def test_a_fabric_that_cannot_be_used_is_rightly_switched_off() -> None:
    hidden = tuple(DeviceUse(port.device, is_visible=False) for port in TWO)
    inputs = FabricInputs(variables={"NCCL_IB_DISABLE": "1"})
    judgement = decide(inputs, Evidence(cluster(), pods(TWO, uses=hidden)))
    assert judgement.decision.kind == "tcp"
    assert "rdma_switched_off" not in {finding.cause for finding in judgement.findings}


def test_what_nccl_does_not_read_as_a_number_switches_nothing_off() -> None:
    evidence = Evidence(cluster({SHARED: 9}, [SHARED_PLUGIN]), pods(TWO, requested_resources={SHARED: 1}))
    assert decide(FabricInputs(variables={"NCCL_IB_DISABLE": "true"}), evidence).decision.kind == "infiniband"


def test_exact_names_of_functions_are_told() -> None:
    port = infiniband("mlx5_4", is_virtual=True)
    inputs = FabricInputs(variables={"NCCL_IB_HCA": "=mlx5_4:1"})
    judgement = decide(inputs, Evidence(cluster({"rdma/ib": 8}), pods([port])))
    assert "nccl_hca_names_vary" in {finding.cause for finding in judgement.findings}


def test_a_gid_index_that_is_not_there_is_told() -> None:
    evidence = Evidence(
        cluster({"rdma/roce_gdr": 8}),
        (pod(1, [roce("mlx5_0")], interfaces=(eth0(), net1()), requested_resources={"rdma/roce_gdr": 1}),),
    )
    causes = {
        index: {f.cause for f in decide(FabricInputs(variables={"NCCL_IB_GID_INDEX": index}), evidence).findings}
        for index in ("3", "5")
    }
    assert "gid_index_absent" not in causes["3"]
    assert "gid_index_absent" in causes["5"]


def test_a_statement_beats_the_api_and_not_the_pods() -> None:
    inputs = FabricInputs(expect="infiniband", resources={"rdma/ours": 1})
    by_api = decide(inputs, Evidence(cluster())).decision
    assert (by_api.kind, by_api.confidence) == ("infiniband", "stated")
    by_pods = decide(inputs, Evidence(cluster(), pods(requested_resources={"rdma/ours": 1}))).decision
    assert (by_pods.kind, by_pods.confidence) == ("unusable", "seen")
    without_asking = decide(inputs, Evidence(cluster(), pods())).decision
    assert (without_asking.kind, without_asking.confidence) == ("infiniband", "stated")


def test_what_pods_report_counts_more_than_an_answer() -> None:
    inputs = FabricInputs(expect="infiniband", resources={"rdma/ours": 1})
    broken = pods(requested_resources={"rdma/ours": 1})
    assert decide(inputs, Evidence(cluster(), broken, confirmed=True)).decision.kind == "unusable"


def test_an_answer_names_no_device_and_is_none_to_what_no_pod_can_try() -> None:
    asked = FabricInputs(expect="roce", resources={"rdma/ours": 1})
    decision = decide(asked, Evidence(confirmed=True)).decision
    assert (decision.kind, decision.confidence) == ("roce", "usable")
    assert "NCCL_IB_HCA" not in {variable.name for variable in decision.variables}
    for stated, confidence in (("efa", "stated"), (None, "unknown")):
        inputs = FabricInputs(expect=stated, resources={"rdma/ours": 1})
        assert decide(inputs, Evidence(confirmed=True)).decision.confidence == confidence


def test_a_statement_is_an_input_and_not_the_whole_decision() -> None:
    """Otherwise every change of a reason's wording would look like the user's change of the workload."""
    decision = decide(FabricInputs(expect="infiniband", resources={"rdma/ib": 1}), Evidence()).decision
    assert decision.confidence == "stated"
    assert decision.asked == dict(decision.inputs)
    by_hand = FabricDecision("infiniband", "stated", {"mode": "auto"})
    assert by_hand.asked == by_hand.as_dict()


def test_what_was_left_out_is_no_input() -> None:
    assert decide(FabricInputs(), Evidence()).decision.inputs == {
        "mode": "auto",
        "pods": 2,
        "gpus_per_pod": 1,
        "uid": 2000,
        "variables": {},
    }


def test_secrets_stay_out_of_the_table() -> None:
    inputs = FabricInputs(variables={"HF_TOKEN": "hf_abcdefgh"})
    judgement = decide(inputs, Evidence())
    assert "hf_abcdefgh" not in "\n".join(judgement.table)


def test_hostile_texts_of_pods_are_harmless_in_the_table() -> None:
    port = RdmaPort("mlx5_0\n\x1b[31m" + "x" * 5000, 1, INFINIBAND, "DOWN\r")
    table = decide(FabricInputs(), Evidence(pods=(PodEvidence("m", (port,)),))).table
    assert all(line.isprintable() and len(line) <= 100 for line in table)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"pods": [{"machine": "m", "memlock": "8 MiB"}]}, "evidence.pods[0].memlock"),
        ({"pods": [{}]}, "evidence.pods[0].machine"),
        ({"pods": "m"}, "evidence.pods"),
        ({"cluster": {"machines": [{"name": "m", "gpus": True}]}}, "evidence.cluster.machines[0].gpus"),
        ({"cluster": {"unseen": ["Node"]}}, "evidence.cluster.unseen"),
        ({"proof": {"network": "IB", "bandwidth": float("inf")}}, "evidence.proof.bandwidth"),
        ({"not_looked": "x" * 5000}, "evidence.not_looked"),
        ([], "evidence"),
    ],
)
def test_damage_is_named(content: Any, where: str) -> None:
    with pytest.raises(GpuopsError) as damaged:
        read_evidence(content)
    assert damaged.value.findings[0].object == where


def test_unknown_keys_of_a_newer_version_are_left_out() -> None:
    assert read_evidence({"pods": [{"machine": "m", "colour": "blue"}], "more": 1}).pods == (PodEvidence("m"),)


def test_the_link_layer_of_an_ordinary_network_card_says_nothing_of_rdma() -> None:
    card = DeviceResource("intel.com/sriov_netdevice", ETHERNET, "virtual", None, ("inference/net",), "Network/net")
    decision = decide(FabricInputs(), Evidence(cluster({"intel.com/sriov_netdevice": 8}, [card]))).decision
    assert decision.kind not in ("roce", "infiniband")
    assert decision.resources == {}


def test_what_pods_saw_earlier_counts_while_the_workload_holds_the_devices() -> None:
    """The user adds a variable to a running workload whose functions no other pod can get."""
    machines = cluster({"rdma/ib": 8})
    before = decide(FabricInputs(), Evidence(machines, pods(TWO, requested_resources={"rdma/ib": 1}))).decision
    values = {variable.name: variable.value for variable in before.variables}
    applied = AppliedFabric(before.kind, before.resources, before.annotations, values)
    wish = FabricInputs(variables={"NCCL_IB_SL": "1"})
    now = {v.name: v.value for v in decide(wish, Evidence(machines, applied=applied)).decision.variables}
    assert now["NCCL_IB_HCA"] == values["NCCL_IB_HCA"].strip()
    assert now["NCCL_IB_SL"] == "1"
    another = dataclasses.replace(applied, kind="roce")
    assert "NCCL_IB_HCA" not in {v.name for v in decide(wish, Evidence(machines, applied=another)).decision.variables}
