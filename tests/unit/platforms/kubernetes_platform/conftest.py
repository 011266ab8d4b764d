# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform over an API server in memory."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from scripted_api import ScriptedApi, platform_over


@pytest.fixture
def api() -> ScriptedApi:
    """An empty API server that serves everything."""
    return ScriptedApi()


@pytest.fixture
def platform(api: ScriptedApi) -> KubernetesPlatform:
    """The platform that asks it."""
    return platform_over(api)
