# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the whole cluster, made without a registry: once for each machine, then found in the cache.

All have the same small Debian as their lowest layer, put together from Debian's packages by mmdebstrap with the package
sources of this machine. What an engine is made of is not in them: the device plugin mounts it (``devices``).
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import made_by_one
from places import cache_directory

from gpuops_cluster.failure import ClusterError
from gpuops_sandbox.engine.environment import POD_FOLDER
from gpuops_sandbox.runtime import stand_in_server
from gpuops_sandbox.runtime.images import SYSTEM_PATH

# Raise it when the steps below make something else of the same names.
RECIPE_VERSION = "1"
PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "libc-bin", "procps", "python3", "sed", "util-linux"),
    # Libraries that vLLM and torch take from the system; the mounts bring everything else.
    *("libgomp1", "libnuma1", "libstdc++6"),
)
# Documentation and translations: half of it all.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")
# What every container of the pod shares is held by a process of this image.
PAUSE_IMAGE = "gpuops.test/pause:1"
DEBIAN_IMAGE = "registry.example.com/debian:stable"
STAND_IN_FOLDER = "/opt/stand-in/bin"
ARCHIVE = "images.tar"


@dataclass(frozen=True)
class Image:
    """An image: its names, what it adds to the Debian layer, and what a container of it runs."""

    names: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    path: str = SYSTEM_PATH
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # path -> text, mode


def images() -> tuple[Image, ...]:
    """Return every image, with the tags that inventories and tests name."""
    tags = ("v0.32.0", "v0.33.0", "v0.33.1")
    serve = ("vllm", "serve")
    program = f"#!/usr/bin/python3 -SI\n{Path(stand_in_server.__file__).read_text(encoding='utf-8')}"
    return (
        Image((PAUSE_IMAGE,), entrypoint=("sleep", "infinity")),
        Image((DEBIAN_IMAGE,), command=("bash",)),
        # The environment of vLLM's community CPU build is mounted by the device plugin, into pods with GPUs.
        Image(_named("vllm-openai", tags), entrypoint=serve, path=f"{POD_FOLDER / 'bin'}:{SYSTEM_PATH}"),
        # A tiny HTTP process stands in for the engine: nothing about vLLM is shown by it.
        Image(
            _named("stand-in", tags),
            entrypoint=serve,
            path=f"{STAND_IN_FOLDER}:{SYSTEM_PATH}",
            files={f"{STAND_IN_FOLDER}/vllm": (program, 0o755)},
        ),
    )


def ensure_archive() -> Path:
    """Make the archive of all images if it is not there (about 40 s), and return it. Raises ``ClusterError``."""
    folder = _folder()
    with made_by_one(folder) as is_maker:
        if is_maker:
            started = time.monotonic()
            _say(f"Making the images of the test cluster (once): {folder}")
            folder.mkdir(parents=True)
            _bootstrap(folder / "debian.tar")
            write_archive(folder / ARCHIVE, folder / "debian.tar")
            (folder / "debian.tar").unlink()
            _say(f"The images are made after {time.monotonic() - started:.0f} s.")
    return folder / ARCHIVE


def _named(name: str, tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"registry.example.com/{name}:{tag}" for tag in tags)


def _folder() -> Path:
    content = hashlib.sha256(repr((RECIPE_VERSION, PACKAGES, LEFT_OUT, images())).encode())
    return cache_directory() / f"cluster-images-{content.hexdigest()[:12]}"


def _bootstrap(target: Path) -> None:
    """Write a small Debian as a tar file: packages are unpacked, nothing of them is run."""
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=extract", "--format=tar"),
            f"--include={','.join(PACKAGES)}",
            "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            *(_suite(), str(target), "-"),
        ],
        input=_sources(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"mmdebstrap failed:\n{done.stderr[-2000:]}")


def _sources() -> str:
    """Return the package sources that this machine uses, mirrors and all."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    return "".join(f"{line}\n" for line in dict.fromkeys(done.stdout.splitlines()))


def _suite() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        name, _equals, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise ClusterError("/etc/os-release does not say which Debian this is (VERSION_CODENAME)")


def write_archive(target: Path, debian: Path) -> None:
    """Write what `docker save` writes: each layer once, each image's configuration, and who uses what."""
    common = _layer(_common_files())
    manifest = []
    with tarfile.open(target, "w") as archive:
        _add_file(archive, "debian/layer.tar", debian)
        _add(archive, "common/layer.tar", common)
        lowest = [("debian/layer.tar", _digest(debian.read_bytes())), ("common/layer.tar", _digest(common))]
        for number, image in enumerate(images()):
            layers = list(lowest)
            if image.files:
                own = _layer({path: (text.encode(), mode) for path, (text, mode) in image.files.items()})
                _add(archive, f"{number}/layer.tar", own)
                layers.append((f"{number}/layer.tar", _digest(own)))
            configuration = json.dumps(_configuration(image, [digest for _path, digest in layers])).encode()
            _add(archive, f"{number}.json", configuration)
            manifest.append(
                {
                    "Config": f"{number}.json",
                    "RepoTags": list(image.names),
                    "Layers": [path for path, _digest in layers],
                }
            )
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _configuration(image: Image, digests: list[str]) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": [f"PATH={image.path}"],
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.command) or None,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
    }


def _common_files() -> dict[str, tuple[bytes, int]]:
    """Return what the packages' own scripts would have written: they are not run."""
    return {
        "/etc/passwd": (
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
            0o644,
        ),
        "/etc/group": (b"root:x:0:\nnogroup:x:65534:\n", 0o644),
        "/etc/nsswitch.conf": (b"passwd: files\ngroup: files\nhosts: files dns\n", 0o644),
    }


def _layer(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Return a layer: the files with their folders, and /root for everybody to pass (a Python may be mounted there)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as layer:
        folders = {str(parent).lstrip("/") for path in files for parent in Path(path).parents} - {""}
        for name in sorted(folders | {"root"}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(folder)
        for path, (content, mode) in files.items():
            _add(layer, path.lstrip("/"), content, mode)
    return stream.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, path: Path) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as stream:
        archive.addfile(entry, stream)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
