# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's listening sockets. Apart from the server, so that the launcher starts quickly."""

from __future__ import annotations

import socket

HOST = "localhost"
ADDRESS = "127.0.0.1"
BACKLOG = 512


def listen() -> socket.socket:
    """Return a listening socket on a free port of this machine's loopback."""
    # With the protocol named, asyncio turns Nagle's algorithm off: without that every answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ADDRESS, 0))
    listener.listen(BACKLOG)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the base address of a listening socket."""
    return f"https://{HOST}:{listener.getsockname()[1]}"
