# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny model the sandbox serves: made once with the engine's Python, then copied into volumes."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from gpuops_sandbox.engine.environment import (
    cache_folder,
    ensure_environment,
    only_one,
    print_folder,
    report,
    run_program,
)

# With this size of an attention head the CPU engine starts, says it is healthy, and dies of the first request.
HEALTHY_BUT_BROKEN_HEAD_DIM = 16
# Where the recipe's model lies on a claim, and who serves it.
MODEL_FOLDER = "input/Models/Mistral-Small-4-119B-2603"
SERVING_USER = 2000
_PROGRAM = Path(__file__).with_name("make_model.py")


def ensure_model(layers: int = 4, head_dim: int = 32) -> Path:
    """Make the model if it is not there (seconds; builds the engine's environment first), and return its folder.

    ``layers`` must be at least the pipeline parallel size it is served with; it has 4 attention heads and 2
    key-value heads, so the tensor parallel size is 1, 2 or 4. 512 positions. Raises ``OSError``.
    """
    engine = ensure_environment()
    content = hashlib.sha256(_PROGRAM.read_bytes() + f" {layers} {head_dim} {engine.folder.name}".encode())
    folder = cache_folder() / f"tiny-model-{content.hexdigest()[:16]}"
    with only_one(folder):
        if not folder.exists():
            report(f"tiny model: making {layers} layers of random weights")
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            argv = [str(engine.python), str(_PROGRAM), str(unfinished), str(layers), str(head_dim)]
            run_program(argv, {"HF_HUB_OFFLINE": "1"})
            unfinished.rename(folder)
    return folder


def copy_model(
    destination: Path, uid: int, gid: int, readable: bool = True, layers: int = 4, head_dim: int = 32
) -> None:
    """Copy the model into the folder ``destination`` of a volume, owned by ``uid`` and ``gid``.

    ``readable``: files 0644 in folders 0755; otherwise 0600 and 0700, so that another user cannot read them (how
    weights look that root has put on a volume). Missing folders above ``destination`` are made 0755.
    """
    destination.mkdir(parents=True, exist_ok=True)
    for file in ensure_model(layers, head_dim).iterdir():
        target = destination / file.name
        shutil.copyfile(file, target)
        target.chmod(0o644 if readable else 0o600)
        os.chown(target, uid, gid)
    destination.chmod(0o755 if readable else 0o700)
    os.chown(destination, uid, gid)


if __name__ == "__main__":
    sys.exit(print_folder(ensure_model))
