# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test cluster is built of and how its pieces are put together."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cryptography import x509

from gpuops_cluster import processes
from gpuops_cluster.audit import AuditLog, describe, is_write
from gpuops_cluster.binaries import KUBERNETES_VERSION, MODULES, OLDEST_GO, TOOLS, is_new_enough
from gpuops_cluster.certificates import Authority
from gpuops_cluster.components import audit_policy
from gpuops_cluster.objects import NAMESPACES, classes, machine, path_of, storage


def test_every_module_is_pinned_and_names_what_is_built() -> None:
    for tool in TOOLS:
        text = (MODULES / tool.name / "go.mod").read_text(encoding="utf-8")
        assert (MODULES / tool.name / "go.sum").is_file()
        for package in tool.packages.values():
            assert re.search(rf"^(tool |\t){re.escape(package)}$", text, re.MULTILINE), f"{tool.name}: {package}"
        assert re.search(rf"^go {OLDEST_GO}\b", text, re.MULTILINE), tool.name
        assert "://" not in text


def test_kubernetes_and_its_libraries_are_of_one_version() -> None:
    text = (MODULES / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}" in text
    replaced = set(re.findall(r"=> k8s\.io/\S+ (\S+)", text))
    assert replaced == {KUBERNETES_VERSION.replace("v1.", "v0.")}


@pytest.mark.parametrize(("version", "enough"), [("go1.26.8", True), ("go1.26", True), ("go2.0", True)])
def test_a_new_go_will_do(version: str, enough: bool) -> None:
    assert is_new_enough(version) is enough


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel", ""])
def test_an_old_or_unreadable_go_will_not_do(version: str) -> None:
    assert not is_new_enough(version)


def test_certificates_name_their_user_and_their_groups(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    pair = authority.issue("someone", "jane", ("a", "b"))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=jane,O=b,O=a"
    assert pair.key.stat().st_mode & 0o077 == 0
    issuer = x509.load_pem_x509_certificate(authority.path.read_bytes())
    certificate.verify_directly_issued_by(issuer)
    # A second one of the same folder is the same authority.
    again = Authority(tmp_path / "certificates").issue("other", "john", expired=True)
    expired = x509.load_pem_x509_certificate(again.certificate.read_bytes())
    expired.verify_directly_issued_by(issuer)
    assert expired.not_valid_after_utc < certificate.not_valid_after_utc


def test_ports_are_different_and_below_those_of_outgoing_connections() -> None:
    ports = processes.free_ports(("a", "b", "c"))
    assert len(set(ports.values())) == 3
    assert all(port in processes.PORTS for port in ports.values())


def test_a_program_is_ended_only_where_it_is_the_one_that_was_started(tmp_path: Path) -> None:
    process = processes.start("waits", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path)
    assert processes.recorded(tmp_path) == {"waits": process}
    other = processes.Process("waits", process.pid, f"{process.started}0", process.command)
    processes.end(other)
    assert process.lives
    processes.end(process)
    assert not process.lives


def audited(verb: str, uri: str, identity: str, stage: str = "ResponseComplete") -> dict[str, object]:
    return {
        "auditID": identity,
        "verb": verb,
        "requestURI": uri,
        "stage": stage,
        "user": {"username": "u"},
        "userAgent": "agent",
        "responseStatus": {"code": 200},
    }


def test_a_request_counts_once_and_says_whether_it_has_ended() -> None:
    uri = "/api/v1/pods?watch=1&resourceVersion=3"
    begun = describe([audited("watch", uri, "1", "ResponseStarted"), audited("get", "/version", "2")])
    assert [(entry["method"], entry["path"], entry["ended"]) for entry in begun] == [
        ("GET", "/api/v1/pods", False),
        ("GET", "/version", True),
    ]
    assert begun[0]["query"] == {"watch": "1", "resourceVersion": "3"}
    assert len(describe([audited("watch", uri, "1", "ResponseStarted"), audited("watch", uri, "1")])) == 1


@pytest.mark.parametrize(
    ("verb", "uri", "write"),
    [
        ("patch", "/apis/apps/v1/namespaces/n/deployments/d?fieldManager=m", True),
        ("patch", "/apis/apps/v1/namespaces/n/deployments/d?dryRun=All", False),
        ("deletecollection", "/api/v1/namespaces/n/pods", True),
        ("create", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", False),
        ("list", "/api/v1/namespaces/n/pods", False),
    ],
)
def test_writes_are_what_could_change_something(verb: str, uri: str, write: bool) -> None:
    (request,) = describe([audited(verb, uri, "1")])
    assert is_write(request) is write


def test_a_line_that_is_still_written_is_left_for_later(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    assert log.requests() == []
    (tmp_path / "audit.log").write_text('{"auditID": "1", ', encoding="utf-8")
    assert log.requests() == []


def test_only_the_tests_own_users_are_written_down() -> None:
    policy = audit_policy()
    assert policy["rules"][-1] == {"level": "None"}
    groups = policy["rules"][0]["userGroups"]
    assert "gpuops:clients" in groups and "system:masters" not in groups
    assert {f"system:serviceaccounts:{name}" for name in NAMESPACES} <= set(groups)


def test_objects_have_paths() -> None:
    volume, claim = storage("my-project")
    assert path_of(volume) == "/api/v1/persistentvolumes/my-project-models"
    assert path_of(claim) == "/api/v1/namespaces/my-project/persistentvolumeclaims/my-project-models"
    assert [path_of(entry).split("/")[1] for entry in classes()] == ["apis"] * 4


def test_two_machines_stand_in_a_rack() -> None:
    racks = [machine(number)["metadata"]["labels"]["topology.gpuops.test/rack"] for number in (1, 2, 3)]
    assert racks == ["rack-1", "rack-1", "rack-2"]
