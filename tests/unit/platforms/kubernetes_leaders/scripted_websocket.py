# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket whose other side follows a script."""

from __future__ import annotations

import websocket


class ScriptedWebSocket:
    """Gives messages one after the other, then raises or says that the other side closed."""

    def __init__(self, messages: list[bytes], end: Exception | None = None) -> None:
        self._messages = list(messages)
        self._end = end
        self.sent = b""
        self.frames: list[bytes] = []
        self.is_over = False

    def settimeout(self, seconds: float) -> None:
        """Take a time limit, which has to be one."""
        assert seconds > 0

    def send_binary(self, data: bytes) -> None:
        """Keep what is sent."""
        self.frames.append(data)
        self.sent += data[1:]

    def recv_data(self) -> tuple[int, bytes]:
        """Return the next message."""
        if self.is_over:
            raise websocket.WebSocketConnectionClosedException("Connection is closed")
        if self._messages:
            return websocket.ABNF.OPCODE_BINARY, self._messages.pop(0)
        if self._end is not None:
            raise self._end
        return websocket.ABNF.OPCODE_CLOSE, b""

    def shutdown(self) -> None:
        """Close."""
        self.is_over = True
