# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads connections from this machine's loopback into the cluster's network: the API server is used from outside.

Its listening sockets are made outside and handed in: a socket keeps the network namespace that it was made in, and
every new one belongs to the namespace that this program was started in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys

ADDRESS = "127.0.0.1"
CHUNK = 65536


async def lead(listener: socket.socket) -> None:
    """Accept connections for ever; each leads to the same port of the inner loopback."""
    port = listener.getsockname()[1]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(ADDRESS, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        for side in (inner_writer, writer):
            side.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the one side ends, then tell the other so."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def lead_all(descriptors: list[int]) -> None:
    """Serve all sockets at once."""
    await asyncio.gather(*(lead(socket.socket(fileno=descriptor)) for descriptor in descriptors))


def main(arguments: list[str]) -> int:
    """Serve the sockets with these descriptors until killed."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.machine.relay", description=__doc__)
    parser.add_argument("descriptors", type=int, nargs="+")
    asyncio.run(lead_all(parser.parse_args(arguments).descriptors))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
