# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The interface of a platform. Nothing outside ``_platforms`` knows which one it has.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Decision, Plan, PlatformTraits
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference

# Phases, the same words on every platform.
CREATING = "creating"
PENDING = "pending"
INITIALIZING = "initializing"
RUNNING = "running"
DEGRADED = "degraded"
STOPPED = "stopped"
FAILED = "failed"
DELETING = "deleting"
UNKNOWN = "unknown"

# What a change takes away while it is made.
NONE = "none"
ROLLING = "rolling"
OUTAGE = "outage"


@dataclass(frozen=True)
class Target:
    """Where a plan goes: the first line of every plan names it."""

    platform: str
    address: str
    cluster: str | None = None
    project: str | None = None
    namespace: str | None = None

    def sentence(self) -> str:
        """Return the target as one line."""
        parts = [
            f"{word} {value}"
            for word, value in (("project", self.project), ("namespace", self.namespace), ("cluster", self.cluster))
            if value
        ]
        return f"{self.platform} at {self.address}" + (f" ({', '.join(parts)})" if parts else "")


@dataclass(frozen=True)
class RenderedWorkload:
    """A plan in the platform's own words. ``body`` is plain JSON data without the record of what was applied;
    ``replica_paths`` are the flattened paths in it that hold the number of replicas, which is compared and changed
    apart from everything else (``Platform.scale``). ``decisions`` and ``findings`` are the platform's own, beside those
    of the plan."""

    kind: str
    name: str
    body: Mapping[str, Any]
    replica_paths: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """What the platform says of a write before it is made (a server-side dry run).

    ``findings``: why it would be refused (errors), and what else it said. ``conflicts`` name the fields that somebody
    else holds (cause ``field_held_by_another``). ``effective`` are the flattened paths of the comparable body that
    the write would really change; ``None`` where the platform has no dry run, so that nobody knows.
    """

    findings: tuple[Finding, ...] = ()
    conflicts: tuple[Finding, ...] = ()
    effective: frozenset[str] | None = None


@dataclass(frozen=True)
class AppliedRecord:
    """What was applied last, kept on the platform itself.

    ``inputs`` are the user's inputs (clear environment values hashed), ``body`` the rendered body (likewise),
    ``fabric`` the fabric value used, ``collection_version`` the version that wrote it.
    """

    inputs: Mapping[str, Any]
    body: Mapping[str, Any]
    fabric: Mapping[str, Any] | None = None
    collection_version: str = ""


@dataclass(frozen=True)
class LiveWorkload:
    """A workload as the platform has it now.

    ``body`` is normalised: comparable with a rendered body (nulls and server defaults removed). ``handle`` is the
    platform's own (an id). ``managed`` says whether the collection made it, ``supported`` whether it is of a kind that
    the collection could have made. ``replica_paths`` are the paths of the body that hold the number of replicas.
    """

    name: str
    kind: str
    handle: str
    phase: str
    managed: bool
    body: Mapping[str, Any]
    record: AppliedRecord | None = None
    replicas: int | None = None
    endpoint: Endpoint | None = None
    supported: bool = True
    replica_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class PodStatus:
    """One pod as far as the platform shows it. ``role`` is ``leader``, ``follower`` or ``unknown``; ``created`` and
    ``handle`` tell a recreated pod from its predecessor. ``messages`` are what kubelet and scheduler say about it
    (``Reason: text``), ``last_words`` the end of the log of a container that ended; ``revision`` tells pods of a
    changed workload from those of before (empty: the platform does not tell)."""

    name: str
    handle: str
    phase: str
    role: str = "unknown"
    machine: str | None = None
    address: str | None = None
    created: str | None = None
    image: str | None = None
    messages: tuple[str, ...] = ()
    last_words: str = ""
    revision: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {"name": self.name, "role": self.role, "phase": self.phase, "machine": self.machine}


@dataclass(frozen=True)
class PlatformEvent:
    """An event of the platform about the workload or one of its pods; ``time`` is ISO 8601, ``kind`` Normal/Warning.
    ``handle`` is the one of the pod it is about (``PodStatus``), where the platform tells it."""

    time: str
    kind: str
    reason: str
    message: str
    object: str
    handle: str = ""


@dataclass(frozen=True)
class Endpoint:
    """Where the model answers. ``external`` false means: only from inside the cluster."""

    url: str
    external: bool
    requires_platform_token: bool


@dataclass(frozen=True)
class WorkloadStatus:
    """A look at a workload at one moment. ``messages`` are the platform's own sentences about why it is not running,
    ``unseen`` says what could not be looked at although the user gave a way to it, and why."""

    phase: str
    messages: tuple[str, ...] = ()
    pods: tuple[PodStatus, ...] = ()
    events: tuple[PlatformEvent, ...] = ()
    endpoint: Endpoint | None = None
    pods_expected: int | None = None
    deleted: bool = False
    unseen: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ChangeRules:
    """What can be changed in place. ``in_place`` maps a flattened path of the body (and all below it) to the disruption
    it causes (of several parents of a path the longest counts); every other path means recreating the workload
    (``outage``). ``record_field`` is the one that also holds
    the record, and so is replaced with every change. ``record_apart`` says that the record lies apart from all fields:
    it can be written alone, and drift is repaired value by value to what it says. ``can_scale`` says whether the
    number of
    replicas can be changed in place, ``cannot_stop`` why it cannot be 0.
    """

    in_place: Mapping[str, str] = field(default_factory=dict)
    record_field: str | None = None
    record_apart: bool = False
    can_scale: bool = True
    cannot_stop: Finding | None = None


@dataclass(frozen=True)
class RolePods:
    """The pods of one role of one replica, as the platform's own description of the workload states them.

    ``words`` are command and arguments split into words; a ``sh -c`` script stays one word. ``entrypoint`` says that no
    command is stated, so that the image's own entrypoint runs with these words. ``gpus`` counts whole GPUs per pod
    (``None``: not stated as whole GPUs). ``environment`` holds the clear values, as the process would see them.
    """

    pods: int
    gpus: int | None
    words: tuple[str, ...]
    entrypoint: bool
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ReplicaLayout:
    """What the pods of one replica run, read from the live workload and never from a plan of ours."""

    leader: RolePods
    follower: RolePods | None
    replicas: int

    @property
    def pods(self) -> int:
        """Return the pods of one replica, leader included."""
        return self.leader.pods + (self.follower.pods if self.follower else 0)


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of a replica's leader. ``body`` is text, already decoded, at most 1 MiB.

    ``credential`` says in words which token was sent, never its value: ``no token``, ``endpoint_token``,
    ``the platform's token``. ``leader`` is the pod that answered; empty where one address stands for all replicas.
    """

    status: int
    body: str
    seconds: float
    credential: str = "no token"
    leader: str = ""


@dataclass(frozen=True)
class CommandResult:
    """What a command in a pod left: its exit status and at most 1 MiB of each output."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class LookStatus:
    """A look at one moment. ``status`` tells of its pod what that of a workload tells; ``exit_status`` is ``None``
    until the command has ended, and where it never ran. ``report`` is what the command left, or after a failure the
    end of what it printed; ``root_report`` is that of the command that ran before as root. ``printed`` is the newest
    line of the command that runs, some seconds late, where the platform shows it.

    Of one with several copies ``copies`` has each by its index, and it is over when all are."""

    status: WorkloadStatus
    is_over: bool = False
    exit_status: int | None = None
    report: str = ""
    root_report: str = ""
    printed: str = ""
    copies: tuple[LookStatus, ...] = ()


class StartedLook(Protocol):
    """A look that was started. It ends by its own limits, whatever becomes of who started it."""

    def status(self) -> LookStatus:
        """Return how it is now."""

    def remove(self) -> None:
        """Delete it, whether it has ended or not."""


class LookStarter(Protocol):
    """What starts looks: a platform, or what stands for it where its looks tell nothing but yes or no."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together."""

    def start_look(self, look: Look) -> StartedLook | None:
        """Start a look, and remove those of its kind that an earlier run left over. ``None``: no looks are run."""


@dataclass(frozen=True)
class LeadersInside:
    """What a look needs to ask the leaders from inside the cluster.

    ``addresses``: ``host:port`` by pod, of the leaders that are ready; ``others``: why the rest is not asked. ``key``
    is where the workload's own API key lies; ``place`` is like that of a leader.
    """

    addresses: Mapping[str, str]
    others: tuple[Unreachable, ...]
    place: LookPlace
    key: SecretReference | None = None


class Platform(Protocol):
    """What operations may ask. Every method may raise ``GpuopsError``. A platform repeats reads as it needs, and
    a write only where doing it twice is the same as doing it once."""

    traits: PlatformTraits

    def target(self) -> Target:
        """Return where this platform object points (no request)."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together; those without a useful answer by then raise
        ``PlatformUnreachable``."""

    def find(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name, or ``None``."""

    def check(self, plan: Plan) -> list[Finding]:
        """Return what the platform cannot do, or would do unexpectedly, of this plan (read-only requests at most)."""

    def render(self, plan: Plan) -> RenderedWorkload:
        """Return the plan in the platform's words (pure)."""

    def comparable(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as it is compared and recorded: clear environment values hashed (pure)."""

    def shown(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as people may see it: environment values whose name looks secret hashed (pure)."""

    def change_rules(self, live: LiveWorkload) -> ChangeRules:
        """Return which paths of the live workload's body can be changed in place."""

    def rehearse(self, live: LiveWorkload | None, rendered: RenderedWorkload, fields: list[str]) -> Rehearsal:
        """Ask the platform what a write would do, without doing it: ``live`` ``None`` for a creation, else a change
        of ``fields``. No fields: a recreation, of which only what does not depend on the old one is asked."""

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> LiveWorkload:
        """Create the workload. After a doubtful answer it is looked up by name, never created twice."""

    def restore(self, live: LiveWorkload) -> LiveWorkload:
        """Create again a workload exactly as it was before it was deleted."""

    def change(self, live: LiveWorkload, rendered: RenderedWorkload, fields: list[str], record: AppliedRecord) -> None:
        """Replace the named fields (keys of ``ChangeRules.in_place``) by what ``rendered`` says, and the record."""

    def scale(self, live: LiveWorkload, replicas: int) -> None:
        """Set the number of replicas in place; 0 stops the workload where the platform can."""

    def delete(self, live: LiveWorkload) -> None:
        """Ask for the deletion; returns at once."""

    def gone(self, live: LiveWorkload) -> bool:
        """Say whether the workload is gone and its name free."""

    def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
        """Return the present status; ``detail`` adds pods and events."""

    def await_news(self, live: LiveWorkload, seconds: float) -> None:
        """Return when something about the workload has changed, and after ``seconds`` at the latest. A platform that
        sends no news waits for the seconds."""

    def close(self) -> None:
        """Give up what was kept open to wait for news; asking again opens it anew."""

    def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        """Return the last ``lines`` of a pod's log; where its container was restarted, of the one before. ``None``:
        the platform shows no logs, or none of this pod."""

    def release_lost(self, live: LiveWorkload) -> Sequence[Finding]:
        """Delete for good the pods of the last status that cannot end because their machine is lost, and return a
        finding for each. A platform that cannot do that does nothing."""

    def preflight(self, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Say whether the platform is ready for such workloads; reads only. Raises where it cannot be reached or does
        not let us in."""

    def request_leaders(
        self,
        live: LiveWorkload,
        status: WorkloadStatus,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
    ) -> Sequence[HttpAnswer | Unreachable]:
        """Send one HTTP request to the leader of each replica and return what came of each: its answer, or why there is
        none. At least one answered.

        Raises ``Unreachable`` when no leader did, with the reason.
        """

    def layout(self, live: LiveWorkload) -> ReplicaLayout:
        """Return what the pods run, read from the live workload's body (pure)."""

    def execute(
        self, live: LiveWorkload, pod: PodStatus, command: Sequence[str], time_limit: float
    ) -> CommandResult | None:
        """Run a command in a pod's engine container. ``None``: the platform has no way to run commands. Several threads
        may ask at the same time.

        Raises ``Unreachable`` where it may not be run, there is no such program, or no answer came in time (seconds).
        """

    def leaders_inside(self, live: LiveWorkload, status: WorkloadStatus) -> LeadersInside | None:
        """Return how a look inside the cluster can ask the leaders. ``None``: the platform runs no looks.

        Raises ``Unreachable`` when there is no leader to ask.
        """

    def start_look(self, look: Look) -> StartedLook | None:
        """Start a look, and remove those of its kind that an earlier run left over. ``None``: the platform runs no
        looks."""


class PlatformUnreachable(GpuopsError):
    """The platform itself gave no useful answer, after all tries that were safe; a later request may get one.

    Whoever waits for something goes on waiting: the platform's outage says nothing about the workload.
    """


# Why a leader, or a command, did not answer. The first says nothing about the model (it may serve well for others).
NOT_REACHABLE_FROM_HERE = "not_reachable_from_here"
NO_ANSWER_IN_TIME = "no_answer_in_time"
ENDPOINT_UNREACHABLE = "endpoint_unreachable"
ENDPOINT_NOT_TRUSTED = "endpoint_not_trusted"
LEADER_NOT_READY = "leader_not_ready"
COMMAND_FAILED = "command_failed"


class Unreachable(Exception):
    """A leader, or a command in a pod, did not answer: the text says why, ``cause`` is one of the words above, or the
    cause of a finding of the platform itself. ``leader`` is the pod; empty where it is about all of them.

    ``not_reachable_from_here``: the endpoint is not external and there is no other way in; ``no_answer_in_time``: the
    connection stood, but no answer came within the time limit; ``endpoint_unreachable``: no address yet, refused,
    reset; asking again may help; ``endpoint_not_trusted``: not encrypted or its certificate not verified, so nothing
    was sent; ``leader_not_ready``: it says itself that it does not serve yet, so it was not asked; ``command_failed``:
    the command could not be started.
    """

    def __init__(self, reason: str, cause: str = ENDPOINT_UNREACHABLE, leader: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause
        self.leader = leader


# The most telling first; all other causes come last. That a leader is not ready says nothing about the way to it.
_TELLING = (NO_ANSWER_IN_TIME, ENDPOINT_UNREACHABLE, NOT_REACHABLE_FROM_HERE, LEADER_NOT_READY)


def together(failures: Sequence[Unreachable]) -> Unreachable:
    """Return why no leader answered: the most telling cause, and the reasons of all that have it."""
    cause = min((failure.cause for failure in failures), key=_rank)
    chosen = [failure for failure in failures if failure.cause == cause]
    reason = " ".join(dict.fromkeys(failure.reason for failure in chosen))
    leader = chosen[0].leader if len(chosen) == 1 else ""
    # Nothing is wrong with the way to a leader that is not ready: it may be ready when it is asked again.
    return Unreachable(reason, ENDPOINT_UNREACHABLE if cause == LEADER_NOT_READY else cause, leader)


def _rank(cause: str) -> int:
    return _TELLING.index(cause) if cause in _TELLING else len(_TELLING)
