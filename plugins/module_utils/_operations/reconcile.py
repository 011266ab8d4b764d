# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The one reconciler: from a wanted state to the least that has to be done, on any platform.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.gpuops.inference.plugins.module_utils._operations import refusals
from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import (
    NONE,
    OUTAGE,
    REPLICAS,
    Comparison,
    Wanted,
    compare,
    rehearsed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import (
    Change,
    body_hash,
    inputs_of,
    readable,
    with_fields,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._operations.outcome import Outcome
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import WorkloadOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    FAILED,
    RUNNING,
    STOPPED,
    AppliedRecord,
    LiveWorkload,
    Platform,
    Rehearsal,
    RenderedWorkload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, Finding, errors_of
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._results.version import COLLECTION_VERSION
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec

# How changed inputs that change nothing else are shown.
_INPUTS = "recorded inputs"


class Reconciler:
    """Brings one workload into a wanted state. Everything is decided before the first write.

    ``outcome`` tells what was found and done so far, also after an error.
    """

    def __init__(self, platform: Platform, host: Host, options: WorkloadOptions) -> None:
        self._platform = platform
        self._host = host
        self._options = options
        lost = LostMachines(platform, options.force_lost_machines, self._note_release)
        self._watcher = Watcher(platform, host, lost)
        self.outcome = Outcome()

    def present(self, spec: WorkloadSpec) -> None:
        """Make the workload exist as ``spec`` says, and wait until it runs where that is wanted."""
        # The plan is pure: what cannot be carried out is refused before anybody is asked.
        plan_workload(spec, self._platform.traits)
        live = self._find(spec.name)
        spec = self._with_kept_fabric(spec, live)
        plan = plan_workload(_with_live_replicas(spec, live), self._platform.traits)
        rendered = self._platform.render(plan)
        # What the platform decides under the same name is the last word.
        decisions = {decision.name: decision for decision in (*plan.decisions, *rendered.decisions)}
        self.outcome.plan = dataclasses.replace(plan, decisions=tuple(decisions.values()))
        self.outcome.findings += [*plan.findings, *rendered.findings]
        self.outcome.after = self._platform.shown(rendered.body)
        self.outcome.plan_hash = body_hash(self._platform.comparable(rendered.body), rendered.replica_paths)
        replaced: frozenset[str] = frozenset()
        if live is None or live.phase == DELETING:
            self._create(live, spec, rendered)
        else:
            replaced = self._converge(live, spec, rendered)
        if self._options.wait and not self._host.check_mode:
            self._wait_until_running(replaced)

    def absent(self, name: str) -> None:
        """Make sure that no workload of ours has this name, and wait until the name is free."""
        live = self._find(name)
        if live is None:
            return
        if live.phase != DELETING:
            self.outcome.before = self._platform.shown(live.body)
            self.outcome.disruption = OUTAGE
            if not self._host.check_mode:
                self._host.alive()
                self._platform.delete(live)
                self.outcome.live = dataclasses.replace(live, phase=DELETING)
            self.outcome.changed = True
        if self._options.wait and not self._host.check_mode:
            self._wait_until_gone(live)
            self.outcome.live = None

    def stopped(self, name: str) -> None:
        """Stop the workload in place: it keeps its name and settings, and no pod runs."""
        live = self._find(name)
        if live is None or live.phase == DELETING:
            found = "no workload of this name is there."
            self.outcome.findings.append(Finding(INFO, "nothing_to_stop", found, "", name))
            return
        if live.replicas == 0 or live.phase == STOPPED:
            return
        self.outcome.disruption = OUTAGE
        self._scale(live, 0)
        if not self._host.check_mode:
            stopped = dataclasses.replace(live, phase=STOPPED, replicas=0)
            if self._options.wait:
                self.outcome.timings.update(
                    self._watcher.wait_until_stopped(stopped, self._options.delete_timeout).seconds
                )
            self.outcome.live = stopped

    def _find(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name; refuse one that the collection did not make and shall not take over."""
        live = self._platform.find(name)
        self.outcome.live = live
        if live is not None:
            refusals.refuse_foreign(live, self._platform.target(), self._options.adopt)
        return live

    def _with_kept_fabric(self, spec: WorkloadSpec, live: LiveWorkload | None) -> WorkloadSpec:
        """Keep the fabric that was applied as long as the user asks the same of it."""
        record = live.record if live is not None else None
        if record is None or record.fabric is None or spec.fabric is None or self._options.replan:
            return spec
        if live is not None and live.phase == FAILED:
            # It is created anew anyway, and may have failed for its fabric.
            return spec
        applied = FabricDecision.from_dict(record.fabric)
        if applied.does_the_same(spec.fabric) or applied.asked != spec.fabric.asked:
            return spec
        self.outcome.findings.append(
            Finding(
                INFO,
                "fabric_opinion_differs",
                f"the fabric is judged as {spec.fabric.kind} ({spec.fabric.confidence}) now, the workload runs with"
                f" {applied.kind} ({applied.confidence}).",
                "What runs is kept. Set replan: true to apply today's decision.",
                spec.name,
            )
        )
        return dataclasses.replace(spec, fabric=applied)

    def _create(self, leaving: LiveWorkload | None, spec: WorkloadSpec, rendered: RenderedWorkload) -> None:
        """Create the workload; one of the same name that is being deleted is waited for."""
        self._check()
        self._rehearse(leaving, rendered)
        if not self._host.check_mode:
            if leaving is not None:
                self._wait_until_gone(leaving)
            self._host.progress.say(f"creating {spec.name} in {self._platform.target().sentence()}")
            self._host.alive()
            self.outcome.live = self._platform.create(rendered, self._record(spec, rendered))
        self.outcome.changed = True

    def _converge(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload) -> frozenset[str]:
        """Change the live workload as far as it differs; return the handles of the pods that this replaces."""
        outcome = self.outcome
        comparison = self._compare(live, spec, rendered)
        if not comparison.is_needed:
            outcome.findings += comparison.findings
            outcome.kept = comparison.is_kept
            outcome.after = None
            if live.record is not None:
                outcome.plan_hash = body_hash(live.record.body, rendered.replica_paths)
            self._note_inputs(live, spec, rendered)
            return frozenset()
        # The check reads the platform's version, on which depends what can be changed in place.
        self._check()
        comparison = self._compare(live, spec, rendered)
        if comparison.recreate or comparison.in_place:
            fields = () if comparison.recreate else comparison.in_place
            comparison = rehearsed(comparison, self._rehearse(live, rendered, fields, not comparison.is_kept))
        outcome.findings += comparison.findings
        if not comparison.is_needed:
            outcome.kept = comparison.is_kept
            outcome.after = None
            return frozenset()
        outcome.before = self._platform.shown(live.body)
        outcome.changes = readable(comparison.changes, flatten(outcome.before), flatten(outcome.after))
        outcome.recreated = comparison.recreate
        outcome.disruption = comparison.disruption
        outcome.kept = comparison.is_kept
        if comparison.disruption != NONE and self._options.on_disruption != "allow":
            refusals.refuse_disruption(live.name, comparison, self._host.check_mode, outcome.findings)
        if comparison.recreate:
            self._recreate(live, spec, rendered)
            return frozenset()
        replaced = self._change_in_place(live, spec, rendered, comparison)
        if comparison.replicas is not None:
            self._scale(live, comparison.replicas)
        return replaced

    def _note_inputs(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload) -> None:
        """Record inputs that were changed and change nothing of the workload, where the record can be written alone:
        otherwise the old ones would make every later plan look like the user's change."""
        record = self._record(spec, rendered)
        if live.record is None or record.inputs == live.record.inputs:
            return
        if not self._platform.change_rules(live).record_apart:
            return
        self.outcome.changed = True
        self.outcome.changes = (Change(_INPUTS, None, None, "wanted"),)
        if not self._host.check_mode:
            self._host.alive()
            self._platform.change(live, rendered, [], dataclasses.replace(record, body=live.record.body))

    def _compare(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload) -> Comparison:
        """Compare the live workload with the wanted one, as far as the platform is known by now."""
        wanted = Wanted(
            inputs_of(spec),
            self._platform.comparable(rendered.body),
            rendered.replica_paths,
            spec.replicas,
            self._options.replan,
        )
        return compare(live, self._platform.comparable(live.body), wanted, self._platform.change_rules(live))

    def _change_in_place(
        self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload, comparison: Comparison
    ) -> frozenset[str]:
        """Replace the fields that differ; return the handles of the pods that run with the old ones."""
        if not comparison.in_place:
            return frozenset()
        if self._host.check_mode:
            self.outcome.changed = True
            return frozenset()
        pods = self._platform.status(live).pods if self._options.wait and comparison.replaces_pods else ()
        replaced = frozenset(pod.handle for pod in pods)
        record = self._record(spec, rendered)
        if live.record is not None and record.inputs == live.record.inputs and not self._options.replan:
            # Only drift is repaired: everything else stays as it was applied.
            body = with_fields(live.record.body, record.body, comparison.in_place)
            is_apart = self._platform.change_rules(live).record_apart
            record = live.record if is_apart else dataclasses.replace(live.record, body=body)
        self._host.alive()
        self._platform.change(live, rendered, list(comparison.in_place), record)
        self.outcome.changed = True
        return replaced

    def _scale(self, live: LiveWorkload, replicas: int) -> None:
        """Change the number of replicas in place."""
        cannot_stop = self._platform.change_rules(live).cannot_stop
        if replicas == 0 and cannot_stop is not None:
            raise GpuopsError.from_finding(cannot_stop)
        if not self._host.check_mode:
            self._host.alive()
            self._platform.scale(live, replicas)
            self.outcome.live = dataclasses.replace(live, replicas=replicas)
        if not self.outcome.changes:
            self.outcome.changes = (Change(REPLICAS, live.replicas, replicas, "wanted"),)
        self.outcome.changed = True

    def _recreate(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload) -> None:
        """Delete and create again; put the old workload back when the new one is refused."""
        if self._host.check_mode:
            self.outcome.changed = True
            return
        self._host.progress.say(f"recreating {spec.name}: deleting it first")
        self._host.alive()
        self._platform.delete(live)
        self.outcome.changed = True
        self.outcome.live = dataclasses.replace(live, phase=DELETING)
        try:
            self._wait_until_gone(live)
        except GpuopsError as stuck:
            refusals.say_half_way(stuck, live.name)
            raise
        self._host.alive()
        try:
            self.outcome.live = self._platform.create(rendered, self._record(spec, rendered))
        except GpuopsError as refused:
            self.outcome.live = None
            if live.phase != FAILED:
                self._restore(live, refused)
            raise

    def _restore(self, live: LiveWorkload, refused: GpuopsError) -> None:
        """Put the old workload back and say so in the error that made it necessary."""
        self._host.alive()
        try:
            self.outcome.live = self._platform.restore(live)
        except GpuopsError as failed:
            refusals.say_not_restored(refused, live.name, failed)
            return
        refusals.say_restored(refused, live.name)

    def _check(self) -> None:
        """Ask the platform about the plan and stop on what it cannot do."""
        if self.outcome.plan is None:
            return
        found = self._platform.check(self.outcome.plan)
        self.outcome.findings += found
        if errors_of(found):
            raise GpuopsError.from_findings(found)

    def _rehearse(
        self,
        live: LiveWorkload | None,
        rendered: RenderedWorkload,
        fields: tuple[str, ...] = (),
        is_asked_for: bool = True,
    ) -> Rehearsal:
        """Let the platform try the write without doing it, and stop on what it would refuse.

        A field that somebody else holds stops only a change that the user asks for.
        """
        rehearsal = self._platform.rehearse(live, rendered, list(fields))
        refused = [*errors_of(list(rehearsal.findings)), *(rehearsal.conflicts if is_asked_for else ())]
        self.outcome.findings += [finding for finding in rehearsal.findings if finding not in refused]
        if refused:
            raise GpuopsError.from_findings(refused)
        return rehearsal

    def _record(self, spec: WorkloadSpec, rendered: RenderedWorkload) -> AppliedRecord:
        """Return the record of what is applied now."""
        return AppliedRecord(
            inputs=inputs_of(spec),
            body=self._platform.comparable(rendered.body),
            fabric=spec.fabric.as_dict() if spec.fabric is not None else None,
            collection_version=COLLECTION_VERSION,
        )

    def _note_release(self, finding: Finding) -> None:
        """Tell of a pod that was deleted because its machine is lost."""
        self.outcome.changed = True
        self.outcome.findings.append(finding)

    def _wait_until_gone(self, live: LiveWorkload) -> None:
        """Wait until a deleted workload's name is free."""
        waited = self._watcher.wait_until_gone(live, self._options.delete_timeout)
        self.outcome.timings.update(waited.seconds)

    def _wait_until_running(self, replaced: frozenset[str]) -> None:
        """Wait until the workload serves; an unchanged one that runs costs no request."""
        outcome, live = self.outcome, self.outcome.live
        if live is None or live.replicas == 0 or (not outcome.changed and live.phase == RUNNING):
            return
        pods = outcome.plan.topology.pods * (live.replicas or 1) if outcome.plan is not None else None
        waited = self._watcher.wait_until_running(
            live, self._options.schedule_timeout, self._options.start_timeout, pods, replaced
        )
        outcome.timings.update(waited.seconds)
        outcome.findings += [finding for finding in waited.findings if finding not in outcome.findings]
        if waited.status is not None:
            outcome.status = waited.status
            outcome.live = dataclasses.replace(live, phase=waited.status.phase)


def _with_live_replicas(spec: WorkloadSpec, live: LiveWorkload | None) -> WorkloadSpec:
    """Return the spec with the live number of replicas where the user states none, so that recreating keeps it."""
    if spec.replicas is not None or live is None or not live.replicas:
        return spec
    return dataclasses.replace(spec, replicas=live.replicas)
