# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place where workloads run, in words that both platforms have: what the same tests ask of either.

Everything is asked of the platform itself (the sandbox's or the cluster's API), never of the collection's own output.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from support.cluster import ClusterHandle
from support.examples import all_examples
from support.sandbox import SandboxHandle

Parameters = dict[str, Any]

_OF_LOOKS = re.compile(r"/jobs/|/workloads/trainings\b|/services/[\w.-]+-look-[0-9a-f]{6}\b")


class WorkloadPlace(ABC):
    """One platform with a namespace or project for tests."""

    platform: str
    # The option that a message about wrong credentials names.
    credential_option: str
    # The option that a message about a missing connection names.
    address_option: str
    # Options that let a repair take back what somebody else has changed.
    repairing: ClassVar[Parameters] = {}

    def __init__(self, handle: SandboxHandle | ClusterHandle) -> None:
        self._handle = handle

    # What a task says

    @property
    def connection(self) -> Parameters:
        """The connection options of every module."""
        return self._handle.connection

    def workload(self, name: str, **options: Any) -> Parameters:
        """Return the parameters of ``vllm_workload`` for the recipe's 2 x 2 topology; ``None`` leaves an option out."""
        # A test that waits for nothing fails soon.
        return self._handle.workload(name, **{"schedule_timeout": 60, "start_timeout": 60, **options})

    def unique_name(self, prefix: str = "w") -> str:
        """Return a workload name that no test of this run has had."""
        return self._handle.unique_name(prefix)

    def example(self, module: str) -> Parameters:
        """Return a module's first example for this platform, with the test's connection."""
        return self.examples(module)[0]

    def examples(self, module: str) -> list[Parameters]:
        """Return a module's examples for this platform, or else its first one in this platform's words."""
        known = all_examples(module)
        own = [parameters for parameters in known if parameters["platform"] == self.platform]
        return [self._connected(parameters) for parameters in own or [self._translated(known[0])]]

    def _connected(self, parameters: Parameters) -> Parameters:
        """Return parameters with the test's connection instead of their own."""
        own = {name: value for name, value in parameters.items() if name not in self._connection_options()}
        return {**own, **self._what_is_there(own), **self.connection}

    def _what_is_there(self, parameters: Parameters) -> Parameters:
        """Return the parameters that name objects which the examples think of and the test's platform lacks."""
        return {}

    @abstractmethod
    def _connection_options(self) -> tuple[str, ...]:
        """Return the options of an example that its connection may be made of."""

    @abstractmethod
    def _translated(self, parameters: Parameters) -> Parameters:
        """Return an example of the other platform in this one's words."""

    @abstractmethod
    def with_wrong_credentials(self, parameters: Parameters, secret: str) -> Parameters:
        """Return parameters that log in with ``secret``, which is wrong."""

    @abstractmethod
    def with_secrets(self, parameters: Parameters, secret: str) -> list[Parameters]:
        """Return parameters that carry ``secret``, in every way in which a connection can."""

    @abstractmethod
    def secrets(self) -> list[str]:
        """Return the secrets of the test's own connections."""

    @abstractmethod
    def connection_by_environment(self) -> tuple[dict[str, str], Parameters]:
        """Return the environment variables that hold a connection with a secret, and the options that stay."""

    @abstractmethod
    def elsewhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for a project or namespace that is not there."""

    @abstractmethod
    def nowhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for an address at which nobody listens."""

    # What was asked of the platform

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests since the last reset."""
        return self._handle.requests()

    def writes(self) -> list[str]:
        """Return the requests that could change something. Looks are counted apart: their jobs and trainings are left
        out, and the Services by which the pods of a job find each other, which have its name."""
        return [request for request in self._handle.writes() if not _OF_LOOKS.search(request)]

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._handle.forget_requests()

    # What is there

    @abstractmethod
    def names(self) -> set[str]:
        """Return the names of the workloads of which anything is there."""

    @abstractmethod
    def identity(self, name: str) -> str:
        """Return what tells the one workload of this name from a recreated one."""

    @abstractmethod
    def definition(self, name: str) -> Any:
        """Return everything that the workload consists of, as somebody asked for it."""

    @abstractmethod
    def pods(self, name: str) -> set[str]:
        """Return what tells the workload's pods from others."""

    @abstractmethod
    def ready_pods(self, name: str) -> set[str]:
        """Return those of them that are ready."""

    @abstractmethod
    def environment(self, name: str) -> dict[str, Any]:
        """Return the clear environment values of the leader's container (``None`` for a reference)."""

    @abstractmethod
    def image(self, name: str) -> str:
        """Return the image that the leader is to run."""

    @abstractmethod
    def replicas(self, name: str) -> int:
        """Return the number of replicas that is asked for."""

    @abstractmethod
    def pods_per_replica(self, name: str) -> int:
        """Return how many pods a replica consists of."""

    @abstractmethod
    def container_path(self, name: str) -> str:
        """Return the flattened path of the leader's container in results."""

    @abstractmethod
    def command_path(self, name: str) -> str:
        """Return the flattened path of what the leader's container runs."""

    @abstractmethod
    def variable_path(self, variable: str) -> str:
        """Return the flattened path of a variable's value below the container's."""

    # What others do

    @abstractmethod
    def create_foreign(self, name: str) -> None:
        """Create a workload of this name that the collection has not made."""

    @abstractmethod
    def change_image_by_hand(self, name: str, image: str) -> None:
        """Let somebody else change the image of a workload of one pod."""

    @abstractmethod
    def hold_deletion(self, name: str) -> None:
        """Let the next deletion of this workload take its time."""

    @abstractmethod
    def release_deletion(self, name: str) -> None:
        """Let a held deletion come to its end."""
