# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses every request body that Run:ai's models do not know: unknown fields at any depth, wrong types, missing parts.

runapy's ``from_dict`` drops unknown fields in silence, and accepts Python's spelling of a field; so the keys are
compared one by one with the fields' API names first, and the types are left to the (strict) models after that.
"""

from __future__ import annotations

import inspect
import re
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from gpuops_sandbox.cluster.objects import LONGEST_NAME, is_service_name
from gpuops_sandbox.control_plane import models
from gpuops_sandbox.control_plane.errors import ApiError
from gpuops_sandbox.control_plane.switches import InvalidName, PolicyViolation, Switches, Version

PRIORITY_CLASSES = ("very-low", "low", "medium-low", "medium", "medium-high", "high", "very-high")
ENVIRONMENT_SOURCES = ("value", "secret", "configMap", "podFieldRef", "userCredential")
RESTRICTED = {"authorizedUsers": "authorizedUsers", "authorizedGroups": "authorizedGroups"}

# Fields that appear first in a version (facts, section 7); the last part of the path, wherever it stands.
SINCE = {
    "preemptibility": Version.V2_24,
    "templateId": Version.V2_24,
    "userCredential": Version.V2_24,
}
UPDATES_SINCE = {"imagePullSecrets": Version.V2_24, "preemptibility": Version.V2_24}


def check_distributed_creation(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid create body of a distributed inference, or raise ``ApiError`` (400) naming the field."""
    checked = _check(body, models.DISTRIBUTED_CREATION, SINCE, switches)
    spec = _required(checked, "spec", "")
    leader = _required(spec, "leader", "spec")
    _check_pod(leader, "spec.leader")
    if (spec.get("workers") or 0) > 0:
        _check_pod(_required(spec, "worker", "spec", " when spec.workers is greater than 0"), "spec.worker")
    elif spec.get("worker"):
        _check_pod(spec["worker"], "spec.worker")
    _check_common(checked, spec, switches)
    return checked


def check_inference_creation(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid create body of a single-pod inference, or raise ``ApiError`` (400) naming the field."""
    checked = _check(body, models.INFERENCE_CREATION, SINCE, switches)
    spec = _required(checked, "spec", "")
    _check_pod(spec, "spec")
    port = spec.get("servingPort")
    if port is not None:
        _required(port, "container", "spec.servingPort")
    scaling = spec.get("autoscaling") or {}
    least, most = scaling.get("minReplicas"), scaling.get("maxReplicas")
    if least is not None and most is not None and least > most:
        raise _refusal("spec.autoscaling.minReplicas", "must not be greater than maxReplicas")
    _check_common(checked, spec, switches)
    return checked


def check_training_creation(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid create body of a training, or raise ``ApiError`` (400) naming the field."""
    checked = _check(body, models.TRAINING_CREATION, SINCE, switches)
    spec = _required(checked, "spec", "")
    _check_pod(spec, "spec")
    for field in ("backoffLimit", "autoDeletionTimeAfterCompletionSeconds"):
        if (spec.get(field) or 0) < 0:
            raise _refusal(f"spec.{field}", "must not be negative")
    _check_common(checked, spec, switches)
    return checked


def check_distributed_update(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid update: ``spec.replicas`` and nothing else."""
    checked = _check(body, models.DISTRIBUTED_UPDATE, {}, switches)
    spec = _required(checked, "spec", "")
    _required(spec, "replicas", "spec")
    return checked


def check_inference_update(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid update of the fields that this version lets change."""
    checked = _check(body, models.INFERENCE_UPDATE, UPDATES_SINCE, switches)
    _required(checked, "spec", "")
    return checked


def check_data_source_creation(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid create body of a PVC data source, or raise ``ApiError`` (400) naming the field."""
    checked = _check(body, models.PVC_CREATION, {}, switches)
    meta, spec = _required(checked, "meta", ""), _required(checked, "spec", "")
    if meta["scope"] == "project":
        _required(meta, "projectId", "meta", " for assets of project scope")
    _check_claim(spec, "spec")
    return checked


def check_data_source_update(body: Any, switches: Switches) -> dict[str, Any]:
    """Return a valid update of a PVC data source: name, description and path."""
    return _check(body, models.PVC_UPDATE, {}, switches)


def _check(body: Any, model: type[BaseModel], since: dict[str, Version], switches: Switches) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ApiError(400, "request body has an error: a JSON object is needed")
    _check_keys(body, model, "", since, switches)
    try:
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refusal(_path_of(first["loc"]), str(first["msg"])) from error
    return body


def _check_keys(value: dict[str, Any], model: type[BaseModel], path: str, since: Any, switches: Switches) -> None:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        introduced = since.get(key)
        if key not in fields or (introduced is not None and switches.version.before(introduced)):
            raise ApiError(400, f'request body has an error: property "{where}" is unsupported')
        inner = _model_inside(fields[key].annotation)
        if inner is None:
            continue
        for position, entry in enumerate(item if isinstance(item, list) else [item]):
            if isinstance(entry, dict):
                spot = f"{where}[{position}]" if isinstance(item, list) else where
                _check_keys(entry, inner, spot, since, switches)


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        found = _model_inside(part)
        if found is not None:
            return found
    return None


def _path_of(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".")


def _refusal(path: str, why: str) -> ApiError:
    return ApiError(400, f'request body has an error: property "{path}": {why}')


def _required(holder: dict[str, Any], key: str, path: str, when: str = "") -> Any:
    value = holder.get(key)
    if value is None:
        raise _refusal(f"{path}.{key}" if path else key, f"is required{when}")
    return value


def _check_common(body: dict[str, Any], spec: dict[str, Any], switches: Switches) -> None:
    if switches.invalid_name is InvalidName.REFUSED and not is_service_name(body["name"]):
        raise _refusal("name", f"must be a DNS-1035 label of at most {LONGEST_NAME} characters")
    priority = spec.get("priorityClass")
    if priority is not None and priority not in PRIORITY_CLASSES:
        raise _refusal("spec.priorityClass", f"must be one of {', '.join(PRIORITY_CLASSES)}")
    for pool in spec.get("nodePools") or []:
        if pool != "default":
            raise _refusal("spec.nodePools", f"node pool {pool!r} does not exist in the cluster")
    _check_serving_port(spec.get("servingPort") or {})
    _check_policy(switches)


def _check_serving_port(port: dict[str, Any]) -> None:
    given = [field for field in RESTRICTED if port.get(field)]
    if len(given) > 1:
        raise _refusal("spec.servingPort", "authorizedUsers and authorizedGroups are mutually exclusive")
    needed = RESTRICTED.get(str(port.get("authorizationType")))
    if needed is not None and not port.get(needed):
        raise _refusal(f"spec.servingPort.{needed}", f"is required when authorizationType is {needed}")
    if given and needed != given[0] and port.get("authorizationType") != "authorizedUsersOrGroups":
        raise _refusal(f"spec.servingPort.{given[0]}", f"needs authorizationType {given[0]}")


def _check_policy(switches: Switches) -> None:
    if switches.policy_violation is PolicyViolation.NONE:
        return
    message = "The workload violates the policy of the project"
    detail = "spec.leader.security.runAsUid: value is not allowed by rule options"
    issue = {"field": "security.runAsUid", "details": "value is not one of the options", "rule": "options"}
    with_issues = switches.policy_violation is PolicyViolation.COMPLIANCE_ISSUES
    raise ApiError(400, message, detail, {"complianceIssues": [issue]} if with_issues else None)


def _check_pod(spec: dict[str, Any], path: str) -> None:
    _required(spec, "image", path)
    _check_environment(spec, path)
    _check_storage(spec.get("storage") or {}, f"{path}.storage")
    compute = spec.get("compute") or {}
    if (compute.get("gpuDevicesRequest") or 0) > 1 and compute.get("gpuRequestType") not in (None, "portion"):
        raise _refusal(f"{path}.compute.gpuRequestType", "must be portion when gpuDevicesRequest is greater than 1")
    for position, entry in enumerate(compute.get("extendedResources") or []):
        for key in ("resource", "quantity"):
            _required(entry, key, f"{path}.compute.extendedResources[{position}]")
    for field in ("annotations", "labels"):
        for position, entry in enumerate(spec.get(field) or []):
            _required(entry, "name", f"{path}.{field}[{position}]")
    groups = (spec.get("security") or {}).get("supplementalGroups")
    if groups is not None and not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", groups):
        raise _refusal(f"{path}.security.supplementalGroups", "must be numbers separated by commas")


def _check_environment(spec: dict[str, Any], path: str) -> None:
    for position, entry in enumerate(spec.get("environmentVariables") or []):
        where = f"{path}.environmentVariables[{position}]"
        _required(entry, "name", where)
        sources = [source for source in ENVIRONMENT_SOURCES if entry.get(source) is not None]
        if len(sources) != 1 and not entry.get("exclude"):
            raise _refusal(where, f"exactly one of {', '.join(ENVIRONMENT_SOURCES)} is needed")
        for source in sources[:1]:
            if source != "value":
                for key in ("path",) if source == "podFieldRef" else ("name", "key"):
                    _required(entry[source], key, f"{where}.{source}")


def _check_claim(entry: dict[str, Any], where: str) -> None:
    _required(entry, "path", where)
    if entry.get("existingPvc"):
        _required(entry, "claimName", where, " when existingPvc is true")
        if entry.get("claimInfo"):
            raise _refusal(f"{where}.claimInfo", "must be absent when existingPvc is true")
    else:
        _required(_required(entry, "claimInfo", where, " when existingPvc is false"), "size", f"{where}.claimInfo")


def _check_storage(storage: dict[str, Any], path: str) -> None:
    for position, entry in enumerate(storage.get("pvc") or []):
        where = f"{path}.pvc[{position}]"
        _check_claim(entry, where)
        if entry.get("ephemeral"):
            raise _refusal(f"{where}.ephemeral", "is not supported for inference workloads")
    needed = {
        "emptyDirVolume": ("path",),
        "configMapVolume": ("configMap", "mountPath"),
        "secretVolume": ("secret", "mountPath"),
    }
    for field, keys in needed.items():
        for position, entry in enumerate(storage.get(field) or []):
            for key in keys:
                _required(entry, key, f"{path}.{field}[{position}]")
