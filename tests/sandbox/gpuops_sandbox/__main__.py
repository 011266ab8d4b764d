# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m gpuops_sandbox up|down|status|prepare``: the simulator of the Run:ai control plane."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gpuops_sandbox import launcher
from gpuops_sandbox.engine.tiny_model import MODEL_FOLDER, SERVING_USER, copy_model

# What `up` asks of the simulated cluster alone.
SIMULATED = ("runtime", "machines", "gpus_per_machine", "deserved_gpus")


def main(arguments: list[str]) -> int:
    """Run one command; problems are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except launcher.LauncherError as error:
        print(f"gpuops_sandbox: {error}", file=sys.stderr)
        return error.code


def _up(options: argparse.Namespace) -> int:
    of_simulated = {name: getattr(options, name) for name in SIMULATED if getattr(options, name) is not None}
    if options.cluster_kubeconfig is not None and of_simulated:
        name = next(iter(of_simulated)).replace("_", "-")
        raise launcher.LauncherError(f"--{name} is the simulated cluster's: leave it out with --cluster-kubeconfig", 2)
    settings = launcher.Settings(
        state_dir=options.state_dir.resolve(),
        **of_simulated,
        cluster_kubeconfig=options.cluster_kubeconfig and options.cluster_kubeconfig.resolve(),
        switches=tuple(options.switch),
        foreground=options.foreground,
        die_with_parent=options.die_with_parent,
    )
    state = launcher.up(settings)
    if not options.foreground:
        print(f"simulator of the Run:ai control plane: {state['api_url']}")
        print(f"addresses and credentials: {settings.state_dir / launcher.STATE_FILE}")
    return 0


def _down(options: argparse.Namespace) -> int:
    there = launcher.down(options.state_dir.resolve())
    print("ended" if there else "nothing to end")
    return 0


def _status(options: argparse.Namespace) -> int:
    state = launcher.status(options.state_dir.resolve())
    if state is None:
        print("not running")
        return 1
    shown = {name: value for name, value in state.items() if name not in ("client_secret", "admin_token", "password")}
    print(json.dumps(shown, indent=2))
    return 0


def _prepare(options: argparse.Namespace) -> int:
    state = launcher.status(options.state_dir.resolve())
    if state is None:
        raise launcher.LauncherError("no simulator runs there: start it with `up`")
    if state["volumes_directory"] is None:
        raise launcher.LauncherError(f"the claim {state['claim']} is the cluster's: put the model on its volume there")
    destination = Path(state["volumes_directory"]) / state["namespace"] / state["claim"] / options.model
    if options.empty_model:
        destination.mkdir(parents=True, exist_ok=True)
        (destination / "config.json").write_text("{}\n", encoding="utf-8")
    else:
        copy_model(destination, SERVING_USER, SERVING_USER)
    print(f"model: {destination}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpuops_sandbox", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    up = verbs.add_parser("up", help="start the simulator")
    up.add_argument("--runtime", choices=("bubblewrap", "inert"), help="inert: no processes (default: bubblewrap)")
    up.add_argument("--foreground", action="store_true", help="stay, and end when this process ends")
    up.add_argument("--die-with-parent", action="store_true", help="end when the process that called `up` ends")
    up.add_argument("--machines", type=int, metavar="M", help="(default: 4)")
    up.add_argument("--gpus-per-machine", type=int, metavar="N", help="(default: 8)")
    up.add_argument("--deserved-gpus", type=int, metavar="N", help="the project's quota (default: every GPU)")
    up.add_argument(
        "--cluster-kubeconfig", type=Path, metavar="PATH", help="run pods in this Kubernetes cluster instead"
    )
    up.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE", help="set an open point")
    up.set_defaults(run=_up)
    down = verbs.add_parser("down", help="end the simulator; nothing of it stays")
    down.set_defaults(run=_down)
    status = verbs.add_parser("status", help="show the running simulator")
    status.set_defaults(run=_status)
    prepare = verbs.add_parser("prepare", help="put the tiny model on the project's claim")
    prepare.add_argument("--model", default=MODEL_FOLDER, help="folder on the claim")
    prepare.add_argument("--empty-model", action="store_true", help="for the stand-in image: a folder without a model")
    prepare.set_defaults(run=_prepare)
    for verb in (up, down, status, prepare):
        verb.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
