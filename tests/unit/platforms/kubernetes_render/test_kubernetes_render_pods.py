# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods look like: identity, volumes, resources, probes, ending, placement, scheduler fields."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_security import needed_level
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ExtraVolume,
    KubernetesSpec,
    PlacementSpec,
    ResourcesSpec,
    RunAsSpec,
    SecretReference,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
)
from support.rendered_workloads import (
    EVERYTHING,
    INFINIBAND,
    KINDS,
    NAME,
    causes_of,
    container_of,
    leader_of,
    of_kubernetes,
    rendered,
    spec_of,
    templates_of,
)


def pod_of(*kinds: str, **changes: Any) -> dict[str, Any]:
    return dict(leader_of(rendered(*kinds, **changes))["spec"])


def container(*kinds: str, **changes: Any) -> dict[str, Any]:
    return container_of(leader_of(rendered(*kinds, **changes)))


def variables(**changes: Any) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container(**changes)["env"]}


class TestIdentity:
    def test_pods_are_restricted_ones(self) -> None:
        pod = pod_of(run_as=RunAsSpec(2000, 2001, (3000, 3001)))
        assert pod["securityContext"] == {
            "runAsUser": 2000,
            "runAsGroup": 2001,
            "runAsNonRoot": True,
            "supplementalGroups": [3000, 3001],
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_nobody_walks_over_all_files_of_a_claim(self) -> None:
        assert "fsGroup" not in pod_of(**EVERYTHING)["securityContext"]

    def test_pods_have_no_token_and_no_variables_of_services(self) -> None:
        pod = pod_of()
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert "serviceAccountName" not in pod
        assert pod_of(kubernetes=KubernetesSpec(service_account="serving"))["serviceAccountName"] == "serving"

    @pytest.mark.parametrize(
        ("options", "level"),
        [
            ({}, "restricted"),
            ({"capabilities": ("NET_BIND_SERVICE",)}, "restricted"),
            ({"capabilities": ("CHOWN",)}, "baseline"),
            ({"capabilities": ("CHOWN", "IPC_LOCK")}, "privileged"),
            ({"extra_volumes": (ExtraVolume("a", "/a", {"secret": {"secretName": "a"}}),)}, "restricted"),
            ({"extra_volumes": (ExtraVolume("a", "/a", {"nfs": {"server": "a", "path": "/"}}),)}, "baseline"),
            ({"extra_volumes": (ExtraVolume("a", "/a", {"hostPath": {"path": "/a"}}),)}, "privileged"),
        ],
    )
    def test_what_needs_more_than_restricted_is_said(self, options: dict[str, Any], level: str) -> None:
        assert needed_level(spec_of(kubernetes=KubernetesSpec(**options))) == level
        workload = of_kubernetes(**options)
        found = [one for one in workload.findings if one.cause == "pod_security_not_restricted"]
        assert bool(found) == (level != "restricted")
        assert not found or level in found[-1].evidence

    def test_added_capabilities_do_nothing_without_root_and_that_is_said(self) -> None:
        workload = of_kubernetes(capabilities=("IPC_LOCK",))
        assert container_of(leader_of(workload))["securityContext"]["capabilities"] == {
            "drop": ["ALL"],
            "add": ["IPC_LOCK"],
        }
        (finding,) = [one for one in workload.findings if one.cause == "capability_without_root"]
        assert "UID 2000" in finding.evidence
        assert "memlock" in finding.evidence


class TestCommandAndEnvironment:
    def test_words_are_a_list_and_need_no_quoting(self) -> None:
        words = container(vllm_args=("--override-generation-config", '{"temperature": 0.5}', "--x=a b"))["args"]
        assert '{"temperature": 0.5}' in words
        assert "--x=a b" in words

    def test_only_placeholders_are_replaced_by_the_kubelet(self) -> None:
        words = container(vllm_args=("--x=$(HOME)", "--y=$(LWS_GROUP_SIZE)", "--z=5$"))["args"]
        assert {"--x=$$(HOME)", "--y=$(LWS_GROUP_SIZE)", "--z=5$$"} <= set(words)

    @pytest.mark.parametrize(("kind", "pods"), [(DEPLOYMENTS, 2), (DEPLOYMENT, 1)])
    def test_where_nobody_sets_placeholders_their_values_stand(self, kind: str, pods: int) -> None:
        words = container(kind, pods=pods, vllm_args=("--y=$(LWS_GROUP_SIZE)",))["args"]
        assert f"--y={pods}" in words

    def test_values_reach_the_process_as_they_were_given(self) -> None:
        env = variables(env={"PRICE": "5$ $(HOME)", "EMPTY": "", "HF_TOKEN": SecretReference("hf", "token")})
        assert env["PRICE"] == {"name": "PRICE", "value": "5$$ $$(HOME)"}
        assert env["EMPTY"] == {"name": "EMPTY"}
        assert env["HF_TOKEN"] == {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
        assert env["VLLM_HOST_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}

    def test_the_key_of_the_endpoint_is_the_leaders_alone_and_comes_from_its_secret(self) -> None:
        serving = ServingSpec("vllm_api_key", api_key_secret=SecretReference("endpoint", "key"))
        templates = templates_of(rendered(serving=serving))
        of_leader, of_follower = (
            {entry["name"]: entry for entry in container_of(templates[role])["env"]} for role in ("leader", "follower")
        )
        assert of_leader["VLLM_API_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "endpoint", "key": "key"}
        assert "VLLM_API_KEY" not in of_follower


class TestVolumes:
    def test_shared_memory_is_memory_with_a_size(self) -> None:
        pod = pod_of()
        assert pod["volumes"][0] == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
        assert {"name": "shm", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]
        assert of_kubernetes(shm_size="1Gi").findings[0].cause == "no_gang"
        assert causes_of(of_kubernetes(shm_size="1Gi"))["shm_small"] == "warning"
        assert "shm_small" not in causes_of(of_kubernetes(shm_size="2Gi"))

    def test_the_scratch_is_private_and_its_size_as_given(self) -> None:
        assert pod_of()["volumes"][1] == {"name": "scratch", "emptyDir": {"medium": ""}}
        sized = pod_of(kubernetes=KubernetesSpec(scratch_size="100Gi"))
        assert sized["volumes"][1] == {"name": "scratch", "emptyDir": {"medium": "", "sizeLimit": "100Gi"}}

    def test_a_claim_that_is_mounted_twice_is_one_volume(self) -> None:
        claims = (
            VolumeSpec("models", "/data", read_only=True),
            VolumeSpec("logs", "/logs"),
            VolumeSpec("models", "/b"),
        )
        pod = pod_of(volumes=claims)
        assert [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume] == [
            {"name": "claim-0", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "claim-1", "persistentVolumeClaim": {"claimName": "logs"}},
        ]
        assert pod["containers"][0]["volumeMounts"][2:] == [
            {"name": "claim-0", "mountPath": "/data", "readOnly": True},
            {"name": "claim-1", "mountPath": "/logs"},
            {"name": "claim-0", "mountPath": "/b"},
        ]

    def test_extra_volumes_stand_as_they_were_given(self) -> None:
        volume = ExtraVolume("certificates", "/etc/ssl/extra", {"configMap": {"name": "ca"}})
        pod = pod_of(kubernetes=KubernetesSpec(extra_volumes=(volume,)))
        assert pod["volumes"][-1] == {"name": "certificates", "configMap": {"name": "ca"}}
        assert pod["containers"][0]["volumeMounts"][-1] == {
            "name": "certificates",
            "mountPath": "/etc/ssl/extra",
            "readOnly": True,
        }


class TestResources:
    def test_devices_are_requested_and_limited_alike(self) -> None:
        resources = container(fabric=INFINIBAND, resources=ResourcesSpec(0.5, 8.0, "32Gi", "64Gi"))["resources"]
        devices = {"nvidia.com/gpu": "2", "openshift.io/mellanoxnics": "1"}
        assert resources == {
            "requests": {"cpu": "500m", "memory": "32Gi", **devices},
            "limits": {"cpu": "8", "memory": "64Gi", **devices},
        }

    def test_what_is_not_stated_is_left_to_the_cluster(self) -> None:
        assert container()["resources"] == {
            "requests": {"nvidia.com/gpu": "2"},
            "limits": {"nvidia.com/gpu": "2"},
        }

    def test_the_fabrics_network_is_an_annotation_of_every_pod(self) -> None:
        for template in templates_of(rendered(fabric=INFINIBAND, env={})).values():
            assert template["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] == "rdma-net"


class TestProbesAndEnding:
    def test_the_leader_has_all_probes_and_followers_none(self) -> None:
        templates = templates_of(rendered(start_timeout=3600))
        leader = container_of(templates["leader"])
        assert leader["startupProbe"]["httpGet"]["path"] == "/v1/models"
        assert leader["startupProbe"]["periodSeconds"] * leader["startupProbe"]["failureThreshold"] == 3600
        assert leader["readinessProbe"]["httpGet"]["path"] == "/v1/models"
        assert leader["livenessProbe"]["httpGet"] == {"path": "/health", "port": 8000, "scheme": "HTTP"}
        follower = container_of(templates["follower"])
        assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & set(follower)

    def test_liveness_waits_longer_than_vllm_itself(self) -> None:
        # VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: after 300 s vLLM gives its engine up and ends.
        probe = container()["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 300

    @pytest.mark.parametrize(
        "changes",
        [
            {"serving": ServingSpec("vllm_api_key", api_key_secret=SecretReference("endpoint", "key"))},
            {"env": {"VLLM_API_KEY": SecretReference("endpoint", "key")}},
        ],
    )
    def test_with_a_key_probes_use_what_needs_none(self, changes: dict[str, Any]) -> None:
        leader = container(**changes)
        paths = {leader[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert paths == {"/health"}

    def test_no_readiness_probe_means_none_at_all(self) -> None:
        # Before a startup probe has succeeded a pod is not ready either.
        leader = container(readiness_probe=False)
        assert not {"startupProbe", "readinessProbe", "livenessProbe"} & set(leader)

    def test_pods_leave_the_service_before_they_end(self) -> None:
        for template in templates_of(rendered()).values():
            pod, one = template["spec"], container_of(template)
            assert one["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "5"]}}}
            assert one["terminationMessagePolicy"] == "FallbackToLogsOnError"
            assert pod["terminationGracePeriodSeconds"] == 60

    def test_a_longer_drain_gets_its_time(self) -> None:
        words = container(DEPLOYMENT, pods=1)["args"]
        assert words[words.index("--shutdown-timeout") + 1] == "40"
        pod = pod_of(DEPLOYMENT, pods=1, vllm_args=("--shutdown-timeout=300",))
        assert pod["terminationGracePeriodSeconds"] == 5 + 300 + 15


class TestPlacement:
    @pytest.mark.parametrize("kind", KINDS)
    def test_pods_of_a_replica_are_kept_apart(self, kind: str) -> None:
        term: dict[str, Any] = {
            "labelSelector": {"matchLabels": {"gpuops.inference/workload": NAME}},
            "topologyKey": "kubernetes.io/hostname",
        }
        if kind == LEADERWORKERSET:
            term["matchLabelKeys"] = ["leaderworkerset.sigs.k8s.io/group-key"]
        for spread, rules in (
            ("required", {"requiredDuringSchedulingIgnoredDuringExecution": [term]}),
            (
                "preferred",
                {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]},
            ),
        ):
            pod = pod_of(kind, placement=PlacementSpec(spread=spread))
            assert pod["affinity"] == {"podAntiAffinity": rules}
        assert "affinity" not in pod_of(kind, placement=PlacementSpec(spread="none"))

    def test_machines_are_excluded_from_every_alternative_of_the_users(self) -> None:
        affinity = pod_of(**EVERYTHING)["affinity"]["nodeAffinity"]
        terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        excluded = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node-3", "node-7"]}
        assert [term["matchExpressions"][-1] for term in terms] == [excluded, excluded]
        assert terms[0]["matchExpressions"][0]["key"] == "nvidia.com/gpu.present"
        assert terms[1]["matchFields"]

    def test_without_an_affinity_of_the_users_there_is_one_term(self) -> None:
        pod = pod_of(placement=PlacementSpec(spread="none", exclude_machines=("b", "a")))
        (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["values"] == ["a", "b"]

    def test_the_users_own_rules_of_pods_stay(self) -> None:
        own = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}
        pod = pod_of(kubernetes=KubernetesSpec(affinity=own))
        rules = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert [rule["weight"] for rule in rules] == [1, 100]
        assert own == {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}

    def test_tolerations_and_selectors_stand_as_given(self) -> None:
        tolerations = (TolerationSpec("gpu"), TolerationSpec("team", "Equal", "ml", "NoExecute", 60))
        pod = pod_of(
            placement=PlacementSpec(tolerations=tolerations),
            kubernetes=KubernetesSpec(node_selector={"zone": "a"}),
        )
        assert pod["nodeSelector"] == {"zone": "a"}
        assert pod["tolerations"] == [
            {"key": "gpu", "operator": "Exists"},
            {
                "key": "team",
                "operator": "Equal",
                "value": "ml",
                "effect": "NoExecute",
                "tolerationSeconds": 60,
            },
        ]

    def test_pulling_the_image(self) -> None:
        pod = pod_of(image_pull_policy="if_not_present", image_pull_secrets=("a", "b"))
        assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"
        assert pod["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


class TestSchedulers:
    def test_run_ais_and_kais_schedulers_read_labels(self) -> None:
        workload = rendered(
            priority="high",
            preemptibility="non_preemptible",
            kubernetes=KubernetesSpec(scheduler="kai-scheduler", queue="team-a", priority_class="gpu"),
        )
        expected = {
            "runai/queue": "team-a",
            "kai.scheduler/queue": "team-a",
            "priorityClassName": "high",
            "kai.scheduler/preemptibility": "non-preemptible",
        }
        main = workload.body[f"LeaderWorkerSet/{NAME}"]["metadata"]["labels"]
        assert expected.items() <= main.items()
        for template in templates_of(workload).values():
            assert expected.items() <= template["metadata"]["labels"].items()
            assert template["spec"]["schedulerName"] == "kai-scheduler"
            assert template["spec"]["priorityClassName"] == "gpu"
        assert "no_gang" not in causes_of(workload)

    @pytest.mark.parametrize(
        ("option", "changes"),
        [
            ("priority", {"priority": "high"}),
            ("priority", {"priority": "high", "kubernetes": KubernetesSpec(priority_class="gpu")}),
            ("preemptibility", {"preemptibility": "preemptible"}),
            ("priority", {"priority": "very high", "kubernetes": KubernetesSpec(queue="team-a")}),
        ],
    )
    def test_what_no_scheduler_would_look_at_is_refused(self, option: str, changes: dict[str, Any]) -> None:
        with pytest.raises(OptionError) as caught:
            rendered(**changes)
        assert caught.value.findings[0].object == option

    def test_a_priority_class_is_enough_for_preemptibility(self) -> None:
        workload = rendered(preemptibility="preemptible", kubernetes=KubernetesSpec(priority_class="gpuops-low"))
        template = leader_of(workload)
        assert template["spec"]["priorityClassName"] == "gpuops-low"
        assert "kai.scheduler/preemptibility" not in template["metadata"]["labels"]


@pytest.mark.parametrize("option", ["labels", "annotations"])
@pytest.mark.parametrize(
    "name",
    ["run.ai/role", "gpuops.inference/workload", "gpuops.inference/x", "leaderworkerset.sigs.k8s.io/size"],
)
def test_names_that_we_or_the_controller_rely_on_are_not_free(option: str, name: str) -> None:
    changes: dict[str, Any] = {option: {name: "x"}}
    with pytest.raises(OptionError) as caught:
        rendered(**changes)
    (finding,) = caught.value.findings
    assert (finding.object, finding.cause) == (f"{option}.{name}", "reserved_name")
