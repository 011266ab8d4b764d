# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a port-forward begins, and every way in which it does not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import NotOpened
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.port_forward import open_port
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    INTERRUPTED,
    PROXY,
    REFUSED,
    TIMED_OUT,
    UNRESOLVED,
    UNTRUSTED,
    HttpError,
)
from local_certificates import Certificates

PATH = "/api/v1/namespaces/my-project/pods/w-0/portforward"
AGENT = "gpuops.inference/test"


class RawServer:
    """Takes connections, keeps what comes with each and answers with ``answer``; ``None``: nothing, for ever."""

    def __init__(self) -> None:
        self.answer: bytes | None = b""
        self.tls: ssl.SSLContext | None = None
        self.heads: list[str] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        """Take no further connections."""
        self._over.set()
        if self._listener.fileno() != -1:
            # A thread that waits in accept() would keep the port open.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                with self.tls.wrap_socket(client, server_side=True) if self.tls else client as connection:
                    self._serve(connection)
            except OSError:
                continue

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
            head += data
        self.heads.append(head.decode("latin-1"))
        if self.answer is None:
            self._over.wait()
        else:
            connection.sendall(self.answer)


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.end()


def access(address: str, proxy: Any = None, **headers: str) -> Any:
    """Return how an API server is reached, as far as a port-forward asks."""
    configuration = SimpleNamespace(
        verify_ssl=True, ssl_ca_cert=None, cert_file=None, key_file=None, tls_server_name=None
    )
    pool = SimpleNamespace(proxy=proxy, proxy_headers={"proxy-authorization": "Basic dTpw"} if proxy else None)
    return SimpleNamespace(
        address=address, configuration=configuration, pool=pool, headers=lambda: list(headers.items())
    )


def proxy_at(port: int, scheme: str = "http") -> Any:
    return SimpleNamespace(scheme=scheme, host="127.0.0.1", port=port)


def failure(of: Any, seconds: float = 5) -> HttpError:
    with pytest.raises(HttpError) as error:
        open_port(of, PATH, 8000, seconds, AGENT)
    assert not error.value.maybe_executed, "nothing has reached the pod"
    return error.value


def test_the_handshake_asks_for_the_port_as_the_user(server: RawServer) -> None:
    server.answer = b'HTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\n{"kind":"Status"}'
    reached = access(f"http://127.0.0.1:{server.port}/k8s/clusters/one", **{"Impersonate-User": "somebody"})
    with pytest.raises(NotOpened) as error:
        open_port(reached, PATH, 8000, 5, AGENT)
    assert (error.value.reply.status, error.value.reply.json()) == (403, {"kind": "Status"})
    first, *fields = server.heads[0].splitlines()
    assert first == f"GET /k8s/clusters/one{PATH}?ports=8000 HTTP/1.1"
    assert {"Impersonate-User: somebody", f"User-Agent: {AGENT}", "Sec-WebSocket-Protocol: v4.channel.k8s.io"} <= set(
        fields
    )
    assert not [field for field in fields if field.lower().startswith("origin")]


def test_a_redirect_is_not_followed(server: RawServer) -> None:
    elsewhere = RawServer()
    server.answer = (
        f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n".encode()
    )
    with pytest.raises(NotOpened) as error:
        open_port(access(f"http://127.0.0.1:{server.port}", Authorization="Bearer t"), PATH, 8000, 5, AGENT)
    elsewhere.end()
    assert error.value.reply.status == 302
    assert elsewhere.heads == []


def test_a_server_that_says_nothing_hangs_up_or_is_not_there(server: RawServer) -> None:
    address = f"http://127.0.0.1:{server.port}"
    assert failure(access(address)).kind == INTERRUPTED
    server.answer = b"no HTTP\r\n\r\n"
    assert failure(access(address)).kind == INTERRUPTED
    server.answer = None
    assert failure(access(address), seconds=0.2).kind == TIMED_OUT
    server.end()
    error = failure(access(address))
    assert (error.kind, error.passing) == (REFUSED, True)
    assert failure(access("http://no-such-host.invalid")).kind == UNRESOLVED


def test_a_server_that_is_not_trusted(server: RawServer, tmp_path: Path) -> None:
    server.tls = Certificates(tmp_path).context
    error = failure(access(f"https://localhost:{server.port}", Authorization="Bearer secret"))
    assert (error.kind, error.passing) == (UNTRUSTED, False)
    assert server.heads == []


def test_a_proxy_that_refuses_gets_its_own_credentials_only(server: RawServer) -> None:
    server.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    reached = access("https://cluster.example.com:6443", proxy_at(server.port), Authorization="Bearer secret")
    error = failure(reached)
    assert (error.kind, "407" in error.reason) == (PROXY, True)
    assert server.heads[0].startswith("CONNECT cluster.example.com:6443 HTTP/1")
    assert "Basic dTpw" in server.heads[0] and "secret" not in server.heads[0]


def test_a_proxy_that_is_reached_over_tls_is_refused() -> None:
    error = failure(access("https://cluster.example.com", proxy_at(3128, "https")))
    assert (error.kind, error.passing) == (PROXY, False)
