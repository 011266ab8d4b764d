# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest supported version of the ``kubernetes`` package do the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import (
    LOWEST_PACKAGE,
)
from support.cluster import ClusterHandle
from support.tunnel_proxy import TunnelProxy

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = Path(__file__).resolve().parent
READ_SERVICES = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}]
OPTIONS = ("kubeconfig", "context", "host", "api_key", "ca_cert", "client_cert", "client_key")


@pytest.fixture
def proxy() -> Iterator[TunnelProxy]:
    tunnel = TunnelProxy()
    yield tunnel
    tunnel.close()


def connections(cluster: ClusterHandle, proxy: TunnelProxy) -> dict[str, Any]:
    """Return a connection of each kind, as the fields of a ``KubernetesConnection``."""
    whole = {
        "kubeconfig": cluster.connection,
        "token": cluster.service_account("my-account", READ_SERVICES),
        "plugin": cluster.exec_connection(READ_SERVICES),
        "expired": cluster.expired_connection(),
    }
    kinds = {
        kind: {name: value for name, value in options.items() if name in OPTIONS} for kind, options in whole.items()
    }
    return {**kinds, "proxy": {**kinds["kubeconfig"], "proxy": proxy.url}}


def outcome(python: str, cluster: ClusterHandle, checkout: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what the calls gave with an interpreter's packages."""
    done = subprocess.run(
        [python, str(FOLDER / "client_calls.py")],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_oldest_and_the_newest_package_do_the_same(
    cluster: ClusterHandle, checkout_link: Path, proxy: TunnelProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tests" / "tools"))
    from environments import make_environment

    oldest = str(make_environment("kubernetes-lowest") / "bin" / "python")
    wanted = connections(cluster, proxy)
    first = outcome(sys.executable, cluster, checkout_link, wanted)
    assert proxy.tunnels == 1
    assert first["life"] == {
        "pods before": 0,
        "dry run": "Deployment",
        "absent": None,
        "owned": True,
        "pods": ["Running"],
        "log lines": [2],
        "threads": 0,
    }
    assert first["token"] == [True, False, 0]
    assert first["refused"] == {
        "permission": ["permission_denied"],
        "field": ["invalid_object"],
        "expired": ["credentials_expired"],
        "token": ["credentials_refused"],
        "trust": ["tls_not_trusted"],
        "context": ["invalid_option"],
        "kubeconfig": ["invalid_option"],
    }
    cluster.reset()
    again = outcome(oldest, cluster, checkout_link, connections(cluster, proxy))
    assert again == first
    assert proxy.tunnels == 2


def test_the_oldest_package_is_the_one_that_is_named_everywhere() -> None:
    for name in ("meta/ee-requirements.txt", "tests/requirements/kubernetes-lowest.in"):
        lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith("kubernetes")]
        assert line.rpartition("=")[2] == LOWEST_PACKAGE
