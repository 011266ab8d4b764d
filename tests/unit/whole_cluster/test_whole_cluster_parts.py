# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster's images, its device plugin's messages, its control groups: what does not need a machine."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from gpuops_cluster.machine import images
from gpuops_cluster.machine.device_messages import message, reader
from gpuops_cluster.machine.devices import NVIDIA_SMI, allocation
from gpuops_sandbox.engine.environment import POD_FOLDER, EngineEnvironment


def test_an_archive_is_what_docker_save_writes(tmp_path: Path) -> None:
    debian = tmp_path / "debian.tar"
    with tarfile.open(debian, "w") as layer:
        layer.addfile(tarfile.TarInfo("etc"))
    target = tmp_path / "images.tar"
    images.write_archive(target, debian)
    with tarfile.open(target) as archive:
        content = {member.name: archive.extractfile(member) for member in archive}
        read = {name: stream.read() for name, stream in content.items() if stream is not None}
    manifest = json.loads(read["manifest.json"])
    assert len(manifest) == len(images.images())
    names = [name for entry in manifest for name in entry["RepoTags"]]
    assert len(names) == len(set(names))
    for entry in manifest:
        digests = json.loads(read[entry["Config"]])["rootfs"]["diff_ids"]
        assert digests == [f"sha256:{hashlib.sha256(read[layer]).hexdigest()}" for layer in entry["Layers"]]


def test_the_engine_is_in_no_image() -> None:
    (vllm,) = (image for image in images.images() if any("vllm-openai" in name for name in image.names))
    assert vllm.files == {} and vllm.path.startswith(str(POD_FOLDER))


def test_messages_are_written_as_the_kubelet_reads_them() -> None:
    # By hand after api.proto: field 1 "v1beta1", field 2 "a.sock", field 3 "nvidia.com/gpu".
    written = message(
        "RegisterRequest", version="v1beta1", endpoint="a.sock", resource_name="nvidia.com/gpu"
    ).SerializeToString()
    assert written == b"\x0a\x07v1beta1\x12\x06a.sock\x1a\x0envidia.com/gpu"
    # A request for two devices of one container.
    request = reader("AllocateRequest")(b"\x0a\x0a\x0a\x03G-1\x0a\x03G-2")
    assert [list(one.devices_ids) for one in request.container_requests] == [["G-1", "G-2"]]


def test_a_container_gets_its_devices_and_the_engine_read_only() -> None:
    engine = EngineEnvironment(Path("/cache/engine"), Path("/opt/python"))
    given = allocation(["GPU-1", "GPU-2"], engine)
    variables = {entry.key: entry.value for entry in given.envs}
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "GPU-1,GPU-2" and variables["TEST_CPU_DEVICE_COUNT"] == "2"
    mounts = {mount.container_path: mount.host_path for mount in given.mounts}
    assert mounts[str(POD_FOLDER)] == "/cache/engine" and mounts["/opt/python"] == "/opt/python"
    assert mounts["/usr/bin/nvidia-smi"] == str(NVIDIA_SMI)
    assert all(mount.read_only for mount in given.mounts)
