# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NCCL's log says of its network. The lines have the form of NVIDIA/nccl 2.30.7 (src/init.cc, src/misc/ibvwrap.cc,
src/transport/net*.cc); no GPU was there to print them."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.all_reduce import telling_lines
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.nccl_log import (
    NcclDevice,
    NcclLog,
    read_nccl_log,
)
from hypothesis import given
from hypothesis import strategies as st

BEFORE = "my-llm-0:71:204 [0] NCCL INFO "
# Whole-device InfiniBand with GPUDirect.
INFINIBAND = f"""
{BEFORE}Bootstrap: Using eth0:10.244.1.7<0>
{BEFORE}NCCL_IB_HCA set to =mlx5_0:1,mlx5_1:1
{BEFORE}NCCL_SOCKET_IFNAME set by environment to =eth0
{BEFORE}NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:10.244.1.7<0>
{BEFORE}Initialized NET plugin IB
{BEFORE}Assigned NET plugin IB to comm
{BEFORE}Using network IB
{BEFORE}Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA
{BEFORE}Channel 01/0 : 0[0] -> 1[0] [send] via NET/IB/1/GDRDMA
{BEFORE}Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA
"""
ROCE_WITHOUT_GPUDIRECT = f"""
{BEFORE}NET/IB : Using [0]mlx5_2:1/RoCE [RO]; OOB eth0:10.244.1.7<0>
{BEFORE}Using network IB
{BEFORE}Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA
{BEFORE}Channel 01/0 : 0[0] -> 1[0] [send] via NET/IB/0
"""
# The silent fall back.
NO_DEVICE = f"""
{BEFORE}NET/IB : No device found.
{BEFORE}NET/Socket : Using [0]eth0:10.244.1.7<0>
{BEFORE}Using network Socket
{BEFORE}Channel 00/0 : 0[0] -> 1[0] [send] via NET/Socket/0
"""
# RDMA that root could use: too little locked memory (facts, section 7).
MEMLOCK = f"""
{BEFORE}NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.244.1.7<0>
{BEFORE}Using network IB
my-llm-0:71:233 [0] misc/ibvwrap.cc:187 NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory
"""
NOT_ROUTED = "my-llm-0:71:233 [0] NCCL WARN Call to ibv_modify_qp failed with 110 Connection timed out, on dev mlx5_2:1"
GIB = f"{BEFORE}Using network gIB\n{BEFORE}Channel 00/0 : 0[0] -> 1[0] [send] via NET/gIB/0"


def test_infiniband() -> None:
    log = read_nccl_log(INFINIBAND)
    assert (log.network, log.channels, log.carried_by) == ("IB", ("IB",), "IB")
    assert log.gpudirect is True
    assert log.devices == (NcclDevice("mlx5_0", 1, "IB"), NcclDevice("mlx5_1", 1, "IB"))
    assert log.interface == "eth0"
    assert log.variables == (("NCCL_IB_HCA", "=mlx5_0:1,mlx5_1:1"), ("NCCL_SOCKET_IFNAME", "=eth0"))
    assert (log.failures, log.no_device, log.memory_refused) == ((), False, False)


def test_roce_of_which_not_all_reaches_the_gpu() -> None:
    log = read_nccl_log(ROCE_WITHOUT_GPUDIRECT)
    assert (log.carried_by, log.gpudirect) == ("IB", False)
    assert log.devices == (NcclDevice("mlx5_2", 1, "RoCE"),)


def test_silent_fall_back_to_sockets() -> None:
    log = read_nccl_log(NO_DEVICE)
    assert (log.network, log.carried_by, log.no_device, log.gpudirect) == ("Socket", "Socket", True, None)


def test_memory_that_may_not_be_locked() -> None:
    log = read_nccl_log(MEMLOCK)
    assert (log.memory_refused, len(log.failures)) == (True, 1)


def test_a_fabric_that_does_not_route() -> None:
    log = read_nccl_log(NOT_ROUTED)
    assert (log.memory_refused, log.failures) == (False, (NOT_ROUTED,))


def test_a_plugin_has_its_own_name() -> None:
    assert read_nccl_log(GIB).carried_by == "gIB"


def test_channels_say_more_than_the_choice() -> None:
    log = read_nccl_log(f"{BEFORE}Using network IB\n{BEFORE}Channel 00/0 : 0[0] -> 1[0] [send] via NET/Socket/0")
    assert log.carried_by == "Socket"


def test_of_several_ways_none_is_the_one() -> None:
    log = read_nccl_log(INFINIBAND + NO_DEVICE)
    assert (log.channels, log.carried_by) == (("IB", "Socket"), "Socket")


@pytest.mark.parametrize("text", ["", "INFO 11-26 vLLM is using nccl==2.30.7", f"{BEFORE}via P2P/CUMEM"])
def test_no_word_of_a_network(text: str) -> None:
    assert read_nccl_log(text) == NcclLog()


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read_nccl_log(text)


@given(st.lists(st.sampled_from((INFINIBAND + NO_DEVICE + MEMLOCK).splitlines()), max_size=20))
def test_what_travels_in_a_report_says_the_same(lines: list[str]) -> None:
    whole, short = read_nccl_log("\n".join(lines)), read_nccl_log("\n".join(telling_lines("\n".join(lines))))
    assert (whole.channels, whole.no_device) == (short.channels, short.no_device)
    assert (whole.memory_refused, whole.devices, whole.variables) == (
        short.memory_refused,
        short.devices,
        short.variables,
    )


def test_a_plugins_name_may_have_spaces() -> None:
    log = read_nccl_log(
        "gpu-1:17:33 [0] NCCL INFO Using network AWS Libfabric\n"
        "gpu-1:17:33 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/AWS Libfabric/0/GDRDMA\n"
    )
    assert (log.network, log.channels, log.carried_by) == ("AWS Libfabric", ("AWS Libfabric",), "AWS Libfabric")
