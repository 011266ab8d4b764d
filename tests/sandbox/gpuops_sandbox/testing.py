# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator inside of a test process: inert pods, real TLS sockets, one thread, up in a fraction of a second."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuops_sandbox.choice import Size, choose_sandbox
from gpuops_sandbox.cluster.cluster import Cluster
from gpuops_sandbox.control_plane.sandbox import Sandbox
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.serving import Certificate, describe, make_certificate, serve
from gpuops_sandbox.sockets import listen

START_SECONDS = 20.0
ADMIN_SECONDS = 20.0


@dataclass(frozen=True)
class RunningSandbox:
    """A running simulator: what a client needs to know (``state``, as in the state file) and the admin routes.

    ``sandbox`` is the simulator itself, to look at; it lives in another thread. None where it is another process.
    """

    state: dict[str, Any]
    opener: urllib.request.OpenerDirector
    sandbox: Sandbox | None = None

    @property
    def cluster(self) -> Cluster:
        """The simulated cluster, to look at."""
        if self.sandbox is None or not isinstance(self.sandbox.cluster, Cluster):
            raise RuntimeError("this simulator is another process, or its cluster is a real one")
        return self.sandbox.cluster

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Call an admin route (``/faults``, ``/requests``, ...) and return its JSON, or its text where it is not."""
        request = urllib.request.Request(
            f"{self.state['admin_url']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Sandbox-Admin": self.state["admin_token"], "Content-Type": "application/json"},
        )
        with self.opener.open(request, timeout=ADMIN_SECONDS) as answer:
            text = answer.read().decode()
            kind = answer.headers.get_content_type()
        return json.loads(text) if kind == "application/json" else text


@contextmanager
def running_sandbox(
    folder: Path,
    *,
    switches: dict[str, Any] | None = None,
    size: Size | None = None,
    certificate: Certificate | None = None,
    kubeconfig: Path | None = None,
) -> Iterator[RunningSandbox]:
    """Run a simulator with inert pods for the length of a ``with`` block; its state lies in ``folder``.

    With a ``kubeconfig``, its pods are those of that cluster.
    """
    api, endpoint = listen(), listen()
    issued = certificate or make_certificate(folder)
    chosen = Switches().changed(switches or {})
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    made: list[Sandbox] = []
    failures: list[BaseException] = []

    async def live() -> None:
        sandbox = choose_sandbox(folder, chosen, size=size, kubeconfig=kubeconfig)
        await sandbox.cluster.prepare()
        made.append(sandbox)
        await serve(sandbox, api, endpoint, issued, ready.set)

    def run() -> None:
        try:
            loop.run_until_complete(live())
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="gpuops-sandbox", daemon=True)
    thread.start()
    started = ready.wait(START_SECONDS)
    if not started or failures:
        raise RuntimeError(f"the simulator did not start: {failures}")
    try:
        yield RunningSandbox(describe(made[0], api, endpoint, issued), admin_opener(issued.authority), made[0])
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(made[0].ending.set)
        thread.join(START_SECONDS)
        loop.close()


def admin_opener(authority: Path) -> urllib.request.OpenerDirector:
    """Return what opens the admin routes: no proxy, and only the simulator's own certificate authority."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))),
    )
