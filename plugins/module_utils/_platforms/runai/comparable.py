# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Bodies in the form in which they are compared, recorded and shown. Pure.

The API may return fields that were not sent (policies, server defaults, nulls) and leave out fields that were sent with
their default. So nulls and empty values are removed, the defaults of the fields that we render are filled in, and clear
environment values are hashed. Fields that only the server has stay: whoever compares asks for the paths that are wanted
or were applied, and so never sees them as drift.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    hash_environment,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    is_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import looks_secret

# What a missing field means (runapy 1.224: defaults of the models; facts 4.1).
_DISTRIBUTED_DEFAULTS = {
    "workers": 0,
    "replicas": 1,
    "restartPolicy": "RecreateGroupOnPodRestart",
    "startupPolicy": "LeaderCreated",
}
_DISTRIBUTED_PORT_DEFAULTS = {"protocol": "http", "authorizationType": "public", "exposeExternally": True}
_INFERENCE_PORT_DEFAULTS = {"protocol": "http", "authorizationType": "public", "clusterLocalAccessOnly": False}
_CLAIM_DEFAULTS = {"existingPvc": False, "readOnly": False}
_PODS = ("leader", "worker")
_MEMBERS = ("authorizedUsers", "authorizedGroups")


def comparable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rendered, recorded or live body as it is compared. Doing it twice changes nothing."""
    return hash_environment(_with_defaults(body))


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as people may see it: only environment values whose name looks secret are hashed."""
    return hash_environment(_with_defaults(body), looks_secret)


def _with_defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    spec = normalised(body).get("spec")
    if not isinstance(spec, dict):
        return {}
    if isinstance(spec.get("leader"), dict):
        spec = {**_DISTRIBUTED_DEFAULTS, **spec}
        ports = _DISTRIBUTED_PORT_DEFAULTS
        for role in _PODS:
            if isinstance(spec.get(role), dict):
                spec[role] = _pod_with_defaults(spec[role])
    else:
        spec, ports = _pod_with_defaults(spec), _INFERENCE_PORT_DEFAULTS
    if isinstance(spec.get("servingPort"), dict):
        spec["servingPort"] = {**ports, **_without_order(spec["servingPort"])}
    return {"spec": spec}


def _without_order(port: Mapping[str, Any]) -> dict[str, Any]:
    """Return a port whose users and groups are sorted: the API may give them back in any order."""
    return {
        name: sorted(value, key=str) if name in _MEMBERS and isinstance(value, list) else value
        for name, value in port.items()
    }


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without nulls, empty lists and objects, and the record of what was applied."""
    cleaned = _cleaned("", body)
    return cleaned if isinstance(cleaned, dict) else {}


def _pod_with_defaults(pod: dict[str, Any]) -> dict[str, Any]:
    storage = pod.get("storage")
    if not isinstance(storage, dict) or not isinstance(storage.get("pvc"), list):
        return pod
    claims = [{**_CLAIM_DEFAULTS, **claim} if isinstance(claim, dict) else claim for claim in storage["pvc"]]
    return {**pod, "storage": {**storage, "pvc": claims}}


def _cleaned(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: _cleaned(name, item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None and item not in ([], {})}
    if isinstance(value, (list, tuple)):
        entries = [
            _cleaned("", item)
            for item in value
            if not (key in ("annotations", "environmentVariables") and is_record(item))
        ]
        return [entry for entry in entries if entry is not None and entry != {}]
    return value
