# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test needs of the machine: a loud skip with what to type, and a failure in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need_pods() -> None:
    """Stop the test unless pods with their own users and networks can be made here."""
    if os.geteuid() != 0:
        missing("root, for pods with real users and networks: run as root")
    for program, package in (("bwrap", "bubblewrap"), ("ip", "iproute2"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            missing(f"{program}: apt-get install {package}")


def missing(what: str) -> NoReturn:
    """Skip the test for what the machine lacks; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing here: {what}")
    pytest.skip(f"MISSING HERE: {what}")
