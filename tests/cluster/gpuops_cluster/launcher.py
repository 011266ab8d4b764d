# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends a cluster: ``up``, ``down``, ``status``, and single programs of it.

Everything lies below one folder and listens on 127.0.0.1 only. The programs are recorded with their process ids, so
that any later call can end them; nothing else is ever ended.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuops_cluster import binaries, leaderworkerset, objects, processes
from gpuops_cluster.api import MERGE, Api, Identity, wait_until
from gpuops_cluster.components import (
    CONTEXT,
    PACKAGE_ROOT,
    PORTS,
    Layout,
    authority_text,
    commands,
    lay_out,
)
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.machine import control_groups, images, inside, namespaces
from gpuops_cluster.machine import programs as machine_programs
from gpuops_cluster.programs import Programs

STATE_FILE = "state.json"
MARKER = "gpuops-cluster"
RECORDS = "gpuops_cluster: a real Kubernetes control plane, machines and GPUs are only records"
WHOLE = "gpuops_cluster: a real Kubernetes with one machine; its GPUs are numbers"
# For each step; on a quiet machine the whole start takes eight.
START_SECONDS = 180.0
# Between the choice of the ports and their use any program may take one.
PORT_ATTEMPTS = 3
PORT_TAKEN = "address already in use"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Whoever writes goes before what it writes to: an API server without its etcd does not end by itself.
END_ORDER = ("keeper", "relay", "machine", "lws", "kubelet", "kwok", "scheduler", "controllers", "api-server", "etcd")
VARIABLES = {"PYTHONPATH": os.pathsep.join(str(PACKAGE_ROOT.parent / name) for name in ("cluster", "sandbox", "tools"))}


class _InterruptedStart(ClusterError):
    """Somebody asked for the end while the programs were starting: none of them has failed."""


@dataclass(frozen=True)
class Settings:
    """What ``up`` was asked for."""

    state_dir: Path
    machines: int = 4
    whole: bool = False
    with_leaderworkersets: bool = True
    die_with_parent: bool = False


def up(settings: Settings) -> dict[str, Any]:
    """Start a cluster, wait until it can be used, and return its state."""
    folder = settings.state_dir
    if settings.whole:
        namespaces.check_possible(folder)
        images.ensure_archive()
    programs = binaries.build()
    _make_folder(folder)
    before = {number: signal.signal(number, _interrupted) for number in SIGNALS}
    try:
        if settings.die_with_parent:
            _start_keeper(folder)
        state = _describe(_start_somewhere(settings, programs), programs)
        processes.write_private(folder / STATE_FILE, state)
        return state
    except _InterruptedStart:
        down(folder)
        raise
    except ClusterError as error:
        words = _worst_words(folder)
        down(folder)
        raise ClusterError(f"{error}\n{words}", error.code) from error
    except BaseException:
        down(folder)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def down(folder: Path) -> bool:
    """End the cluster of that folder and remove the folder; return whether there was one."""
    if not (folder / MARKER).exists():
        return False
    _end(folder, END_ORDER)
    if not control_groups.remove(_control_group(folder)):
        raise ClusterError(
            f"control groups named {_control_group(folder)} are still in use below {control_groups.ROOT}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    return True


def status(folder: Path) -> dict[str, Any] | None:
    """Return the state of a running cluster, or None."""
    state = processes.read_json(folder / STATE_FILE)
    found = processes.recorded(folder)
    if state is None or "etcd" not in found or not found["etcd"].lives:
        return None
    return state


def stop(folder: Path, name: str) -> None:
    """End one program of a running cluster at once, as if it had crashed; its command line is kept."""
    found = processes.recorded(folder)
    if name not in found:
        raise ClusterError(f"there is no program {name!r} in {folder}: {', '.join(sorted(found))}", 2)
    # An API server that is asked to end waits for its watches first.
    processes.end(found[name])


def start(folder: Path, name: str) -> None:
    """Start a program again that was stopped; for the API server: wait until it is ready."""
    found = processes.recorded(folder)
    state = processes.read_json(folder / STATE_FILE)
    if name not in found or state is None:
        raise ClusterError(f"there is no program {name!r} in {folder}: {', '.join(sorted(found))}", 2)
    if not found[name].lives:
        machine = found.get(namespaces.NAME)
        entering = namespaces.entering(machine) if machine is not None else None
        processes.start(name, found[name].command, folder, VARIABLES, entering)
    if name == "api-server":
        api = Api(administrator(state))
        wait_until(lambda: is_ready(api), "the API server is ready again", START_SECONDS)


def keep(folder: Path, descriptor: int) -> None:
    """Wait until the process of a pid file descriptor has ended, then end the cluster."""
    select.select([descriptor], [], [])
    down(folder)


def is_ready(api: Api) -> bool:
    """Say whether an API server answers requests."""
    try:
        return api.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def administrator(state: dict[str, Any]) -> Identity:
    """Return the administrator's identity of a running cluster."""
    return Identity(
        state["api_url"], Path(state["ca_path"]), Path(state["admin_cert_path"]), Path(state["admin_key_path"])
    )


def _start_somewhere(settings: Settings, programs: Programs) -> Layout:
    """Start the programs on free ports; on others where somebody took one before a program could."""
    # The ports of a whole cluster are in its own network.
    folder, attempts = settings.state_dir, 1 if settings.whole else PORT_ATTEMPTS
    while True:
        layout = lay_out(folder / "cluster", processes.free_ports(PORTS), settings.whole)
        attempts -= 1
        try:
            _start_all(settings, layout, programs)
            return layout
        except _InterruptedStart:
            raise
        except ClusterError:
            if not attempts or not _port_was_taken(folder):
                raise
        _end(folder, END_ORDER[1:])
        for name in ("cluster", "logs"):
            shutil.rmtree(folder / name)


def _port_was_taken(folder: Path) -> bool:
    return any(PORT_TAKEN in processes.last_lines(folder, name) for name in processes.recorded(folder))


def _end(folder: Path, names: tuple[str, ...]) -> None:
    found = processes.recorded(folder)
    for name in names:
        if name in found and found[name].pid != os.getpid():
            processes.end(found[name])


def _start_all(settings: Settings, layout: Layout, programs: Programs) -> None:
    folder = settings.state_dir
    lines = commands(layout, programs)
    running: dict[str, processes.Process] = {}
    machine = _start_machine(folder, layout) if settings.whole else None
    entering = namespaces.entering(machine) if machine is not None else None
    if machine is not None:
        running[machine.name] = machine
        lines.update(machine_programs.commands(layout, programs))

    def begin(*names: str) -> None:
        for name in names:
            running[name] = processes.start(name, lines[name], folder, VARIABLES, entering)

    def alive() -> None:
        for name, process in running.items():
            if not process.lives:
                raise ClusterError(f"{name} has ended by itself")

    def wait(look: Any, what: str) -> None:
        wait_until(look, what, START_SECONDS, alive)

    api = Api(layout.identity("admin"))
    begin("etcd", "api-server")
    if entering is not None:
        begin(machine_programs.CONTAINERD, machine_programs.REGISTRY)
        _import_images(entering)
    wait(lambda: is_ready(api), "the API server is ready")
    if settings.with_leaderworkersets:
        # Before the controllers: the garbage collector asks which kinds there are at its start, then every 30 s.
        leaderworkerset.create_definitions(api, programs.files)
        wait(lambda: leaderworkerset.are_served(api), "LeaderWorkerSets are served")
    # Not earlier: a controller manager that finds no ready API server ends for good.
    begin("controllers", "scheduler")
    objects.create_all(api, settings.machines)
    if settings.machines:
        begin("kwok", "kubelet")
    if settings.with_leaderworkersets:
        begin("lws")
        wait(lambda: processes.listens(layout.ports["lws_webhook"], machine), "the LeaderWorkerSet webhooks answer")
        for content in leaderworkerset.webhooks(programs.files, layout.ports["lws_webhook"], authority_text(layout)):
            api.apply(objects.path_of(content), content)
    if machine is not None:
        begin(*machine_programs.AFTER_THE_API)
        wait(lambda: _has_devices(api), f"{objects.MACHINE} is registered, with its GPUs")
        _describe_machine(api)
    if settings.machines:
        wait(lambda: processes.listens(layout.ports["kubelet"], machine), "the stand-in of the kubelets answers")
    wait(lambda: all(_is_ready(node) for node in api.items("/api/v1/nodes")), "the machines are ready")
    for namespace in objects.NAMESPACES:
        within = f"/api/v1/namespaces/{namespace}"
        wait(
            lambda path=f"{within}/serviceaccounts/default": api.request("GET", path)[0] == 200,
            f"namespace {namespace} has its service account",
        )
        wait(
            lambda path=f"{within}/persistentvolumeclaims/{objects.CLAIM}": (
                api.get(path)["status"].get("phase") == "Bound"
            ),
            f"the claim {objects.CLAIM} in {namespace} is bound",
        )


def _start_machine(folder: Path, layout: Layout) -> processes.Process:
    """Make the real machine's namespaces, and lead the API server's port of this machine into them."""
    control_groups.make(_control_group(folder))
    machine_programs.write_files(layout, _control_group(folder))
    machine = namespaces.start(folder, VARIABLES)
    for namespace in objects.NAMESPACES:
        volume = volumes_folder(folder) / namespace / objects.CLAIM
        volume.mkdir(parents=True)
        volume.chmod(0o777)
    with socket.create_server((processes.ADDRESS, layout.ports["api"])) as listener:
        descriptor = listener.fileno()
        processes.start(
            "relay",
            [sys.executable, "-m", "gpuops_cluster.machine.relay", str(descriptor)],
            folder,
            VARIABLES,
            namespaces.entering(machine),
            (descriptor,),
        )
    return machine


def volumes_folder(folder: Path) -> Path:
    """Return where the volumes of a whole cluster's machine lie: NAMESPACE/CLAIM in it."""
    return inside.var_folder(folder / namespaces.NAME) / Path(objects.VOLUMES).relative_to("/var")


def _import_images(entering: list[str]) -> None:
    command = [*entering, *machine_programs.image_import(images.ensure_archive())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"the images cannot be imported: {done.stderr.strip()}")


def _has_devices(api: Api) -> bool:
    status, node = api.request("GET", f"/api/v1/nodes/{objects.MACHINE}")
    allocatable = node["status"].get("allocatable", {}) if status == 200 else {}
    return bool(allocatable.get("nvidia.com/gpu", "0") == str(objects.GPUS))


def _describe_machine(api: Api) -> None:
    """Label the machine as GPU feature discovery would."""
    labels = {**objects.GPU_LABELS, "nvidia.com/gpu.count": str(objects.GPUS)}
    api.request("PATCH", f"/api/v1/nodes/{objects.MACHINE}", {"metadata": {"labels": labels}}, MERGE)


def _control_group(folder: Path) -> str:
    return f"gpuops-cluster-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}"


def _describe(layout: Layout, programs: Programs) -> dict[str, Any]:
    admin, tests = layout.pairs["admin"], layout.pairs["tests"]
    return {
        "cluster": WHOLE if layout.whole else RECORDS,
        "kubeconfig": str(layout.kubeconfig("tests")),
        "admin_kubeconfig": str(layout.kubeconfig("admin")),
        "context": CONTEXT,
        "api_url": layout.api_url,
        "ca_path": str(layout.authority.path),
        "admin_cert_path": str(admin.certificate),
        "admin_key_path": str(admin.key),
        "client_cert_path": str(tests.certificate),
        "client_key_path": str(tests.key),
        "audit_log": str(layout.audit_log),
        "etcd_url": layout.etcd_url,
        "ports": layout.ports,
        "namespaces": objects.NAMESPACES,
        "claim": objects.CLAIM,
        "volumes_directory": str(volumes_folder(layout.folder.parent)) if layout.whole else None,
        "programs": {name: str(path) for name, path in programs.paths.items()},
        "files": {name: str(path) for name, path in programs.files.items()},
        "version": binaries.KUBERNETES_VERSION,
    }


def _is_ready(machine: dict[str, Any]) -> bool:
    conditions = machine.get("status", {}).get("conditions", [])
    tainted = any(taint["effect"] == "NoSchedule" for taint in machine["spec"].get("taints", []))
    return not tainted and any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _make_folder(folder: Path) -> None:
    if status(folder) is not None:
        raise ClusterError(f"a cluster runs already in {folder}: end it with `down --state-dir {folder}`")
    down(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ClusterError(f"{folder} is not empty and is not a cluster's: choose another --state-dir")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / MARKER).touch()


def _start_keeper(folder: Path) -> None:
    """Start what ends the cluster when the caller of this program ends, even by SIGKILL."""
    descriptor = os.pidfd_open(os.getppid())
    (folder / "logs").mkdir()
    (folder / "processes").mkdir()
    with processes.log_of(folder, "keeper").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "gpuops_cluster", "keep", "--state-dir", str(folder), "--pidfd", str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(descriptor,),
            env={**os.environ, **VARIABLES},
        )
    os.close(descriptor)
    record = {"name": "keeper", "pid": child.pid, "started": processes.started_at(child.pid) or "", "command": []}
    processes.write_private(folder / "processes" / "keeper.json", record)


def _worst_words(folder: Path) -> str:
    """Return the last words of the programs that have ended, or of all where none has."""
    found = processes.recorded(folder)
    ended = [name for name, process in found.items() if not process.lives] or list(found)
    return "\n".join(f"--- {name}:\n{processes.last_lines(folder, name, 8)}" for name in ended)


def _interrupted(number: int, frame: object) -> None:
    raise _InterruptedStart("interrupted", 128 + number)
