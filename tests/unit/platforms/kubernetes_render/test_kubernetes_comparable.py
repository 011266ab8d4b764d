# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as they are compared: what we applied equals what comes back, whatever the server and others add."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    comparable,
    restricted,
    shown,
    stripped,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import with_record
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.quantities import normal_quantity
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import hash_clear_value
from hypothesis import given
from hypothesis import strategies as st
from support.rendered_workloads import NAME, VARIANTS, container_of, rendered, variant

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "limits", "requests", "env", "sizeLimit", "value", "a"]), inner, max_size=4
        )
    ),
    max_leaves=14,
)


def returned(manifest: Any) -> Any:
    """Return a manifest as the API server gives it back: its defaults and identity, and fields of other managers."""
    live = copy.deepcopy(manifest)
    live["status"] = {"replicas": 1}
    live["metadata"] |= {
        "uid": "1",
        "resourceVersion": "77",
        "generation": 3,
        "namespace": "my-project",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "gpuops.inference"}],
    }
    live["metadata"]["labels"]["team"] = "platform"
    live["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "4"
    for template in pod_templates(live):
        pod = template["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
        pod["volumes"].insert(0, {"name": "injected", "emptyDir": {}})
        container = pod["containers"][0]
        container["env"].insert(0, {"name": "INJECTED", "value": "x"})
        container["env"].reverse()
        container["resources"]["limits"].update(
            {name: normal_quantity(amount) for name, amount in container["resources"]["limits"].items()}
        )
        pod["containers"].append({"name": "sidecar", "image": "x"})
    return live


def pod_templates(manifest: Any) -> list[Any]:
    spec = manifest["spec"]
    group = spec.get("leaderWorkerTemplate", {})
    templates = (spec.get("template"), group.get("leaderTemplate"), group.get("workerTemplate"))
    return [template for template in templates if template]


@pytest.mark.parametrize("name", VARIANTS)
def test_what_was_applied_equals_what_comes_back(name: str) -> None:
    applied = comparable(variant(name).body)
    live = {
        key: restricted(returned(with_record(manifest, "record")), applied[key])
        for key, manifest in variant(name).body.items()
    }
    assert flatten(comparable(live)) == flatten(applied)


@pytest.mark.parametrize("name", VARIANTS)
def test_comparing_twice_changes_nothing(name: str) -> None:
    once = comparable(variant(name).body)
    assert comparable(once) == once
    assert {key: restricted(manifest, manifest) for key, manifest in once.items()} == once


@given(PLAIN)
def test_anything_can_be_compared(content: Any) -> None:
    for body in ({"Deployment/x": content}, {"Deployment/x": {"spec": content, "metadata": content}}):
        once = comparable(body)
        assert comparable(once) == once
        json.dumps(once)


@given(PLAIN, PLAIN)
def test_anything_can_be_restricted(found: Any, like: Any) -> None:
    assert restricted(found, found) == found
    part = restricted(found, like)
    assert restricted(part, like) == part


def test_a_change_by_somebody_else_is_a_difference() -> None:
    workload = rendered()
    key = f"LeaderWorkerSet/{NAME}"
    applied = comparable(workload.body)
    live = returned(workload.body[key])
    container = live["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]
    container["image"] = "another"
    container["env"] = [entry for entry in container["env"] if entry["name"] != "HOME"]
    before = flatten(comparable({key: restricted(live, applied[key])}))
    after = flatten({key: applied[key]})
    path = f"{key}.spec.leaderWorkerTemplate.leaderTemplate.spec.containers[vllm]"
    assert {path for path in after if before.get(path) != after[path]} == {
        f"{path}.image",
        f"{path}.env[HOME].name",
        f"{path}.env[HOME].value",
    }


def test_clear_values_are_hashed_and_references_stay() -> None:
    body = rendered(env={"PLAIN": "canary-1", "PASSWORD": "canary-2"}).body
    compared, seen = json.dumps(comparable(body)), json.dumps(shown(body))
    assert "canary" not in compared
    assert hash_clear_value("PLAIN", "canary-1") in compared
    assert "canary-1" in seen
    assert "canary-2" not in seen
    assert "status.podIP" in compared


def test_the_record_and_the_servers_own_fields_are_no_part_of_a_body() -> None:
    manifest = rendered().body[f"LeaderWorkerSet/{NAME}"]
    live = returned(with_record(manifest, "record"))
    kept = stripped(live)
    assert set(kept) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(kept["metadata"]) == {"name", "labels", "annotations"}
    assert "annotations" not in comparable({"x": kept})["x"]["metadata"]


def test_a_volume_that_says_nothing_stays_one() -> None:
    body = comparable(rendered().body)[f"LeaderWorkerSet/{NAME}"]
    template = body["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
    assert {"name": "scratch", "emptyDir": {}} in template["spec"]["volumes"]
    assert container_of(template)["name"] == "vllm"


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        (("1024Mi", "1Gi", "1073741824", "1.0Gi"), "1Gi"),
        (("0.5", ".5", "500m", 0.5), "500m"),
        (("2", 2, "2000m", "2.0"), "2"),
        (("1e3", "1000", "1k"), "1k"),
        (("1G", "1000M", "1e9"), "1G"),
        (("1536Mi", "1.5Gi"), "1536Mi"),
        (("0", "0Gi"), "0"),
        (("100u",), "100u"),
        (("1n", "0.1n"), "1n"),
    ],
)
def test_equal_amounts_have_one_text(amounts: tuple[Any, ...], text: str) -> None:
    assert {normal_quantity(amount) for amount in amounts} == {text}


@pytest.mark.parametrize("value", ["", "much", None, True, ["1"], "1 Gi"])
def test_what_is_no_amount_stays(value: Any) -> None:
    assert normal_quantity(value) == value
