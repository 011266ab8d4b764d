# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image table: which container images the sandbox's pods can be started from, and what stands for each.

There is no container engine and no registry here. Two names are known, whatever the registry and the tag:

- ``.../vllm-openai``: the environment of `gpuops_sandbox.engine` stands for the vLLM image. What runs is the real
  vLLM (its community CPU build), with one test aid: the number of GPUs, which a CPU does not have.
- ``.../stand-in``: a tiny HTTP process for tests in which the engine is not the subject.

The tags ``missing`` and ``no-such-tag`` of both, and every other name, do not exist.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gpuops_sandbox.engine.environment import POD_FOLDER, EngineEnvironment, find_environment
from gpuops_sandbox.runtime.contract import ImageNotFound, Mount

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ABSENT_TAGS = frozenset({"missing", "no-such-tag"})
_STAND_IN_FOLDER = "/opt/stand-in/bin"
_STAND_IN_SOURCE = Path(__file__).with_name("stand_in_server.py")


@dataclass(frozen=True)
class ImageFile:
    """A file of an image that is not a file of the host."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """An image: what it brings of its own, and a sentence on what stands for what (``stand_in``)."""

    reference: str
    entrypoint: tuple[str, ...]
    description: str
    stand_in: str
    environment: dict[str, str]
    mounts: tuple[Mount, ...] = ()
    files: tuple[ImageFile, ...] = ()
    gpu_environment: Callable[[int], dict[str, str]] = field(default=lambda _gpus: {})

    def environment_for(self, gpus: int) -> dict[str, str]:
        """Return the image's environment in a pod with ``gpus`` GPUs."""
        return {**self.environment, **self.gpu_environment(gpus)}


class ImageTable:
    """The images of one sandbox. ``engine`` finds the built vLLM environment when an image first needs it."""

    def __init__(self, engine: Callable[[], EngineEnvironment] = find_environment) -> None:
        self._engine = engine

    def resolve(self, image: str) -> Image:
        """Return the image of a reference such as ``registry.example.com/vllm-openai:v0.33.0``.

        Raises ``ImageNotFound`` with a registry's words for a name or tag that does not exist, and
        ``FileNotFoundError`` when the engine's environment was not built.
        """
        name, tag = split_reference(image)
        if tag not in _ABSENT_TAGS and name == "vllm-openai":
            return self._vllm(image)
        if tag not in _ABSENT_TAGS and name == "stand-in":
            return _stand_in(image)
        raise ImageNotFound(f'failed to pull image "{image}": failed to resolve reference "{image}": not found')

    def _vllm(self, image: str) -> Image:
        engine = self._engine()
        return Image(
            reference=image,
            entrypoint=("vllm", "serve"),
            description="vLLM, its community CPU build",
            stand_in="The real vLLM in its community CPU build stands in for the vLLM image, a CPU for its GPUs.",
            environment={"PATH": f"{POD_FOLDER / 'bin'}:{SYSTEM_PATH}"},
            mounts=tuple(Mount(str(place), folder, read_only=True) for folder, place in engine.pod_mounts.items()),
            gpu_environment=engine.pod_variables,
        )


def split_reference(image: str) -> tuple[str, str]:
    """Return the last part of an image reference's repository, and its tag (empty without one)."""
    name, _colon, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return name, tag


def _stand_in(image: str) -> Image:
    python = Path(os.path.realpath(sys.executable))
    prefix = Path(sys.base_prefix)
    # -S -I: without site-packages and the user's settings, which is most of an interpreter's start time.
    program = f"#!{python} -SI\n".encode() + _STAND_IN_SOURCE.read_bytes()
    mounts = () if prefix == Path("/usr") else (Mount(str(prefix), prefix, read_only=True),)
    return Image(
        reference=image,
        entrypoint=("vllm", "serve"),
        description="a tiny HTTP process",
        stand_in="A tiny HTTP process stands in for the engine: nothing about vLLM is shown by it.",
        environment={"PATH": f"{_STAND_IN_FOLDER}:{prefix / 'bin'}:{SYSTEM_PATH}"},
        mounts=mounts,
        files=(ImageFile(f"{_STAND_IN_FOLDER}/vllm", program, 0o755),),
    )
