# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The objects of a workload as the API server has them: found by name, listed by label, followed by watches.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import vocabulary
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import (
    is_ours,
    main_object_key,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    BY_KIND,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    EVENTS,
    LEADERWORKERSETS,
    NETWORK_POLICIES,
    PODS,
    SERVICE_MONITORS,
    SERVICES,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.watching import (
    Feed,
    Subscription,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping

Object = Mapping[str, Any]

# In which order the kinds of workload are looked for: the usual one first, so that it costs one request.
_KINDS = (vocabulary.LEADERWORKERSET, vocabulary.DEPLOYMENTS, vocabulary.DEPLOYMENT)
# Kinds that a list leaves out where they are not ours to see. Nothing of ours is lost: whoever may not see them did not
# make them, and whether a LeaderWorkerSet has the workload's name is asked by `main`.
_OPTIONAL = (LEADERWORKERSETS, NETWORK_POLICIES, DISRUPTION_BUDGETS, SERVICE_MONITORS)
# All kinds of objects that the collection makes, in the order in which they are deleted.
_MADE = (LEADERWORKERSETS, DEPLOYMENTS, SERVICES, NETWORK_POLICIES, DISRUPTION_BUDGETS, SERVICE_MONITORS)


@dataclass(frozen=True)
class Found:
    """A workload's objects by body key (``Service/my-llm``); ``kind`` is its controller's word."""

    kind: str
    main: str
    objects: Mapping[str, Object]


class WorkloadObjects:
    """Reads the objects of workloads in one namespace and remembers what was read last.

    ``leaderworkersets_served`` is known after the first look for a workload.
    """

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._feed: Feed | None = None
        self._feed_for: tuple[str, str] | None = None
        self._events_shown = True
        self.leaderworkersets_served: bool | None = None

    def main(self, name: str) -> Found | None:
        """Return the workload's main object: one request where it is a LeaderWorkerSet, up to three otherwise.

        Who may not see LeaderWorkerSets still sees Deployments. Where there is none either, the refusal is raised: a
        LeaderWorkerSet may run, and must not count as absent. It does count so where the cluster serves none.
        """
        hidden: Refused | None = None
        for kind in _KINDS:
            key = main_object_key(kind, name)
            try:
                found = self.get(key)
            except Refused as refused:
                if kind != vocabulary.LEADERWORKERSET or not refused.is_permission:
                    raise
                hidden = refused
                continue
            if found is not None and (kind != vocabulary.DEPLOYMENTS or _says_workload(found, name)):
                return Found(kind, key, {key: found})
        if hidden is not None:
            self.leaderworkersets_served = self._client.serves(LEADERWORKERSETS)
            if self.leaderworkersets_served:
                raise hidden
        return None

    def get(self, key: str) -> Object | None:
        """Return the object of a body key, or ``None`` where it is not there or its kind is not served."""
        resource, name = resource_of(key)
        try:
            found = self._client.get(resource, name)
        except NotServed:
            found, served = None, False
        else:
            served = True
        if resource == LEADERWORKERSETS:
            self.leaderworkersets_served = served
        return found

    def labelled(self, name: str) -> dict[str, Object]:
        """Return every object that the collection made for a workload, by body key; pods and their like left out."""
        found: dict[str, Object] = {}
        for resource in _MADE:
            for entry in self._listed(resource, _label(name), is_optional=resource in _OPTIONAL):
                found[f"{resource.kind}/{mapping(entry.get('metadata')).get('name')}"] = entry
        return {key: entry for key, entry in found.items() if is_ours(entry, name)}

    def pods(self, name: str) -> list[Object]:
        """Return the workload's pods, without those of looks at it."""
        return self._listed(PODS, vocabulary.pod_selector(name))

    def seen(self, kind: str, name: str) -> Seen:
        """Return the workload as it is now: from the watches where these run, otherwise by requests."""
        resource = LEADERWORKERSETS if kind == vocabulary.LEADERWORKERSET else DEPLOYMENTS
        if self._feed is not None and self._feed_for == (kind, name):
            if self._feed.failure is not None:
                raise self._feed.failure
            mains, pods, events = (self._followed(one) for one in (resource, PODS, EVENTS))
        else:
            mains, pods, events = self._listed(resource, _label(name)), self.pods(name), self._events()
        by_key = {f"{resource.kind}/{mapping(entry.get('metadata')).get('name')}": entry for entry in mains}
        return Seen(by_key, pods, events)

    def await_news(self, kind: str, name: str, seconds: float) -> None:
        """Return when one of the workload's objects, pods or the namespace's events changed, at the latest after
        ``seconds``. The first call begins to watch and returns at once."""
        if self._feed is None or self._feed_for != (kind, name):
            self.close()
            resource = LEADERWORKERSETS if kind == vocabulary.LEADERWORKERSET else DEPLOYMENTS
            watched = [Subscription(resource, _label(name)), Subscription(PODS, vocabulary.pod_selector(name))]
            watched += [Subscription(EVENTS, optional=True)] if self._events_shown else []
            self._feed, self._feed_for = Feed(self._client, tuple(watched)), (kind, name)
            return
        self._feed.wait(seconds)

    def close(self) -> None:
        """End the watches."""
        if self._feed is not None:
            self._feed.close()
        self._feed, self._feed_for = None, None

    def _followed(self, resource: Resource) -> list[Object]:
        """Return what the watches know of a kind; no events where they are not ours to see."""
        if self._feed is None or (resource == EVENTS and not self._events_shown):
            return []
        return list(self._feed.objects(resource))

    def _events(self) -> list[Object]:
        """Return the namespace's events; none where they are not ours to see."""
        try:
            return list(self._client.list(EVENTS).items) if self._events_shown else []
        except Refused as refused:
            if not refused.is_permission:
                raise
            self._events_shown = False
            return []

    def _listed(self, resource: Resource, labels: str, is_optional: bool = False) -> list[Object]:
        """Return the objects of one kind that a selector of labels takes; none of a kind that is not served, nor of an
        optional one that is not ours to see."""
        try:
            return list(self._client.list(resource, labels=labels).items)
        except NotServed:
            return []
        except Refused as refused:
            if refused.is_permission and is_optional:
                return []
            raise


@dataclass(frozen=True)
class Seen:
    """One look: the main objects by body key, the workload's pods, the namespace's events."""

    objects: Mapping[str, Object]
    pods: list[Object]
    events: list[Object]


def resource_of(key: str) -> tuple[Resource, str]:
    """Return the resource and the name that a body key stands for."""
    kind, _slash, name = key.partition("/")
    return BY_KIND[kind], name


def _label(name: str) -> str:
    """Return the selector of everything that carries the workload's label."""
    return f"{vocabulary.WORKLOAD_LABEL}={name}"


def _says_workload(found: Object, name: str) -> bool:
    """Say whether a Deployment carries the workload's name, as ours or as the recipe's own do."""
    labels = mapping(mapping(found.get("metadata")).get("labels"))
    return name in (labels.get(vocabulary.WORKLOAD_LABEL), labels.get(vocabulary.RECIPE_WORKLOAD_LABEL))
