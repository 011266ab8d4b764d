# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The smoke test: pods and ranks (L0), model list (L1), a deterministic completion with a time limit (L2), GPUs (L4).

A health check alone is never proof: vLLM's /health is 200 in at least four broken states.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._operations import smoke_gpus
from ansible_collections.gpuops.inference.plugins.module_utils._operations import smoke_levels as levels
from ansible_collections.gpuops.inference.plugins.module_utils._operations.engine_layout import read_engine
from ansible_collections.gpuops.inference.plugins.module_utils._operations.gpu_figures import PodGpus, read_gpus
from ansible_collections.gpuops.inference.plugins.module_utils._operations.leader_requests import (
    LeaderRequest,
    LeaderRequests,
    Outcomes,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_causes import explained
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_verdict import (
    FAILED,
    LEVELS,
    PASSED,
    SKIPPED,
    UNKNOWN,
    Answer,
    LevelResult,
    ServedModel,
    SmokeVerdict,
    WorldSize,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher, running_pods
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import SmokeTestOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    ENDPOINT_UNREACHABLE,
    NOT_REACHABLE_FROM_HERE,
    RUNNING,
    HttpAnswer,
    LiveWorkload,
    Platform,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    INFO,
    WARNING,
    Finding,
    errors_of,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Seconds for the engine to say how many ranks it has: it answers from memory.
_WORLD_SIZE_LIMIT = 10.0


def run_smoke_test(platform: Platform, host: Host, name: str, options: SmokeTestOptions) -> SmokeVerdict:
    """Try the workload ``name`` up to the level of ``options`` and return the verdict.

    Raises ``GpuopsError`` when there is no such workload or the platform itself cannot be asked; everything that is
    wrong about the workload is in the verdict.
    """
    live = platform.find(name)
    if live is None:
        raise GpuopsError.from_finding(
            Finding(
                ERROR,
                "workload_not_found",
                f"there is no such workload at {platform.target().sentence()}.",
                "Check the name and the project, or create it first.",
                name,
            )
        )
    return _SmokeTest(platform, host, live, options).run()


class _SmokeTest:
    """One run: asks the platform and the leaders, collects findings, and judges level by level."""

    def __init__(self, platform: Platform, host: Host, live: LiveWorkload, options: SmokeTestOptions) -> None:
        self._platform = platform
        self._host = host
        self._live = live
        self._options = options
        self._asked = list(LEVELS)[: list(LEVELS).index(options.up_to) + 1]
        self._began = host.clock()
        self._layout = platform.layout(live)
        self._engine = read_engine(self._layout, live.name)
        self._status = platform.status(live, detail=True)
        self._findings: list[Finding] = []
        self._models: tuple[ServedModel, ...] = ()
        self._answer: Answer | None = None
        self._proven = 0
        self._is_by_leader = False
        self._gpus: list[PodGpus] = []
        self._looks = Looks(platform, host, options.looks_in_check_mode)
        # What L0 alone would ask the engine is worth no look.
        self._leaders = LeaderRequests(platform, live, self._looks if "L1" in self._asked else None)

    def run(self) -> SmokeVerdict:
        """Go through the levels that were asked for."""
        expected = self._options.expected_pods
        if expected is None:
            expected = self._layout.pods * self._layout.replicas
        self._say("L0: looking at pods and ranks")
        pod_findings = levels.pod_findings(self._status, expected, self._live.name)
        pods_seconds = self._host.clock() - self._began
        results: dict[str, LevelResult] = {}
        if "L1" in self._asked:
            results["L1"] = self._timed("L1", self._model_level)
        # The engine is asked for its ranks after L1, which waits for the route to it, and before L2, which a broken one
        # does not survive.
        world_size = self._world_size(results.get("L1"))
        if "L2" in self._asked:
            results["L2"] = self._timed("L2", lambda: self._completion_level(results["L1"]))
        if "L4" in self._asked:
            results["L4"] = self._timed("L4", self._gpu_level)
        results["L0"] = self._pod_level(pod_findings, world_size, pods_seconds)
        self._note_unproven_replicas()
        return SmokeVerdict(
            levels=tuple(results[level] for level in self._asked),
            findings=most_severe_first([*self._status.unseen, *self._findings]),
            world_size=world_size,
            pods=self._status.pods,
            pods_expected=expected,
            replicas_proven=self._proven,
            replicas=self._layout.replicas,
            endpoint=self._status.endpoint,
            models=self._models,
            answer=self._answer,
            gpus=tuple(self._gpus),
            looks=self._looks.started,
            not_looked_at=tuple(self._looks.not_looked_at),
        )

    def _pod_level(self, pod_findings: list[Finding], world_size: WorldSize, seconds: float) -> LevelResult:
        findings = pod_findings + levels.rank_findings(self._engine, world_size, self._live.name)
        self._findings = findings + self._findings
        wrong = errors_of(findings)
        if wrong:
            return LevelResult("L0", FAILED, wrong[0].evidence, seconds)
        ranks = world_size.value if world_size.value is not None else self._engine.ranks
        if ranks is None:
            return LevelResult(
                "L0",
                UNKNOWN,
                "all pods run, but neither their commands nor the engine say how many ranks there are.",
                seconds,
            )
        source = world_size.source if world_size.value is not None else "the commands that the platform returns"
        return LevelResult("L0", PASSED, f"all pods run; {ranks} ranks by {source}.", seconds)

    def _model_level(self) -> tuple[str, str]:
        if self._status.phase not in (RUNNING, DEGRADED):
            return SKIPPED, f"the workload's phase is {self._status.phase}."
        answers = self._ask_until_routed()
        if isinstance(answers, Unreachable):
            return self._not_reached(answers, levels.MODELS_PATH)
        expected = self._options.served_names or self._engine.served_names
        found: list[Finding] = []
        for answer in answers:
            if isinstance(answer, Unreachable):
                found.append(self._not_answered(answer, levels.MODELS_PATH))
                continue
            models, findings = levels.model_findings(answer, expected, answer.leader or self._live.name)
            self._models = self._models or tuple(models)
            found += findings
            self._proven += not findings
        self._findings += found
        wrong = errors_of(found)
        if wrong:
            return FAILED, wrong[0].evidence
        shown = ", ".join(f"{model.name} (max_model_len {model.max_model_len})" for model in self._models)
        return PASSED, f"serves {shown}."

    def _completion_level(self, before: LevelResult) -> tuple[str, str]:
        if before.status == UNKNOWN:
            return UNKNOWN, before.reason
        if before.status != PASSED:
            return SKIPPED, "L1 did not pass."
        wanted = self._options.served_names or self._engine.served_names
        model = wanted[0] if wanted else self._models[0].name
        path = levels.CHAT_PATH
        self._proven = 0
        try:
            answers = self._ask_completion(path, model)
            if any(levels.lacks_chat_template(answer) for answer in _answered(answers)):
                path = levels.COMPLETIONS_PATH
                answers = self._ask_completion(path, model)
            again = self._ask_completion(path, model) if self._judged(answers, path) else None
        except Unreachable as error:
            self._proven = 0
            return self._not_reached(error, path)
        if again is None:
            return FAILED, errors_of(self._findings)[-1].evidence
        self._proven = 0
        if not self._judged(again, path):
            return FAILED, errors_of(self._findings)[-1].evidence
        text, leader = self._text_of(answers, path)
        second, _leader = self._text_of(again, path, leader)
        self._answer = Answer(
            text=self._host.redactor.text(levels.shortened_answer(text)),
            seconds=max(answer.seconds for answer in _answered(answers)),
            second_seconds=max(answer.seconds for answer in _answered(again)),
            repeatable=text == second,
            path=path,
            model=model,
        )
        return PASSED, f"answered in {self._answer.seconds:.2f} s, and again in {self._answer.second_seconds:.2f} s."

    def _gpu_level(self) -> tuple[str, str]:
        pods = running_pods(self._status)
        if not pods:
            return SKIPPED, "no pod runs."
        self._say(f"L4: looking at the GPUs of {len(pods)} pods")
        self._gpus = read_gpus(self._platform, self._host, self._live, pods)
        found = smoke_gpus.gpu_findings(self._gpus, self._layout, self._live.name)
        self._findings += found
        wrong = errors_of(found)
        if wrong:
            return FAILED, wrong[0].evidence
        unknown = [finding for finding in found if finding.cause in smoke_gpus.NOT_KNOWN]
        return (UNKNOWN, unknown[0].evidence) if unknown else (PASSED, smoke_gpus.in_words(self._gpus))

    def _judged(self, answers: Outcomes, path: str) -> bool:
        """Count the replicas that completed and keep what is wrong about the others; say whether nothing is."""
        problems = [
            self._not_answered(answer, path)
            if isinstance(answer, Unreachable)
            else levels.read_completion(answer, path, answer.leader or self._live.name)[1]
            for answer in answers
        ]
        found = [problem for problem in problems if problem is not None]
        self._findings += explained(self._platform, self._live, found)
        self._proven += len(answers) - len(found)
        return not errors_of(found)

    def _text_of(self, answers: Outcomes, path: str, leader: str | None = None) -> tuple[str, str]:
        """Return a completion and who gave it: that of ``leader`` if it answered, else the first."""
        given = _answered(answers)
        chosen = next((answer for answer in given if answer.leader == leader), given[0])
        return levels.read_completion(chosen, path, self._live.name)[0], chosen.leader

    def _ask_completion(self, path: str, model: str) -> Outcomes:
        self._say(f"L2: asking {model} for a completion")
        body = levels.completion_request(path, model, self._options.prompt, self._options.max_tokens)
        request = LeaderRequest("POST", path, body, self._options.time_limit)
        return self._ask(request, [request])

    def _ask_until_routed(self) -> Outcomes | Unreachable:
        """Ask for the model list; while the route to the leader is not there yet, again for ``route_limit`` seconds."""
        models = LeaderRequest("GET", levels.MODELS_PATH, None, self._options.time_limit)
        seen: list[Outcomes | Unreachable] = []

        def observe() -> Outcomes | Unreachable:
            # An endpoint that came meanwhile, other pods than before.
            if seen and isinstance(seen[-1], Unreachable):
                self._status = self._platform.status(self._live, detail=True)
            try:
                seen.append(self._ask(models, [self._world_size_request()]))
            except Unreachable as error:
                seen.append(error)
            return seen[-1]

        def describe(answers: Outcomes | Unreachable) -> str:
            told = ", ".join(
                one.reason if isinstance(one, Unreachable) else str(one.status)
                for one in ([answers] if isinstance(answers, Unreachable) else answers)
            )
            return f"{self._live.name}: smoke test: L1: {levels.MODELS_PATH}: {told}"

        began = self._host.clock()

        def is_final(answers: Outcomes | Unreachable) -> bool:
            is_over = self._host.clock() - began >= self._options.route_limit
            return is_over or not _may_come(answers) or self._leaders.is_inside

        return Watcher(self._platform, self._host).wait(
            observe,
            is_final,
            lambda answers, seconds: None,
            describe,
            self._options.route_limit + self._options.time_limit,
            f"{self._live.name} answers",
        )

    def _world_size(self, model_level: LevelResult | None) -> WorldSize:
        if self._status.phase not in (RUNNING, DEGRADED):
            return WorldSize(None, f"not asked: the workload's phase is {self._status.phase}")
        if model_level is not None and model_level.status != PASSED:
            return WorldSize(None, "not asked: L1 did not pass")
        try:
            answers = self._ask(self._world_size_request())
        except Unreachable as error:
            return WorldSize(None, error.reason)
        return levels.read_world_size(_answered(answers))

    def _world_size_request(self) -> LeaderRequest:
        limit = min(_WORLD_SIZE_LIMIT, self._options.time_limit)
        return LeaderRequest("GET", levels.WORLD_SIZE_PATH, None, limit)

    def _ask(self, request: LeaderRequest, following: Sequence[LeaderRequest] = ()) -> Outcomes:
        """Send one request to the leaders; at least one answered."""
        self._host.alive()
        outcomes = self._leaders.ask(self._status, request, following)
        self._is_by_leader = any(outcome.leader for outcome in outcomes)
        return outcomes

    def _not_reached(self, error: Unreachable, path: str) -> tuple[str, str]:
        """Judge a level for which no leader answered."""
        finding = self._not_answered(error, path)
        self._findings += explained(self._platform, self._live, [finding])
        return (UNKNOWN if error.cause == NOT_REACHABLE_FROM_HERE else FAILED), finding.evidence

    def _not_answered(self, error: Unreachable, path: str) -> Finding:
        return levels.unreachable(error, path, error.leader or self._live.name, self._options.time_limit)

    def _note_unproven_replicas(self) -> None:
        if not 0 < self._proven < self._layout.replicas:
            return
        proven = f"{self._proven} of {self._layout.replicas} replicas were proven"
        if self._is_by_leader:
            why = "the leaders of the others are not there, are not ready, or did not answer as they should."
        else:
            why = "one address stands for all of them, and whoever answers, answers."
        severity = WARNING if self._is_by_leader else INFO
        self._findings.append(Finding(severity, "replicas_not_proven", f"{proven}: {why}", "", self._live.name))

    def _timed(self, level: str, judge: Callable[[], tuple[str, str]]) -> LevelResult:
        began = self._host.clock()
        status, reason = judge()
        return LevelResult(level, status, reason, self._host.clock() - began)

    def _say(self, text: str) -> None:
        self._host.progress.say(f"{self._live.name}: smoke test: {text}")


def _answered(outcomes: Outcomes) -> list[HttpAnswer]:
    """Return the answers, without the leaders that gave none."""
    return [outcome for outcome in outcomes if isinstance(outcome, HttpAnswer)]


def _may_come(outcomes: Outcomes | Unreachable) -> bool:
    """Say whether asking again may help: the route is not there yet."""
    if isinstance(outcomes, Unreachable):
        return outcomes.cause == ENDPOINT_UNREACHABLE
    return any(
        outcome.cause == ENDPOINT_UNREACHABLE
        if isinstance(outcome, Unreachable)
        else outcome.status in levels.ROUTE_NOT_READY
        for outcome in outcomes
    )
