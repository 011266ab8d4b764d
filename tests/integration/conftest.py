# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox without processes for all integration tests of a run, brought back to its beginning before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.playbook import Playbooks, link_checkout
from support.sandbox import SandboxHandle


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are only records: ready at once, answering like a served model."""
    handle = SandboxHandle(tmp_path_factory.mktemp("sandbox") / "state", "--runtime", "inert", "--machines", "8")
    yield handle
    handle.end()


@pytest.fixture
def sandbox(sandbox_server: SandboxHandle) -> SandboxHandle:
    """The sandbox without workloads, faults and requests, its switches as at the start."""
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture(scope="session")
def checkout_link(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the checkout lies at ``ansible_collections/gpuops/inference``."""
    return link_checkout(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def playbooks(tmp_path: Path, checkout_link: Path) -> Playbooks:
    """Runs real ``ansible-playbook`` processes with a home of their own."""
    return Playbooks(tmp_path, checkout_link)
