# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of the test cluster as a place where workloads run."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any, ClassVar

import yaml
from support.cluster import CLAIM, LEADERWORKERSETS, NAMESPACE, ClusterHandle
from support.sandbox import until
from support.workload_place import Parameters, WorkloadPlace

from gpuops_cluster.objects import PRIORITIES, STORAGE_CLASS

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SETS = f"{LEADERWORKERSETS}/namespaces/{NAMESPACE}/leaderworkersets"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
WORKLOAD_LABEL = "gpuops.inference/workload"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
# What the server and its controllers keep writing into an object, whatever is asked of it.
_KEPT_BY_SERVER = ("managedFields", "resourceVersion")
_HOLD = "gpuops.test/hold"


class KubernetesPlace(WorkloadPlace):
    """A namespace of the test cluster."""

    platform = "kubernetes"
    credential_option = "api_key"
    address_option = "kubeconfig"
    repairing: ClassVar[Parameters] = {"force_conflicts": True}
    _handle: ClusterHandle
    _known_token: str | None = None

    def _connection_options(self) -> tuple[str, ...]:
        """Return the options of an example that its connection may be made of."""
        return ("platform", "namespace", "kubeconfig", "context", "host", "api_key", "ca_cert", "expect_cluster")

    def _translated(self, parameters: Parameters) -> Parameters:
        """Return an example of the other platform in this one's words."""
        of_runai = ("platform", "project", "preemptibility", "priority", "single_pod_as")
        kept = {
            name: value for name, value in parameters.items() if name not in of_runai and not name.startswith("runai_")
        }
        if "serving" in kept:
            kept["serving"] = {"port": kept["serving"].get("port", 8000), "access": "cluster_internal"}
        return kept

    def _what_is_there(self, parameters: Parameters) -> Parameters:
        """Return the parameters that name objects which the examples think of and the test's platform lacks."""
        found: Parameters = {}
        if "volumes" in parameters:
            found["volumes"] = [{**volume, "claim": CLAIM} for volume in parameters["volumes"]]
        if "storage_class" in parameters:
            found["storage_class"] = STORAGE_CLASS
        if "paths" in parameters:
            # The jobs of looks run on this machine, without the volumes of their pods.
            model = self._handle.folder / "volume" / "model"
            model.mkdir(parents=True, exist_ok=True)
            found.update({"claim": CLAIM, "mount_path": str(model.parent), "paths": [str(model)]})
        if "priority_class" in parameters:
            found["priority_class"] = next(iter(PRIORITIES))
        return found

    def with_wrong_credentials(self, parameters: Parameters, secret: str) -> Parameters:
        """Return parameters that log in with ``secret``, which is wrong."""
        return {
            **{name: value for name, value in parameters.items() if name not in ("kubeconfig", "context")},
            "host": self._handle.description["api_url"],
            "ca_cert": self._handle.description["ca_path"],
            "api_key": secret,
        }

    def with_secrets(self, parameters: Parameters, secret: str) -> list[Parameters]:
        """Return parameters that carry ``secret``, in every way in which a connection can."""
        kubeconfig = yaml.safe_load(Path(self.connection["kubeconfig"]).read_text(encoding="utf-8"))
        users = [{"name": user["name"], "user": {"token": secret}} for user in kubeconfig["users"]]
        return [
            self.with_wrong_credentials(parameters, secret),
            {**parameters, "kubeconfig": {**kubeconfig, "users": users}},
        ]

    def secrets(self) -> list[str]:
        """Return the secrets of the test's own connections."""
        return [self._token()]

    def connection_by_environment(self) -> tuple[dict[str, str], Parameters]:
        """Return the environment variables that hold a connection with a secret, and the options that stay."""
        variables = {
            "K8S_AUTH_HOST": self._handle.description["api_url"],
            "K8S_AUTH_SSL_CA_CERT": self._handle.description["ca_path"],
            "K8S_AUTH_API_KEY": self._token(),
        }
        return variables, {"platform": self.platform, "namespace": NAMESPACE, "progress": "none"}

    def elsewhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for a project or namespace that is not there."""
        return {**parameters, "namespace": "no-such-namespace"}

    def nowhere(self, parameters: Parameters) -> Parameters:
        """Return parameters for an address at which nobody listens."""
        return {**self.with_wrong_credentials(parameters, "token-of-nowhere"), "host": "https://127.0.0.1:9"}

    def names(self) -> set[str]:
        """Return the names of the workloads of which anything is there."""
        found = [entry for path in (SETS, DEPLOYMENTS, SERVICES) for entry in self._handle.items(path)]
        # A Service of a replica's own is made by its controller.
        own = [entry for entry in found if not entry["metadata"].get("ownerReferences")]
        return {entry["metadata"].get("labels", {}).get(WORKLOAD_LABEL, entry["metadata"]["name"]) for entry in own}

    def identity(self, name: str) -> str:
        """Return what tells the one workload of this name from a recreated one."""
        return str(self._main(name)["metadata"]["uid"])

    def definition(self, name: str) -> Any:
        """Return everything that the workload consists of, as somebody asked for it."""
        selector = urllib.parse.quote(f"{WORKLOAD_LABEL}={name}")
        found = [
            entry
            for path in (SETS, DEPLOYMENTS, SERVICES)
            for entry in self._handle.items(f"{path}?labelSelector={selector}")
        ]
        return [_as_asked(entry) for entry in found]

    def pods(self, name: str) -> set[str]:
        """Return what tells the workload's pods from others."""
        return {pod["metadata"]["uid"] for pod in self._living_pods(name)}

    def ready_pods(self, name: str) -> set[str]:
        """Return those of them that are ready."""
        return {pod["metadata"]["uid"] for pod in self._living_pods(name) if _is_ready(pod)}

    def environment(self, name: str) -> dict[str, Any]:
        """Return the clear environment values of the leader's container (``None`` for a reference)."""
        return {entry["name"]: entry.get("value") for entry in self._container(name)["env"]}

    def image(self, name: str) -> str:
        """Return the image that the leader is to run."""
        return str(self._container(name)["image"])

    def replicas(self, name: str) -> int:
        """Return the number of replicas that is asked for."""
        return int(self._main(name)["spec"]["replicas"])

    def pods_per_replica(self, name: str) -> int:
        """Return how many pods a replica consists of."""
        template = self._main(name)["spec"].get("leaderWorkerTemplate")
        return int(template["size"]) if template else 1

    def container_path(self, name: str) -> str:
        """Return the flattened path of the leader's container in results."""
        main = self._main(name)
        is_set = main["kind"] == "LeaderWorkerSet"
        template = "leaderWorkerTemplate.leaderTemplate" if is_set else "template"
        container = self._container(name)["name"]
        return f"{main['kind']}/{main['metadata']['name']}.spec.{template}.spec.containers[{container}]"

    def command_path(self, name: str) -> str:
        """Return the flattened path of what the leader's container runs."""
        return f"{self.container_path(name)}.args"

    def variable_path(self, variable: str) -> str:
        """Return the flattened path of a variable's value below the container's."""
        return f".env[{variable}].value"

    def create_foreign(self, name: str) -> None:
        """Create a workload of this name that the collection has not made."""
        self._handle.kubectl("create", "-f", self._file(name, foreign_set(name)))

    def change_image_by_hand(self, name: str, image: str) -> None:
        """Let somebody else change the image of a workload of one pod."""
        container = {"name": self._container(name)["name"], "image": image}
        self.edit(f"{DEPLOYMENTS}/{name}", {"spec": {"template": {"spec": {"containers": [container]}}}})

    def hold_deletion(self, name: str) -> None:
        """Let the next deletion of this workload take its time."""
        self._set_finalizers(name, [_HOLD])

    def release_deletion(self, name: str) -> None:
        """Let a held deletion come to its end."""
        self._set_finalizers(name, None)
        until(lambda: name not in self.names() and not self._handle.pods(name), f"{name} is gone")

    def edit(self, path: str, change: dict[str, Any], manager: str = "kubectl-edit") -> None:
        """Change an object as ``kubectl edit`` does (or another manager of fields)."""
        content_type = MERGE if path.startswith(SETS) else STRATEGIC
        status, content = self._handle.api("PATCH", f"{path}?fieldManager={manager}", change, content_type)
        assert status == 200, content

    def main_path(self, name: str) -> str:
        """Return the path of the object that stands for the workload."""
        for path in (f"{SETS}/{name}", f"{DEPLOYMENTS}/{name}-head", f"{DEPLOYMENTS}/{name}"):
            if self._handle.api("GET", path)[0] == 200:
                return path
        raise AssertionError(f"no workload is called {name}")

    def _token(self) -> str:
        """Return the token of a service account that may look at everything here."""
        if self._known_token is None:
            rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
            self._known_token = str(self._handle.service_account("gpuops-by-token", rules)["api_key"])
        return self._known_token

    def _main(self, name: str) -> dict[str, Any]:
        return self._handle.get(self.main_path(name))

    def _container(self, name: str) -> dict[str, Any]:
        spec = self._main(name)["spec"]
        template = (
            spec["leaderWorkerTemplate"]["leaderTemplate"] if "leaderWorkerTemplate" in spec else spec["template"]
        )
        container: dict[str, Any] = template["spec"]["containers"][0]
        return container

    def _living_pods(self, name: str) -> list[dict[str, Any]]:
        return [pod for pod in self._handle.pods(name) if "deletionTimestamp" not in pod["metadata"]]

    def _set_finalizers(self, name: str, finalizers: list[str] | None) -> None:
        body = {"metadata": {"finalizers": finalizers}}
        status, content = self._handle.api("PATCH", self.main_path(name), body, MERGE)
        assert status == 200, content

    def _file(self, name: str, content: dict[str, Any]) -> str:
        path = self._handle.folder / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def foreign_set(name: str, image: str = "registry.example.com/of-somebody-else:v1") -> dict[str, Any]:
    """Return a LeaderWorkerSet as somebody else may have made it."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "main", "image": image, "securityContext": security}
    template = {"spec": {"containers": [container]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template}},
    }


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _as_asked(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what the server and its controllers keep writing; its generation stays."""
    metadata = {key: value for key, value in entry["metadata"].items() if key not in _KEPT_BY_SERVER}
    return {**{key: value for key, value in entry.items() if key != "status"}, "metadata": metadata}
