# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When credentials end, and the table of permissions."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
import trustme
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.credential_ends import (
    end_of_certificate,
    end_of_token,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    cluster_role_manifest,
    permission,
    role_manifest,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    BY_KIND,
    DEPLOYMENTS,
    PODS,
    RESOURCES,
)
from hypothesis import given
from hypothesis import strategies as st


def token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{body}.signature"


def test_a_token_says_when_it_ends() -> None:
    assert end_of_token(token({"exp": 1764000000})) == datetime(2025, 11, 24, 16, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", token([]), token({"exp": "soon"}), token({"exp": 1e300})])
def test_a_token_that_does_not_say_it(text: str) -> None:
    assert end_of_token(text) is None


@pytest.mark.parametrize("days", [3, 20000])
def test_a_certificate_says_when_it_ends(days: int) -> None:
    """The second lies after 2050, from when on another form of time is used."""
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)
    certificate = trustme.CA().issue_cert("localhost", not_after=end)
    pem = certificate.private_key_and_cert_chain_pem.bytes().decode()
    assert end_of_certificate(pem) == end


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(text: str) -> None:
    assert end_of_certificate(text) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    body = base64.encodebytes(content).decode()
    end_of_certificate(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    end_of_token(f"a.{body}.c")


def test_every_permission_stands_once_and_says_what_for() -> None:
    keys = [(row.verb, row.resource, row.subresource) for row in PERMISSIONS]
    assert len(set(keys)) == len(keys)
    assert all(row.purpose and not row.purpose.endswith(".") for row in PERMISSIONS)


def test_no_secret_is_asked_for_and_of_pods_only_those_of_lost_machines_are_deleted() -> None:
    plurals = {row.resource.plural for row in PERMISSIONS}
    assert not plurals & {"secrets", "roles", "rolebindings"}
    writes = [row for row in PERMISSIONS if row.resource == PODS and row.verb in {"update", "patch", "delete"}]
    assert [(row.words, row.needed) for row in writes] == [("delete pods", False)]
    assert not [row for row in PERMISSIONS if "*" in (row.verb, row.resource.plural)]


def test_a_permission_is_found() -> None:
    found = permission("get", PODS, "log")
    assert found is not None and found.words == "get pods/log"
    assert permission("escalate", PODS) is None


def test_the_roles_hold_the_whole_table() -> None:
    rules = [*role_manifest("my-project")["rules"], *cluster_role_manifest()["rules"]]
    granted = {
        (verb, group, plural)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    wanted = {
        (row.verb, row.resource.group, row.resource.plural + (f"/{row.subresource}" if row.subresource else ""))
        for row in PERMISSIONS
    }
    assert granted == wanted
    assert role_manifest("my-project")["metadata"]["namespace"] == "my-project"


def test_kinds_are_found_by_their_word() -> None:
    assert BY_KIND["Deployment"] is DEPLOYMENTS
    assert len(BY_KIND) == len(RESOURCES)
