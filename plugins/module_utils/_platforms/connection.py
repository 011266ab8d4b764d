# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How a platform is reached: plain values that the door fills and a platform reads.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunaiConnection:
    """The Run:ai control plane. Either ``token`` or ``client_id`` with ``client_secret``; ``url`` without a path.

    ``authentication`` is ``credentials`` (the above) or ``cli`` (the token that the Run:ai CLI's own login left).
    ``request_timeout`` is in seconds, per HTTP request.
    """

    url: str
    client_id: str | None = None
    client_secret: str | None = None
    token: str | None = None
    authentication: str = "credentials"
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    request_timeout: int = 30


@dataclass(frozen=True)
class KubernetesConnection:
    """The API server of a cluster, by kubernetes.core's options. What is not given comes from ``kubeconfig``.

    ``kubeconfig`` is a path or the content itself; without one and without ``host`` it is the client's default file
    (``KUBECONFIG``, ``~/.kube/config``), then the service account of the pod that this runs in. With ``only_stated``
    neither of these is used: what is not stated is not there. ``request_timeout`` is in seconds, per HTTP request.
    Values not given are ``None``.
    """

    kubeconfig: str | Mapping[str, Any] | None = None
    context: str | None = None
    host: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    ca_cert: str | None = None
    validate_certs: bool | None = None
    tls_server_name: str | None = None
    proxy: str | None = None
    no_proxy: str | None = None
    proxy_headers: Mapping[str, Any] = field(default_factory=dict)
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    request_timeout: int = 30
    force_conflicts: bool = False
    only_stated: bool = False


@dataclass(frozen=True)
class EndpointConnection:
    """How the model's own endpoint is trusted; its token never goes to the platform and the other way round."""

    token: str | None = None
    ca_path: str | None = None
    validate_certs: bool = True


@dataclass(frozen=True)
class Connection:
    """Everything needed to reach one project of one platform, or one namespace of a cluster.

    With ``platform`` ``runai``, ``kubernetes`` is the way into the cluster that runs the project's pods, where the user
    gave one. ``expect_cluster`` is the name of the cluster the user means; another one is refused.
    """

    platform: str
    project: str | None = None
    runai: RunaiConnection | None = None
    kubernetes: KubernetesConnection | None = None
    endpoint: EndpointConnection = EndpointConnection()
    expect_cluster: str | None = None
    namespace: str | None = None
