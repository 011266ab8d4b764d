# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the configuration of device plugins and of the SR-IOV operator says of extended resources. Pure.

Sources: Mellanox/network-operator (api/v1alpha1), Mellanox/k8s-rdma-shared-dev-plugin (README),
k8snetworkplumbingwg/sriov-network-device-plugin (README) and k8snetworkplumbingwg/sriov-network-operator (api/v1).

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    DeviceResource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import (
    SHARED,
    VIRTUAL,
    WHOLE,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

Object = Mapping[str, Any]

# What the device plugins put in front of a resource's name if they are not told otherwise.
_PREFIX_OF_SHARED = "rdma"
_PREFIX_OF_SRIOV = "intel.com"
# The SR-IOV operator's own, on OpenShift and in its chart.
_PREFIX_OF_OPERATOR = "openshift.io"
# Link types as the device plugins and the SR-IOV operator write them.
_LAYERS = {"ether": ETHERNET, "eth": ETHERNET, "infiniband": INFINIBAND, "ib": INFINIBAND}
# systemd's names of interfaces begin with their kind (systemd.net-naming-scheme), the kernel's own with eth and ib.
_LAYER_OF_NAME = ((re.compile(r"ib(s|p|o|P|x|\d)"), INFINIBAND), (re.compile(r"(en[spoPx]|eth\d)"), ETHERNET))
# Device IDs of virtual functions (Linux, mlx5 and mlx4: the drivers' PCI tables).
_VIRTUAL_IDS = frozenset(("1004", "1012", "1014", "1016", "1018", "101a", "101c", "101e", "a2d3"))


@dataclass(frozen=True)
class Statement:
    """What one object says of a resource; ``interfaces`` are the machines' interfaces whose devices it brings."""

    device: DeviceResource
    interfaces: tuple[str, ...] = ()


def name_of(found: Object) -> str:
    """Return an object's name."""
    return str(mapping(found.get("metadata")).get("name") or "")


def of_policy(policy: Object) -> Iterator[Statement]:
    """Yield what a NicClusterPolicy or NicNodePolicy makes of devices. Raises ``ValueError`` where a plugin's
    configuration cannot be read."""
    spec, source = mapping(policy.get("spec")), f"{policy.get('kind')}/{name_of(policy)}"
    for entry in _entries(spec, "rdmaSharedDevicePlugin", "configList"):
        selectors = mapping(entry.get("selectors"))
        interfaces = (*_texts(selectors.get("ifNames")), *_texts(entry.get("devices")))
        layer = _layer_of_types(_texts(selectors.get("linkTypes"))) or layer_of_interfaces(interfaces)
        name = _full_name(entry, _PREFIX_OF_SHARED)
        yield Statement(DeviceResource(name, layer, SHARED, True, source=source), interfaces)
    for entry in _entries(spec, "sriovDevicePlugin", "resourceList"):
        selectors_given = entry.get("selectors")
        # Newer versions take a list: devices that any of its entries selects.
        every = mappings(selectors_given) or [mapping(selectors_given)]
        interfaces = tuple(name for one in every for name in _texts(one.get("pfNames")))
        types = [kind for one in every for kind in _texts(one.get("linkTypes"))]
        yield Statement(
            DeviceResource(
                _full_name(entry, _PREFIX_OF_SRIOV),
                _layer_of_types(types) or layer_of_interfaces(interfaces),
                _sharing_of_ids([text for one in every for text in _texts(one.get("devices"))]),
                any(one.get("isRdma") is True for one in every),
                source=source,
            ),
            interfaces,
        )


def of_sriov_policy(policy: Object, known: Iterable[str], layers: Mapping[str, str]) -> Iterator[Statement]:
    """Yield what a SriovNetworkNodePolicy makes of devices.

    It says only the second half of the resource's name: ``known`` are whole names that were seen elsewhere.
    ``layers`` are the link layers that the machines themselves report, by that second half.
    """
    spec = mapping(policy.get("spec"))
    short = str(spec.get("resourceName") or "")
    if not short:
        return
    interfaces = _texts(mapping(spec.get("nicSelector")).get("pfNames"))
    # Where a policy is silent it means Ethernet.
    layer = _layer_of_types([str(spec.get("linkType") or "")]) or layers.get(short, ETHERNET)
    is_rdma = spec.get("isRdma") is True and spec.get("deviceType") != "vfio-pci"
    source = f"SriovNetworkNodePolicy/{name_of(policy)}"
    names = sorted({name for name in known if name.endswith(f"/{short}")}) or [f"{_PREFIX_OF_OPERATOR}/{short}"]
    for name in names:
        yield Statement(DeviceResource(name, layer, VIRTUAL, is_rdma, source=source), interfaces)


def layers_on_machines(states: Iterable[Object]) -> dict[str, str]:
    """Return the link layers of resources as SriovNetworkNodeStates have them, where all interfaces have the same."""
    found: dict[str, set[str | None]] = {}
    for state in states:
        interfaces = mappings(mapping(state.get("status")).get("interfaces"))
        layers = {str(one.get("pciAddress")): _layer_of_types([str(one.get("linkType") or "")]) for one in interfaces}
        for wanted in mappings(mapping(state.get("spec")).get("interfaces")):
            layer = layers.get(str(wanted.get("pciAddress")))
            for group in mappings(wanted.get("vfGroups")):
                found.setdefault(str(group.get("resourceName") or ""), set()).add(layer)
    single = {name: next(iter(layers)) for name, layers in found.items() if name and len(layers) == 1}
    return {name: layer for name, layer in single.items() if layer is not None}


def layer_of_interfaces(names: Iterable[str]) -> str | None:
    """Return the link layer that the names of interfaces tell, where all tell the same."""
    layers = {next((layer for form, layer in _LAYER_OF_NAME if form.match(name)), None) for name in names}
    return layers.pop() if len(layers) == 1 else None


def _entries(spec: Object, plugin: str, key: str) -> Sequence[Object]:
    """Return the resources of a plugin's configuration, which is JSON in a text."""
    config = mapping(spec.get(plugin)).get("config")
    if not config:
        return ()
    try:
        content = json.loads(str(config))
    except ValueError as error:
        raise ValueError(f"{plugin}.config is no JSON: {error}") from error
    return [entry for entry in mappings(mapping(content).get(key)) if entry.get("resourceName")]


def _full_name(entry: Object, prefix: str) -> str:
    return f"{entry.get('resourcePrefix') or prefix}/{entry['resourceName']}"


def _layer_of_types(types: Iterable[str]) -> str | None:
    layers = {_LAYERS.get(kind.lower()) for kind in types}
    return layers.pop() if len(layers) == 1 else None


def _sharing_of_ids(ids: Sequence[str]) -> str | None:
    """Return whether device IDs select functions or whole devices; unknown without any, or with both."""
    kinds = {VIRTUAL if text.lower().removeprefix("0x") in _VIRTUAL_IDS else WHOLE for text in ids}
    return kinds.pop() if len(kinds) == 1 else None


def _texts(values: Any) -> tuple[str, ...]:
    """Return the texts of a list; a name of an interface may have a range of functions behind it (ens1f0#0-3)."""
    return tuple(str(value).partition("#")[0] for value in values) if isinstance(values, (list, tuple)) else ()
