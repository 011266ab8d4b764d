# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The command lines of leader and followers.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload import vllm_flags
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import (
    RAY_LEADER_VARIABLE,
    check_word,
    check_words,
    join_words,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    Decision,
    EnvironmentVariable,
    PlatformTraits,
    Timeouts,
    Topology,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    MULTIPROCESSING,
    RAY,
    WorkloadSpec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_versions import (
    VllmFeatures,
    version_text,
)

_SERVE = ("vllm", "serve")
# vLLM's own default of --master-port, said aloud because network policies have to name it.
MASTER_PORT = 29501
# A follower needs 11 to 14 s to end after SIGTERM (measured with vLLM 0.32): 5 s grace, SIGTERM, 4 s, SIGKILL.
STOP_SECONDS = 15


@dataclass(frozen=True)
class CommandLine:
    """Words of one role's container."""

    command: tuple[str, ...]
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class GroupCommands:
    """What leader and followers run; ``follower`` is ``None`` for one pod. ``leader_environment`` is what the leader's
    command line itself needs."""

    leader: CommandLine
    follower: CommandLine | None
    leader_environment: tuple[EnvironmentVariable, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Budget:
    """A flag with a number of seconds: whose it is and why; ``words`` are what the plan adds for it."""

    words: tuple[str, ...]
    decision: Decision | None


def build_commands(
    spec: WorkloadSpec, traits: PlatformTraits, topology: Topology, timeouts: Timeouts, features: VllmFeatures
) -> GroupCommands:
    """Return the command lines with decisions and findings.

    Raises ``OptionError`` for words that would not survive the platform's splitting, for flags the plan decides, and
    where the image's vLLM cannot do what is asked.
    """
    check_backend(spec, topology, features)
    vllm_flags.check_flags(spec.vllm_args)
    if traits.single_string_commands or _needs_ray_script(spec):
        _check_user_words(spec)
    budgets = (_distributed_budget(spec, timeouts, features), _shutdown_budget(spec, traits, features))
    common = _common_words(spec, topology, budgets)
    decisions = [budget.decision for budget in budgets if budget.decision is not None]
    if spec.pods == 1:
        words = _serve_words(spec, (*common, *_backend_words(spec)))
        return GroupCommands(
            CommandLine(_SERVE, words), None, (), tuple(decisions), tuple(_findings(spec, topology, features))
        )
    decisions.append(_backend_decision(spec))
    findings = tuple(_findings(spec, topology, features))
    if spec.distributed_executor_backend == RAY:
        leader, follower, variable = _ray_lines(spec, traits, timeouts, features, common)
        return GroupCommands(leader, follower, (variable,), tuple(decisions), findings)
    leader, follower = _native_lines(spec, traits, common)
    return GroupCommands(leader, follower, (), tuple(decisions), findings)


def check_backend(spec: WorkloadSpec, topology: Topology, features: VllmFeatures) -> None:
    """Refuse (``OptionError``) a backend that the image's vLLM does not have or that cannot do the layout."""
    option, version = "distributed_executor_backend", version_text(features.version)
    if spec.pods == 1:
        return
    if spec.distributed_executor_backend == MULTIPROCESSING:
        if not features.native_multi_node:
            raise OptionError.of(
                "image",
                f"vLLM {version} cannot spread one engine over several pods by itself (0.11.1 and later can).",
                "Use a newer image, or distributed_executor_backend: ray.",
                "vllm_too_old",
            )
        return
    if features.ray_script is None:
        raise OptionError.of(
            option,
            f"Where the image of vLLM {version} keeps its Ray script is not known: it moved between 0.20 and 0.22.",
            "Use distributed_executor_backend: mp, or an image of 0.20 or of 0.22 and later.",
            "ray_script_unknown",
        )
    if topology.data_parallel_size > 1:
        raise OptionError.of(
            option,
            "Data parallel engines over several pods are laid out for the mp backend only.",
            "Use distributed_executor_backend: mp, or data_parallel_size: 1.",
            "ray_data_parallel",
        )


def _needs_ray_script(spec: WorkloadSpec) -> bool:
    return spec.distributed_executor_backend == RAY and spec.pods > 1


def _check_user_words(spec: WorkloadSpec) -> None:
    check_word(spec.model.path, "model.path")
    check_words(spec.model.served_names, "model.served_names")
    check_words(spec.vllm_args, "vllm_args")
    if not _needs_ray_script(spec):
        return
    words = [("model.path", spec.model.path)]
    words += [(f"model.served_names[{index}]", name) for index, name in enumerate(spec.model.served_names)]
    words += [(f"vllm_args[{index}]", word) for index, word in enumerate(spec.vllm_args)]
    for option, word in words:
        if "$" in word:
            raise OptionError.of(
                option,
                f"{word!r} holds a placeholder. With Ray the leader's command line travels in a variable, in which the "
                "kubelet replaces nothing.",
                "Write the value itself, or use distributed_executor_backend: mp.",
                "unsafe_word",
            )


def _common_words(spec: WorkloadSpec, topology: Topology, budgets: tuple[_Budget, ...]) -> tuple[str, ...]:
    words = [
        "--host",
        "0.0.0.0",
        "--port",
        str(spec.serving.port),
        "--tensor-parallel-size",
        str(topology.tensor_parallel_size),
        "--pipeline-parallel-size",
        str(topology.pipeline_parallel_size),
    ]
    if topology.data_parallel_size > 1:
        words += ["--data-parallel-size", str(topology.data_parallel_size)]
    for budget in budgets:
        words += budget.words
    return tuple(words)


def _serve_words(
    spec: WorkloadSpec, words: tuple[str, ...], user_words: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    names = ("--served-model-name", *spec.model.served_names) if spec.model.served_names else ()
    return (spec.model.path, *names, *words, *(spec.vllm_args if user_words is None else user_words))


def _backend_words(spec: WorkloadSpec) -> tuple[str, ...]:
    # For one pod vLLM chooses between its in-process and its multiprocessing executor itself.
    return ("--distributed-executor-backend", RAY) if spec.distributed_executor_backend == RAY else ()


def _native_lines(
    spec: WorkloadSpec, traits: PlatformTraits, common: tuple[str, ...]
) -> tuple[CommandLine, CommandLine]:
    group = (
        "--nnodes",
        str(spec.pods),
        "--master-addr",
        traits.leader_address,
        "--master-port",
        str(MASTER_PORT),
        "--distributed-executor-backend",
        MULTIPROCESSING,
    )
    follower_words = vllm_flags.without_leader_only(spec.vllm_args)
    leader = _serve_words(spec, (*common, *group, "--node-rank", "0"))
    follower = _serve_words(spec, (*common, *group, "--node-rank", traits.rank, "--headless"), follower_words)
    return CommandLine(_SERVE, leader), CommandLine(_SERVE, follower)


def _ray_lines(
    spec: WorkloadSpec, traits: PlatformTraits, timeouts: Timeouts, features: VllmFeatures, common: tuple[str, ...]
) -> tuple[CommandLine, CommandLine, EnvironmentVariable]:
    script = features.ray_script or ""
    limit = f"--ray_init_timeout={timeouts.distributed}"
    start = join_words(("bash", script, "leader", f"--ray_cluster_size={spec.pods}", limit))
    serve = join_words((*_SERVE, *_serve_words(spec, (*common, *_backend_words(spec)))))
    # Two programs after one another need a shell, and a shell's operators do not survive being split at white space. So
    # the line travels in a variable that the kubelet puts in as one word. Where the platform hands the whole string to
    # `sh -c`, that outer shell reads `sh -c : && bash ... && exec vllm ...`: the leading `:` makes both readings equal.
    line = f": && {start} && exec {serve}"
    leader = CommandLine(("sh", "-c"), (f"$({RAY_LEADER_VARIABLE})",))
    follower = CommandLine(("bash", script), ("worker", f"--ray_address={traits.leader_address}", limit))
    return leader, follower, EnvironmentVariable(RAY_LEADER_VARIABLE, line)


def _backend_decision(spec: WorkloadSpec) -> Decision:
    if spec.distributed_executor_backend == RAY:
        return Decision("distributed_executor_backend", RAY, "as given: Ray joins the pods", "user")
    return Decision(
        "distributed_executor_backend", MULTIPROCESSING, "vLLM joins the pods itself: the image needs nothing else"
    )


def _distributed_budget(spec: WorkloadSpec, timeouts: Timeouts, features: VllmFeatures) -> _Budget:
    flag = "--distributed-timeout-seconds"
    given = vllm_flags.given_value(spec.vllm_args, flag)
    if given is not None:
        return _Budget((), Decision(flag, given, "as given in vllm_args", "user"))
    if spec.pods == 1 or not features.distributed_timeout:
        return _Budget((), None)
    reason = (
        "half of start_timeout, at most torch's own 1800 s: without it, ranks wait half an hour in silence for a pod "
        "that never comes"
    )
    return _Budget((flag, str(timeouts.distributed)), Decision(flag, timeouts.distributed, reason))


def _shutdown_budget(spec: WorkloadSpec, traits: PlatformTraits, features: VllmFeatures) -> _Budget:
    flag = "--shutdown-timeout"
    given = vllm_flags.given_value(spec.vllm_args, flag)
    if given is not None:
        return _Budget((), Decision(flag, given, "as given in vllm_args", "user"))
    seconds = traits.stop_grace_seconds - STOP_SECONDS
    # All pods of a group get SIGTERM together and followers leave at once: waiting for requests helps one pod only.
    if spec.pods > 1 or not features.shutdown_timeout or seconds < 1:
        return _Budget((), None)
    reason = (
        f"running requests may end: the platform's {traits.stop_grace_seconds} s between SIGTERM and SIGKILL "
        f"less the {STOP_SECONDS} s that vLLM needs to end"
    )
    return _Budget((flag, str(seconds)), Decision(flag, seconds, reason))


def _findings(spec: WorkloadSpec, topology: Topology, features: VllmFeatures) -> list[Finding]:
    findings = []
    if spec.distributed_executor_backend == RAY and not features.ray_in_image:
        findings.append(
            Finding(
                WARNING,
                "ray_not_in_image",
                "vLLM's images come without Ray since 0.18: unless this one adds it, the pods end with "
                "\"No module named 'ray'\".",
                "Leave distributed_executor_backend at mp, or build an image with ray[cgraph].",
                "distributed_executor_backend",
            )
        )
    if spec.pods > 1 and not features.distributed_timeout:
        findings.append(
            Finding(
                WARNING,
                "no_distributed_timeout",
                f"vLLM {version_text(features.version)} has no --distributed-timeout-seconds (0.18.0 and later have): "
                "ranks wait 30 minutes in silence for a pod that never comes.",
                "Use a newer image.",
                "image",
            )
        )
    eager = vllm_flags.given_value(spec.vllm_args, "--enforce-eager") is not None
    if eager and topology.pipeline_parallel_size > 1:
        findings.append(
            Finding(
                WARNING,
                "pipeline_with_eager",
                "Pipeline parallelism with --enforce-eager starts, says it is healthy and fails at the first request "
                "(seen with vLLM 0.32 on a CPU; not tried on GPUs).",
                "Use -cc.mode=1 -cc.backend=eager instead.",
                "vllm_args",
            )
        )
    return findings
