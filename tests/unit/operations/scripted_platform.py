# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in memory whose statuses and answers follow a script, with a clock that only moves when somebody sleeps.

It stands for no real platform: only the operations are tested with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    ENDPOINT_UNREACHABLE,
    RUNNING,
    AppliedRecord,
    ChangeRules,
    CommandResult,
    Endpoint,
    HttpAnswer,
    LeadersInside,
    LiveWorkload,
    LookStatus,
    PlatformEvent,
    PodStatus,
    Rehearsal,
    RenderedWorkload,
    ReplicaLayout,
    RolePods,
    Target,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.progress import Progress
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan, PlatformTraits

NAME = "my-llm-inference"


class Clock:
    """A clock that stands still until ``sleep`` moves it; ``slept`` lists every sleep in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Stage:
    """The surroundings of a tested operation: a clock, the progress lines, and the host made of them."""

    clock: Clock = field(default_factory=Clock)
    lines: list[str] = field(default_factory=list)
    secrets: tuple[str, ...] = ()
    alive: Callable[[], None] = lambda: None
    check_mode: bool = False

    @property
    def host(self) -> Host:
        """Return the host; every call shares clock and lines."""
        return Host(
            check_mode=self.check_mode,
            progress=Progress(self.lines.append, "changes", self.clock),
            redactor=Redactor(self.secrets),
            alive=self.alive,
            clock=self.clock,
            sleep=self.clock.sleep,
        )


def pod(
    name: str, phase: str = "Running", *, machine: str | None = "gpu-1", handle: str = "1", **more: Any
) -> PodStatus:
    """Return a pod named as LeaderWorkerSet names them: ``<workload>-<group>[-<index>]``."""
    role = "leader" if name.removeprefix(NAME).count("-") == 1 else "follower"
    return PodStatus(name, f"{name}/{handle}", phase, role, machine, **more)


def event(reason: str, message: str, about: str = f"{NAME}-0", kind: str = "Warning", time: str = "") -> PlatformEvent:
    """Return an event about the leader."""
    return PlatformEvent(time or "2026-11-23T10:00:00Z", kind, reason, message, about)


def two_pods(phase: str = "Running", **more: Any) -> tuple[PodStatus, ...]:
    """Return the leader and the follower of one replica."""
    return (pod(f"{NAME}-0", phase, **more), pod(f"{NAME}-0-1", phase, **more))


ENDPOINT = Endpoint("https://my-llm-inference.inference.example.com", external=True, requires_platform_token=True)
SERVING = WorkloadStatus(RUNNING, pods=two_pods(), endpoint=ENDPOINT, pods_expected=2)
RECIPE_2X2 = (
    *("vllm", "serve", "/data/model", "--served-model-name", "mistral4", "--tensor-parallel-size", "2"),
    *("--pipeline-parallel-size", "2", "--nnodes", "2", "--master-addr", "$(LWS_LEADER_ADDRESS)"),
)


def two_by_two(replicas: int = 1) -> ReplicaLayout:
    """Return the layout of the recipe's topology as it ought to be: 2 pods x 2 GPUs, one engine."""
    leader = RolePods(1, 2, (*RECIPE_2X2, "--node-rank", "0"), False, {})
    follower = RolePods(1, 2, (*RECIPE_2X2, "--node-rank", "1", "--headless"), False, {})
    return ReplicaLayout(leader, follower, replicas)


def json_answer(content: Any, status: int = 200, seconds: float = 0.1, credential: str = "no token") -> HttpAnswer:
    """Return an answer whose body is JSON."""
    return HttpAnswer(status, json.dumps(content), seconds, credential)


def model_list(*names: str) -> HttpAnswer:
    """Return the answer of ``GET /v1/models``."""
    return json_answer({"object": "list", "data": [{"id": name, "max_model_len": 256} for name in names]})


def chat_answer(text: str = "hello", seconds: float = 0.4) -> HttpAnswer:
    """Return the answer of a chat."""
    message = {"role": "assistant", "content": text}
    return json_answer(
        {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}},
        seconds=seconds,
    )


Reply = HttpAnswer | Unreachable | GpuopsError


@dataclass
class ScriptedLook:
    """A look that is in these states one after the other, the last one for good."""

    states: list[LookStatus]
    is_removed: bool = False

    def status(self) -> LookStatus:
        """Return the next state."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def remove(self) -> None:
        """Remember that it was removed."""
        self.is_removed = True


class ScriptedPlatform:
    """Implements ``Platform``. Set the attributes; ``calls`` lists what was asked, in order.

    ``timeline``: pairs of seconds since the start and the status from then on. ``replies``: by request path, the
    answers in turn (the last one is repeated); a path without replies is answered with 404. ``results``: what a
    command in a pod leaves, by the pod's name; ``None``: there is no way to run one. ``carry_out`` gives the states of
    a look; without ``inside`` none can ask the leaders.
    """

    def __init__(self, clock: Clock, timeline: list[tuple[float, WorkloadStatus]] | None = None) -> None:
        self.traits = PlatformTraits("scripted", "$(LWS_LEADER_ADDRESS)", "$(LWS_WORKER_INDEX)", 30, ("public",))
        self.clock = clock
        self.began = clock.now
        self.timeline = timeline or [(0.0, SERVING)]
        self.workloads: dict[str, LiveWorkload] = {NAME: LiveWorkload(NAME, "distributed", "id-1", RUNNING, True, {})}
        self.replica_layout = two_by_two()
        self.rules = ChangeRules()
        self.rehearsal = Rehearsal()
        self.logs: dict[str, str] = {}
        self.deletion_seconds = 3.0
        self.replies: dict[str, list[list[Reply]]] = {}
        self.requests: list[tuple[str, str, Any, float]] = []
        self.calls: list[str] = []
        self.lost: list[Finding] = []
        self.results: dict[str, CommandResult | Unreachable] | None = None
        self.commands: list[tuple[str, tuple[str, ...]]] = []
        self.inside: LeadersInside | None = None
        self.carry_out: Callable[[Look], list[LookStatus] | GpuopsError] | None = None
        self.looks: list[tuple[Look, ScriptedLook]] = []
        self._deleted_at: dict[str, float] = {}

    def reply(self, path: str, *replies: Reply | list[Reply]) -> None:
        """Answer requests for ``path`` with these replies in turn; a list is one answer per replica."""
        self.replies[path] = [reply if isinstance(reply, list) else [reply] for reply in replies]

    def serve(self, *models: str) -> None:
        """Answer as a healthy engine of four ranks."""
        self.reply("/v1/models", model_list(*models))
        self.reply("/v1/chat/completions", chat_answer())
        self.reply("/get_world_size", json_answer({"world_size": 4}))

    def target(self) -> Target:
        """Return a target that exists nowhere."""
        return Target("scripted", "https://runai.example.com", project="my-project")

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound nothing: no request is ever sent."""
        return nullcontext()

    def find(self, name: str) -> LiveWorkload | None:
        """Return the workload unless its deletion is over."""
        self.calls.append("find")
        live = self.workloads.get(name)
        return None if live is None or self._is_over(name) else live

    def check(self, plan: Plan) -> list[Finding]:
        """Find nothing."""
        self.calls.append("check")
        return []

    def render(self, plan: Plan) -> RenderedWorkload:
        """Return a body that holds the image and the pods."""
        spec = plan.spec
        return RenderedWorkload("distributed", spec.name, {"spec": {"image": spec.image, "pods": spec.pods}})

    def comparable(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body as it is."""
        return dict(body)

    def shown(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body as it is."""
        return dict(body)

    def change_rules(self, live: LiveWorkload) -> ChangeRules:
        """Return the rules that were set."""
        return self.rules

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> LiveWorkload:
        """Create the workload in memory."""
        self.calls.append("create")
        live = LiveWorkload(rendered.name, rendered.kind, "id-2", CREATING, True, rendered.body, record)
        self.workloads[rendered.name] = live
        self._deleted_at.pop(rendered.name, None)
        return live

    def restore(self, live: LiveWorkload) -> LiveWorkload:
        """Put a deleted workload back."""
        self.calls.append("restore")
        self.workloads[live.name] = live
        self._deleted_at.pop(live.name, None)
        return live

    def change(self, live: LiveWorkload, rendered: RenderedWorkload, paths: list[str]) -> None:
        """Take the rendered body over."""
        self.calls.append("change")
        self.workloads[live.name] = replace(live, body=rendered.body)

    def scale(self, live: LiveWorkload, replicas: int) -> None:
        """Remember the number of replicas."""
        self.calls.append("scale")
        self.workloads[live.name] = replace(live, replicas=replicas)

    def delete(self, live: LiveWorkload) -> None:
        """Begin a deletion that takes ``deletion_seconds``."""
        self.calls.append("delete")
        self._deleted_at[live.name] = self.clock.now

    def gone(self, live: LiveWorkload) -> bool:
        """Say whether the deletion is over."""
        self.calls.append("gone")
        return live.name not in self.workloads or self._is_over(live.name)

    def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
        """Return the status of the timeline at this moment."""
        self.calls.append("status")
        passed = self.clock.now - self.began
        return [status for start, status in self.timeline if start <= passed][-1]

    def await_news(self, live: LiveWorkload, seconds: float) -> None:
        """Let the seconds pass."""
        self.clock.sleep(seconds)

    def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        """Return the log that was set for this very pod, else for pods of its name."""
        self.calls.append(f"log {pod.handle}")
        return self.logs.get(pod.handle, self.logs.get(pod.name))

    def release_lost(self, live: LiveWorkload) -> list[Finding]:
        """Return what was set as done, once."""
        self.calls.append("release_lost")
        done, self.lost = self.lost, []
        return done

    def rehearse(self, live: LiveWorkload | None, rendered: RenderedWorkload, fields: list[str]) -> Rehearsal:
        """Return the rehearsal that was set."""
        self.calls.append("rehearse")
        return self.rehearsal

    def request_leaders(
        self,
        live: LiveWorkload,
        status: WorkloadStatus,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
    ) -> list[HttpAnswer | Unreachable]:
        """Return the next scripted outcomes; where none of them is an answer, raise the first."""
        self.requests.append((method, path, body, time_limit))
        turns = self.replies.get(path) or [[HttpAnswer(404, '{"detail":"Not Found"}', 0.01)]]
        turn = turns.pop(0) if len(turns) > 1 else turns[0]
        if not any(isinstance(one, HttpAnswer) for one in turn):
            raise next(one for one in turn if isinstance(one, Exception))
        return [one for one in turn if isinstance(one, (HttpAnswer, Unreachable))]

    def layout(self, live: LiveWorkload) -> ReplicaLayout:
        """Return the layout that was set."""
        return self.replica_layout

    def execute(
        self, live: LiveWorkload, pod: PodStatus, command: Sequence[str], time_limit: float
    ) -> CommandResult | None:
        """Return the result that was set for the pod, or raise it."""
        self.commands.append((pod.name, tuple(command)))
        result = None if self.results is None else self.results[pod.name]
        if isinstance(result, Unreachable):
            raise result
        return result

    def leaders_inside(self, live: LiveWorkload, status: WorkloadStatus) -> LeadersInside | None:
        """Return what was set."""
        return self.inside

    def start_look(self, look: Look) -> ScriptedLook | None:
        """Start a look, where there is somebody to carry it out."""
        if self.carry_out is None:
            return None
        states = self.carry_out(look)
        if isinstance(states, GpuopsError):
            _fail(states)
        self.looks.append((look, ScriptedLook(states)))
        return self.looks[-1][1]

    def _is_over(self, name: str) -> bool:
        began = self._deleted_at.get(name)
        return began is not None and self.clock.now - began >= self.deletion_seconds


def refused() -> Unreachable:
    """Return the error of an endpoint at which nobody listens."""
    return Unreachable("connection refused", ENDPOINT_UNREACHABLE)


def _fail(error: GpuopsError) -> NoReturn:
    raise error
