# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``model_ownership`` accepts, and its way to what is wanted of files.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._options.pod_options import (
    check_identities,
    read_run_as,
    read_tolerations,
    run_as_argument_spec,
    tolerations_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import DEFAULT_MODE, OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    HASHES,
    LOOK,
    NO_MANIFEST,
    OWNED,
    READABLE,
    SIZES,
    changed_mode,
    may_read,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import check_object_name
from ansible_collections.gpuops.inference.plugins.module_utils._workload.naming import LONGEST_NAME
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    PREFERRED,
    REQUIRED,
    SPREADS,
)

_DIRECTORY, _FILE = 0o040000, 0o100000
# A file server has enough to do with the threads of these; each is a pod of its own.
_MOST_COPIES = 64


@dataclass(frozen=True)
class OwnershipOptions:
    """How files are seen to. ``name`` is what the job is called after; ``workload``: whose files they are, empty if
    nobody says; ``pods`` are to use the files, ``apart`` where they have to be on different machines; without
    ``look_at_served`` no job is started for files that a workload serves from; once ``copies_from`` entries were
    changed, ``copies`` pods share what is left; times in seconds."""

    name: str
    workload: str
    place: LookPlace
    pods: int
    apart: bool
    allow_serving: bool
    look_at_served: bool
    looks_in_check_mode: bool
    copies: int
    copies_from: int
    start_timeout: int
    time_limit: int


def model_ownership_arguments() -> Arguments:
    """Return the arguments of ``model_ownership``."""
    spec: ArgumentSpec = {
        "claim": {"type": "str", "required": True},
        "workload": {"type": "str"},
        "paths": {"type": "list", "elements": "str", "default": []},
        "mount_path": {"type": "str", "default": "/data"},
        "allow_volume_root": {"type": "bool", "default": False},
        **run_as_argument_spec(),
        "pods": {"type": "int", "default": 1},
        "spread": {"type": "str", "choices": list(SPREADS), "default": PREFERRED},
        "ensure": {"type": "str", "choices": [OWNED, READABLE], "default": OWNED},
        "file_mode": {"type": "str", "default": DEFAULT_MODE},
        "directory_mode": {"type": "str", "default": DEFAULT_MODE},
        "take_over_from": {"type": "list", "elements": "int", "default": []},
        "allow_serving": {"type": "bool", "default": False},
        "look_at_served": {"type": "bool", "default": True},
        "manifest": {"type": "str", "choices": [NO_MANIFEST, SIZES, HASHES], "default": SIZES},
        "image": {"type": "str", "required": True},
        "image_pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "node_selector": {"type": "dict", "default": {}},
        **tolerations_argument_spec(),
        "copies": {"type": "int", "default": 4},
        "copies_from": {"type": "int", "default": 1000000},
        "start_timeout": {"type": "int", "default": 900},
        "time_limit": {"type": "int", "default": 3600},
        "looks_in_check_mode": {"type": "bool", "default": False},
    }
    spec.update(connection_argument_spec())
    return Arguments(argument_spec=spec)


def read_ownership_options(params: Mapping[str, Any]) -> OwnershipOptions:
    """Return how files are seen to. Raises ``OptionError`` for what makes no sense."""
    for option in ("start_timeout", "time_limit"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} seconds is no time limit.", "Give at least 1 second.")
    for option in ("pods", "copies", "copies_from"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} is too few.", "Give at least 1.")
    if params["copies"] > _MOST_COPIES:
        raise OptionError.of("copies", f"{params['copies']} is too many.", f"Give at most {_MOST_COPIES}.")
    if not params["image"].strip():
        raise OptionError.of("image", "it is empty.", "Give the workload's own image.", "missing_option")
    return OwnershipOptions(
        name=_name_after(params["claim"]),
        workload=params["workload"] or "",
        place=LookPlace(
            image=params["image"],
            run_as=read_run_as(params),
            image_pull_secrets=tuple(sorted(set(params["image_pull_secrets"]))),
            node_selector=read_texts(params["node_selector"], "node_selector"),
            tolerations=read_tolerations(params),
        ),
        pods=params["pods"],
        apart=params["pods"] > 1 and params["spread"] == REQUIRED,
        allow_serving=params["allow_serving"],
        look_at_served=params["look_at_served"],
        looks_in_check_mode=params["looks_in_check_mode"],
        copies=params["copies"],
        copies_from=params["copies_from"],
        start_timeout=params["start_timeout"],
        time_limit=params["time_limit"],
    )


def read_ownership(params: Mapping[str, Any]) -> OwnershipSpec:
    """Return what is wanted of the files, of validated, plain ``params``. Raises ``OptionError``."""
    check_object_name(params["claim"], "claim", "claim")
    mount_path = params["mount_path"]
    if not re.fullmatch(r"(/[^/:\0]+)+/?", mount_path) or {".", ".."} & set(mount_path.split("/")):
        raise OptionError.of("mount_path", f"{mount_path!r} is not a folder below /.", "Write it like /data.")
    mount_path = mount_path.rstrip("/")
    run_as = read_run_as(params)
    check_identities(
        {
            "run_as.uid": [run_as.uid],
            "run_as.gid": [run_as.gid],
            "run_as.supplemental_groups": run_as.supplemental_groups,
            "take_over_from": params["take_over_from"],
        }
    )
    spec = OwnershipSpec(
        claim=params["claim"],
        mount_path=mount_path,
        paths=_read_paths(params["paths"], mount_path, params["allow_volume_root"]),
        uid=run_as.uid,
        gid=run_as.gid,
        groups=run_as.supplemental_groups,
        ensure=params["ensure"],
        file_mode=params["file_mode"],
        directory_mode=params["directory_mode"],
        take_over_from=tuple(sorted(set(params["take_over_from"]))),
        manifest=params["manifest"],
    )
    _check_mode(spec, "file_mode", spec.file_mode, _FILE)
    _check_mode(spec, "directory_mode", spec.directory_mode, _DIRECTORY)
    return spec


def _read_paths(given: Sequence[str], mount_path: str, allow_root: bool) -> tuple[str, ...]:
    """Return the paths below the claim's root, each once and none below another; the root as an empty path."""
    paths = {_below(path, mount_path, f"paths[{index}]") for index, path in enumerate(given)} or {""}
    if "" in paths and not allow_root:
        found = "it names the root of the volume, with everything on it." if given else "no path is given."
        hint = "Give the folder of the model, or set allow_volume_root: true for the whole volume."
        raise OptionError.of("paths", found, hint, "invalid_option" if given else "missing_option")
    return tuple(path for path in sorted(paths) if not any(_is_inside(path, other) for other in paths))


def _is_inside(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(f"{other}/"))


def _below(path: str, mount_path: str, option: str) -> str:
    """Return a path below the claim's root; absolute ones are those of the workload's pods."""
    if ".." in path.split("/"):
        raise OptionError.of(option, f"{path!r} has .. in it.", "Write the path without it.")
    if not path.strip() or "\0" in path:
        raise OptionError.of(option, f"{path!r} is no path.", "Give the folder of the model.")
    if any(name.startswith("-") for name in path.split("/")):
        found = f"{path!r} has a name in it that begins with -, which programs take for an option."
        raise OptionError.of(option, found, "Rename it on the volume, or give the folder above it.")
    # POSIX lets two strokes in front mean something of their own.
    whole = "/" + posixpath.normpath(posixpath.join(mount_path, path)).lstrip("/")
    if whole == mount_path:
        return ""
    if not whole.startswith(f"{mount_path}/"):
        raise OptionError.of(
            option,
            f"{path!r} does not lie below {mount_path}, where the claim is mounted.",
            "Correct it, or set mount_path to where the workload mounts the claim.",
        )
    return whole[len(mount_path) + 1 :]


def _check_mode(spec: OwnershipSpec, option: str, wanted: str, kind: int) -> None:
    """Refuse what is no mode, what leaves the serving UID unable to read, and what lends its rights to others."""
    is_directory = kind == _DIRECTORY
    try:
        modes = [changed_mode(wanted, kind | before, is_directory) for before in (0, 0o777)]
    except ValueError as error:
        raise OptionError.of(option, f"{error}.", f"The default is {DEFAULT_MODE}.") from error
    task = spec.task(LOOK, 1.0, "")
    if not all(may_read((kind | mode, spec.uid, spec.gid), task) for mode in modes):
        found = f"with {wanted!r} the serving UID could not {'list and enter a folder' if is_directory else 'read'}."
        hint = f"Give the owner {'r and x' if is_directory else 'r'}, as {DEFAULT_MODE} does."
        raise OptionError.of(option, found, hint)
    if any(mode & (0o4000 if is_directory else 0o6000) for mode in modes):
        raise OptionError.of(option, f"{wanted!r} lends the owner's rights to others.", "Leave the s out.")


def _name_after(claim: str) -> str:
    """Return what jobs on a claim are called after: a label holds less than a claim's name may have."""
    return re.sub(r"[^a-z0-9]+", "-", claim)[:LONGEST_NAME].strip("-")
