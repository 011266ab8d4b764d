# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sources whose creation got no clear answer, and claims that Run:ai cannot delete."""

from __future__ import annotations

from typing import Any, cast

import pytest
import runai_examples as examples
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import DoubtfulAnswer
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.source_words import MARK
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.volumes import RunaiVolumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import BOUND, LiveClaim
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimSpec

SPEC = ClaimSpec("models", size="1Gi")


class Doubtful:
    """A control plane that answers no creation, and lists one data source afterwards."""

    def __init__(self, description: str) -> None:
        self._entry = {
            "meta": {"id": "source-1", "name": "models", "description": description},
            "spec": {"path": "/data", "existingPvc": False, "claimName": "models"},
        }
        self.creations = 0

    def projects(self, name: str) -> list[dict[str, Any]]:
        return [examples.project()]

    def create_data_source(self, body: dict[str, Any]) -> dict[str, Any]:
        self.creations += 1
        raise DoubtfulAnswer("the connection was reset")

    def data_sources(self, project: str, **query: str) -> list[dict[str, Any]]:
        return [self._entry]


def over(client: Doubtful, host: Host, retry: Retry) -> RunaiVolumes:
    """Return the claims of a project behind a client."""
    return RunaiVolumes(Connection("runai", examples.PROJECT), host, cast(Any, client), retry)


def test_after_doubt_a_data_source_of_ours_is_the_one_that_was_made(host: Host, retry: Retry) -> None:
    client = Doubtful(MARK)
    live = over(client, host, retry).create(SPEC)
    assert (live.handle, live.managed, client.creations) == ("source-1", True, 1)


def test_after_doubt_a_data_source_of_somebody_else_is_not_taken_for_it(host: Host, retry: Retry) -> None:
    client = Doubtful("Ours since 2024")
    with pytest.raises(PlatformUnreachable) as caught:
        over(client, host, retry).create(SPEC)
    (finding,) = caught.value.findings
    assert finding.cause == "creation_unconfirmed" and client.creations == 1


def test_a_claim_without_a_data_source_cannot_be_deleted(host: Host, retry: Retry) -> None:
    claim = LiveClaim("models", "uid-1", BOUND, False, {})
    (finding,) = over(Doubtful(MARK), host, retry).check_removal(claim)
    assert (finding.severity, finding.cause, finding.object) == ("error", "name_in_use", "models")


class Hidden(Doubtful):
    """A control plane that refuses to list data sources."""

    def __init__(self, status: int) -> None:
        super().__init__(MARK)
        self._status = status

    def data_sources(self, project: str, **query: str) -> list[dict[str, Any]]:
        raise ApiError(Finding(ERROR, "forbidden", "the control plane refused to list data sources."), self._status, "")


@pytest.mark.parametrize("status", [403, 404])
def test_data_sources_that_may_not_be_read_are_in_nobodys_way_who_makes_none(
    host: Host, retry: Retry, status: int
) -> None:
    volumes = over(Hidden(status), host, retry)
    assert volumes.find(ClaimSpec("models")) is None
    told = volumes.missing(ClaimSpec("models"))
    assert told is not None
    assert (told.severity, told.cause, f"({status})" in told.evidence) == ("info", "volume_not_seen", True)


@pytest.mark.parametrize(
    ("spec", "must_know", "status"),
    [
        (ClaimSpec("models", size="1Gi"), False, 403),
        (ClaimSpec("models", data_source="models"), False, 403),
        (ClaimSpec("models"), True, 403),
        (ClaimSpec("models"), False, 401),
    ],
)
def test_whoever_would_write_has_to_know(
    host: Host, retry: Retry, spec: ClaimSpec, must_know: bool, status: int
) -> None:
    with pytest.raises(ApiError):
        over(Hidden(status), host, retry).find(spec, must_know)
