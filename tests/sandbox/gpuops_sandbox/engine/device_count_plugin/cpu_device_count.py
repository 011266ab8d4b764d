# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test aid, not a part of vLLM: tells vLLM's CPU platform how many devices its machine has.

vLLM asks the platform for the number of local devices to find out which workers share a machine. On a CPU the answer
is always 1, so two workers on one machine of several do not start, although nothing else keeps them from it. With this
plugin (vLLM's own entry point ``vllm.general_plugins``) the answer is ``TEST_CPU_DEVICE_COUNT``.

It also puts the image's record of model classes (``TEST_MODEL_INFORMATION``) where vLLM keeps its own, which saves the
seconds in which vLLM imports a model class in a process of its own only to see what it can do. vLLM checks such a
record against the class's source before it uses it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def register() -> None:
    """Called by vLLM in each of its processes."""
    from vllm import envs
    from vllm.platforms.cpu import CpuPlatform

    count = int(os.environ.get("TEST_CPU_DEVICE_COUNT", "1"))
    CpuPlatform.device_count = classmethod(lambda _platform: count)
    record = os.environ.get("TEST_MODEL_INFORMATION")
    folder = Path(envs.VLLM_CACHE_ROOT, "modelinfos")
    if record and not folder.exists():
        try:
            shutil.copytree(record, folder)
        except OSError as error:
            print(f"the record of model classes is not used: {error}", flush=True)
