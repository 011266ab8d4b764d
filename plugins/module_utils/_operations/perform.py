# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Runs one operation for a module or an action plugin: same conversion, same errors, same redaction.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding, most_severe_first
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor, looks_secret

Operation = Callable[[dict[str, Any], Host], dict[str, Any]]


def perform(operation: Operation, params: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Run ``operation`` on plain parameters and return its result, redacted.

    A failure comes back as a result with ``failed``, ``msg`` and ``findings``; nothing is raised but what stops the
    whole process.
    """
    plain: dict[str, Any] = to_plain(params)
    _learn_secret_looking_values(plain, host.redactor)
    try:
        result = operation(plain, host)
    except GpuopsError as error:
        findings = [finding.as_dict() for finding in most_severe_first(error.findings)]
        result = {**error.result, "failed": True, "msg": error.message, "findings": findings}
    except Exception as error:
        defect = Finding(
            ERROR,
            "internal_error",
            f"the collection met an unexpected {type(error).__name__}: {error}.",
            "This is a defect of the collection: please report it with the task's options.",
        )
        result = {"failed": True, "msg": defect.sentence(), "findings": [defect.as_dict()]}
    result.setdefault("changed", False)
    redacted: dict[str, Any] = host.redactor.value(to_plain(result))
    return redacted


def run_module(module: AnsibleModule, operation: Operation) -> None:
    """Carry out ``operation`` as a module: silent while it works, since a module's output arrives only at its end."""
    host = Host(
        check_mode=module.check_mode, redactor=Redactor(module.no_log_values), temporary_directory=module.tmpdir
    )
    result = perform(operation, module.params, host)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


def _learn_secret_looking_values(params: Mapping[str, Any], redactor: Redactor) -> None:
    """Treat clear values of environment variables that look secret (``HF_TOKEN``) as secrets from the start."""
    env = params.get("env")
    if isinstance(env, dict):
        redactor.learn(*(str(value) for name, value in env.items() if looks_secret(name) and isinstance(value, str)))
