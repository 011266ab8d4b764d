# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The copies of a look meet: every one listens, and connects to all ports of all others.

A copy that is not there yet, or whose command has not begun, refuses connections or has no name; one that a network
policy hides does not answer at all. By that they are told apart, and so nobody waits long for one that is hidden.

Part of the program that runs inside pods (``probe_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

# Seconds: for one connection; between two attempts; for a port of a copy that was heard of already; for a copy of which
# every packet is lost; until the others are done too; for the sample of the bandwidth.
CONNECT, PAUSE, PATIENCE, SILENCE, LINGER, SAMPLE = 3.0, 0.5, 10.0, 30.0, 30.0, 1.0
_PIECE = bytes(1 << 20)
_WORD = "gpuops"
_LONGEST_LINE = 256
_DATA, _DONE = "data", "done"


@dataclass
class Peer:
    """What is known of another copy. ``heard`` is when it was first heard of, ``silent`` since when it does not
    answer; ``results`` are by port; ``is_done`` says that it needs nothing more of this one."""

    index: int
    name: str
    heard: float | None = None
    silent: float | None = None
    is_done: bool = False
    errors: dict[int, str] = field(default_factory=dict)
    reached: dict[int, float | None] = field(default_factory=dict)

    @property
    def may_need_this(self) -> bool:
        """Say whether it is there, as far as can be told, and has not said that it needs nothing more."""
        return not self.is_done and (self.heard is not None or self.silent is not None)


class Meeting:
    """Where one copy meets the others. ``names`` are those of all copies by their index, ``token`` tells this run's
    connections from all others; ``address`` is where it listens, empty for everywhere."""

    def __init__(self, index: int, names: list[str], ports: list[int], token: str, address: str = "") -> None:
        self._index = index
        self._ports = ports
        self._token = token
        self._address = address
        self._changed = threading.Condition()
        self._peers = [Peer(number, name) for number, name in enumerate(names) if number != index]
        self._listeners: list[socket.socket] = []
        self.errors: list[str] = []

    def reaches(self, seconds: float) -> list[dict[str, Any]]:
        """Return whether each port of each other copy was reached. ``seconds`` is how long a copy may take to begin."""
        self._listen()
        deadline = time.monotonic() + seconds
        threads = [threading.Thread(target=self._visit, args=(peer, deadline), daemon=True) for peer in self._peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not any(peer.may_need_this for peer in self._peers), LINGER)
        for listener in self._listeners:
            listener.close()
        return [_reach(peer, port) for peer in self._peers for port in self._ports]

    def _listen(self) -> None:
        for port in self._ports:
            try:
                family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
                listener = socket.create_server((self._address, port), family=family, backlog=64)
            except OSError as error:
                self.errors.append(f"listen on port {port}: {error}")
                continue
            self._listeners.append(listener)
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        """Answer one connection of another copy."""
        with connection:
            try:
                connection.settimeout(CONNECT + SAMPLE)
                words = _line(connection).split()
                peer = next((one for one in self._peers if words[:3] == [_WORD, self._token, str(one.index)]), None)
                if peer is None:
                    return
                self._note(peer, is_done=words[3:] == [_DONE])
                connection.sendall(self._hello().encode())
                if words[3:] == [_DATA]:
                    connection.sendall(b"%d\n" % _swallowed(connection))
            except OSError:
                return

    def _hello(self, *words: str) -> str:
        return " ".join([_WORD, self._token, str(self._index), *words]) + "\n"

    def _note(self, peer: Peer, is_done: bool = False) -> None:
        """Take in that another copy was heard of."""
        with self._changed:
            peer.heard = time.monotonic() if peer.heard is None else peer.heard
            peer.is_done = peer.is_done or is_done
            self._changed.notify_all()

    def _visit(self, peer: Peer, deadline: float) -> None:
        """Connect to all ports of another copy, until it is known of each whether it can be reached."""
        while True:
            for port in self._ports:
                if port not in peer.reached:
                    self._try(peer, port)
            if len(peer.reached) == len(self._ports) or self._is_enough(peer, deadline):
                break
            with self._changed:
                self._changed.wait(PAUSE)
        for port in list(peer.reached)[:1]:
            peer.reached[port] = self._bandwidth(peer, port)
            self._talk(peer, port, _DONE)

    def _is_enough(self, peer: Peer, deadline: float) -> bool:
        """Say whether trying on tells nothing more."""
        now = time.monotonic()
        if peer.heard is not None:
            return now - peer.heard > PATIENCE
        return now > deadline or (peer.silent is not None and now - peer.silent > SILENCE)

    def _try(self, peer: Peer, port: int) -> None:
        """Try one port once."""
        error = self._talk(peer, port)
        if not error:
            peer.reached[port] = None
            self._note(peer)
            return
        peer.errors[port] = error
        is_silent = error.startswith("timed out")
        peer.silent = (peer.silent or time.monotonic()) if is_silent else None

    def _talk(self, peer: Peer, port: int, *words: str) -> str:
        """Say something to a port and hear who answers; return what went wrong, or nothing."""
        try:
            with self._connected(peer, port) as connection:
                connection.sendall(self._hello(*words).encode())
                answer = _line(connection).split()
        except OSError as error:
            return _words(error)
        expected = [_WORD, self._token, str(peer.index)]
        return "" if answer == expected else "something else answers there"

    def _connected(self, peer: Peer, port: int) -> socket.socket:
        return socket.create_connection((peer.name, port), CONNECT)

    def _bandwidth(self, peer: Peer, port: int) -> float | None:
        """Return in Gbit/s how fast another copy took what was sent for a moment: a lower bound."""
        began = time.monotonic()
        try:
            with self._connected(peer, port) as connection:
                connection.sendall(self._hello(_DATA).encode())
                _line(connection)
                began = time.monotonic()
                while time.monotonic() - began < SAMPLE:
                    connection.sendall(_PIECE)
                connection.shutdown(socket.SHUT_WR)
                taken = int(_line(connection))
        except (OSError, ValueError):
            return None
        return round(taken * 8 / (time.monotonic() - began) / 1e9, 2)


def _reach(peer: Peer, port: int) -> dict[str, Any]:
    is_reached = port in peer.reached
    error = "" if is_reached else peer.errors.get(port, "")
    return {
        "peer": peer.index,
        "port": port,
        "is_reached": is_reached,
        "bandwidth": peer.reached.get(port),
        "error": error,
    }


def _line(connection: socket.socket) -> str:
    """Return the next line of a connection, byte by byte: what follows it is not text."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
        piece = connection.recv(1)
        if not piece:
            break
        line += piece
    return line.decode("utf-8", "replace")


def _swallowed(connection: socket.socket) -> int:
    """Read until the other side has no more, and return how many bytes that were."""
    place = bytearray(1 << 20)
    size = 0
    while True:
        piece = connection.recv_into(place)
        if not piece:
            return size
        size += piece


def _words(error: OSError) -> str:
    """Return why a connection failed, alike on every Python."""
    if isinstance(error, socket.timeout):
        return "timed out: nothing answers"
    if isinstance(error, socket.gaierror):
        is_silent = error.errno == socket.EAI_AGAIN
        return "timed out: the name server does not answer" if is_silent else "its name is not known"
    return error.strerror or str(error)
