# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The open points of the Run:ai API as switches: every one has a default, every one can be turned while it runs.

The right outcome must come out under all of them: a client that needs one particular setting relies on a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, get_type_hints


class SwitchError(ValueError):
    """A switch or one of its values that does not exist."""


class NameConflict(str, Enum):
    """Status of a create whose name is in use (facts, section 12, point 1)."""

    CONFLICT = "409"
    BAD_REQUEST = "400"


class EndpointsShape(str, Enum):
    """Where a workload's serving address stands (facts, section 12, point 2)."""

    URLS_ONLY = "none"
    URLS_AND_STRINGS = "urls_and_endpoints_list_of_strings"
    OBJECTS = "endpoints_objects"


class AfterDelete(str, Enum):
    """What a GET by id answers once a workload is gone (facts, section 12, point 4)."""

    NOT_FOUND = "404"
    DELETED_AT = "deletedAt"


class CommandSplitting(str, Enum):
    """How the single strings ``command`` and ``args`` become words (facts, section 12, point 6)."""

    WHITESPACE = "whitespace"
    SHELL_WORDS = "shell_words"
    SH_C = "sh_c"


class ZeroReplicasPhase(str, Enum):
    """The phase of a distributed inference with 0 replicas (facts, section 12, point 5)."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    PENDING = "Pending"
    COMPLETED = "Completed"
    INITIALIZING = "Initializing"


class CrashLoopPhase(str, Enum):
    """The phase while a pod crashes again and again (uncertain)."""

    INITIALIZING = "Initializing"
    FAILED = "Failed"
    DEGRADED = "Degraded"


class Version(str, Enum):
    """The control plane's version: older ones refuse the fields and routes they do not know (facts, section 7)."""

    V2_22 = "2.22"
    V2_23 = "2.23"
    V2_24 = "2.24"
    V2_25 = "2.25"

    def before(self, other: Version) -> bool:
        """Return whether this version is older than ``other``."""
        order = list(Version)
        return order.index(self) < order.index(other)


class InvalidName(str, Enum):
    """What becomes of a name that LeaderWorkerSet's webhook refuses (facts 6.2: the API takes any string)."""

    REFUSED = "refused"
    FAILS_LATER = "fails_later"


class PolicyViolation(str, Enum):
    """Whether, and in which body, a policy refuses every create (facts, section 12, point 1)."""

    NONE = "none"
    ERROR = "error"
    COMPLIANCE_ISSUES = "compliance_issues"


class ShownClaim(str, Enum):
    """Where the list of data sources says what a claim is really called (facts 5.4)."""

    BOTH = "both"
    SPEC = "spec"
    CLUSTER_INFO = "clusterInfo"


@dataclass(frozen=True)
class Switches:
    """All switches with their defaults. Seconds are seconds of the wall clock."""

    version: Version = Version.V2_24
    token_v2: bool = True
    token_lifetime_seconds: float = 3600.0
    name_conflict_status: NameConflict = NameConflict.CONFLICT
    invalid_name: InvalidName = InvalidName.REFUSED
    endpoints_shape: EndpointsShape = EndpointsShape.URLS_ONLY
    list_carries_endpoints: bool = True
    workload_type_literal: str = "DistributedInference"
    get_after_delete: AfterDelete = AfterDelete.NOT_FOUND
    deletion_seconds: float = 0.3
    phase_at_zero_replicas: ZeroReplicasPhase = ZeroReplicasPhase.RUNNING
    crash_loop_phase: CrashLoopPhase = CrashLoopPhase.INITIALIZING
    crash_loop_restarts: int = 3
    phase_messages: bool = True
    event_repeat_seconds: float = 2.0
    command_splitting: CommandSplitting = CommandSplitting.SHELL_WORDS
    spec_returned_with_nulls: bool = True
    policy_violation: PolicyViolation = PolicyViolation.NONE
    inference_available: bool = True
    lws_installed: bool = True
    creation_seconds: float = 0.1
    restart_backoff_seconds: float = 10.0
    recreate_seconds: float = 1.0
    image_backoff_seconds: float = 10.0
    scheduler_message: str = ""
    claim_shown_in: ShownClaim = ShownClaim.BOTH
    storage_classes_shown: bool = True

    def changed(self, values: dict[str, Any]) -> Switches:
        """Return these switches with ``values`` (JSON or text) set; raise ``SwitchError`` on anything unknown."""
        kinds = get_type_hints(Switches)
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            raise SwitchError(f"no such switch: {', '.join(unknown)}; there are {', '.join(sorted(kinds))}")
        return replace(self, **{name: _convert(name, kinds[name], value) for name, value in values.items()})

    def as_json(self) -> dict[str, Any]:
        """Return all switches with plain values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def _convert(name: str, kind: Any, value: Any) -> Any:
    if kind is bool:
        word = str(value).lower()
        if word in ("true", "1", "yes"):
            return True
        if word in ("false", "0", "no"):
            return False
        raise SwitchError(f"switch {name}: {value!r} is neither true nor false")
    try:
        return kind(str(value) if issubclass(kind, (Enum, str)) else value)
    except (TypeError, ValueError) as error:
        choices = f" (one of {', '.join(member.value for member in kind)})" if issubclass(kind, Enum) else ""
        raise SwitchError(f"switch {name}: {value!r} is not possible{choices}") from error
