# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From which version on Run:ai can do what the collection asks for. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re

Version = tuple[int, int]

# Comparison of the clients runapy 1.222, 1.223 and 1.224 (facts, section 7).
DISTRIBUTED_SINCE: Version = (2, 22)
SCALING_SINCE: Version = (2, 23)
PREEMPTIBILITY_SINCE: Version = (2, 24)
AUTHORIZED_LISTS_OF_INFERENCE_SINCE: Version = (2, 24)

# Fields of an inference that PATCH takes, and since when (facts 5.1).
INFERENCE_PATCHABLE: dict[str, Version] = {
    "args": (2, 19),
    "command": (2, 19),
    "createHomeDir": (2, 19),
    "environmentVariables": (2, 19),
    "image": (2, 19),
    "imagePullPolicy": (2, 19),
    "probes": (2, 19),
    "workingDir": (2, 19),
    "compute": (2, 21),
    "nodePools": (2, 21),
    "nodeType": (2, 21),
    "podAffinity": (2, 21),
    "category": (2, 22),
    "nodeAffinityRequired": (2, 22),
    "priorityClass": (2, 22),
    "servingConfiguration": (2, 22),
    "imagePullSecrets": (2, 24),
    "preemptibility": (2, 24),
}


def parse_version(text: object) -> Version | None:
    """Return major and minor of a version such as ``2.24.12`` or ``v2.24``, or ``None`` where it says nothing."""
    found = re.match(r"v?(\d+)\.(\d+)", str(text or ""))
    return (int(found.group(1)), int(found.group(2))) if found else None


def is_older(version: Version | None, than: Version) -> bool:
    """Say whether ``version`` is known and older; an unknown one is taken for a current one."""
    return version is not None and version < than


def in_words(version: Version) -> str:
    """Return a version as people write it."""
    return f"{version[0]}.{version[1]}"
