# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's server process. The launcher starts it with its sockets; it is not meant to be started by hand."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from gpuops_sandbox.back_end import CannotStart
from gpuops_sandbox.choice import BUBBLEWRAP, INERT, Size, choose_sandbox
from gpuops_sandbox.control_plane.models import MissingContract
from gpuops_sandbox.control_plane.switches import SwitchError, Switches
from gpuops_sandbox.serving import describe, make_certificate, serve


def prepare_namespaces() -> None:
    """Inside of the launcher's fresh namespaces: an own /run (for ``ip netns``) and a loopback that is up."""
    for command in (
        ["mount", "-t", "tmpfs", "-o", "mode=0755", "gpuops-sandbox", "/run"],
        ["mkdir", "-p", "/run/netns"],
        ["ip", "link", "set", "lo", "up"],
    ):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


async def run(options: argparse.Namespace) -> None:
    """Serve until told to end; whatever happens, remove the state folder at the end."""
    folder: Path = options.state_dir
    if options.runtime == BUBBLEWRAP:
        prepare_namespaces()
    sandbox = choose_sandbox(
        folder,
        Switches().changed(dict(item.split("=", 1) for item in options.switch)),
        runtime=options.runtime,
        size=Size(options.machines, options.gpus_per_machine, options.deserved_gpus),
        kubeconfig=options.cluster_kubeconfig,
    )
    await sandbox.cluster.prepare()
    api, endpoint = (socket.socket(fileno=number) for number in (options.api_fd, options.endpoint_fd))
    certificate = make_certificate(folder)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sandbox.ending.set)
    for descriptor in options.end_fd:
        loop.add_reader(descriptor, sandbox.ending.set)

    def ready() -> None:
        with os.fdopen(options.ready_fd, "w", encoding="utf-8") as pipe:
            pipe.write(json.dumps(describe(sandbox, api, endpoint, certificate)) + "\n")

    try:
        await serve(sandbox, api, endpoint, certificate, ready)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the launcher's arguments."""
    parser = argparse.ArgumentParser(prog="gpuops_sandbox.server")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--runtime", choices=(BUBBLEWRAP, INERT), required=True)
    parser.add_argument("--cluster-kubeconfig", type=Path)
    parser.add_argument("--machines", type=int, required=True)
    parser.add_argument("--gpus-per-machine", type=int, required=True)
    parser.add_argument("--deserved-gpus", type=int)
    parser.add_argument("--switch", action="append", default=[])
    parser.add_argument("--api-fd", type=int, required=True)
    parser.add_argument("--endpoint-fd", type=int, required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--end-fd", type=int, action="append", default=[])
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the server; what stops it from starting is one line on stderr."""
    try:
        asyncio.run(run(parse(arguments)))
    except (OSError, CannotStart, SwitchError, MissingContract) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
