# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the rules for options let through gives objects of the right shape, or one clear refusal."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    comparable,
    restricted,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.layout import read_layout
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import (
    dry_run_pods,
    render,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
    TRAITS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    DisruptionBudgetSpec,
    ExtraVolume,
    KubernetesSpec,
    NetworkClient,
    NetworkPolicySpec,
    PlacementSpec,
    ResourcesSpec,
    SecretReference,
    ServiceSpec,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
    WorkloadSpec,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rendered_workloads import RECIPE

TEXT = st.text(max_size=6)
ENV_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=6)
# What Kubernetes holds every name and every label's value to.
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUANTITY = re.compile(r"\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?")


def rarely(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that takes ``unusual`` about once in thirty times."""
    return st.integers(0, 29).flatmap(lambda number: unusual if number == 29 else usual)


def words(*good: str) -> st.SearchStrategy[str]:
    """Return a strategy of sensible words with anything else now and then."""
    return rarely(st.sampled_from(good), TEXT)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), strategy)


LABELS = st.dictionaries(words("team", "example.com/team"), words("ml", ""), max_size=2)
TERM = st.fixed_dictionaries({}, optional={"matchExpressions": st.just([]), "weight": st.just(1)})
RULE = st.sampled_from(
    ["requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"]
)
TERMS = st.lists(TERM, max_size=2)
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.dictionaries(
            RULE, rarely(st.fixed_dictionaries({"nodeSelectorTerms": TERMS}), TERMS | TEXT), max_size=1
        ),
        "podAntiAffinity": st.dictionaries(rarely(RULE, TEXT), rarely(TERMS, TEXT), max_size=1),
    },
)
CLIENT = st.one_of(
    st.builds(NetworkClient, pod_labels=LABELS),
    st.builds(NetworkClient, namespace_labels=LABELS, pod_labels=maybe(LABELS)),
    st.builds(NetworkClient, cidr=words("10.0.0.0/8", "::/0")),
    st.builds(NetworkClient, maybe(LABELS), maybe(LABELS), maybe(words("10.0.0.1/8"))),
)
VOLUME = st.builds(
    ExtraVolume,
    words("ca", "b"),
    words("/x", "/y"),
    rarely(
        st.sampled_from([{"configMap": {"name": "ca"}}, {"hostPath": {"path": "/x"}}]),
        st.dictionaries(TEXT, TEXT | st.just({}), max_size=2),
    ),
    st.booleans(),
)
OPTIONS = st.builds(
    KubernetesSpec,
    priority_class=maybe(words("gpu")),
    scheduler=maybe(words("kai-scheduler")),
    queue=maybe(words("team-a")),
    service_account=maybe(words("serving")),
    node_selector=LABELS,
    affinity=AFFINITY,
    extra_volumes=st.lists(VOLUME, max_size=2, unique_by=(lambda one: one.name, lambda one: one.path)).map(tuple),
    capabilities=st.lists(words("IPC_LOCK", "CHOWN"), max_size=2).map(tuple),
    shm_size=maybe(words("2Gi", "0.5Gi")),
    scratch_size=maybe(words("1Ti")),
    exclusive_topology=maybe(words("zone")),
    subgroup_size=maybe(rarely(st.just(1), st.integers(0, 4))),
    service=st.builds(ServiceSpec, st.sampled_from(["cluster_ip", "node_port", "load_balancer"]), LABELS),
    network_policy=maybe(st.builds(NetworkPolicySpec, st.lists(CLIENT, max_size=2).map(tuple))),
    disruption_budget=maybe(st.builds(DisruptionBudgetSpec, rarely(st.integers(1, 2), st.just(0)))),
    service_monitor=st.booleans(),
)
SECRET = st.builds(SecretReference, words("endpoint"), words("key"))
CLAIMS = st.lists(
    st.builds(VolumeSpec, words("models", "a.b"), words("/data", "/more"), st.booleans()),
    max_size=2,
    unique_by=lambda volume: volume.path,
)
SPECS = st.builds(
    lambda **changes: dataclasses.replace(RECIPE, **changes),
    name=words("my-llm", "a" * 45),
    pods=st.integers(1, 4),
    replicas=rarely(st.sampled_from([None, 0, 1]), st.integers(-1, 3)),
    serving=rarely(
        st.just(ServingSpec("cluster_internal"))
        | st.builds(lambda secret: ServingSpec("vllm_api_key", api_key_secret=secret), SECRET),
        st.builds(ServingSpec, words("cluster_internal"), st.integers(-1, 70000), api_key_secret=maybe(SECRET)),
    ),
    volumes=CLAIMS.map(tuple),
    env=st.dictionaries(words("A", "HOME"), ENV_TEXT | SECRET, max_size=2),
    labels=LABELS,
    annotations=LABELS,
    priority=rarely(st.none(), words("high")),
    vllm_args=st.lists(words("--x=1", "--y=$(HOME)", "--shutdown-timeout=99"), max_size=2).map(tuple),
    resources=st.builds(ResourcesSpec, maybe(st.floats(0.1, 8)), st.none(), maybe(words("1Gi")), maybe(words("64Gi"))),
    placement=st.builds(
        PlacementSpec,
        spread=st.sampled_from(["none", "preferred", "required"]),
        exclude_machines=st.lists(words("node-1"), max_size=2).map(tuple),
        tolerations=st.lists(st.builds(TolerationSpec, words("gpu")), max_size=1).map(tuple),
    ),
    restart_policy=st.sampled_from(["recreate_group", "recreate_group_after_start", "none"]),
    startup_policy=rarely(st.just("leader_created"), st.just("leader_ready")),
    readiness_probe=st.booleans(),
    distributed_executor_backend=rarely(st.just("mp"), st.just("ray")),
    kubernetes=OPTIONS,
)


def turned(value: Any) -> Any:
    """Return plain data whose mappings were written down in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return value


def with_turned_options(spec: WorkloadSpec) -> WorkloadSpec:
    own = spec.kubernetes
    return dataclasses.replace(
        spec,
        env=turned(dict(spec.env)),
        labels=turned(dict(spec.labels)),
        annotations=turned(dict(spec.annotations)),
        kubernetes=dataclasses.replace(
            own, node_selector=turned(dict(own.node_selector)), affinity=turned(dict(own.affinity))
        ),
    )


def check_pod(template: dict[str, Any]) -> None:
    for value in template["metadata"]["labels"].values():
        assert LABEL_VALUE.fullmatch(value)
    pod = template["spec"]
    (container,) = pod["containers"]
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(names) == len(set(names))
    assert all(DNS_LABEL.fullmatch(name) for name in names)
    assert all(len(volume) == 2 for volume in pod["volumes"])
    assert {mount["name"] for mount in container["volumeMounts"]} == set(names)
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(paths) == len(set(paths))
    variables = [entry["name"] for entry in container["env"]]
    assert len(variables) == len(set(variables))
    assert all(set(entry) - {"name"} in (set(), {"value"}, {"valueFrom"}) for entry in container["env"])
    assert all(isinstance(word, str) for word in (*container["command"], *container["args"]))
    for amounts in container["resources"].values():
        assert all(QUANTITY.fullmatch(amount) for amount in amounts.values())
    assert pod["terminationGracePeriodSeconds"] > 15


def check_workload(workload: RenderedWorkload) -> None:
    json.dumps(workload.body)
    for key, manifest in workload.body.items():
        kind, _slash, name = key.partition("/")
        assert (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
        assert DNS_LABEL.fullmatch(name)
        assert all(LABEL_VALUE.fullmatch(value) for value in manifest["metadata"]["labels"].values())
    for pod in dry_run_pods(workload):
        check_pod(pod)
    compared = comparable(workload.body)
    assert comparable(compared) == compared
    for key, manifest in workload.body.items():
        assert restricted(manifest, manifest) == manifest
        assert restricted({**manifest, "status": {}}, manifest) == manifest
        assert key in compared


@given(SPECS, st.sampled_from((LEADERWORKERSET, DEPLOYMENTS)))
@settings(max_examples=500)
def test_any_workload_gives_objects_or_one_clear_refusal(spec: WorkloadSpec, kind: str) -> None:
    kind = DEPLOYMENT if spec.pods == 1 and kind == DEPLOYMENTS else kind
    try:
        workload = render(plan_workload(spec, TRAITS), kind, "my-project")
    except OptionError as error:
        (finding,) = error.findings
        assert finding.object
        assert "\n" not in error.message
        return
    check_workload(workload)
    layout = read_layout(workload.body)
    assert layout.pods == spec.pods
    again = render(plan_workload(with_turned_options(spec), TRAITS), kind, "my-project")
    assert comparable(again.body) == comparable(workload.body)
