# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program of a look at the leaders: sends HTTP requests to each and reports what they answered.

It runs inside a pod, given to ``python3 -c`` as text, so it needs nothing but the standard library of the Python that a
vLLM image has. Its one argument is a JSON object: ``addresses`` (``host:port``), ``requests`` (each with ``method``,
``path``, ``body`` and ``seconds``), ``keep`` (the names of what is kept of an answer in JSON) and ``report`` (the file
that the report goes to, and how many bytes it may have). A key to send comes in the environment.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

KEY_VARIABLE = "GPUOPS_LOOK_KEY"
# What is read of an answer at most, in bytes, and how much of each text is reported: less where the report would
# otherwise be too long.
_ANSWER_BYTES = 1024 * 1024
_TEXT_CHARACTERS = (400, 200, 100, 40)
# Seconds for a connection: inside a cluster it stands at once, or something drops it.
_CONNECT_SECONDS = 10.0
# Why there is no answer, in the words of the platforms' interface.
NO_ANSWER_IN_TIME = "no_answer_in_time"
ENDPOINT_UNREACHABLE = "endpoint_unreachable"
NOT_REACHABLE_FROM_HERE = "not_reachable_from_here"


def main(argument: str) -> int:
    """Ask all addresses at the same time, each one request after the other, and write the report."""
    task = json.loads(argument)
    key = os.environ.get(KEY_VARIABLE, "")
    with ThreadPoolExecutor(len(task["addresses"])) as executor:
        answers = list(executor.map(lambda address: ask(address, task["requests"], key), task["addresses"]))
    text = report(answers, task["keep"], task["report"]["bytes"])
    with open(task["report"]["path"], "w", encoding="utf-8") as file:
        file.write(text)
    return 0


def ask(address: str, requests: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Send the requests to one address in turn, up to the first one without an answer."""
    answers: list[dict[str, Any]] = []
    for request in requests:
        answers.append(_answer(address, request, key))
        if "status" not in answers[-1]:
            break
    return answers


def report(answers: list[list[dict[str, Any]]], keep: list[str], limit: int) -> str:
    """Return what is reported of the answers, as long as it may be."""
    text = ""
    for characters in _TEXT_CHARACTERS:
        kept = [[{**one, "body": shortened(one.get("body"), keep, characters)} for one in each] for each in answers]
        text = json.dumps({"answers": kept}, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8")) <= limit:
            return text
    return json.dumps({"too_long": len(text)})


def shortened(body: Any, keep: list[str], characters: int) -> Any:
    """Return what counts of a body: of an object the entries called so, of a text its beginning."""
    if isinstance(body, dict):
        return {name: shortened(value, keep, characters) for name, value in body.items() if name in keep}
    if isinstance(body, list):
        return [shortened(value, keep, characters) for value in body]
    return body[:characters] if isinstance(body, str) else body


def _answer(address: str, request: dict[str, Any], key: str) -> dict[str, Any]:
    """Send one request; return its status, body and seconds, or why there is none."""
    began = time.monotonic()
    end = began + request["seconds"]
    connection = http.client.HTTPConnection(address, timeout=min(_CONNECT_SECONDS, request["seconds"]))
    try:
        connection.connect()
    except OSError as error:
        reason = f"no connection to {address} could be made ({error}): a network policy may be in the way"
        return _none(NOT_REACHABLE_FROM_HERE, reason)
    try:
        content = None if request["body"] is None else json.dumps(request["body"]).encode("utf-8")
        headers = {"Accept": "application/json", "Connection": "close"}
        headers.update({"Authorization": f"Bearer {key}"} if key else {})
        headers.update({"Content-Type": "application/json"} if content else {})
        # The connection gives its socket away as soon as an answer begins that ends with it.
        plain = connection.sock
        _limit(plain, end)
        connection.request(request["method"], request["path"], content, headers)
        response = connection.getresponse()
        read = _read(plain, response, end)
    except TimeoutError:
        return _none(NO_ANSWER_IN_TIME, f"no answer within {request['seconds']:g} s")
    except (http.client.HTTPException, OSError) as error:
        return _none(ENDPOINT_UNREACHABLE, f"the connection was dropped ({type(error).__name__}: {error})")
    finally:
        connection.close()
    return {"status": response.status, "seconds": round(time.monotonic() - began, 3), "body": _decoded(read)}


def _none(cause: str, reason: str) -> dict[str, Any]:
    return {"cause": cause, "reason": reason}


def _read(plain: socket.socket, response: http.client.HTTPResponse, end: float) -> bytes:
    """Read an answer as far as it is wanted and comes in time."""
    content = b""
    while len(content) < _ANSWER_BYTES:
        _limit(plain, end)
        piece = response.read1(_ANSWER_BYTES - len(content))
        if not piece:
            break
        content += piece
    return content


def _limit(plain: socket.socket, end: float) -> None:
    """Let the next wait for the other side end in time."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    plain.settimeout(left)


def _decoded(content: bytes) -> Any:
    """Return an answer's JSON, else its text."""
    text = content.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
