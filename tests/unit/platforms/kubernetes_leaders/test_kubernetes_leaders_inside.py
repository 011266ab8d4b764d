# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a look finds the leaders inside the cluster, and as whom it asks them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    LEADER_NOT_READY,
    RUNNING,
    LeadersInside,
    PodStatus,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.leaders import Leaders
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec, SecretReference

BY_REFERENCE = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "my-key", "key": "api-key"}}}


def pod(name: str, address: str = "10.1.2.3", ready: bool = True, **container: Any) -> dict[str, Any]:
    """Return a leader's pod."""
    engine = {"name": "vllm", "image": "vllm:v1", "ports": [{"name": "http", "containerPort": 8080}], **container}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": "gpu-1", "securityContext": {"runAsUser": 2000}, "containers": [engine]},
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def inside(*pods: dict[str, Any], names: tuple[str, ...] = (), port: int | None = None) -> LeadersInside:
    by_name = {found["metadata"]["name"]: found for found in pods}

    class Client:
        def get(self, _resource: Any, name: str) -> dict[str, Any] | None:
            """Return a pod."""
            return by_name.get(name)

    leaders = tuple(PodStatus(name, name, "running", "leader") for name in (*by_name, *names))
    return Leaders(cast(Any, Client()), "a-token", port).inside(WorkloadStatus(RUNNING, pods=leaders))


def test_every_ready_leader_has_its_address() -> None:
    found = inside(pod("w-0"), pod("w-1", "fd00::1"), pod("w-2", ready=False), names=("w-3",))
    assert found.addresses == {"w-0": "10.1.2.3:8080", "w-1": "[fd00::1]:8080"}
    assert [(other.leader, other.cause) for other in found.others] == [
        ("w-2", LEADER_NOT_READY),
        ("w-3", ENDPOINT_UNREACHABLE),
    ]


def test_the_look_runs_like_the_first_of_them() -> None:
    found = inside(pod("w-0"))
    assert (found.place.image, found.place.run_as, found.place.machine) == ("vllm:v1", RunAsSpec(2000, 2000), "gpu-1")


def test_a_port_that_is_known_goes_before_the_containers() -> None:
    assert inside(pod("w-0"), port=9000).addresses == {"w-0": "10.1.2.3:9000"}


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ([BY_REFERENCE], SecretReference("my-key", "api-key")),
        ([{"name": "VLLM_API_KEY", "value": "clear"}], None),
        ([{"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "my-key"}}}], None),
        ([{**BY_REFERENCE, "name": "HF_TOKEN"}], None),
        ([], None),
    ],
)
def test_the_key_is_only_ever_a_reference(variables: list[dict[str, Any]], key: SecretReference | None) -> None:
    found = inside(pod("w-0", env=variables))
    assert found.key == key
    assert "a-token" not in str(found) and "clear" not in str(found)


def test_without_a_ready_leader_there_is_nobody_to_ask() -> None:
    with pytest.raises(Unreachable, match="pod w-0 is not ready") as error:
        inside(pod("w-0", ready=False))
    assert error.value.cause == ENDPOINT_UNREACHABLE
    with pytest.raises(Unreachable, match="no leader runs"):
        inside()
