# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The decision: what carries NCCL between pods, which variables follow, and what the pods need for it.

Evidence comes in, a judgement goes out; nothing is read or changed here.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.agreement import compare_machines, compare_pods
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import advice_of, recognise
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.contradictions import contradictions
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.device_list import choose_devices
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.judgement import Judgement
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    PROVEN,
    RDMA,
    SEEN,
    STATED,
    TCP,
    TITLES,
    UNKNOWN,
    UNUSABLE,
    USABLE,
    VERBS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs, choose_needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.order import in_order
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_findings import tell_pods
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import PodView, view_pod
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.remarks import refusals, remarks
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sight import sight
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.table import draw
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.told import tell_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.variables import carried_over, decide_variables
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import most_severe_first

# How well a fabric is known, in words; only what is proven "works".
_CONFIDENCE_WORDS = {
    SEEN: "not tried as UID {uid}",
    USABLE: "devices opened, and memory registered, as UID {uid}",
    PROVEN: "it works: NCCL ran over it",
    STATED: "as you state it; nobody looked",
    UNKNOWN: "not tried",
}
_WORDS_OF_KIND = {
    TCP: {USABLE: "the pods reached each other", SEEN: "nothing else was seen"},
    UNUSABLE: {SEEN: "UID {uid} cannot use it"},
}
_ONE_POD = "a single pod: nothing runs between pods, so nothing is set and nothing is asked for"


def decide(inputs: FabricInputs, evidence: Evidence) -> Judgement:
    """Return what follows from the evidence and from what the user asks.

    Raises ``GpuopsError`` in mode ``require_rdma`` only, where several pods would have no RDMA, or none that NCCL can
    be held to; its result carries the decision that was refused, the reasons and the table.
    """
    evidence = in_order(evidence)
    machines = (evidence.cluster.machines if evidence.cluster else None) or ()
    cloud = recognise(machines)
    needs, findings = choose_needs(inputs, evidence.cluster)
    views = [view_pod(pod, inputs.variables) for pod in evidence.pods]
    sighting = sight(inputs, evidence, needs, cloud, views)
    granted = _granted(inputs, sighting, needs, views)
    devices = choose_devices(sighting.kind, views, granted)
    variables = decide_variables(inputs, sighting, cloud, evidence.pods, devices.variable)
    if inputs.pods > 1:
        variables = carried_over(variables, evidence, sighting.kind, granted)
    decision = FabricDecision(
        kind=sighting.kind,
        confidence=sighting.confidence,
        inputs=asked_of(inputs),
        variables=variables,
        resources=granted.resources,
        annotations=granted.annotations,
    )
    findings += [
        *sighting.findings,
        *devices.findings,
        *contradictions(inputs, sighting, granted, views),
        *tell_pods(views, inputs.uid),
        *compare_pods(views),
        *compare_machines(machines, granted.resources),
        *advice_of(cloud, sighting.kind),
        *remarks(inputs, decision, evidence),
    ]
    refused = refusals(inputs, sighting, decision, evidence)
    findings = most_severe_first([*refused, *findings])
    reasons = list(sighting.reasons) if inputs.pods > 1 else [_ONE_POD, *sighting.reasons]
    if views and decision.kind in VERBS and devices.variable is None:
        reasons.append(devices.words)
    seen = tell_evidence(inputs, evidence, cloud, views)
    table = draw(_title(decision, inputs), seen, decision, reasons, findings, inputs.variables)
    if refused:
        message = " ".join(finding.sentence() for finding in refused)
        raise GpuopsError(message, findings, {"decision": decision.as_dict(), "reasons": reasons, "table": table})
    return Judgement(decision, findings, reasons, table)


def _granted(inputs: FabricInputs, sighting: Sighting, needs: Needs, views: Sequence[PodView]) -> Needs:
    """Return what the pods ask for: what the user states; otherwise, where several pods have RDMA, what the pods asked
    for that could use it, or what would be chosen."""
    if inputs.pods < 2 or sighting.kind not in RDMA:
        return replace(needs, resources=dict(inputs.resources), annotations=dict(inputs.annotations))
    tried = {tuple(sorted(view.pod.requested_resources.items())) for view in views}
    if needs.is_stated or sighting.confidence not in (USABLE, PROVEN) or len(tried) != 1:
        return needs
    return replace(needs, resources=dict(tried.pop()))


def asked_of(inputs: FabricInputs) -> dict[str, Any]:
    """Return what the user asked, as the decision keeps it. What he left out is left out, so that a new option of a
    newer version is no change of his."""
    asked: dict[str, Any] = {
        "mode": inputs.mode,
        "pods": inputs.pods,
        "gpus_per_pod": inputs.gpus_per_pod,
        "uid": inputs.uid,
        "variables": dict(sorted(inputs.variables.items())),
    }
    stated = {
        "resources": dict(sorted(inputs.resources.items())),
        "annotations": dict(sorted(inputs.annotations.items())),
        "expect": inputs.expect,
    }
    asked.update({name: value for name, value in stated.items() if value})
    if not inputs.nccl_debug:
        asked["nccl_debug"] = False
    return asked


def _title(decision: FabricDecision, inputs: FabricInputs) -> str:
    words = _CONFIDENCE_WORDS[decision.confidence].format(uid=inputs.uid)
    if decision.confidence in _WORDS_OF_KIND.get(decision.kind, {}):
        words = _WORDS_OF_KIND[decision.kind][decision.confidence].format(uid=inputs.uid)
    kind = "not known" if decision.kind == UNKNOWN else TITLES[decision.kind]
    return f"Fabric: {kind} ({decision.confidence}: {words})"
