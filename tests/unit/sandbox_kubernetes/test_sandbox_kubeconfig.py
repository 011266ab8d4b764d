# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig of the sandbox's back end, and what `up` says of one that cannot be used."""

from __future__ import annotations

import base64
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpuops_sandbox import __main__ as command
from gpuops_sandbox.kubernetes.kubeconfig import KubeconfigError, read_kubeconfig
from gpuops_sandbox.serving import Certificate, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def write(path: Path, user: dict[str, Any], **cluster: Any) -> Path:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_files_beside_it(tmp_path: Path, certificate: Certificate) -> None:
    for name, path in (("ca.pem", certificate.authority), ("c.pem", certificate.server), ("k.pem", certificate.key)):
        (tmp_path / name).write_bytes(path.read_bytes())
    user = {"client-certificate": "c.pem", "client-key": "k.pem"}
    access = read_kubeconfig(write(tmp_path / "config", user, **{"certificate-authority": "ca.pem"}), tmp_path)
    assert (access.url, access.token) == ("https://127.0.0.1:9", "")
    assert len(access.trust.get_ca_certs()) == 1


def test_everything_in_it(tmp_path: Path, certificate: Certificate) -> None:
    user = {"client-certificate-data": encoded(certificate.server), "client-key-data": encoded(certificate.key)}
    path = write(tmp_path / "config", user, **{"certificate-authority-data": encoded(certificate.authority)})
    assert read_kubeconfig(path, tmp_path).trust.verify_mode is ssl.CERT_REQUIRED
    assert stat.S_IMODE((tmp_path / "kubernetes-client-key.pem").stat().st_mode) == 0o600


def test_a_token(tmp_path: Path) -> None:
    path = write(tmp_path / "config", {"token": "t"}, **{"insecure-skip-tls-verify": True})
    access = read_kubeconfig(path, tmp_path)
    assert access.token == "t" and access.trust.verify_mode is ssl.CERT_NONE
    (tmp_path / "token").write_text("of-a-file\n", encoding="utf-8")
    assert read_kubeconfig(write(tmp_path / "config", {"tokenFile": "token"}), tmp_path).token == "of-a-file"


@pytest.mark.parametrize(
    ("user", "message"),
    [({"exec": {"command": "login"}}, "its user has: exec"), ({}, "its user has: none")],
)
def test_other_ways_to_log_in_are_refused(tmp_path: Path, user: dict[str, Any], message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        read_kubeconfig(write(tmp_path / "config", user), tmp_path)


@pytest.mark.parametrize("content", ["", "a: [", "current-context: x\ncontexts: []\n", "[]"])
def test_what_is_no_kubeconfig_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KubeconfigError, match=f"kubeconfig {path}: cannot be used"):
        read_kubeconfig(path, tmp_path)


def up(tmp_path: Path, kubeconfig: Path, *options: str) -> int:
    words = ["up", "--state-dir", str(tmp_path / "state"), "--cluster-kubeconfig", str(kubeconfig), *options]
    return command.main(words)


def test_up_says_what_is_wrong_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(tmp_path, tmp_path / "missing") == 1
    assert "No such file" in capsys.readouterr().err
    assert up(tmp_path, write(tmp_path / "config", {"token": "t0p"})) == 1
    said = capsys.readouterr().err
    assert "https://127.0.0.1:9 does not answer as it should" in said and "t0p" not in said
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("option", ["--machines", "--gpus-per-machine", "--deserved-gpus"])
def test_up_refuses_what_is_the_simulated_clusters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert up(tmp_path, tmp_path / "config", option, "2") == 2
    assert f"{option} is the simulated cluster's" in capsys.readouterr().err
