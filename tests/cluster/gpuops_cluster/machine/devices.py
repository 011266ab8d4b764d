# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device plugin of the cluster's real machine: a **stand-in** for NVIDIA's, since there are no GPUs.

To the kubelet it is a device plugin as any other: it announces devices, and says what a container gets that is given
some of them. As NVIDIA's container runtime brings the driver's files and `nvidia-smi`, this one brings what the CPU
build of vLLM needs to play on GPUs, and a small `nvidia-smi` that reports the container's own devices.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from gpuops_cluster.machine import nvidia_smi
from gpuops_cluster.machine.device_messages import PACKAGE, message, reader
from gpuops_sandbox.engine.environment import EngineEnvironment, find_environment

RESOURCE = "nvidia.com/gpu"
FOLDER = Path("/var/lib/kubelet/device-plugins")
KUBELET_SOCKET = FOLDER / "kubelet.sock"
OWN_SOCKET = FOLDER / "gpuops-gpu.sock"
# The program as containers run it, in the machine's own /run.
NVIDIA_SMI = Path("/run/gpuops-nvidia-smi")
NVIDIA_SMI_PATH = "/usr/bin/nvidia-smi"
# What NVIDIA's plugin tells a container as well.
DEVICES_VARIABLE = "NVIDIA_VISIBLE_DEVICES"
THREADS = 8
REGISTER_SECONDS = 10.0
LOOK_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Serve until killed; register again whenever the kubelet has started anew."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.machine.devices", description=__doc__)
    parser.add_argument("--count", type=int, required=True, metavar="N", help="how many GPUs the machine has")
    options = parser.parse_args(arguments)
    devices = [f"GPU-{number:08x}" for number in range(options.count)]
    _write_nvidia_smi()
    known: tuple[int, int] | None = None
    server: grpc.Server | None = None
    waiting = threading.Event()
    while True:
        kubelet = _identity(KUBELET_SOCKET)
        if kubelet is not None and kubelet != known:
            if server is not None:
                server.stop(None)
            # A kubelet that starts empties the folder.
            OWN_SOCKET.unlink(missing_ok=True)
            server = _serve(devices)
            _register()
            known = kubelet
        waiting.wait(LOOK_SECONDS)


def allocation(devices: list[str], engine: EngineEnvironment) -> Any:
    """Return what a container gets with these devices: variables and mounts."""
    variables = {DEVICES_VARIABLE: ",".join(devices), **engine.pod_variables(len(devices))}
    places = {str(place): str(folder) for folder, place in engine.pod_mounts.items()}
    return message(
        "ContainerAllocateResponse",
        envs=[message("Variable", key=name, value=value) for name, value in variables.items()],
        mounts=[
            message("Mount", container_path=inside, host_path=outside, read_only=True)
            for inside, outside in {**places, NVIDIA_SMI_PATH: str(NVIDIA_SMI)}.items()
        ],
    )


def _write_nvidia_smi() -> None:
    """Write the program, with the interpreter that images have: without site-packages, as it starts fastest."""
    source = Path(nvidia_smi.__file__).read_text(encoding="utf-8")
    NVIDIA_SMI.write_text(f"#!/usr/bin/python3 -SI\n{source}", encoding="utf-8")
    NVIDIA_SMI.chmod(0o755)


def _serve(devices: list[str]) -> grpc.Server:
    engine = find_environment()
    handlers = {
        "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(
            lambda _request, _context: message("DevicePluginOptions"), reader("Empty"), _written
        ),
        "ListAndWatch": grpc.unary_stream_rpc_method_handler(
            lambda _request, context: _announce(devices, context), reader("Empty"), _written
        ),
        "Allocate": grpc.unary_unary_rpc_method_handler(
            lambda request, _context: message(
                "AllocateResponse",
                container_responses=[allocation(list(one.devices_ids), engine) for one in request.container_requests],
            ),
            reader("AllocateRequest"),
            _written,
        ),
    }
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"{PACKAGE}.DevicePlugin", handlers),))
    server.add_insecure_port(f"unix://{OWN_SOCKET}")
    server.start()
    return server


def _announce(devices: list[str], context: Any) -> Iterator[Any]:
    """Tell of all devices once, then hold the line: a plugin that ends it has gone."""
    yield message("ListAndWatchResponse", devices=[message("Device", ID=name, health="Healthy") for name in devices])
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()


def _register() -> None:
    with grpc.insecure_channel(f"unix://{KUBELET_SOCKET}") as channel:
        call = channel.unary_unary(f"/{PACKAGE}.Registration/Register", _written, reader("Empty"))
        request = message("RegisterRequest", version=PACKAGE, endpoint=OWN_SOCKET.name, resource_name=RESOURCE)
        call(request, timeout=REGISTER_SECONDS, wait_for_ready=True)


def _written(content: Any) -> bytes:
    written: bytes = content.SerializeToString()
    return written


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
