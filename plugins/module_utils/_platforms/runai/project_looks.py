# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One project of Run:ai, for what looks at something in its cluster: its platform, its workloads, its trainings.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.expectation import verify_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Place
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.project_workloads import (
    ProjectWorkloads,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.training_looks import TrainingLooks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.trainings import Trainings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host


class ProjectLooks:
    """``platform`` is the project's, ``workloads`` those of the project, ``trainings`` start looks where nobody gave a
    way into the cluster, ``namespace`` is where the cluster has the project.

    Raises ``GpuopsError`` where the control plane is not named, or the project is not in the cluster that is expected.
    """

    def __init__(self, connection: Connection, host: Host) -> None:
        if connection.runai is None:
            raise OptionError.of("runai_url", "the Run:ai control plane is not named.", "Set runai_url.")
        retry = Retry(host)
        client = RunaiClient(connection.runai, host, retry=retry)
        place = Place(client, connection.project or "")
        verify_cluster(connection, place, None)
        self.platform = RunaiPlatform(connection, host, retry, client)
        self.workloads = ProjectWorkloads(client, connection.project or "")
        self.trainings = TrainingLooks(client, Trainings(client, place, retry), self.workloads, retry, host)
        self.namespace = place.project().namespace
