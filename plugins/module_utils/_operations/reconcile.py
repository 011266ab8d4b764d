# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The one reconciler: from a wanted state to the least that has to be done, on any platform.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import (
    NONE,
    OUTAGE,
    Comparison,
    Wanted,
    compare,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import (
    Change,
    body_hash,
    flatten,
    inputs_of,
    readable,
)
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
    RenderedWorkload,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    INFO,
    WARNING,
    Finding,
    errors_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.version import COLLECTION_VERSION
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec


@dataclass
class Outcome:
    """What was found and done. ``before`` and ``after`` are bodies as people may see them (``None``: no workload);
    ``plan_hash`` identifies what is applied; ``replaced`` are the pods that a change in place replaces."""

    changed: bool = False
    live: LiveWorkload | None = None
    status: WorkloadStatus | None = None
    plan: Plan | None = None
    changes: tuple[Change, ...] = ()
    disruption: str = NONE
    findings: list[Finding] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    plan_hash: str | None = None
    replaced: frozenset[str] = frozenset()


class Reconciler:
    """Brings one workload into a wanted state. Everything is decided before the first write."""

    def __init__(self, platform: Platform, host: Host, options: WorkloadOptions) -> None:
        self._platform = platform
        self._host = host
        self._options = options
        self._watcher = Watcher(platform, host)

    def present(self, spec: WorkloadSpec) -> Outcome:
        """Make the workload exist as ``spec`` says, and wait until it runs where that is wanted."""
        live = self._platform.find(spec.name)
        self._refuse_foreign(live)
        spec, kept = self._with_kept_fabric(spec, live)
        plan = plan_workload(_with_live_replicas(spec, live), self._platform.traits)
        rendered = self._platform.render(plan)
        outcome = Outcome(plan=plan, live=live, findings=[*plan.findings, *kept])
        outcome.after = self._platform.shown(rendered.body)
        outcome.plan_hash = body_hash(self._platform.comparable(rendered.body))
        if live is None or live.phase == DELETING:
            self._create(live, spec, rendered, outcome)
        else:
            self._converge(live, spec, rendered, outcome)
        if self._options.wait and outcome.live is not None and not self._host.check_mode:
            self._wait_until_running(outcome.live, outcome)
        return outcome

    def absent(self, name: str) -> Outcome:
        """Make sure that no workload of ours has this name, and wait until the name is free."""
        live = self._platform.find(name)
        if live is None:
            return Outcome()
        self._refuse_foreign(live)
        outcome = Outcome(changed=True, live=live, before=self._platform.shown(live.body), disruption=OUTAGE)
        if self._host.check_mode:
            return outcome
        if live.phase != DELETING:
            self._host.alive()
            self._platform.delete(live)
        if self._options.wait:
            outcome.timings.update(self._watcher.wait_until_gone(live, self._options.delete_timeout).seconds)
        outcome.live = None
        return outcome

    def stopped(self, name: str) -> Outcome:
        """Stop the workload in place: it keeps its name and settings, and no pod runs."""
        live = self._platform.find(name)
        if live is None:
            finding = Finding(INFO, "nothing_to_stop", "there is no workload of this name.", "", name)
            return Outcome(findings=[finding])
        self._refuse_foreign(live)
        outcome = Outcome(live=live)
        if live.replicas == 0 or live.phase == STOPPED:
            return outcome
        outcome.changed = True
        outcome.disruption = OUTAGE
        outcome.changes = (Change("replicas", live.replicas, 0, "wanted"),)
        if not self._host.check_mode:
            self._host.alive()
            self._platform.scale(live, 0)
            outcome.live = dataclasses.replace(live, replicas=0)
        return outcome

    def _refuse_foreign(self, live: LiveWorkload | None) -> None:
        """Refuse a workload that the collection did not make, unless the user wants to take it over."""
        if live is None or live.managed or self._options.adopt:
            return
        raise GpuopsError.from_finding(
            Finding(
                ERROR,
                "name_in_use",
                f"a workload of this name exists in {self._platform.target().sentence()}, and this collection did not"
                " make it.",
                "Choose another name, delete that workload, or set adopt: true to take it over.",
                live.name,
            )
        )

    def _with_kept_fabric(self, spec: WorkloadSpec, live: LiveWorkload | None) -> tuple[WorkloadSpec, list[Finding]]:
        """Keep the fabric that was applied as long as the user's own inputs to it are the same."""
        record = live.record if live is not None else None
        if record is None or record.fabric is None or spec.fabric is None or self._options.replan:
            return spec, []
        applied = FabricDecision.from_dict(record.fabric)
        if applied == spec.fabric or dict(applied.inputs) != dict(spec.fabric.inputs):
            return spec, []
        finding = Finding(
            INFO,
            "fabric_opinion_differs",
            f"the fabric is judged as {spec.fabric.kind} ({spec.fabric.confidence}) now, the workload runs with"
            f" {applied.kind} ({applied.confidence}).",
            "What runs is kept. Set replan: true to apply today's decision.",
            spec.name,
        )
        return dataclasses.replace(spec, fabric=applied), [finding]

    def _create(
        self, leaving: LiveWorkload | None, spec: WorkloadSpec, rendered: RenderedWorkload, outcome: Outcome
    ) -> None:
        """Create the workload; one of the same name that is being deleted is waited for."""
        self._check(outcome)
        outcome.changed = True
        if self._host.check_mode:
            return
        if leaving is not None:
            self._watcher.wait_until_gone(leaving, self._options.delete_timeout)
        self._host.progress.say(f"creating {spec.name} in {self._platform.target().sentence()}")
        self._host.alive()
        outcome.live = self._platform.create(rendered, self._record(spec, rendered))

    def _converge(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload, outcome: Outcome) -> None:
        """Change the live workload as far as it differs from the wanted one."""
        live_body = self._platform.comparable(live.body)
        rules = self._platform.change_rules(live)
        wanted = Wanted(inputs_of(spec), self._platform.comparable(rendered.body), spec.replicas, self._options.replan)
        comparison = compare(live, live_body, wanted, rules)
        outcome.findings += comparison.findings
        if not comparison.changes and not comparison.recreate:
            outcome.after = None
            if live.record is not None:
                outcome.plan_hash = body_hash(live.record.body)
            return
        outcome.changed = True
        outcome.before = self._platform.shown(live.body)
        outcome.changes = readable(comparison.changes, flatten(outcome.before), flatten(outcome.after))
        outcome.disruption = comparison.disruption
        self._refuse_disruption(spec.name, comparison, outcome)
        self._check(outcome)
        if self._host.check_mode:
            return
        if comparison.recreate:
            outcome.live = self._recreate(live, spec, rendered)
            return
        if comparison.in_place:
            outcome.replaced = self._pods_to_ignore(live)
            self._host.alive()
            self._platform.change(live, rendered, list(comparison.in_place))
        if comparison.replicas is not None:
            self._host.alive()
            self._platform.scale(live, comparison.replicas)
            outcome.live = dataclasses.replace(live, replicas=comparison.replicas)

    def _pods_to_ignore(self, live: LiveWorkload) -> frozenset[str]:
        """Return the pods of a workload that does not run: once it is changed, their trouble says nothing any more."""
        if live.phase == RUNNING or not self._options.wait:
            return frozenset()
        return frozenset(pod.handle for pod in self._platform.status(live).pods)

    def _refuse_disruption(self, name: str, comparison: Comparison, outcome: Outcome) -> None:
        """Refuse to take an endpoint away unless the user allowed it."""
        if comparison.disruption == NONE or self._options.on_disruption == "allow" or self._host.check_mode:
            return
        paths = ", ".join(change.path for change in comparison.changes[:5])
        more = len(comparison.changes) - 5
        finding = Finding(
            ERROR,
            "disruption_refused",
            f"changing {paths}{f' and {more} more' if more > 0 else ''} means {_what_it_takes(comparison)}.",
            "Set on_disruption: allow to do it. Nothing was changed.",
            name,
        )
        raise GpuopsError.from_finding(
            finding,
            {
                "changes": [change.as_dict() for change in outcome.changes],
                "disruption": comparison.disruption,
            },
        )

    def _recreate(self, live: LiveWorkload, spec: WorkloadSpec, rendered: RenderedWorkload) -> LiveWorkload:
        """Delete and create again; put the old workload back when the new one is refused."""
        self._host.progress.say(f"recreating {spec.name}: deleting it first")
        self._host.alive()
        self._platform.delete(live)
        self._watcher.wait_until_gone(live, self._options.delete_timeout)
        self._host.alive()
        try:
            return self._platform.create(rendered, self._record(spec, rendered))
        except GpuopsError as refused:
            if live.phase != FAILED:
                self._restore(live, refused)
            raise

    def _restore(self, live: LiveWorkload, refused: GpuopsError) -> None:
        """Put the old workload back and say so in the error that made it necessary."""
        self._host.alive()
        try:
            self._platform.restore(live)
        except GpuopsError as failed:
            refused.findings.append(
                Finding(
                    ERROR,
                    "not_restored",
                    f"the workload as it was could not be put back: {failed.message}",
                    "",
                    live.name,
                )
            )
            return
        refused.findings.append(
            Finding(
                WARNING,
                "restored",
                "the new workload was refused; the one that ran before was put back.",
                "",
                live.name,
            )
        )

    def _check(self, outcome: Outcome) -> None:
        """Ask the platform about the plan and stop on what it cannot do."""
        if outcome.plan is None:
            return
        outcome.findings += self._platform.check(outcome.plan)
        if errors_of(outcome.findings):
            raise GpuopsError.from_findings(outcome.findings)

    def _record(self, spec: WorkloadSpec, rendered: RenderedWorkload) -> AppliedRecord:
        """Return the record of what is applied now."""
        return AppliedRecord(
            inputs=inputs_of(spec),
            body=self._platform.comparable(rendered.body),
            fabric=spec.fabric.as_dict() if spec.fabric is not None else None,
            collection_version=COLLECTION_VERSION,
        )

    def _wait_until_running(self, live: LiveWorkload, outcome: Outcome) -> None:
        """Wait until the workload serves; an unchanged one that runs costs no request."""
        if not outcome.changed and live.phase == RUNNING:
            return
        if live.replicas == 0:
            return
        pods = outcome.plan.topology.pods * (live.replicas or 1) if outcome.plan is not None else None
        waited = self._watcher.wait_until_running(
            live, self._options.schedule_timeout, self._options.start_timeout, pods, outcome.replaced
        )
        outcome.timings.update(waited.seconds)
        outcome.findings += waited.findings
        if waited.status is not None:
            outcome.status = waited.status
            outcome.live = dataclasses.replace(live, phase=waited.status.phase)


def _with_live_replicas(spec: WorkloadSpec, live: LiveWorkload | None) -> WorkloadSpec:
    """Return the spec with the live number of replicas where the user states none, so that recreating keeps it."""
    if spec.replicas is not None or live is None or not live.replicas:
        return spec
    return dataclasses.replace(spec, replicas=live.replicas)


def _what_it_takes(comparison: Comparison) -> str:
    """Return the disruption in words."""
    if comparison.disruption == OUTAGE:
        return "deleting the workload and creating it again: the endpoint is away until the model is loaded"
    return "a rolling replacement of its pods"
