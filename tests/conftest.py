# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the checkout importable as ``ansible_collections.gpuops.inference``, and what its tests run against."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Shared machines are slow at times: a property that takes long is no failure.
settings.register_profile("gpuops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gpuops")

# Tests that several files share stand there.
pytest.register_assert_rewrite("support")

REPOSITORY = Path(__file__).resolve().parent.parent


def _collection_root() -> Path:
    """Return a folder in which the checkout lies at ``ansible_collections/gpuops/inference``."""
    for parent in REPOSITORY.parents:
        if parent.name == "ansible_collections":
            return parent.parent
    root = Path(tempfile.mkdtemp(prefix="gpuops-tests-"))
    link = root / "ansible_collections" / "gpuops" / "inference"
    link.parent.mkdir(parents=True)
    link.symlink_to(REPOSITORY)
    return root


COLLECTION_ROOT = _collection_root()
sys.path.insert(0, str(COLLECTION_ROOT))
sys.path.insert(0, str(REPOSITORY / "tests" / "sandbox"))
sys.path.insert(0, str(REPOSITORY / "tests" / "cluster"))
sys.path.insert(0, str(REPOSITORY / "tests" / "tools"))
sys.path.insert(0, str(REPOSITORY / "tests"))
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))


class OneEngineAtATime(LoadFileScheduling):
    """Hands out files of tests; those that start real engines are one piece, so that no two engines start at once."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneEngineAtATime:
    """Say how the tests are shared where several processes run them."""
    return OneEngineAtATime(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the link that was made for this run."""
    if COLLECTION_ROOT.name.startswith("gpuops-tests-"):
        (COLLECTION_ROOT / "ansible_collections" / "gpuops" / "inference").unlink(missing_ok=True)
        for folder in ("ansible_collections/gpuops", "ansible_collections", "."):
            (COLLECTION_ROOT / folder).rmdir()
