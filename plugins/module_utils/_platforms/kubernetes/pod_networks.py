# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The networks that pods can be given beside their own, and the devices that go with them. Pure.

Sources: Mellanox/network-operator (api/v1alpha1, manifests); network-attachment-definition-client, sriov-cni and
ib-sriov-cni of k8snetworkplumbingwg; containernetworking/plugins.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    DeviceResource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import WHOLE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.device_plugins import (
    VIRTUAL,
    Statement,
    name_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

Object = Mapping[str, Any]

RESOURCE_ANNOTATION = "k8s.v1.cni.cncf.io/resourceName"
# What the network operator means where it is not told a namespace, and where it puts a name without a prefix.
_NAMESPACE = "default"
_PREFIX = "nvidia.com"
# What a network plugin tells of the device: its link layer, and whose it is.
_PLUGINS: Mapping[str, tuple[str | None, str | None]] = {
    "ib-sriov": (INFINIBAND, VIRTUAL),
    "sriov": (ETHERNET, VIRTUAL),
    "host-device": (None, WHOLE),
    "ipoib": (INFINIBAND, None),
    "macvlan": (ETHERNET, None),
    "ipvlan": (None, None),
}
_LAYER_OF_KIND = {"MacvlanNetwork": ETHERNET, "IPoIBNetwork": INFINIBAND}


def place_of(definition: Object) -> str:
    """Return a NetworkAttachmentDefinition as ``namespace/name``."""
    return f"{mapping(definition.get('metadata')).get('namespace') or _NAMESPACE}/{name_of(definition)}"


def resource_of(definition: Object) -> str:
    """Return the resource that goes with a NetworkAttachmentDefinition; empty where it names none."""
    annotations = mapping(mapping(definition.get("metadata")).get("annotations"))
    return str(annotations.get(RESOURCE_ANNOTATION) or "")


def of_definition(definition: Object, devices: Iterable[Statement]) -> Iterator[Statement]:
    """Yield what a NetworkAttachmentDefinition says of resources.

    Where it names none, its interface on the machine may be one whose device a shared plugin gives out (``devices``).
    """
    plugin, master = _plugin_of(definition)
    layer, sharing = _PLUGINS.get(plugin, (None, None))
    place = place_of(definition)
    source, resource = f"NetworkAttachmentDefinition/{place}", resource_of(definition)
    if resource:
        yield Statement(DeviceResource(resource, layer, sharing, networks=(place,), source=source))
    else:
        yield from _on_interface(master, layer, place, source, devices)


def of_host_device_network(network: Object) -> Iterator[Statement]:
    """Yield the resource of a HostDeviceNetwork: devices that move into the pod."""
    name = str(mapping(network.get("spec")).get("resourceName") or "")
    if name:
        resource = name if "/" in name else f"{_PREFIX}/{name}"
        source = f"HostDeviceNetwork/{name_of(network)}"
        yield Statement(DeviceResource(resource, None, WHOLE, networks=(made_by(network),), source=source))


def of_shared_network(network: Object, devices: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the resources of a MacvlanNetwork or IPoIBNetwork: those whose devices its interface on the machine has."""
    kind = str(network.get("kind"))
    master = str(mapping(network.get("spec")).get("master") or "")
    source = f"{kind}/{name_of(network)}"
    yield from _on_interface(master, _LAYER_OF_KIND[kind], made_by(network), source, devices)


def made_by(network: Object) -> str:
    """Return the NetworkAttachmentDefinition that the network operator makes of one of its networks."""
    return f"{mapping(network.get('spec')).get('networkNamespace') or _NAMESPACE}/{name_of(network)}"


def in_order(places: Iterable[str], namespace: str) -> tuple[str, ...]:
    """Return networks each once: those of the namespace first, then those of the default one."""
    ranks = {namespace: 0, _NAMESPACE: 1}
    return tuple(sorted(set(places), key=lambda place: (ranks.get(place.partition("/")[0], 2), place)))


def _on_interface(
    master: str, layer: str | None, place: str, source: str, devices: Iterable[Statement]
) -> Iterator[Statement]:
    for one in devices:
        if master and master in one.interfaces:
            yield Statement(DeviceResource(one.device.resource, layer, networks=(place,), source=source))


def _plugin_of(definition: Object) -> tuple[str, str]:
    """Return the plugin of a network, and its interface on the machine."""
    config = mapping(definition.get("spec")).get("config")
    try:
        content = mapping(json.loads(str(config))) if config else {}
    except ValueError:
        content = {}
    plugins: Sequence[Object] = mappings(content.get("plugins")) or [content]
    first = next((one for one in plugins if str(one.get("type")) in _PLUGINS), plugins[0])
    return str(first.get("type") or ""), str(first.get("master") or "")
