# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of the sandbox as a place where workloads run."""

from __future__ import annotations

from typing import Any

from support.sandbox import INFERENCES, SandboxHandle, until
from support.workload_place import Parameters, WorkloadPlace

# Nobody listens there.
NO_CLUSTER = "https://127.0.0.1:9"


class RunaiPlace(WorkloadPlace):
    """A project of the sandbox."""

    platform = "runai"
    credential_option = "runai_client"
    address_option = "runai_url"
    _handle: SandboxHandle

    def _connection_options(self) -> tuple[str, ...]:
        """Return the options of an example that its connection may be made of."""
        return ("platform", "project")

    def _translated(self, parameters: Parameters) -> Parameters:
        """Return an example of the other platform in this one's words."""
        raise AssertionError(f"no example for Run:ai, only {parameters}")

    def with_wrong_credentials(self, parameters: Parameters, secret: str) -> Parameters:
        """Return parameters that log in with ``secret``, which is wrong."""
        return {**parameters, "runai_client_secret": secret}

    def with_secrets(self, parameters: Parameters, secret: str) -> list[Parameters]:
        """Return parameters that carry ``secret``, in every way in which a connection can."""
        cluster = {"name": "a", "cluster": {"server": NO_CLUSTER}}
        user = {"name": "a", "user": {"token": secret}}
        context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
        kubeconfig = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "a"}
        return [
            self.with_wrong_credentials(parameters, secret),
            {**parameters, "runai_token": secret},
            {**parameters, "kubeconfig": kubeconfig},
            {**parameters, "host": NO_CLUSTER, "api_key": secret},
        ]

    def secrets(self) -> list[str]:
        """Return the secrets of the test's own connections."""
        return [self._handle.description["client_secret"]]

    def connection_by_environment(self) -> tuple[dict[str, str], Parameters]:
        """Return the environment variables that hold a connection with a secret, and the options that stay."""
        of_environment = ("runai_url", "runai_client_id", "runai_client_secret", "runai_ca_path")
        left = {option: value for option, value in self.connection.items() if option not in of_environment}
        return {option.upper(): self.connection[option] for option in of_environment}, left

    def elsewhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for a project or namespace that is not there."""
        return {**parameters, "project": "no-such-project"}

    def nowhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for an address at which nobody listens."""
        return {**parameters, "runai_url": "https://127.0.0.1:9"}

    def names(self) -> set[str]:
        """Return the names of the workloads of which anything is there."""
        return {entry["name"] for entry in self._handle.living()}

    def identity(self, name: str) -> str:
        """Return what tells the one workload of this name from a recreated one."""
        return str(self._handle.the_one(name)["id"])

    def definition(self, name: str) -> Any:
        """Return everything that the workload consists of, as somebody asked for it."""
        shown = self._handle.definition(name)
        return {key: value for key, value in shown.items() if key != "actualPhase"}

    def pods(self, name: str) -> set[str]:
        """Return what tells the workload's pods from others."""
        return {pod["id"] for pod in self._handle.the_one(name)["pods"]}

    def ready_pods(self, name: str) -> set[str]:
        """Return those of them that are ready."""
        return {pod["id"] for pod in self._handle.the_one(name)["pods"] if pod["ready"]}

    def environment(self, name: str) -> dict[str, Any]:
        """Return the clear environment values of the leader's container (``None`` for a reference)."""
        return {entry["name"]: entry.get("value") for entry in self._leader(name)["environmentVariables"]}

    def image(self, name: str) -> str:
        """Return the image that the leader is to run."""
        return str(self._leader(name)["image"])

    def replicas(self, name: str) -> int:
        """Return the number of replicas that is asked for."""
        spec = self._handle.spec(name)
        return int(spec["replicas"] if "leader" in spec else spec["autoscaling"]["maxReplicas"])

    def pods_per_replica(self, name: str) -> int:
        """Return how many pods a replica consists of."""
        spec = self._handle.spec(name)
        return 1 + int(spec["workers"]) if "leader" in spec else 1

    def container_path(self, name: str) -> str:
        """Return the flattened path of the leader's container in results."""
        return "spec.leader" if "leader" in self._handle.spec(name) else "spec"

    def command_path(self, name: str) -> str:
        """Return the flattened path of what the leader's container runs."""
        return f"{self.container_path(name)}.command"

    def variable_path(self, variable: str) -> str:
        """Return the flattened path of a variable's value below the container's."""
        return f".environmentVariables[{variable}].value"

    def create_foreign(self, name: str) -> None:
        """Create a workload of this name that the collection has not made."""
        self._handle.create_foreign(name)

    def change_image_by_hand(self, name: str, image: str) -> None:
        """Let somebody else change the image of a workload of one pod."""
        path = f"{INFERENCES}/{self.identity(name)}"
        status, content = self._handle.api("PATCH", path, {"spec": {"image": image}})
        assert status == 202, content

    def hold_deletion(self, name: str) -> None:
        """Let the next deletion of this workload take its time."""
        self._handle.switch(deletion_seconds=3)

    def release_deletion(self, name: str) -> None:
        """Let a held deletion come to its end."""
        until(lambda: not self._handle.living(name), f"{name} is gone")

    def _leader(self, name: str) -> dict[str, Any]:
        spec = self._handle.spec(name)
        leader: dict[str, Any] = spec.get("leader", spec)
        return leader
