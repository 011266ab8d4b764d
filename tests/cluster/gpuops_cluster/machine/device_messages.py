# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the kubelet's device plugin API, version v1beta1: built from a table instead of generated code.

Source: k8s.io/kubelet, pkg/apis/deviceplugin/v1beta1/api.proto. Only the fields used here;
protobuf passes over others.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "v1beta1"
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {"string": _FIELD.TYPE_STRING, "bool": _FIELD.TYPE_BOOL}
# Message -> its fields as (name, number, type, repeated); a type that is no basic one is a message.
_MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Empty": (),
    "DevicePluginOptions": (),
    "RegisterRequest": (
        ("version", 1, "string", False),
        ("endpoint", 2, "string", False),
        ("resource_name", 3, "string", False),
    ),
    "Device": (("ID", 1, "string", False), ("health", 2, "string", False)),
    "ListAndWatchResponse": (("devices", 1, "Device", True),),
    "ContainerAllocateRequest": (("devices_ids", 1, "string", True),),
    "AllocateRequest": (("container_requests", 1, "ContainerAllocateRequest", True),),
    "Mount": (
        ("container_path", 1, "string", False),
        ("host_path", 2, "string", False),
        ("read_only", 3, "bool", False),
    ),
    # A map of strings is, on the wire, a list of such entries.
    "Variable": (("key", 1, "string", False), ("value", 2, "string", False)),
    "ContainerAllocateResponse": (("envs", 1, "Variable", True), ("mounts", 2, "Mount", True)),
    "AllocateResponse": (("container_responses", 1, "ContainerAllocateResponse", True),),
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="gpuops_device_plugin.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _classes()


def message(name: str, **fields: Any) -> Any:
    """Return a message of the API with these fields."""
    return _CLASSES[name](**fields)


def reader(name: str) -> Any:
    """Return the function that makes a message of bytes."""
    return _CLASSES[name].FromString
