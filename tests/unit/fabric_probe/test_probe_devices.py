# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probe reads of a machine's devices, on trees that stand for the fabrics that there are."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    DeviceUse,
    Gid,
    PodEvidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import pod_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_memory import capability_names
from probe_runs import need_root, probed, probed_as_serving_user
from sys_trees import IB_GID, ROCE_GID, Device, Port, Tree, roce_functions, whole_infiniband

MACHINES = {0: "gpu-1"}


def task_on(tree: Tree, **options: Any) -> ProbeTask:
    """Return a look at a tree, which tries little memory and no library."""
    return dataclasses.replace(ProbeTask(str(tree.root), library="libno-such.so", memory=1 << 20), **options)


def seen(tree: Tree) -> PodEvidence:
    return pod_evidence(probed(task_on(tree)), "gpu-1", MACHINES, {})


@pytest.fixture
def root_tree(tree: Tree) -> Tree:
    """A tree into which character devices can be put."""
    need_root()
    return tree


def test_whole_devices_of_infiniband(root_tree: Tree) -> None:
    whole_infiniband(root_tree, 2)
    evidence = seen(root_tree)
    gid = Gid(0, IB_GID, "IB/RoCE v1", None)
    first = RdmaPort("mlx5_0", 1, "InfiniBand", "ACTIVE", 400.0, 17, (gid,), "mlx5_core", False, 0)
    assert [dataclasses.replace(port, gids=()) for port in evidence.ports] == [
        dataclasses.replace(first, gids=()),
        dataclasses.replace(first, device="mlx5_1", lid=18, gids=()),
    ]
    [found] = evidence.ports[0].gids
    assert (found.index, found.value, found.kind) == (0, IB_GID, "IB/RoCE v1")
    assert [(use.device, use.is_visible, use.can_open) for use in evidence.uses] == [
        ("mlx5_0", True, True),
        ("mlx5_1", True, True),
    ]
    assert evidence.gpudirect == "nvidia_peermem"


def test_virtual_functions_of_roce(root_tree: Tree) -> None:
    roce_functions(root_tree)
    evidence = seen(root_tree)
    assert [(port.device, port.link_layer, port.is_virtual) for port in evidence.ports] == [
        ("mlx5_2", "Ethernet", True),
        ("mlx5_3", "Ethernet", True),
    ]
    usual = evidence.ports[0].gids[0]
    assert usual == Gid(3, ROCE_GID, "RoCE v2", "net1"), "the one that RoCE v2 over IPv4 uses comes first"
    assert evidence.gpudirect == "unknown"


def test_no_hardware(tree: Tree) -> None:
    evidence = seen(tree)
    assert (evidence.ports, evidence.uses, evidence.reaches) == ((), (), ())


def test_sysfs_yes_and_dev_no(tree: Tree) -> None:
    """Shared network namespace mode of RDMA: every pod sees the devices, also without asking for one.

    Mellanox/k8s-rdma-shared-dev-plugin#93.
    """
    tree.add(Device("mlx5_0"))
    assert seen(tree).uses == (DeviceUse("mlx5_0", False),)


def test_a_device_that_the_kernel_does_not_show_here(root_tree: Tree) -> None:
    """Exclusive mode: the character device is there, the device belongs to another network namespace."""
    root_tree.add(Device("mlx5_0"))
    root_tree.give("mlx5_0")
    (root_tree.root / "sys/class/infiniband/mlx5_0").unlink()
    (root_tree.root / "sys/class/infiniband_verbs/uverbs0/ibdev").unlink()
    evidence = seen(root_tree)
    assert evidence.ports == ()
    assert [(use.device, use.is_visible, use.can_open) for use in evidence.uses] == [("uverbs0", True, True)]


def test_lid_0_is_told_apart_from_none(tree: Tree) -> None:
    """No subnet manager has configured the port."""
    tree.add(Device("mlx5_0", (Port(state="2: INIT", lid="0x0"), Port(lid=""))))
    ports = seen(tree).ports
    assert [(port.state, port.lid) for port in ports] == [("INIT", 0), ("ACTIVE", None)]


def test_bonded_devices_keep_their_name(tree: Tree) -> None:
    tree.add(Device("mlx5_bond_0", (Port("Ethernet", lid="0x0"),)))
    assert [(port.device, port.link_layer) for port in seen(tree).ports] == [("mlx5_bond_0", "Ethernet")]


def test_efa_says_its_driver(tree: Tree) -> None:
    tree.add(Device("rdmap0s6", (Port("Unspecified", rate="100 Gb/sec (4X EDR)"),), driver="efa"))
    [port] = seen(tree).ports
    assert (port.driver, port.link_layer, port.rate) == ("efa", "Unspecified", 100.0)


def test_what_the_kernel_does_not_tell_is_unknown(tree: Tree) -> None:
    """A device that is going away answers no reads."""
    tree.add(Device("mlx5_0", (Port(rate="", state=""),), numa_node=-1))
    [port] = seen(tree).ports
    assert (port.rate, port.state, port.numa_node) == (None, "", None)


def test_old_module_for_gpudirect(tree: Tree) -> None:
    tree.write("sys/kernel/mm/memory_peers/nv_mem/version", "1.1")
    assert seen(tree).gpudirect == "nv_peer_mem"


def test_a_device_that_the_serving_user_may_not_open(root_tree: Tree) -> None:
    whole_infiniband(root_tree, 2)
    (root_tree.root / "dev/infiniband/uverbs1").chmod(0o600)
    uses = pod_evidence(probed_as_serving_user(task_on(root_tree)), "gpu-1", MACHINES, {}).uses
    assert [use.can_open for use in uses] == [True, False]
    assert uses[1].can_register is None
    assert uses[1].error == "open /dev/infiniband/uverbs1: Permission denied (errno 13)"


def test_capabilities_are_named(tree: Tree) -> None:
    tree.status("0000000000004000", "00000000a80465fb")
    evidence = seen(tree)
    assert evidence.effective_capabilities == ("IPC_LOCK",)
    # What containerd gives a container of root by default, with IPC_LOCK added.
    assert "NET_RAW" in evidence.bounding_capabilities and "IPC_LOCK" in evidence.bounding_capabilities
    assert "SYS_ADMIN" not in evidence.bounding_capabilities


def test_every_capability_has_its_name() -> None:
    """As many as Linux has had since 5.9."""
    names = capability_names("000001ffffffffff")
    assert len(names) == len(set(names)) == 41
    assert (names[0], names[14], names[24], names[40]) == ("CHOWN", "IPC_LOCK", "SYS_RESOURCE", "CHECKPOINT_RESTORE")
    assert len(capability_names("ffffffffffffffff")) == 41, "what a newer kernel adds has no name here"


def test_routes_and_interfaces(tree: Tree) -> None:
    tree.write("sys/class/net/eth0/mtu", "1450")
    tree.write("sys/class/net/net1/mtu", "9000")
    tree.write("sys/class/net/lo/mtu", "65536")
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    own = "eth0\t0000F40A\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0"
    tree.write("proc/net/route", f"{head}\neth0\t00000000\t0100F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n{own}")
    nowhere = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo"
    tree.write("proc/net/ipv6_route", nowhere)
    found = {interface.name: interface for interface in seen(tree).interfaces}
    assert "lo" not in found
    assert (found["eth0"].mtu, found["eth0"].has_default_route) == (1450, True)
    assert (found["net1"].mtu, found["net1"].has_default_route) == (9000, False)


def test_own_addresses_are_those_of_this_machine(tree: Tree) -> None:
    """Of the real network namespace, as the kernel lists them."""
    report = probed(task_on(tree, root="/"))
    names = [name for name, *_rest in report["interfaces"]]
    assert set(names) <= set(os.listdir("/sys/class/net"))
