# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``vllm_workload``: options in, result out.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.outcome import Outcome
from ansible_collections.gpuops.inference.plugins.module_utils._operations.reconcile import Reconciler
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import (
    WorkloadOptions,
    read_options,
    read_workload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Platform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import most_severe_first
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan


def apply_workload(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Bring a workload into the wanted state and return the module's result."""
    options = read_options(params)
    platform = make_platform(read_connection(params), host)
    reconciler = Reconciler(platform, host, options)
    try:
        _reach(reconciler, params, options)
    except GpuopsError as error:
        error.findings += [finding for finding in reconciler.outcome.findings if finding not in error.findings]
        error.result = {**_result(params["name"], platform, reconciler.outcome), **error.result}
        raise
    finally:
        platform.close()
    return _result(params["name"], platform, reconciler.outcome)


def _reach(reconciler: Reconciler, params: dict[str, Any], options: WorkloadOptions) -> None:
    """Call the reconciler for the wanted state."""
    if options.state == "absent":
        reconciler.absent(params["name"])
    elif options.state == "stopped":
        reconciler.stopped(params["name"])
    else:
        reconciler.present(read_workload(params))


def _result(name: str, platform: Platform, outcome: Outcome) -> dict[str, Any]:
    """Return the outcome in the words of the module's RETURN documentation."""
    target = platform.target().sentence()
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "target": target,
        "workload": _workload(name, outcome),
        "changes": [change.as_dict() for change in outcome.changes],
        "disruption": outcome.disruption,
        "findings": [finding.as_dict() for finding in most_severe_first(outcome.findings)],
        "timings": outcome.timings,
    }
    if outcome.plan is not None:
        result["plan"] = _plan(target, outcome.plan)
        result["plan"]["plan_hash"] = outcome.plan_hash
        result["plan"]["kept"] = outcome.kept
    if outcome.changed:
        result["diff"] = _diff(name, target, outcome)
    return result


def _workload(name: str, outcome: Outcome) -> dict[str, Any]:
    """Return the workload as it is now, as far as it was looked at."""
    live, status = outcome.live, outcome.status
    endpoint = status.endpoint if status is not None else live.endpoint if live is not None else None
    return {
        "name": name,
        "phase": live.phase if live is not None else "absent",
        "replicas": live.replicas if live is not None else None,
        "endpoint": {"url": endpoint.url, "external": endpoint.external} if endpoint is not None else None,
        "pods": [pod.as_dict() for pod in (status.pods if status is not None else ())],
    }


def _plan(target: str, plan: Plan) -> dict[str, Any]:
    """Return what was decided, with the reasons."""
    return {
        "target": target,
        "topology": {
            "pods": plan.topology.pods,
            "gpus_per_pod": plan.topology.gpus_per_pod,
            "tensor_parallel_size": plan.topology.tensor_parallel_size,
            "pipeline_parallel_size": plan.topology.pipeline_parallel_size,
            "data_parallel_size": plan.topology.data_parallel_size,
        },
        "decisions": [decision.as_dict() for decision in plan.decisions],
        "leader_command": [*plan.leader.command, *plan.leader.arguments],
        "follower_command": [*plan.follower.command, *plan.follower.arguments] if plan.follower is not None else [],
    }


def _diff(name: str, target: str, outcome: Outcome) -> dict[str, str]:
    """Return the difference as ``--diff`` prints it, a line for each path.

    A new workload shows its whole plan with the reasons; a change in place only what is changed.
    """
    before = flatten(outcome.before) if outcome.before else {}
    after = flatten(outcome.after) if outcome.after else {}
    heading: list[str] = []
    if outcome.before is None and outcome.plan is not None:
        heading = [f"# target: {target}"]
        heading += [f"# {entry.name} = {entry.value}: {entry.reason}" for entry in outcome.plan.decisions]
    if outcome.changes:
        if not outcome.recreated:
            after = before
        after = {**after, **{change.path: change.after for change in outcome.changes}}
        before = {**before, **{change.path: change.before for change in outcome.changes}}
    return {
        "before_header": f"{name} (live)",
        "after_header": f"{name} (wanted)",
        "before": _lines([], before),
        "after": _lines(heading, after),
    }


def _lines(heading: list[str], leaves: dict[str, Any]) -> str:
    """Return the lines of one side of the difference; a path without a value is not there."""
    paths = [
        f"{path}: {json.dumps(leaf, ensure_ascii=False)}" for path, leaf in sorted(leaves.items()) if leaf is not None
    ]
    return "".join(f"{line}\n" for line in [*heading, *paths])
