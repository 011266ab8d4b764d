# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a fresh sandbox with inert pods for every test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import Client

from gpuops_sandbox.choice import Size
from gpuops_sandbox.serving import Certificate, make_certificate
from gpuops_sandbox.testing import running_sandbox

QUICK = {"recreate_seconds": 0.05, "restart_backoff_seconds": 0.1, "image_backoff_seconds": 0.1, "creation_seconds": 0}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start_sandbox(tmp_path: Path, certificate: Certificate) -> Iterator[StartSandbox]:
    """Start a sandbox; its arguments are switches, and ``size``."""
    with ExitStack() as stack:

        def start(size: Size | None = None, **switches: Any) -> Client:
            running = running_sandbox(tmp_path, switches=QUICK | switches, size=size, certificate=certificate)
            return Client(stack.enter_context(running))

        yield start


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Client]:
    """A client of one sandbox for all tests that leave nothing behind."""
    with running_sandbox(tmp_path_factory.mktemp("shared"), switches=QUICK, certificate=certificate) as running:
        yield Client(running)


@pytest.fixture
def client(start_sandbox: StartSandbox) -> Client:
    """A client of a sandbox with every switch at its default, but quick."""
    return start_sandbox()
