# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m gpuops_cluster up|down|status|prepare|stop|start|build``: a Kubernetes control plane for tests."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from gpuops_cluster import binaries, launcher, objects
from gpuops_cluster.failure import ClusterError
from gpuops_sandbox.engine.tiny_model import MODEL_FOLDER, SERVING_USER, copy_model


def main(arguments: list[str]) -> int:
    """Run one command; problems go to stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ClusterError as error:
        print(f"gpuops_cluster: {error}", file=sys.stderr)
        return error.code


def _up(options: argparse.Namespace) -> int:
    started = time.monotonic()
    settings = launcher.Settings(
        state_dir=options.state_dir.resolve(),
        machines=options.machines if options.machines is not None else 0 if options.whole else 4,
        whole=options.whole,
        with_leaderworkersets=not options.without_leaderworkersets,
        die_with_parent=options.die_with_parent,
    )
    state = launcher.up(settings)
    print(f"Kubernetes {state['version']} after {time.monotonic() - started:.1f} s: {state['api_url']}")
    print(f"addresses and credentials: {settings.state_dir / launcher.STATE_FILE}")
    return 0


def _down(options: argparse.Namespace) -> int:
    print("ended" if launcher.down(options.state_dir.resolve()) else "nothing to end")
    return 0


def _status(options: argparse.Namespace) -> int:
    state = launcher.status(options.state_dir.resolve())
    if state is None:
        print("not running")
        return 1
    print(json.dumps(state, indent=2))
    return 0


def _prepare(options: argparse.Namespace) -> int:
    state = launcher.status(options.state_dir.resolve())
    if state is None or state["volumes_directory"] is None:
        raise ClusterError("no cluster with a real machine runs there: start it with `up --whole`")
    destination = Path(state["volumes_directory"]) / objects.NAMESPACE / objects.CLAIM / options.model
    copy_model(destination, SERVING_USER, SERVING_USER)
    print(f"model: {destination}")
    return 0


def _stop(options: argparse.Namespace) -> int:
    launcher.stop(options.state_dir.resolve(), options.program)
    return 0


def _start(options: argparse.Namespace) -> int:
    launcher.start(options.state_dir.resolve(), options.program)
    return 0


def _keep(options: argparse.Namespace) -> int:
    launcher.keep(options.state_dir.resolve(), options.pidfd)
    return 0


def _build(options: argparse.Namespace) -> int:
    return binaries.main()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpuops_cluster", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    build = verbs.add_parser("build", help="build the programs, once for each version")
    build.set_defaults(run=_build)
    up = verbs.add_parser("up", help="start a cluster")
    up.add_argument(
        "--whole", action="store_true", help="with a real machine: kubelet, containers, network; needs root"
    )
    machines = "GPU machines that are only records, two to a rack (default: 4, with --whole 0)"
    up.add_argument("--machines", type=int, metavar="N", help=machines)
    up.add_argument("--without-leaderworkersets", action="store_true", help="no LeaderWorkerSet controller, no CRD")
    up.add_argument("--die-with-parent", action="store_true", help="end when the process that called `up` ends")
    up.set_defaults(run=_up)
    down = verbs.add_parser("down", help="end the cluster; nothing of it stays")
    down.set_defaults(run=_down)
    status = verbs.add_parser("status", help="show the running cluster")
    status.set_defaults(run=_status)
    prepare = verbs.add_parser("prepare", help="put the tiny model on a whole cluster's claim")
    prepare.add_argument("--model", default=MODEL_FOLDER, help="folder on the claim")
    prepare.set_defaults(run=_prepare)
    stop = verbs.add_parser("stop", help="end one program of it: api-server, scheduler, ...")
    stop.set_defaults(run=_stop)
    start = verbs.add_parser("start", help="start a program again that was stopped")
    start.set_defaults(run=_start)
    keep = verbs.add_parser("keep", help="end the cluster when another process has ended; what --die-with-parent uses")
    keep.add_argument("--pidfd", type=int, required=True)
    keep.set_defaults(run=_keep)
    for verb in (stop, start):
        verb.add_argument("program")
    for verb in (up, down, status, prepare, stop, start, keep):
        verb.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
