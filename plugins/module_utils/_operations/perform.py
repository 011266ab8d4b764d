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
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_connection import (
    kubeconfig_is_content,
    kubeconfig_secrets,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import (
    GpuopsError,
    InterruptedByParent,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding, most_severe_first
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import (
    MASK,
    Redactor,
    looks_secret,
)

# What Ansible itself shows of an option with no_log.
_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# The options that hold environment variables by name.
_VARIABLES = ("env", "variables")

Operation = Callable[[dict[str, Any], Host], dict[str, Any]]


def perform(operation: Operation, argument_spec: ArgumentSpec, params: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Run ``operation`` on validated parameters and return its result, redacted, with the ``invocation``.

    A failure comes back as a result with ``failed``, ``msg`` and ``findings``; nothing is raised but what stops the
    whole process.
    """
    plain: dict[str, Any] = to_plain(params)
    host.redactor.learn(*kubeconfig_secrets(plain))
    _learn_secret_looking_values(plain, host.redactor)
    try:
        result = operation(plain, host)
    except InterruptedByParent as interrupted:
        result = {"failed": True, "msg": str(interrupted), "findings": []}
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
    redacted["invocation"] = {"module_args": _censored(plain, argument_spec, host.redactor)}
    return redacted


def run_module(module: AnsibleModule, operation: Operation) -> None:
    """Carry out ``operation`` as a module: silent while it works, since a module's output arrives only at its end.

    ``module`` is made with ``no_log``, which keeps its parameters out of the machine's system log: no option can say
    which values inside a ``kubeconfig`` given as its content are secret.
    """
    host = Host(
        check_mode=module.check_mode, redactor=Redactor(module.no_log_values), temporary_directory=module.tmpdir
    )
    result = perform(operation, module.argument_spec, module.params, host)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


def _learn_secret_looking_values(params: Mapping[str, Any], redactor: Redactor) -> None:
    """Treat clear values of environment variables that look secret (``HF_TOKEN``) as secrets from the start."""
    redactor.learn_guesses(*_guesses(params))


def _secret_looking(params: Mapping[str, Any], option: str) -> dict[str, Any]:
    """Return the variables of an option such as ``env`` whose name looks secret and whose value is given in the
    clear."""
    env = params.get(option)
    if not isinstance(env, dict):
        return {}
    return {name: value for name, value in env.items() if looks_secret(name) and not isinstance(value, dict)}


def _guesses(params: Mapping[str, Any]) -> list[str]:
    """Return the values that are probably secret: of secret-looking variables, in the options for them and in the
    fabric."""
    fabric = params.get("fabric")
    variables = fabric.get("variables") if isinstance(fabric, dict) else None
    given = [
        variable.get("value")
        for variable in (variables if isinstance(variables, list) else [])
        if isinstance(variable, dict) and looks_secret(str(variable.get("name")))
    ]
    clear = [value for option in _VARIABLES for value in _secret_looking(params, option).values()]
    return [str(value) for value in (*given, *clear) if value is not None]


def _censored(params: Mapping[str, Any], argument_spec: ArgumentSpec, redactor: Redactor) -> dict[str, Any]:
    """Return the parameters as results show them: secrets masked by option, by name of the variable, and by value."""
    censored: dict[str, Any] = redactor.value(dict(params))
    for name, option in argument_spec.items():
        if option.get("no_log") and censored.get(name) is not None:
            censored[name] = _HIDDEN
    if kubeconfig_is_content(params.get("kubeconfig")):
        # Only a path is shown: in a content nobody knows all that is secret.
        censored["kubeconfig"] = _HIDDEN
    for holder in _VARIABLES:
        secret_looking = _secret_looking(params, holder)
        if secret_looking:
            censored[holder] = {**censored[holder], **dict.fromkeys(secret_looking, MASK)}
    return censored
