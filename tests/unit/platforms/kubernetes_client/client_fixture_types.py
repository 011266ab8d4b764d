# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of this folder's fixtures."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient

MakeClient = Callable[..., KubernetesClient]
