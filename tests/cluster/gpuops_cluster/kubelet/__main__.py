# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m gpuops_cluster.kubelet``: stands where the machines' kubelets would be.

It plays the pods of scenario images, answers requests for logs, and hands every other request (exec, port-forward) to
KWOK's own server. It also answers in the place of the pods' engines, to which KWOK's port-forward leads.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
import threading
import urllib.parse
from pathlib import Path

from gpuops_cluster.api import Api, Identity
from gpuops_cluster.kubelet import engines
from gpuops_cluster.kubelet.logs import is_running, log_lines, query_of, refusal
from gpuops_cluster.kubelet.player import Player
from gpuops_cluster.kubelet.pods import Pod

ADDRESS = "127.0.0.1"
LONGEST_HEAD = 64 * 1024
CHUNK = 64 * 1024
FOLLOW_SECONDS = 0.3


class Server:
    """The one port that all machines name as their kubelet's."""

    def __init__(self, api: Api, onward: int) -> None:
        self._api = api
        self._onward = onward
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE

    async def serve(self, port: int, certificate: Path, key: Path) -> None:
        """Listen for ever."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate), str(key))
        server = await asyncio.start_server(self._answer, ADDRESS, port, ssl=context, limit=LONGEST_HEAD)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = urllib.parse.urlsplit(head.split(b" ", 2)[1].decode())
            words = target.path.strip("/").split("/")
            if words[0] == "containerLogs" and len(words) == 4:
                await self._log(writer, words[1:], query_of(urllib.parse.parse_qs(target.query)))
            else:
                await self._hand_on(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError, UnicodeDecodeError):
            # A client that went away, or none of Kubernetes'.
            return
        finally:
            writer.close()

    async def _log(self, writer: asyncio.StreamWriter, target: list[str], query: dict[str, str]) -> None:
        namespace, name, container = target
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        code, content = await asyncio.to_thread(self._api.request, "GET", path)
        if code != 200:
            await _refuse(writer, 404, f'pod "{name}" not found')
            return
        pod = Pod(content)
        problem = refusal(pod, container, query.get("previous") == "true")
        if problem is not None:
            await _refuse(writer, 400, problem)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        text = "".join(f"{line}\n" for line in log_lines(pod, container, query)).encode()
        if text:
            writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
        await writer.drain()
        following = query.get("follow") == "true" and query.get("previous") != "true"
        while following and is_running(pod, container):
            await asyncio.sleep(FOLLOW_SECONDS)
            code, content = await asyncio.to_thread(self._api.request, "GET", path)
            if code != 200 or content["metadata"]["uid"] != pod.uid:
                break
            pod = Pod(content)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _hand_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"upgrade:" not in head.lower():
            # One request for each connection: the next one may be for a log.
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        onward_reader, onward_writer = await asyncio.open_connection(ADDRESS, self._onward, ssl=self._trusting)
        try:
            onward_writer.write(head)
            await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer))
        finally:
            onward_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _refuse(writer: asyncio.StreamWriter, code: int, message: str) -> None:
    body = f"{message}\n".encode()
    writer.write(
        f"HTTP/1.1 {code} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + body
    )
    await writer.drain()


def main(arguments: list[str]) -> int:
    """Run until it is killed."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.kubelet", description=__doc__)
    parser.add_argument("--api-url", required=True)
    for name in ("ca", "client-certificate", "client-key", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kwok-port", type=int, required=True)
    parser.add_argument("--engines-port", type=int, required=True)
    options = parser.parse_args(arguments)
    identity = Identity(options.api_url, options.ca, options.client_certificate, options.client_key)
    threading.Thread(target=Player(Api(identity)).run, daemon=True).start()
    threading.Thread(target=engines.serve, args=(Api(identity), ADDRESS, options.engines_port), daemon=True).start()
    asyncio.run(Server(Api(identity), options.kwok_port).serve(options.port, options.certificate, options.key))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
