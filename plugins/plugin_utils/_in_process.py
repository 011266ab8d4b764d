# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's operation in the controller's own process: fast in loops, and with live progress.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import Operation, perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.progress import Progress
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor

# Loaded here, once in the parent process, the package is not paid for by each forked task. Where it is missing or
# broken, the task that needs it says so, and no other.
with contextlib.suppress(Exception):
    importlib.import_module("kubernetes.config")

display = Display()


@dataclass(frozen=True)
class Entry:
    """What a module and its action plugin have in common."""

    arguments: Callable[[], Arguments]
    operation: Operation


class InProcessAction(ActionBase):
    """An action plugin that does what the module of the same name does.

    Where the task does not run on the controller itself (another connection, ``async``, ``become``) the module runs
    instead, with the same result.
    """

    _supports_check_mode = True
    _supports_async = True

    entry: ClassVar[Entry]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's result."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        shape_error = self.entry.arguments().shape_error(self._task.args)
        if shape_error is not None:
            return {**result, "failed": True, "changed": False, "msg": shape_error}
        if not self._runs_here():
            answer = self._execute_module(task_vars=variables, wrap_async=self._task.async_val)
            return {**result, **answer}
        with _environment(self._task_environment()):
            return {**result, **self._perform(variables)}

    def _runs_here(self) -> bool:
        """Say whether the task runs in this process."""
        return self._connection.transport == "local" and not self._task.async_val and not self._play_context.become

    def _perform(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Validate the arguments as the module does, then carry out the operation."""
        arguments = self.entry.arguments()
        validation = ArgumentSpecValidator(**arguments.keywords()).validate(self._task.args)
        redactor = Redactor(str(value) for value in validation._no_log_values)
        if validation.error_messages:
            return {"failed": True, "changed": False, "msg": redactor.text(self._first_error(validation))}
        params = validation.validated_parameters
        host = Host(
            check_mode=bool(self._task.check_mode),
            progress=Progress(self._write_line(variables, redactor), self._progress_mode(params)),
            redactor=redactor,
            alive=_parent_check(),
            temporary_directory=vars(constants)["DEFAULT_LOCAL_TMP"],
        )
        return perform(self.entry.operation, arguments.argument_spec, params, host)

    def _first_error(self, validation: ValidationResult) -> str:
        """Return the first validation error in the words of ``AnsibleModule``."""
        message = str(validation.errors.msg)
        if isinstance(validation.errors[0], UnsupportedError):
            return f"Unsupported parameters for ({self._task.action}) module: {message}"
        return message

    def _progress_mode(self, params: Mapping[str, Any]) -> str:
        """Return how progress is shown; a task under ``no_log`` says nothing."""
        return "none" if self._task.no_log else str(params["progress"])

    def _write_line(self, variables: Mapping[str, Any], redactor: Redactor) -> Callable[[str], None]:
        """Return what prints a progress line. It goes to stderr: stdout belongs to callbacks such as JSON."""
        host_name = str(variables.get("inventory_hostname", "localhost"))

        def write(line: str) -> None:
            display.display(f"{host_name} | {redactor.text(line)}", stderr=True)

        return write

    def _task_environment(self) -> dict[str, str]:
        """Return the task's ``environment:``, templated, later entries winning."""
        merged: dict[str, str] = {}
        environments = self._task.environment or []
        for environment in environments if isinstance(environments, list) else [environments]:
            templated = self._templar.template(environment) or {}
            merged.update({str(name): str(value) for name, value in templated.items()})
        return merged


@contextlib.contextmanager
def _environment(additions: Mapping[str, str]) -> Iterator[None]:
    """Put variables into the environment of this process for the time of the call."""
    before = {name: os.environ.get(name) for name in additions}
    os.environ.update(additions)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _parent_check() -> Callable[[], None]:
    """Return a check that raises once the process that started this one is gone (a worker outlives SIGKILL).

    A worker knows by ``multiprocessing`` who started it, also where that one was gone before the task began.
    """
    started_by = multiprocessing.parent_process()
    parent = os.getppid() if started_by is None else started_by.pid

    def check() -> None:
        if os.getppid() != parent:
            raise InterruptedByParent("ansible-playbook has ended; nothing more was done.")

    return check
