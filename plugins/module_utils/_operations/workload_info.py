# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``vllm_workload_info``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_markers import read_markers
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import differences, readable
from ansible_collections.gpuops.inference.plugins.module_utils._operations.gpu_figures import (
    read_gpus,
    unseen_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import running_pods, said
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LiveWorkload,
    Platform,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten, is_below

# The last lines of a log that are read: a start of vLLM writes some hundred.
_LOG_LINES = 2000
# Events shown: enough for a start with some restarts, few enough to read.
_EVENTS_SHOWN = 20


def read_workload_info(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Look at one workload and return the module's result."""
    search = _compile(params["query"])
    platform = make_platform(read_connection(params), host)
    live = platform.find(params["name"])
    workloads: list[dict[str, Any]] = []
    findings: list[Finding] = []
    if live is not None:
        status = platform.status(live)
        findings += status.unseen
        workloads.append(_describe(platform, live, status, params["logs"]))
        if params["gpus"]:
            figures = read_gpus(platform, host, live, running_pods(status))
            workloads[0]["gpus"] = [row for figure in figures for row in figure.rows()]
            findings += unseen_findings(figures, live.name)
    result: dict[str, Any] = {
        "changed": False,
        "target": platform.target().sentence(),
        "workloads": workloads,
        "findings": [finding.as_dict() for finding in findings],
    }
    if search is not None:
        result["query_result"] = _search(search, params["query"], workloads)
    return result


def _compile(query: str | None) -> Any:
    """Return the compiled JMESPath expression, or ``None`` without one; checked before any request is sent."""
    if query is None:
        return None
    try:
        import jmespath
    except ImportError as missing:
        raise OptionError.of(
            "query", "the Python package jmespath is not there.", "Install it, or leave query away.", "missing_package"
        ) from missing
    try:
        return jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as error:
        text = " ".join(str(error).split())
        raise OptionError.of("query", f"{query!r} is no JMESPath expression: {text}.", "See jmespath.org.") from error


def _search(compiled: Any, query: str, workloads: list[dict[str, Any]]) -> Any:
    """Return what the expression finds; an expression that does not fit the data is the user's."""
    import jmespath

    try:
        return compiled.search(workloads)
    except jmespath.exceptions.JMESPathError as error:
        text = " ".join(str(error).split())
        raise OptionError.of("query", f"{query!r} does not fit the result: {text}.", "See jmespath.org.") from error


def _describe(platform: Platform, live: LiveWorkload, status: WorkloadStatus, with_logs: bool) -> dict[str, Any]:
    """Return what is known of a workload."""
    endpoint = status.endpoint or live.endpoint
    return {
        "name": live.name,
        "kind": live.kind,
        "managed": live.managed,
        "phase": status.phase,
        "messages": said(status),
        "replicas": live.replicas,
        "endpoint": {"url": endpoint.url, "external": endpoint.external} if endpoint is not None else None,
        "pods": [_pod(platform, live, pod, with_logs) for pod in status.pods],
        "events": [
            {
                "time": event.time,
                "kind": event.kind,
                "reason": event.reason,
                "message": event.message,
                "object": event.object,
            }
            for event in sorted(status.events, key=lambda event: event.time.rstrip("Z"))[-_EVENTS_SHOWN:]
        ],
        "drift": _drift(platform, live),
        "applied_by": live.record.collection_version if live.record is not None else "",
    }


def _pod(platform: Platform, live: LiveWorkload, pod: PodStatus, with_logs: bool) -> dict[str, Any]:
    """Return what is known of a pod; of a leader, if asked for, its log and how far its start has got by that."""
    known = {**pod.as_dict(), "address": pod.address}
    if not with_logs or pod.role != "leader":
        return known
    text = platform.log(live, pod, _LOG_LINES)
    return {**known, "log": text, "markers": [marker.as_dict() for marker in read_markers(text or "")]}


def _drift(platform: Platform, live: LiveWorkload) -> list[dict[str, Any]]:
    """Return what is live otherwise than it was applied; nothing is known of a workload without a record."""
    if live.record is None:
        return []
    recorded = flatten(live.record.body)
    applied = {path: leaf for path, leaf in recorded.items() if not is_below(path, live.replica_paths)}
    present = flatten(platform.comparable(live.body))
    found = differences(applied, {path: present.get(path) for path in applied}, "drift")
    visible = flatten(platform.shown(live.body))
    found = list(readable(found, {}, visible))
    return [{"path": change.path, "applied": change.before, "live": change.after} for change in found]
