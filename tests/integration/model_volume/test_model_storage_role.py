# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``model_storage``: a claim from flat inventory variables, in real plays."""

from __future__ import annotations

from typing import Any

from support.cluster import CLAIM, ClusterHandle
from support.playbook import Playbooks
from support.sandbox import SandboxHandle
from volume_objects import is_there, live

from gpuops_cluster.objects import STORAGE_CLASS

# What the options of a connection are called in an inventory.
RENAMED = {"context": "kubernetes_context"}
ROLE = {"name": "Prepare the volume", "ansible.builtin.include_role": {"name": "gpuops.inference.model_storage"}}
LEFT = {"name": "Show what it left", "ansible.builtin.debug": {"var": "model_storage_volume"}}


def inventory(connection: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """Return a play's variables: a connection in the inventory's words, and the claim's."""
    named = {f"gpuops_{RENAMED.get(option, option)}": value for option, value in connection.items()}
    return {"ansible_python_interpreter": "{{ ansible_playbook_python }}", **named, **variables}


def test_a_claim_from_the_inventory(cluster: ClusterHandle, playbooks: Playbooks) -> None:
    wanted = {"gpuops_claim": "models", "gpuops_claim_size": "5Gi", "gpuops_claim_storage_class": STORAGE_CLASS}
    play = {"vars": inventory(cluster.connection, **wanted)}
    assert playbooks.run([ROLE], "--check", "--diff", play=play).check().changed == 1
    assert not is_there(cluster, "models")
    assert playbooks.run([ROLE], play=play).check().changed == 1
    assert live(cluster, "models")["status"]["phase"] == "Bound"
    assert playbooks.run([ROLE], play=play).check().changed == 0
    gone = {"gpuops_claim_state": "absent", "gpuops_claim_allow_data_loss": True}
    play = {"vars": {**play["vars"], **gone}}
    assert playbooks.run([ROLE], play=play).check().changed == 1
    assert not is_there(cluster, "models")


def test_a_claim_that_is_there_is_left_alone(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    play = {"vars": inventory(sandbox.connection, gpuops_claim=CLAIM)}
    outcome = playbooks.run([ROLE, LEFT], play=play).check()
    assert outcome.changed == 0
    assert outcome.last["model_storage_volume"]["volume"]["phase"] == "unknown"
    assert sandbox.writes() == []


def test_a_workload_without_a_claim_asks_nothing(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    assert playbooks.run([ROLE], play={"vars": inventory(sandbox.connection)}).check().changed == 0
    assert sandbox.requests() == []
