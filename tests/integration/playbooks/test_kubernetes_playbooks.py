# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on plain Kubernetes: the example inventory as it stands, the preflight, and AWX's credential.

Containers are only records here, so the smoke test goes up to L0. What answers is tested in kubernetes_leaders.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    cluster_role_manifest,
    role_manifest,
)
from support.cluster import CLAIM, IMAGE, NAMESPACE, PODS, ClusterHandle
from support.playbook import REPOSITORY, Playbooks, PlayResult
from support.walks import make_folder

EXAMPLE = REPOSITORY / "inventories" / "example-kubernetes"
WORKLOADS = {"mistral-small": 2, "mistral-large": 4, "mistral-small-batch": 1}


class Cluster:
    """The playbooks on the cluster for tests."""

    def __init__(self, handle: ClusterHandle, playbooks: Playbooks, folder: Path) -> None:
        self.handle = handle
        self._playbooks = playbooks
        self._folder = folder

    def on_example(self, playbook: str, *arguments: str) -> PlayResult:
        """Run a playbook on the example inventory, with only the place changed."""
        place = {
            "gpuops_kubeconfig": self.handle.connection["kubeconfig"],
            "gpuops_namespace": NAMESPACE,
            "gpuops_expect_cluster": "127.0.0.1",
            "gpuops_claim": CLAIM,
            "gpuops_smoke_test_up_to": "L0",
            # There are no files of these models here. What is done with files is tested in test_deploy_files.
            "gpuops_model_storage": False,
        }
        return self._playbooks.run_playbook(
            f"gpuops.inference.{playbook}", "-e", json.dumps(place), *arguments, inventory=str(EXAMPLE)
        )

    def on_one(self, playbook: str, variables: dict[str, Any], *arguments: str, **environment: str) -> PlayResult:
        """Run a playbook on one workload."""
        inventory = self._folder / "inventory.json"
        given = {
            "gpuops_platform": "kubernetes",
            "gpuops_namespace": NAMESPACE,
            "gpuops_image": IMAGE,
            "gpuops_model_path": "/data/model",
            "gpuops_claim": CLAIM,
            "gpuops_access": "cluster_internal",
            "gpuops_smoke_test_up_to": "L0",
            **variables,
        }
        group = {"hosts": {"one": {}}, "vars": given}
        inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
        return self._playbooks.run_playbook(
            f"gpuops.inference.{playbook}", *arguments, inventory=str(inventory), environment=environment
        )


@pytest.fixture
def plays(cluster: ClusterHandle, playbooks: Playbooks, tmp_path: Path) -> Cluster:
    """The playbooks, on an empty cluster with the example's priority classes."""
    for name, value in (("serving", 1000), ("batch", 10)):
        cluster.apply(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name, "labels": {"gpuops.test/user": "anything"}},
                "value": value,
            }
        )
    return Cluster(cluster, playbooks, tmp_path)


def shown(result: PlayResult, host: str) -> str:
    """Return the last message for a host."""
    message = [entry["msg"] for entry in result.results if entry["host"] == host and "msg" in entry][-1]
    return message if isinstance(message, str) else "\n".join(message)


def test_the_example_inventory_deploys_changes_nothing_again_and_goes(plays: Cluster) -> None:
    ready = plays.on_example("preflight").check()
    for name in WORKLOADS:
        assert shown(ready, name).startswith(f"{name}: ready, kubernetes at https://")
    planned = plays.on_example("deploy", "--check").check()
    assert plays.handle.writes() == []
    first = plays.on_example("deploy").check()
    for name, pods in WORKLOADS.items():
        assert "would be changed (disruption: none); nothing was written" in shown(planned, name)
        assert first.stats[name]["changed"] == 1
        assert f"\npods seen: {pods} of {pods}: " in shown(first, name)
        assert "\nL0 pods and ranks passed: " in shown(first, name)
        labelled = plays.handle.items(f"{PODS}?labelSelector=run.ai%2Fworkload%3D{name}")
        assert len(labelled) == pods
    heads = plays.handle.items(f"{PODS}?labelSelector=run.ai%2Frole%3Dhead")
    assert {pod["metadata"]["labels"]["run.ai/workload"] for pod in heads} == set(WORKLOADS)
    classes = {pod["metadata"]["labels"]["run.ai/workload"]: pod["spec"]["priorityClassName"] for pod in heads}
    assert classes == {"mistral-small": "serving", "mistral-large": "serving", "mistral-small-batch": "batch"}
    plays.handle.forget_requests()
    assert plays.on_example("deploy").check().changed == 0
    seen = plays.on_example("status", "--limit", "mistral-small", "-e", "gpuops_logs=true").check()
    assert "start: mistral-small-0 server_ready: " in shown(seen, "mistral-small")
    assert plays.handle.writes() == []
    gone = plays.on_example("teardown").check()
    assert shown(gone, "mistral-large") == f"mistral-large is deleted. Its volumes and their files stay: {CLAIM}."
    assert plays.handle.items(PODS) == []


def test_the_preflight_shows_all_that_is_missing_and_fails_that_host_alone(plays: Cluster) -> None:
    variables = {"gpuops_kubeconfig": plays.handle.connection["kubeconfig"], "gpuops_claim": "not-there"}
    result = plays.on_one("preflight", variables)
    assert result.rc != 0
    lines = shown(result, "one")
    assert lines.startswith("one: not ready, kubernetes at https://")
    assert "\nfailed   claim not-there: " in lines
    assert "\npassed   permissions: " in lines
    assert plays.on_one("preflight", variables, "-e", "gpuops_preflight_fail_on=never").rc == 0
    before = plays.on_one("deploy", variables, "-e", "gpuops_preflight=true")
    assert before.rc != 0
    assert "failed   claim not-there: " in shown(before, "one")
    assert plays.handle.writes() == []


def test_the_role_of_the_documentation_and_the_credential_of_awx_are_enough(plays: Cluster, tmp_path: Path) -> None:
    role, of_cluster = role_manifest(NAMESPACE)["rules"], cluster_role_manifest()["rules"]
    account = plays.handle.service_account("deployer", role, cluster_rules=of_cluster)
    credential = {
        "K8S_AUTH_HOST": account["host"],
        "K8S_AUTH_API_KEY": account["api_key"],
        "K8S_AUTH_SSL_CA_CERT": account["ca_cert"],
        "K8S_AUTH_VERIFY_SSL": "True",
    }
    volume = {"gpuops_claim_path": str(tmp_path), "gpuops_model_path": str(make_folder(tmp_path / "model"))}
    done = plays.on_one("deploy", volume, "-vvvv", "-e", "gpuops_preflight=true", **credential).check()
    assert "\nL0 pods and ranks passed: " in shown(done, "one")
    assert "\nmodel files: the serving user can read everything" in shown(done, "one")
    assert account["api_key"] not in done.stdout + done.stderr
    gone = plays.on_one("teardown", {}, **credential).check()
    assert gone.stats["one"]["changed"] == 1


def test_a_kubeconfig_in_the_inventory_keeps_its_secrets(plays: Cluster) -> None:
    account = plays.handle.service_account("reader", role_manifest(NAMESPACE)["rules"])
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "gpu", "cluster": {"server": account["host"], "certificate-authority": account["ca_cert"]}}
        ],
        "users": [{"name": "reader", "user": {"token": account["api_key"]}}],
        "contexts": [{"name": "here", "context": {"cluster": "gpu", "user": "reader"}}],
    }
    variables = {"gpuops_kubeconfig": kubeconfig, "gpuops_expect_cluster": "gpu"}
    looked = plays.on_one("status", variables, "-vvvv").check()
    assert shown(looked, "one").startswith("one: there is no workload of this name in kubernetes at ")
    assert account["api_key"] not in looked.stdout + looked.stderr
