# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of machines and custom resources about fabrics; against a real API server in tests/integration."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import CLOUDS
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence, DeviceResource
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_evidence import (
    NOT_SERVED,
    KubernetesFabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_machines import (
    FABRIC_LABELS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import Refused
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import FABRIC_KINDS
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import TolerationSpec
from hypothesis import given
from hypothesis import strategies as st
from scripted_api import ScriptedApi, refused
from support.fabric_objects import Object, fabric_object, network, nic_policy, sriov_policy, sriov_state
from support.fabric_scenes import SCENES, Scene

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(("", "ib0", "dev", "{", "15b3")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "config",
                    "linkTypes",
                    "pciAddress",
                    "pfNames",
                    "plugins",
                    "resourceName",
                    "selectors",
                    "type",
                    "vfGroups",
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PLUGINS = ("rdmaSharedDevicePlugin", "sriovDevicePlugin")
PARTS = (
    *("nodeSelector", "nicSelector", "interfaces", "config", "master", *PLUGINS),
    *("resourceName", "selectors", "devices", "linkType", "networkNamespace"),
)

SHARED = {"resourceName": "dev", "rdmaHcaMax": 63}
LISTS = ["list Node", *(f"list {resource.kind}" for resource in FABRIC_KINDS)]


def node(name: str, labels: dict[str, str] | None = None, devices: dict[str, str] | None = None, **spec: Any) -> Object:
    allocatable = {"cpu": "128", "hugepages-2Mi": "0", "nvidia.com/gpu": "8", **(devices or {})}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "H100", "rack": "7", **(labels or {})}},
        "spec": spec,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def evidence(api: ScriptedApi, *objects: Object, **placement: Any) -> ClusterEvidence:
    """Return what is read where these objects are."""
    for content in objects:
        api.objects[f"{content['kind']}/{content['metadata']['name']}"] = content
    connection = Connection(platform="kubernetes", namespace="my-project", kubernetes=KubernetesConnection())
    return KubernetesFabric(connection, Host(), cast(Any, api)).evidence(FabricPlacement(**placement))


def resources(api: ScriptedApi, *objects: Object) -> dict[str, DeviceResource]:
    return {device.resource: device for device in evidence(api, *objects).resources}


def one(api: ScriptedApi, *objects: Object) -> DeviceResource:
    """Return the only resource that these objects speak of."""
    (device,) = resources(api, *objects).values()
    return device


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_a_fabric_is_read(api: ScriptedApi, scene: Scene) -> None:
    nodes = [node(f"gpu-{number}", scene.labels, scene.devices) for number in (1, 2, 3, 4)]
    found = evidence(api, *nodes, *scene.objects)
    assert {
        device.resource: (device.link_layer, device.sharing, device.is_rdma, device.networks)
        for device in found.resources
    } == scene.said
    assert found.networks == scene.networks
    assert found.machines is not None
    assert [machine.name for machine in found.machines] == ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]
    for machine in found.machines:
        assert machine.labels == scene.labels
        assert set(machine.resources) == set(scene.devices)
        assert (machine.gpus, machine.gpu_product) == (8, "H100")
    assert found.unseen == {}
    assert api.calls == LISTS


class TestMachines:
    def test_counts_are_whole_numbers_and_gpus_of_all_kinds_are_no_devices(self, api: ScriptedApi) -> None:
        devices = {"rdma/ib": "1k", "nvidia.com/mig-1g.10gb": "7", "amd.com/gpu": "1", "requests.kubernetes.io/x": "1"}
        (machine,) = evidence(api, node("gpu-1", devices=devices)).machines or ()
        assert machine.resources == {"rdma/ib": 1000}

    def test_machines_without_gpus_do_not_count(self, api: ScriptedApi) -> None:
        found = evidence(api, node("cpu-1", devices={"nvidia.com/gpu": "0", "rdma/ib": "8"}))
        assert found.machines == ()
        assert found.platform_notes == ("No machine with GPUs is there.",)

    def test_only_machines_with_the_labels_count(self, api: ScriptedApi) -> None:
        nodes = [node("gpu-1", {"pool": "a"}), node("gpu-2", {"pool": "b"})]
        found = evidence(api, *nodes, node_selector={"pool": "b"})
        assert [machine.name for machine in found.machines or ()] == ["gpu-2"]

    def test_machines_that_pods_cannot_use_are_left_out_and_told(self, api: ScriptedApi) -> None:
        taint = {"key": "team", "value": "other", "effect": "NoSchedule"}
        gone = node("gpu-4")
        gone["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
        nodes = [node("gpu-1"), node("gpu-2", taints=[taint]), node("gpu-3", unschedulable=True), gone]
        found = evidence(api, *nodes)
        assert [machine.name for machine in found.machines or ()] == ["gpu-1"]
        assert found.platform_notes[0].startswith("3 of 4 machines with GPUs left out")
        found = evidence(api, *nodes, tolerations=(TolerationSpec("team"),))
        assert [machine.name for machine in found.machines or ()] == ["gpu-1", "gpu-2"]

    def test_every_label_by_which_a_cloud_is_recognised_is_kept(self) -> None:
        asked = {label for cloud in CLOUDS for label, _value in cloud.labels}
        kept = {
            label for label in asked for known in FABRIC_LABELS if known.startswith(label) or label.startswith(known)
        }
        assert kept == asked


class TestUnseen:
    def test_what_is_not_permitted_is_named(self, api: ScriptedApi) -> None:
        api.refusals = {call: refused(403, "permission_denied") for call in LISTS}
        found = evidence(api, node("gpu-1"), nic_policy([SHARED]))
        assert found.machines is None
        assert found.resources == ()
        assert set(found.unseen) == {"Node", *(resource.kind for resource in FABRIC_KINDS)}
        assert found.unseen["Node"] == "not permitted: list nodes of the whole cluster"

    def test_what_is_not_served_is_named(self, api: ScriptedApi) -> None:
        api.unserved = {"NicNodePolicy", "SriovNetworkNodeState"}
        found = evidence(api, node("gpu-1"))
        assert found.unseen == dict.fromkeys(("NicNodePolicy", "SriovNetworkNodeState"), NOT_SERVED)

    def test_another_refusal_is_raised(self, api: ScriptedApi) -> None:
        api.refusals = {"list NicClusterPolicy": refused(401, "credentials_refused")}
        with pytest.raises(Refused):
            evidence(api, node("gpu-1"))

    def test_without_a_way_to_the_cluster_the_option_is_named(self) -> None:
        with pytest.raises(OptionError) as caught:
            KubernetesFabric(Connection(platform="kubernetes", namespace="my-project"), Host())
        assert caught.value.findings[0].object == "kubeconfig"


class TestDevicePlugins:
    @pytest.mark.parametrize(
        ("selection", "layer"),
        [
            ({"selectors": {"linkTypes": ["infiniband"]}}, "InfiniBand"),
            ({"selectors": {"linkTypes": ["IB"]}}, "InfiniBand"),
            ({"selectors": {"linkTypes": ["ether"]}}, "Ethernet"),
            ({"selectors": {"linkTypes": ["ether", "infiniband"]}}, None),
            ({"selectors": {"ifNames": ["ib0", "ibp12s0"]}}, "InfiniBand"),
            ({"devices": ["ib0", "ib1"]}, "InfiniBand"),
            ({"devices": ["enp2s0f0np0"]}, "Ethernet"),
            ({"devices": ["ib0", "eth0"]}, None),
            ({"devices": ["rail0"]}, None),
            ({"selectors": {"vendors": ["15b3"], "deviceIDs": ["101b"]}}, None),
            ({}, None),
        ],
    )
    def test_the_link_layer_of_a_shared_device(self, api: ScriptedApi, selection: Object, layer: str | None) -> None:
        device = one(api, nic_policy([{**SHARED, **selection}]))
        assert (device.resource, device.link_layer, device.sharing) == ("rdma/dev", layer, "shared")
        assert device.source == "NicClusterPolicy/nic-cluster-policy"

    def test_the_prefix_can_be_another(self, api: ScriptedApi) -> None:
        assert one(api, nic_policy([{**SHARED, "resourcePrefix": "example.com"}])).resource == "example.com/dev"

    @pytest.mark.parametrize(
        ("selectors", "sharing", "is_rdma"),
        [
            ({"devices": ["101e"], "isRdma": True}, "virtual", True),
            ({"devices": ["1021"]}, "whole", False),
            ({"devices": ["1021", "101e"]}, None, False),
            ({"vendors": ["15b3"], "isRdma": True}, None, True),
            ([{"devices": ["101e"]}, {"devices": ["1018"], "isRdma": True}], "virtual", True),
        ],
    )
    def test_functions_are_told_from_whole_devices(
        self, api: ScriptedApi, selectors: Any, sharing: str | None, is_rdma: bool
    ) -> None:
        device = one(api, nic_policy(sriov=[{"resourceName": "dev", "selectors": selectors}]))
        assert (device.resource, device.sharing, device.is_rdma) == ("intel.com/dev", sharing, is_rdma)

    def test_a_configuration_that_is_no_json_is_told(self, api: ScriptedApi) -> None:
        policy = nic_policy()
        policy["spec"]["rdmaSharedDevicePlugin"] = {"config": "{"}
        found = evidence(api, policy)
        assert found.resources == ()
        assert any("rdmaSharedDevicePlugin.config is no JSON" in note for note in found.platform_notes)

    def test_a_policy_for_other_machines_says_nothing_here(self, api: ScriptedApi) -> None:
        policy = nic_policy([SHARED], kind="NicNodePolicy", nodeSelector={"pool": "other"})
        assert resources(api, node("gpu-1", {"pool": "ours"}), policy) == {}
        assert set(resources(api, node("gpu-1", {"pool": "other"}), policy)) == {"rdma/dev"}

    def test_where_objects_differ_it_is_not_known(self, api: ScriptedApi) -> None:
        other = nic_policy([{**SHARED, "devices": ["eth0"]}], kind="NicNodePolicy")
        device = one(api, nic_policy([{**SHARED, "devices": ["ib0"]}]), other)
        assert device.link_layer is None
        assert device.source == "NicClusterPolicy/nic-cluster-policy, NicNodePolicy/nic-cluster-policy"

    def test_an_operator_that_is_not_ready_is_told(self, api: ScriptedApi) -> None:
        policy = nic_policy([SHARED], state="notReady")
        policy["status"]["reason"] = "driver is loading"
        notes = evidence(api, policy).platform_notes
        assert "NicClusterPolicy nic-cluster-policy is notReady: driver is loading." in notes


class TestSriov:
    def test_the_names_prefix_is_that_of_the_machines(self, api: ScriptedApi) -> None:
        found = resources(api, node("gpu-1", devices={"nvidia.com/nics": "8"}), sriov_policy("nics", isRdma=True))
        assert set(found) == {"nvidia.com/nics"}

    def test_without_machines_it_is_the_operators_own(self, api: ScriptedApi) -> None:
        assert one(api, sriov_policy("nics")).resource == "openshift.io/nics"

    @pytest.mark.parametrize(
        ("policy", "on_machine", "layer"),
        [
            ({"linkType": "ib"}, "ETH", "InfiniBand"),
            ({"linkType": "ETH"}, "IB", "Ethernet"),
            ({}, "IB", "InfiniBand"),
            ({}, "", "Ethernet"),
        ],
    )
    def test_the_policy_says_the_link_layer_or_else_the_machines(
        self, api: ScriptedApi, policy: Object, on_machine: str, layer: str
    ) -> None:
        state = sriov_state("gpu-1", "nics", on_machine)
        assert one(api, node("gpu-1"), sriov_policy("nics", **policy), state).link_layer == layer

    def test_states_of_other_machines_do_not_count(self, api: ScriptedApi) -> None:
        states = [sriov_state("gpu-1", "nics", "IB"), sriov_state("cpu-1", "nics", "ETH", mode="exclusive")]
        found = evidence(api, node("gpu-1"), sriov_policy("nics"), *states)
        assert [device.link_layer for device in found.resources] == ["InfiniBand"]
        assert found.platform_notes == ()

    @pytest.mark.parametrize("spec", [{}, {"isRdma": False}, {"isRdma": True, "deviceType": "vfio-pci"}])
    def test_functions_that_are_not_for_rdma(self, api: ScriptedApi, spec: Object) -> None:
        assert one(api, sriov_policy("nics", **spec)).is_rdma is False

    def test_the_default_policy_brings_nothing(self, api: ScriptedApi) -> None:
        assert resources(api, sriov_policy("", name="default")) == {}

    def test_modes_and_what_is_not_in_sync_are_told(self, api: ScriptedApi) -> None:
        states = [sriov_state("gpu-1", "n", "IB", "exclusive"), sriov_state("gpu-2", "n", "IB", "shared", "Failed")]
        assert evidence(api, node("gpu-1"), node("gpu-2"), *states).platform_notes == (
            "RDMA mode exclusive on 1 of 2 machines with SR-IOV.",
            "RDMA mode shared on 1 of 2 machines with SR-IOV.",
            "SR-IOV is not as asked for (Failed) on 1 of 2 machines.",
        )


class TestNetworks:
    def test_the_annotation_joins_resource_and_network(self, api: ScriptedApi) -> None:
        device = one(api, network("net", "other", "example.com/x", type="macvlan"))
        assert (device.resource, device.link_layer, device.networks) == ("example.com/x", "Ethernet", ("other/net",))
        assert device.source == "NetworkAttachmentDefinition/other/net"

    def test_a_chain_of_plugins_is_looked_through(self, api: ScriptedApi) -> None:
        chain = network("net", "other", "example.com/x", plugins=[{"type": "tuning"}, {"type": "ib-sriov"}])
        assert (one(api, chain).link_layer, one(api, chain).sharing) == ("InfiniBand", "virtual")

    @pytest.mark.parametrize("config", ["", "no json", "[]", '{"plugins": 3}'])
    def test_a_configuration_that_says_nothing(self, api: ScriptedApi, config: str) -> None:
        definition = network("net", "other", "example.com/x")
        definition["spec"] = {"config": config}
        assert one(api, definition).link_layer is None

    def test_a_network_without_a_resource_goes_with_that_of_its_interface(self, api: ScriptedApi) -> None:
        policy = nic_policy([{**SHARED, "devices": ["rail0"]}, {**SHARED, "resourceName": "b", "devices": ["rail1"]}])
        found = resources(api, policy, network("net", "my-project", type="macvlan", master="rail1"))
        assert {name: device.networks for name, device in found.items()} == {
            "rdma/dev": (),
            "rdma/b": ("my-project/net",),
        }

    def test_those_of_the_namespace_come_first_then_those_of_the_default_one(self, api: ScriptedApi) -> None:
        definitions = [network(f"in-{place}", place) for place in ("a-team", "default", "my-project")]
        found = evidence(api, *definitions).networks
        assert found == ("my-project/in-my-project", "default/in-default", "a-team/in-a-team")

    def test_a_host_device_network_may_name_its_resource_whole(self, api: ScriptedApi) -> None:
        device = one(api, fabric_object("HostDeviceNetwork", "net", {"resourceName": "example.com/x"}))
        assert (device.resource, device.sharing, device.networks) == ("example.com/x", "whole", ("default/net",))


@pytest.mark.parametrize("kind", [resource.kind for resource in FABRIC_KINDS])
@pytest.mark.parametrize("broken", [{}, {"spec": None}, {"spec": "x", "status": 3}, {"spec": {"nodeSelector": []}}])
def test_objects_that_are_not_as_expected_are_no_error(api: ScriptedApi, kind: str, broken: Object) -> None:
    content = fabric_object(kind, "odd", {})
    del content["spec"]
    found = evidence(api, node("gpu-1"), {**content, **broken})
    assert found.resources == ()


@given(
    st.sampled_from([resource.kind for resource in FABRIC_KINDS]),
    st.dictionaries(
        st.sampled_from(PARTS), JSON_VALUES | st.builds(lambda value: {"config": json.dumps(value)}, JSON_VALUES)
    ),
    JSON_VALUES,
)
def test_any_object_is_read_without_an_error(kind: str, spec: Object, status: Any) -> None:
    evidence(ScriptedApi(), node("gpu-1"), {**fabric_object(kind, "odd", spec), "status": status})
    wrapped = {part: {"config": json.dumps({"configList": [spec], "resourceList": [spec]})} for part in PLUGINS}
    evidence(ScriptedApi(), node("gpu-1"), fabric_object("NicClusterPolicy", "odd", wrapped))
    evidence(ScriptedApi(), fabric_object("NetworkAttachmentDefinition", "odd", {"config": json.dumps(status)}, "a"))
