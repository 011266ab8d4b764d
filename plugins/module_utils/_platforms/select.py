# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From a connection to its platform: the one place that knows which platforms there are.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Platform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricView
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_evidence import (
    KubernetesFabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.model_files import (
    KubernetesModelFiles,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.volumes import KubernetesVolumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import ModelFiles
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.fabric_evidence import RunaiFabric
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.model_files import RunaiModelFiles
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.volumes import RunaiVolumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import Volumes
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host


def make_platform(connection: Connection, host: Host) -> Platform:
    """Return the platform that ``connection`` names. Raises ``OptionError`` for what is missing of its connection."""
    if connection.platform == "runai":
        return RunaiPlatform(connection, host)
    return KubernetesPlatform(connection, host)


def make_volumes(connection: Connection, host: Host) -> Volumes:
    """Return the volume claims of the platform that ``connection`` names. Raises ``OptionError`` likewise."""
    if connection.platform == "runai":
        return RunaiVolumes.connected(connection, host)
    return KubernetesVolumes.connected(connection, host)


def make_model_files(connection: Connection, host: Host) -> ModelFiles:
    """Return the model files of the platform that ``connection`` names. Raises ``OptionError`` likewise."""
    if connection.platform == "runai":
        return RunaiModelFiles(connection, host)
    return KubernetesModelFiles(connection, host)


def make_fabric_view(connection: Connection, host: Host) -> FabricView:
    """Return the fabric of the platform that ``connection`` names. Raises ``OptionError`` likewise."""
    if connection.platform == "runai":
        return RunaiFabric(connection, host)
    return KubernetesFabric(connection, host)
