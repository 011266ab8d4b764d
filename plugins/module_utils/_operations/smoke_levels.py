# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The judgements of the smoke test's levels on what was seen and answered. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import shortened
from ansible_collections.gpuops.inference.plugins.module_utils._operations.engine_layout import EngineLayout
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_verdict import ServedModel, WorldSize
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import running_pods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    LEADER_NOT_READY,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    RUNNING,
    HttpAnswer,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    WARNING,
    Finding,
    errors_of,
)

MODELS_PATH = "/v1/models"
CHAT_PATH = "/v1/chat/completions"
COMPLETIONS_PATH = "/v1/completions"
WORLD_SIZE_PATH = "/get_world_size"

# What a proxy answers while the route to a new workload is not there yet.
ROUTE_NOT_READY = (502, 503, 504)
_ANSWER_CHARACTERS = 300
_NO_CHAT_TEMPLATE = re.compile(r"chat[ _]template", re.IGNORECASE)


def pod_findings(status: WorkloadStatus, expected: int, name: str) -> list[Finding]:
    """Return what is wrong about the workload's phase and pods. ``expected`` pods of all replicas."""
    found = []
    if status.phase not in (RUNNING, DEGRADED):
        history = StatusHistory()
        history.observe(status, 0.0)
        reasons = promoted(diagnose(status, history))
        why = next((f": {reason.evidence}" for reason in errors_of(reasons)), ".")
        hint = "" if reasons else "Wait until it runs."
        found.append(Finding(ERROR, "not_running", f"the workload's phase is {status.phase}{why}", hint, name))
        found.extend(reasons)
    elif status.phase == DEGRADED:
        found.append(
            Finding(
                WARNING,
                "degraded",
                f"the platform reports phase degraded: {shortened('; '.join(status.messages)) or 'without a message'}.",
                "",
                name,
            )
        )
    up = len(running_pods(status))
    if len(status.pods) < expected:
        found.append(
            Finding(
                ERROR,
                "pods_missing",
                f"{len(status.pods)} of {expected} pods exist.",
                "A pod that cannot be placed or was deleted is missing from the engine.",
                name,
            )
        )
    elif up < expected:
        down = ", ".join(f"{pod.name} ({pod.phase})" for pod in status.pods if pod not in running_pods(status))
        found.append(
            Finding(
                ERROR,
                "pods_not_running",
                f"{up} of {expected} pods run; not running: {down}.",
                "Look at the events of these pods.",
                name,
            )
        )
    return found


def read_world_size(answers: list[HttpAnswer]) -> WorldSize:
    """Return what the engines say of themselves; engines that differ, or do not say, give no value."""
    values = set()
    for answer in answers:
        if answer.status == 404:
            return WorldSize(None, f"this engine has no {WORLD_SIZE_PATH}")
        if answer.status != 200:
            return WorldSize(None, f"{WORLD_SIZE_PATH} was answered with {answer.status}")
        content = _json(answer.body)
        value = content.get("world_size") if isinstance(content, Mapping) else content
        if not isinstance(value, int) or isinstance(value, bool):
            return WorldSize(None, f"{WORLD_SIZE_PATH} gave no number")
        values.add(value)
    if len(values) != 1:
        return WorldSize(None, f"the replicas differ: {sorted(values)}")
    return WorldSize(values.pop(), f"the engine's {WORLD_SIZE_PATH}")


def rank_findings(engine: EngineLayout, world_size: WorldSize, name: str) -> list[Finding]:
    """Return the findings on the layout, and on an engine whose own count of ranks is not that of its GPUs."""
    found = list(engine.findings)
    expected = engine.gpus or engine.ranks
    if world_size.value is not None and expected and world_size.value != expected:
        found.append(
            Finding(
                ERROR,
                "rank_mismatch",
                f"the engine that answers reports {world_size.value} ranks, but the replica has {expected} GPUs.",
                "The other GPUs do not take part: check that every pod joins the leader's engine.",
                name,
            )
        )
    return found


def unauthorized(answer: HttpAnswer, path: str, name: str) -> Finding | None:
    """Return the finding on an answer that refuses the caller, or ``None``."""
    if answer.status not in (401, 403):
        return None
    hint = "Give `endpoint_token` (the token of somebody who may use this endpoint, or vLLM's API key)."
    if answer.credential != "no token":
        hint = (
            "The token that was sent is not accepted there: check who `serving.access` lets in (or vLLM's API key), or "
            "give another `endpoint_token`."
        )
    return Finding(
        ERROR,
        "endpoint_unauthorized",
        f"{path} was answered with {answer.status} (sent: {answer.credential}).",
        hint,
        name,
    )


def unreachable(error: Unreachable, path: str, name: str, time_limit: float) -> Finding:
    """Return the finding on a leader that did not answer: a warning where that says nothing about the model.
    ``time_limit`` in seconds."""
    if error.cause == NOT_REACHABLE_FROM_HERE:
        hint = "Levels from L1 on stay unknown: this says nothing about the model itself."
        return Finding(WARNING, error.cause, error.reason, hint, name)
    if error.cause == LEADER_NOT_READY:
        return Finding(WARNING, error.cause, error.reason, "Its replica serves nobody at present.", name)
    if error.cause != NO_ANSWER_IN_TIME:
        return Finding(ERROR, error.cause, f"{path}: {error.reason}", "", name)
    if path == MODELS_PATH:
        return Finding(
            ERROR,
            "endpoint_timeout",
            f"{path}: no answer within {time_limit:.0f} s.",
            "The leader's HTTP server hangs or something between here and it swallows the request.",
            name,
        )
    return Finding(
        ERROR,
        "completion_timeout",
        f"{path}: no answer within {time_limit:.0f} s ({error.reason}).",
        "A follower that ended or hangs shows exactly like this, and /health stays 200: look at the followers, then "
        "restart all pods of the replica together. A first request that compiles may need a larger `time_limit`.",
        name,
    )


def model_findings(answer: HttpAnswer, expected: tuple[str, ...], name: str) -> tuple[list[ServedModel], list[Finding]]:
    """Return the models that one leader lists, and what is wrong about the list."""
    refused = unauthorized(answer, MODELS_PATH, name)
    if refused:
        return [], [refused]
    content = _json(answer.body)
    entries = content.get("data") if isinstance(content, Mapping) else None
    if answer.status != 200 or not isinstance(entries, list):
        return [], [
            Finding(
                ERROR,
                "endpoint_failed",
                f"{MODELS_PATH} was answered with {answer.status}: {_said(answer)}",
                "No leader is ready behind the endpoint, or something other than vLLM answers on that port."
                if answer.status in ROUTE_NOT_READY
                else "Something other than a ready vLLM answers there.",
                name,
            )
        ]
    models = [
        ServedModel(
            str(entry["id"]), entry.get("max_model_len") if isinstance(entry.get("max_model_len"), int) else None
        )
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("id") is not None
    ]
    names = [model.name for model in models]
    missing = [wanted for wanted in expected if wanted not in names]
    if not missing and names:
        return models, []
    evidence = f"the engine serves {', '.join(names) or 'no model'}" + (
        f", not {', '.join(missing)}." if missing else "."
    )
    return models, [
        Finding(
            ERROR,
            "model_not_served",
            evidence,
            "Clients ask by these names: correct `served_names`, here or in the workload.",
            name,
        )
    ]


def completion_request(path: str, model: str, prompt: str, max_tokens: int) -> dict[str, Any]:
    """Return the body of a deterministic request: temperature 0 and a fixed seed."""
    body: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "temperature": 0, "seed": 0}
    if path == CHAT_PATH:
        body["messages"] = [{"role": "user", "content": prompt}]
    else:
        body["prompt"] = prompt
    return body


def lacks_chat_template(answer: HttpAnswer) -> bool:
    """Say whether a chat was refused because the model has no chat template."""
    return answer.status == 400 and bool(_NO_CHAT_TEMPLATE.search(answer.body))


def read_completion(answer: HttpAnswer, path: str, name: str) -> tuple[str, Finding | None]:
    """Return the text of a completion, and what is wrong when it is none."""
    refused = unauthorized(answer, path, name)
    if refused:
        return "", refused
    if answer.status != 200:
        return "", _completion_failed(answer, path, name)
    content = _json(answer.body)
    choices = content.get("choices") if isinstance(content, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
    text = _text_of(choice)
    usage = content.get("usage") if isinstance(content, Mapping) else None
    tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    # A tokeniser may show tokens as no text at all; that the engine computed some is what counts.
    if text or (isinstance(tokens, int) and tokens > 0):
        return text, None
    return "", Finding(
        ERROR,
        "completion_failed",
        f"{path} was answered with 200, but without a completion: {_said(answer)}",
        "Something other than vLLM may answer there.",
        name,
    )


def shortened_answer(text: str) -> str:
    """Return a completion's text as results show it."""
    return shortened(text, _ANSWER_CHARACTERS)


def _completion_failed(answer: HttpAnswer, path: str, name: str) -> Finding:
    hint = "The leader's log says why."
    if "EngineCore" in answer.body:
        hint = (
            "The engine started and died on its first work: read the leader's log from its first ERROR line. Known "
            "causes: pipeline parallel with --enforce-eager on a CPU, a head size the CPU build does not have, no "
            "C++ compiler in the image, a follower that ended."
        )
    elif answer.status in ROUTE_NOT_READY:
        hint = "The engine was there a moment ago: it may have died; the leader's log says why."
    return Finding(ERROR, "completion_failed", f"{path} was answered with {answer.status}: {_said(answer)}", hint, name)


def _text_of(choice: Mapping[str, Any]) -> str:
    """Return the text of a chat or a plain choice; a reasoning model may have thought and not yet answered."""
    message = choice.get("message")
    fields = [choice.get("text")]
    if isinstance(message, Mapping):
        fields += [message.get("content"), message.get("reasoning_content"), message.get("reasoning")]
    return next((field for field in fields if isinstance(field, str) and field), "")


def _said(answer: HttpAnswer) -> str:
    """Return the message of an error answer, else the beginning of its text."""
    content = _json(answer.body)
    error = content.get("error", content) if isinstance(content, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else error
    return shortened(message if isinstance(message, str) and message else answer.body) or "(empty)"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
