# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a look is, on every platform: part of the interface of ``_platforms.base``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    NO_SPREAD,
    RunAsSpec,
    SecretReference,
    TolerationSpec,
)


@dataclass(frozen=True)
class LookPlace:
    """As whom and where the pod of a look runs. ``image`` has to have what its command needs; ``machine`` is where it
    had best run, because the image is there already; ``machines`` are the only ones where it may run, all if there are
    none. ``priority_class`` is a class of the cluster."""

    image: str
    run_as: RunAsSpec
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[TolerationSpec, ...] = ()
    machine: str | None = None
    machines: tuple[str, ...] = ()
    priority_class: str | None = None


@dataclass(frozen=True)
class LookCopies:
    """Several pods of one look at the same time. ``spread`` says how they keep apart: on machines of their own
    (``required``), as far as there are (``preferred``), or not at all.

    The Job controller's own variable ``JOB_COMPLETION_INDEX`` has the index of each. They know each other:
    ``COPIES_VARIABLE`` has the names of all in the order of their indexes, ``ADDRESS_VARIABLE`` the own address. They
    are found by these names as soon as they have an address. Those that do not ``meet`` only have their index.
    """

    number: int
    spread: str = NO_SPREAD
    meet: bool = True


@dataclass(frozen=True)
class LookNeeds:
    """What the pod of a look needs beyond a small Python. ``gpus`` are whole ones, ``resources`` other extended
    resources (name to count); ``annotations`` go onto the pod, ``capabilities`` are added to none. ``memory`` and
    ``cpu`` are limits in the words of Kubernetes. ``scratch``: a writable ``/tmp`` and a ``/dev/shm`` as large as the
    memory."""

    gpus: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    cpu: str = "1"
    memory: str = "512Mi"
    scratch: bool = False


@dataclass(frozen=True)
class LookMount:
    """A claim of the namespace, mounted at ``path`` into the pod of a look: for a job's command always read-only, with
    ``read_only`` for the one that runs as root too. A training has one command, which may write without it."""

    claim: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Look:
    """A short job that reads something inside the cluster and deletes itself.

    ``workload`` is the name it is about, ``what`` one word for what it reads: by both, one that was left over is found.
    ``start_limit``: seconds until the command has to run, ``time_limit``: seconds it may take. What it finds out it
    leaves as its report: JSON of at most ``REPORT_BYTES``; with exit status 3 where its time was up.

    ``as_root`` is a command that runs before, to its end: as root with the group of ``place.run_as``, and with no right
    but those to give files away, to read them and to change their mode. It leaves a report of its own.

    With ``copies`` it runs as several pods, each of which leaves a report.
    """

    workload: str
    what: str
    place: LookPlace
    command: tuple[str, ...]
    time_limit: float
    environment: Mapping[str, str | SecretReference] = field(default_factory=dict)
    start_limit: float = 120.0
    mounts: tuple[LookMount, ...] = ()
    as_root: tuple[str, ...] = ()
    copies: LookCopies | None = None
    needs: LookNeeds = field(default_factory=LookNeeds)


# The report travels in the status of the look's pod, as the termination message of its container: that needs no right
# beyond seeing pods, and arrives also where the API server reaches no kubelet, which is where looks are needed most. A
# log can be longer, but takes the right to read logs and that very way. A kubelet cuts the message off here.
REPORT_BYTES = 4096
REPORT_PATH = "/dev/termination-log"

COPIES_VARIABLE = "GPUOPS_LOOK_COPIES"
ADDRESS_VARIABLE = "GPUOPS_LOOK_ADDRESS"
