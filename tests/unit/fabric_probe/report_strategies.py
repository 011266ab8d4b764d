# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of pods of every content, for properties of what reads them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from sys_trees import IB_GID, ROCE_GID

texts = st.text(max_size=300)
flags = st.booleans() | st.none()
gids = st.fixed_dictionaries(
    {
        "index": st.integers(0, 255),
        "value": st.ip_addresses(v=6).map(lambda address: address.exploded),
        "kind": st.sampled_from(["RoCE v2", "IB/RoCE v1", None]),
        "interface": st.sampled_from(["net1", None]),
    }
)
names = st.sampled_from([f"mlx5_{number}" for number in range(200)])
ports = st.fixed_dictionaries(
    {
        "device": names,
        "port": st.integers(1, 2),
        "link_layer": st.sampled_from(["InfiniBand", "Ethernet"]),
        "state": st.sampled_from(["ACTIVE", "DOWN"]),
        "rate": st.sampled_from([400.0, None]),
        "lid": st.integers(0, 0xFFFF) | st.none(),
        "driver": st.sampled_from(["mlx5_core", None]),
        "is_virtual": st.booleans(),
        "numa_node": st.integers(0, 7) | st.none(),
        "gids": st.lists(gids, max_size=20),
    }
)
uses = st.fixed_dictionaries(
    {"device": names, "is_visible": st.booleans()},
    optional={"can_open": flags, "can_register": flags, "error": texts},
)
interfaces = st.fixed_dictionaries(
    {
        "name": st.text(max_size=15),
        "addresses": st.lists(st.ip_addresses().map(str), max_size=30),
        "has_default_route": st.booleans(),
        "mtu": st.integers(68, 65536) | st.none(),
    }
)
reaches = st.fixed_dictionaries(
    {
        "peer": st.integers(0, 15),
        "port": st.integers(1, 65535),
        "is_reached": st.booleans(),
        "bandwidth": st.none() | st.floats(0, 1000),
        "error": texts,
    }
)
reports = st.fixed_dictionaries(
    {
        "identity": st.just([2000, 2000]),
        "ports": st.lists(ports, max_size=150),
        "uses": st.lists(uses, max_size=150),
        "memlock": st.none() | st.integers(0, 2**63),
        "locked": st.none() | st.integers(0, 2**28),
        "effective": st.just("0000000000004000"),
        "bounding": st.just("00000000a80465fb"),
        "gpudirect": st.just("unknown"),
        "interfaces": st.lists(interfaces, max_size=20),
        "reaches": st.lists(reaches, max_size=60),
        "errors": st.lists(texts, max_size=40),
    }
)

# Two devices that are mostly right: what a single thing in their way changes is met.
_mostly = st.sampled_from([True, True, True, False, None])
_gid = st.fixed_dictionaries(
    {
        "index": st.just(3),
        "value": st.sampled_from([ROCE_GID, ROCE_GID, IB_GID]),
        "kind": st.sampled_from(["RoCE v2", "RoCE v2", "IB/RoCE v1", None]),
        "interface": st.sampled_from(["net1", "net1", None]),
    }
)
_near_port = st.fixed_dictionaries(
    {
        "link_layer": st.sampled_from(["InfiniBand", "Ethernet"]),
        "state": st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "DOWN"]),
        "lid": st.sampled_from([17, 17, 0, None]),
        "gids": st.lists(_gid, min_size=1, max_size=2),
    }
)
_near_use = st.fixed_dictionaries({"is_visible": st.just(True), "can_open": _mostly, "can_register": _mostly})


def _whole_port(number: int, port: dict[str, Any]) -> dict[str, Any]:
    told = {"device": f"mlx5_{number}", "port": 1, "rate": 400.0, "driver": "mlx5_core"}
    return {**told, "is_virtual": False, "numa_node": 0, **port}


def _near_report(
    ports: list[dict[str, Any]], uses: list[dict[str, Any]], memlock: int | None, effective: str, names: list[str]
) -> dict[str, Any]:
    interface = {"addresses": ["192.168.100.1"], "has_default_route": False, "mtu": 9000}
    return {
        "identity": [2000, 2000],
        "ports": [_whole_port(number, port) for number, port in enumerate(ports)],
        "uses": [{"device": f"mlx5_{number}", **use} for number, use in enumerate(uses)],
        "memlock": memlock,
        "locked": 0,
        "effective": effective,
        "bounding": effective,
        "gpudirect": "unknown",
        "interfaces": [{"name": name, **interface} for name in names],
        "reaches": [],
        "errors": [],
    }


near_reports = st.builds(
    _near_report,
    ports=st.lists(_near_port, min_size=1, max_size=2),
    uses=st.lists(_near_use, min_size=1, max_size=2),
    memlock=st.sampled_from([None, 8 << 20]),
    effective=st.sampled_from(["0000000000000000", "0000000000004000"]),
    names=st.sampled_from([["net1"], ["eth0", "net1"], ["eth0"], []]),
)
