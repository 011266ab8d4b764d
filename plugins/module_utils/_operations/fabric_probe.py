# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``fabric_probe``: what pods see of the fabric as the serving user, and what is decided with it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    Evidence,
    PodEvidence,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import choose_needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import pod_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import probe_command
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric import fabric_result
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_kept import kept_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_proof import prove_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_question import (
    ask_fabric,
    is_question,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import (
    NO_LOOKS,
    CopyOutcome,
    Looks,
    NotLooked,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import (
    read_fabric_inputs,
    read_fabric_placement,
    read_kept_fabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import (
    NCCL_PROOF,
    RANDOM_PORTS,
    ProbeOptions,
    read_probe_options,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricView
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    REPORT_PATH,
    Look,
    LookCopies,
    LookNeeds,
    LookPlace,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_fabric_view
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    INFO,
    WARNING,
    Finding,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

SUBJECT = "the fabric"
_WHAT = "fabric"
_PORTS = 2
_TOKEN_BYTES = 8
# Machines that a pod's affinity names at most.
_MOST_NAMED = 64
# What a report leaves out for want of room without anybody missing it.
_DETAILS = {"gids", "addresses", "errors"}
_NAME_THE_CLUSTER = "Name the project's cluster by kubeconfig, or another option of Kubernetes, to have pods look"


def probe_fabric(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Let pods look at the fabric and return what the platform's API and they show, and the decision.

    Raises ``GpuopsError`` where the platform cannot be reached, and where what is required is not there.
    """
    options, inputs, placement = read_probe_options(params), read_fabric_inputs(params), read_fabric_placement(params)
    wish = read_kept_fabric(params)
    view = make_fabric_view(read_connection(params), host)
    kept = kept_fabric(view, wish, inputs)
    if kept.result is not None:
        return {**kept.result, "looks": 0, "not_looked_at": []}
    probe = _Probe(view, host, options, inputs)
    probe.carry_out(Evidence(cluster=view.evidence(placement), applied=kept.applied))
    return probe.result()


class _Probe:
    """Sees what there is for one kind of workload."""

    def __init__(self, view: FabricView, host: Host, options: ProbeOptions, inputs: FabricInputs) -> None:
        self._view = view
        self._options = options
        self._inputs = inputs
        self._looks = Looks(view.platform, host, options.looks_in_check_mode)
        self._evidence = Evidence()
        self._findings: list[Finding] = []

    def carry_out(self, known: Evidence) -> None:
        """Look with pods at what the API shows, and prove it where that is wanted. ``known`` is all beside that."""
        self._evidence = known
        cluster = known.cluster or ClusterEvidence()
        if self._view.answers_only:
            self._ask(cluster)
            return
        if cluster.machines == ():
            self._not_looked("there is no machine with GPUs that these pods may use.", "no_machines_to_look_on")
            return
        look = self._look(cluster)
        try:
            outcomes = self._looks.run_copies(look, SUBJECT)
        except NotLooked as error:
            self._judge_not_looked(error)
            return
        self._evidence = replace(self._evidence, pods=self._seen(outcomes, look))
        if self._options.proof == NCCL_PROOF:
            proof = prove_fabric(self._looks, look, self._inputs, self._evidence, self._options)
            self._evidence = replace(self._evidence, proof=proof)

    def _ask(self, cluster: ClusterEvidence) -> None:
        """Have a pod that can leave no report say whether what the user states can be used."""
        if self._view.looks_refused is not None:
            self._findings.append(self._view.looks_refused)
        if self._options.proof == NCCL_PROOF:
            evidence = "without reports nothing can be proven by a collective, so none was carried out."
            self._findings.append(Finding(WARNING, "no_proof", evidence, f"{_NAME_THE_CLUSTER}.", SUBJECT))
        if not is_question(self._inputs):
            hint = f"{_NAME_THE_CLUSTER}, or state expect (infiniband or roce) with resources to have a pod try that."
            self._not_looked("Run:ai's API runs no pod that could report.", NO_LOOKS, hint=hint)
            return
        look = self._look(cluster)
        # Which machine it gets is decided by what it asks for: a training names none.
        place = replace(look.place, machines=())
        look = replace(look, place=place, time_limit=float(self._options.time_limit))
        try:
            answer = ask_fabric(self._looks, look, self._inputs, SUBJECT)
        except NotLooked as error:
            self._judge_not_looked(error)
            return
        self._evidence = replace(self._evidence, confirmed=answer.confirmed)
        if answer.finding is not None:
            self._findings.append(answer.finding)
            self._evidence = replace(self._evidence, not_looked="a pod tried it, and gave no certain answer")

    def result(self) -> dict[str, Any]:
        """Return the outcome in the words of the module's RETURN documentation. Raises ``GpuopsError`` likewise."""
        target = self._view.target().sentence()
        looked = {"looks": self._looks.started, "not_looked_at": list(self._looks.not_looked_at)}
        try:
            result = fabric_result(self._inputs, self._evidence, target)
        except GpuopsError as error:
            error.findings = most_severe_first([*error.findings, *self._findings])
            error.result = {**error.result, **looked}
            raise
        findings = most_severe_first([*self._findings, *(Finding(**told) for told in result["findings"])])
        return {**result, **looked, "findings": [finding.as_dict() for finding in findings]}

    def _look(self, cluster: ClusterEvidence) -> Look:
        """Return the job whose pods look: like those of the workload, but without GPUs."""
        options = self._options
        chosen = choose_needs(self._inputs, cluster)[0]
        needs = LookNeeds(resources=chosen.resources, annotations=chosen.annotations, capabilities=options.capabilities)
        ports = options.ports or tuple(sorted(secrets.SystemRandom().sample(RANDOM_PORTS, _PORTS)))
        task = ProbeTask(
            ports=list(ports),
            token=secrets.token_hex(_TOKEN_BYTES),
            meet_seconds=float(options.start_timeout),
            report=REPORT_PATH,
        )
        return Look(
            workload=options.name,
            what=_WHAT,
            place=_place(options.place, needs, cluster),
            command=probe_command(task),
            # A copy that begins early waits for one that begins late.
            time_limit=float(options.start_timeout + options.time_limit),
            start_limit=float(options.start_timeout),
            copies=LookCopies(options.machines, options.spread),
            needs=needs,
        )

    def _seen(self, outcomes: Sequence[CopyOutcome], look: Look) -> tuple[PodEvidence, ...]:
        """Return what the copies that reported saw, and say what became of the others."""
        machines = {one.index: one.machine or f"of pod {one.index}" for one in outcomes if one.report is not None}
        seen = []
        for outcome in outcomes:
            if outcome.failure is not None:
                self._findings.append(self._unseen(outcome, outcome.failure))
            if outcome.report is None:
                continue
            try:
                seen.append(pod_evidence(outcome.report, machines[outcome.index], machines, look.needs.resources))
            except (GpuopsError, LookupError, TypeError, ValueError) as error:
                evidence = f"the report from {machines[outcome.index]} cannot be read: {error}."
                hint = "This is a defect of the collection: please report it."
                self._findings.append(Finding(WARNING, "look_failed", evidence, hint, SUBJECT))
            self._judge_report(outcome, machines[outcome.index])
        return tuple(seen)

    def _unseen(self, outcome: CopyOutcome, failure: Finding) -> Finding:
        """Return that one copy saw nothing: that is unknown then, and no failure."""
        number = f"pod {outcome.index + 1} of {self._options.machines}"
        where = f" on {outcome.machine}" if outcome.machine else ""
        return replace(failure, severity=WARNING, evidence=f"{number} saw nothing{where}: {failure.evidence}")

    def _judge_report(self, outcome: CopyOutcome, machine: str) -> None:
        """Say what a report tells of itself."""
        report = outcome.report or {}
        for error in report.get("errors") or ():
            self._findings.append(Finding(INFO, "look_incomplete", f"on {machine}: {error}.", "", SUBJECT))
        missed = [str(what) for what in report.get("left_out") or () if what not in _DETAILS]
        if missed:
            evidence = f"the report from {machine} had no room for all of: {', '.join(missed)}."
            self._findings.append(Finding(INFO, "look_incomplete", evidence, "", SUBJECT))

    def _judge_not_looked(self, error: NotLooked) -> None:
        """Say that no pod looked; without looks the fabric is what the API shows, or unknown."""
        if self._looks.not_looked_at:
            self._not_looked("in check mode no pod is started.", "not_looked_at", INFO, "Set looks_in_check_mode.")
        else:
            first = next(iter(error.findings), Finding(WARNING, "look_failed", error.message))
            self._not_looked(first.evidence, NO_LOOKS if error.is_permission else first.cause, hint=first.hint)

    def _not_looked(self, because: str, cause: str, severity: str = WARNING, hint: str = "") -> None:
        evidence = f"no pod has looked at the fabric, so whether the serving user can use it is not known: {because}"
        self._findings.append(Finding(severity, cause, evidence, hint, SUBJECT))
        self._evidence = replace(self._evidence, not_looked=because)


def _place(place: LookPlace, needs: LookNeeds, cluster: ClusterEvidence) -> LookPlace:
    """Return where the pods run: on machines with GPUs, which they do not ask for, that have what they do ask for."""
    fitting = [
        machine.name
        for machine in cluster.machines or ()
        if all(machine.resources.get(name, 0) >= count for name, count in needs.resources.items())
    ]
    return replace(place, machines=tuple(fitting[:_MOST_NAMED]))
