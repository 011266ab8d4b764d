# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From what the user asked for to everything that will run. Pure: no I/O, no clock.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    WARNING,
    Finding,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload import checks
from ansible_collections.gpuops.inference.plugins.module_utils._workload.cluster_checks import check_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._workload.environment import SCRATCH, build_environment
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_checks import check_kubernetes
from ansible_collections.gpuops.inference.plugins.module_utils._workload.naming import check_name
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    FOLLOWER,
    LEADER,
    Decision,
    EnvironmentVariable,
    HttpProbe,
    Plan,
    PlatformTraits,
    PodTemplate,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    AUTHENTICATED_USERS,
    AUTHORIZED_GROUPS,
    AUTHORIZED_USERS,
    NO_RESTART,
    VLLM_API_KEY,
    WorkloadSpec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.timeouts import (
    decide_timeouts,
    liveness_probe,
    readiness_probe,
    startup_probe,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.topology import decide_topology
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_command import (
    CommandLine,
    build_commands,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_versions import (
    decide_version,
    features_of,
    version_text,
)

# Says that the model is really served; /health looks only at a flag.
_MODELS_PATH = "/v1/models"
_HEALTH_PATH = "/health"
# Access modes whose callers send the platform's own token in the header that vLLM's key needs.
_PLATFORM_TOKEN_MODES = (AUTHENTICATED_USERS, AUTHORIZED_USERS, AUTHORIZED_GROUPS)


def plan_workload(spec: WorkloadSpec, traits: PlatformTraits) -> Plan:
    """Return the whole plan, every decision with its reason. Raises ``OptionError`` for what cannot be carried out."""
    check_name(spec.name)
    checks.check_platform(spec, traits)
    checks.check_serving(spec, traits)
    checks.check_identity(spec)
    checks.check_volumes(spec)
    findings = checks.check_model(spec)
    version, version_findings = decide_version(spec.image, spec.vllm_version)
    topology, decisions = decide_topology(spec)
    timeouts = decide_timeouts(spec.start_timeout)
    findings += [*version_findings, *checks.check_group(spec, traits)]
    commands = build_commands(spec, traits, topology, timeouts, features_of(version))
    environment = build_environment(spec, timeouts)
    check_cluster(spec)
    check_kubernetes(spec)
    probe = _probe(spec)
    port = spec.serving.port
    annotations, annotation_findings = _annotations(spec)
    resources = dict(spec.fabric.resources) if spec.fabric else {}
    # The leader alone has the HTTP server that asks for it.
    key = (
        (EnvironmentVariable(checks.API_KEY_VARIABLE, spec.serving.api_key_secret),)
        if spec.serving.api_key_secret
        else ()
    )
    findings += [*commands.findings, *environment.findings, *annotation_findings, *_api_key_findings(spec)]
    decisions += [
        Decision("vllm_version", version_text(version), *_version_reason(spec)),
        *commands.decisions,
        *_group_decisions(spec, probe),
        *environment.decisions,
    ]

    def pod(role: str, line: CommandLine, variables: tuple[EnvironmentVariable, ...]) -> PodTemplate:
        return PodTemplate(
            role=role,
            command=line.command,
            arguments=line.arguments,
            environment=variables,
            volumes=spec.volumes,
            scratch=SCRATCH,
            extended_resources=resources,
            labels=dict(spec.labels),
            annotations=annotations,
            startup_probe=startup_probe(probe.path, port, timeouts) if probe and role == LEADER else None,
            readiness_probe=probe if role == LEADER else None,
            liveness_probe=liveness_probe(_HEALTH_PATH, port) if probe and role == LEADER else None,
        )

    return Plan(
        spec=spec,
        topology=topology,
        timeouts=timeouts,
        replicas=spec.replicas,
        leader=pod(LEADER, commands.leader, (*environment.variables, *key, *commands.leader_environment)),
        follower=pod(FOLLOWER, commands.follower, environment.variables) if commands.follower else None,
        decisions=tuple(decisions),
        findings=tuple(most_severe_first(findings)),
    )


def _version_reason(spec: WorkloadSpec) -> tuple[str, str]:
    if spec.vllm_version is not None:
        return "as given", "user"
    return "read from the image's tag", "plan"


def _probe(spec: WorkloadSpec) -> HttpProbe | None:
    if not spec.readiness_probe:
        return None
    has_key = checks.API_KEY_VARIABLE in spec.env or spec.serving.access == VLLM_API_KEY
    return readiness_probe(_HEALTH_PATH if has_key else _MODELS_PATH, spec.serving.port)


def _group_decisions(spec: WorkloadSpec, probe: HttpProbe | None) -> list[Decision]:
    decisions = [
        Decision("scratch", SCRATCH, "a private writable folder for home and caches; gone with the pod"),
        Decision("/dev/shm", "large", "vLLM's and NCCL's shared memory needs more than the 64 MiB of a container"),
        Decision("run_as", f"{spec.run_as.uid}:{spec.run_as.gid}", "never root", "user"),
        Decision("start_timeout", spec.start_timeout, "seconds for loading; vLLM's own budgets end before it", "user"),
    ]
    if probe is None:
        decisions.append(Decision("readiness_probe", False, "as given: ready means that the container runs", "user"))
    else:
        reason = (
            "the model is really served; /health looks only at a flag of the engine"
            if probe.path == _MODELS_PATH
            else f"with {checks.API_KEY_VARIABLE} the model list needs the key, which a probe cannot send"
        )
        decisions.append(Decision("readiness_probe", f"GET {probe.path} on port {probe.port}", reason))
    if spec.pods > 1:
        restart = (
            "the whole group restarts when one pod fails: ranks cannot join a running group"
            if spec.restart_policy != NO_RESTART
            else "as given"
        )
        decisions.append(Decision("restart_policy", spec.restart_policy, restart, "user"))
        decisions.append(Decision("startup_policy", spec.startup_policy, "when followers are created", "user"))
    return decisions


def _annotations(spec: WorkloadSpec) -> tuple[Mapping[str, str], list[Finding]]:
    of_fabric = dict(spec.fabric.annotations) if spec.fabric else {}
    replaced = sorted(name for name in of_fabric if spec.annotations.get(name, of_fabric[name]) != of_fabric[name])
    findings = [
        Finding(
            WARNING,
            "fabric_annotation_overridden",
            "It replaces the annotation that attaches the fabric's network to the pods.",
            "Leave it out, or name both networks in it.",
            f"annotations.{name}",
        )
        for name in replaced
    ]
    return {**of_fabric, **spec.annotations}, findings


def _api_key_findings(spec: WorkloadSpec) -> list[Finding]:
    if spec.serving.access == VLLM_API_KEY:
        # vLLM 0.33, docs/usage/security.md: only /v1, /v2, /inference and /cohere ask for the key.
        return [
            Finding(
                WARNING,
                "api_key_guards_some_paths",
                "vLLM asks for its key below /v1 (and /v2, /inference, /cohere) only: /metrics, /tokenize, /pause and "
                "others answer everybody who reaches the port.",
                "Let only those reach it who may: network_policy, or a gateway that passes /v1 alone.",
                "serving.access",
            )
        ]
    if checks.API_KEY_VARIABLE not in spec.env or spec.serving.access not in _PLATFORM_TOKEN_MODES:
        return []
    return [
        Finding(
            WARNING,
            "api_key_behind_platform_token",
            f"With access {spec.serving.access} callers send the platform's token in the Authorization header, where "
            "vLLM looks for its own key: it may refuse them.",
            f"Leave {checks.API_KEY_VARIABLE} out: the platform already checks who calls.",
            f"env.{checks.API_KEY_VARIABLE}",
        )
    ]
