# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the reports of a look, or repair, and of its proof mean: findings that name what a person can do. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import (
    FAULTS,
    UNREADABLE,
    WalkReport,
    is_readable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import OWNED, REPAIR

_STAGE_ANEW = "download the model again as the serving UID"


def findings_of(spec: OwnershipSpec, seen: WalkReport | None, proof: WalkReport | None) -> list[Finding]:
    """Return what a person should know. ``seen`` is the look or repair as root, ``proof`` the reading as the serving
    identity; ``None`` where there was none. Errors: what was asked for is not so."""
    readable = proof is not None and is_readable(proof)
    told = [report for report in (seen, proof) if report is not None]
    findings = [finding for report in told for finding in _of_paths(spec, report)]
    findings += [_time_is_up(spec, report) for report in told if not report.finished]
    if seen is not None:
        findings += _of_refusals(spec, seen, readable)
        findings += _of_others(spec, seen, readable)
        findings += _of_links(spec, seen)
        findings += _of_parents(spec, seen, readable)
    if proof is not None and not readable:
        findings += _of_reading(spec, seen, proof)
    if any(report.reduced for report in told):
        evidence = "the image has no python3, so a shell script counted less, and repairs are less guarded."
        findings.append(Finding(INFO, "reduced_look", evidence, "Use the workload's own image.", "image"))
    return list(dict.fromkeys(findings))


def _of_paths(spec: OwnershipSpec, report: WalkReport) -> list[Finding]:
    findings = []
    if report.found.get("missing"):
        names = ", ".join(report.examples.get("missing", ()))
        evidence = f"the claim {spec.claim} has no {names or 'such path'}."
        hint = "Correct the path, or put the model there."
        findings.append(Finding(ERROR, "path_missing", evidence, hint, "paths"))
    if report.found.get("given_links"):
        names = ", ".join(report.examples.get("given_links", ()))
        evidence = f"a link leads nowhere or out of the volume, and is not followed: {names or 'one of the paths'}."
        findings.append(Finding(ERROR, "path_is_link", evidence, "Give the path that it leads to.", "paths"))
    if report.found.get("followed_paths"):
        names = ", ".join(report.examples.get("followed_paths", ()))
        evidence = f"links were followed inside the volume{f': {names}' if names else ''}."
        findings.append(Finding(INFO, "path_followed", evidence, "", "paths"))
    if report.found.get("left_paths"):
        names = ", ".join(report.examples.get("left_paths", ()))
        evidence = f"what lies behind a link is read, and never changed{f': {names}' if names else ''}."
        findings.append(Finding(INFO, "path_not_changed", evidence, "Give the path that it leads to.", "paths"))
    return findings


def _time_is_up(spec: OwnershipSpec, report: WalkReport) -> Finding:
    evidence = f"it did not get through all files ({report.mode}): its time was up, or a part of it was ended."
    hint = "Run again, which goes on where it stopped, or set time_limit higher."
    return Finding(ERROR, "time_is_up", evidence, hint, spec.claim)


def _of_refusals(spec: OwnershipSpec, seen: WalkReport, readable: bool) -> list[Finding]:
    """Return why owners could not be changed, and what is left to do then. What can be read as it is can be served."""
    severity = WARNING if readable else ERROR
    ways = _ways_out(spec, seen, readable)
    # A look mounts every volume read-only, so it cannot tell.
    if seen.mode == REPAIR and seen.volume.get("read_only") and seen.would_change:
        evidence = f"the volume is mounted read-only, so its files stay as they are{seen.such_as(*FAULTS)}."
        return [Finding(severity, "volume_read_only", evidence, ways, spec.claim)]
    if seen.done.get("refused"):
        evidence = (
            f"the storage refuses root to change owner, group or mode of files ({_errors(seen)}"
            f"{_squashed(seen)}): {seen.done['refused'] + seen.done.get('not_tried', 0)} entries stay as they are"
            f"{seen.such_as('refused')}. NFS with root_squash does so, and drivers that forbid it."
        )
        return [Finding(severity, "ownership_refused", evidence, ways, spec.claim)]
    if seen.done.get("ignored"):
        evidence = (
            f"the storage takes a change of owner and does not make it{_squashed(seen)}{seen.such_as('ignored')}. "
            "Mounts with a fixed owner (SMB, object stores) do so."
        )
        hint = f"Have the owner set in the mount options (uid={spec.uid}, gid={spec.gid}), or {_small(ways)}"
        return [Finding(severity, "ownership_ignored", evidence, hint, spec.claim)]
    if seen.mode == REPAIR and seen.finished and any(seen.left.get(what) for what in FAULTS):
        evidence = f"after the repair {_numbers(seen)} are wrong still{seen.such_as(*(f'left {w}' for w in FAULTS))}."
        hint = "Somebody writes there at the same time, or the files have names outside of the paths: run again."
        return [Finding(severity, "not_repaired", evidence, hint, spec.claim)]
    return []


def _ways_out(spec: OwnershipSpec, seen: WalkReport, readable: bool) -> str:
    """Return what a user can do where files cannot be given to the serving UID."""
    if readable:
        wish = ": set ensure: readable" if spec.ensure == OWNED else ""
        return f"They can be read as they are by {spec.identity}{wish}."
    ways = []
    groups = [group for group in seen.identities("group") if group not in (spec.gid, *spec.groups)]
    if groups:
        ways.append(f"set run_as.supplemental_groups: [{', '.join(map(str, groups))}], a group that may read some")
    if spec.ensure == OWNED:
        ways.append("set ensure: readable, which gives rights and no owner (g+rX), where the storage lets that be done")
    ways += ["have the export let root change owners (no_root_squash) for the repair", _STAGE_ANEW]
    text = ", or ".join(ways)
    return f"{text[0].upper()}{text[1:]}."


def _of_others(spec: OwnershipSpec, seen: WalkReport, readable: bool) -> list[Finding]:
    number = seen.found.get("foreign", 0)
    if not number:
        return []
    users = seen.identities("owner")
    names = f" (UID {', '.join(map(str, users))})" if users else ""
    evidence = f"{number} entries belong to other users{names} and are left as they are{seen.such_as('foreign')}."
    hint = f"Set take_over_from: [{', '.join(map(str, users))}] to give them to UID {spec.uid}."
    return [Finding(WARNING, "owned_by_others", evidence, hint, spec.claim)]


def _of_links(spec: OwnershipSpec, seen: WalkReport) -> list[Finding]:
    findings = []
    dangling, leaving = seen.found.get("dangling_links", 0), seen.found.get("leaving_links", 0)
    if dangling:
        evidence = f"{dangling} links lead nowhere{seen.such_as('dangling_links')}."
        hint = "A copy of a cache's snapshots without its blobs looks so: copy both, or download with --local-dir."
        findings.append(Finding(WARNING, "links_dangle", evidence, hint, spec.claim))
    if leaving:
        evidence = f"{leaving} links lead out of the paths, and are not followed{seen.such_as('leaving_links')}."
        hint = "Add what they lead to to paths, if it is to be repaired too."
        findings.append(Finding(INFO, "links_leave", evidence, hint, spec.claim))
    if seen.found.get("leaving_hard_links"):
        evidence = (
            f"{seen.found['leaving_hard_links']} files have other names outside of the paths, so they are not changed"
            f"{seen.such_as('leaving_hard_links')}."
        )
        findings.append(Finding(WARNING, "hard_links_leave", evidence, "Copy them, or add these names.", spec.claim))
    if seen.found.get("other_file_systems"):
        evidence = f"other file systems are mounted below, and not entered{seen.such_as('other_file_systems')}."
        findings.append(Finding(INFO, "other_file_systems", evidence, "Repair them by their own claim.", spec.claim))
    return findings


def _of_parents(spec: OwnershipSpec, seen: WalkReport, readable: bool) -> list[Finding]:
    if readable or not seen.found.get("unsearchable_parents"):
        return []
    names = ", ".join(seen.examples.get("unsearchable_parents", ()))
    evidence = f"{spec.identity} cannot enter a folder above the paths: {names}. Those are never changed."
    hint = "Have it given the right to be entered (g+x or o+x), or add it to paths."
    return [Finding(ERROR, "parent_not_searchable", evidence, hint, spec.claim)]


def _of_reading(spec: OwnershipSpec, seen: WalkReport | None, proof: WalkReport) -> list[Finding]:
    numbers = {what: proof.found.get(what, 0) for what in UNREADABLE}
    if not any(numbers.values()):
        return []
    evidence = (
        f"{spec.identity} cannot read {numbers['unreadable']} files and cannot list {numbers['unlisted']} folders"
        f"{proof.such_as('unreadable', 'unlisted')}."
    )
    hint = _ways_out(spec, seen, False) if seen is not None and (seen.done.get("refused")) else ""
    hint = hint or "Run a repair of these paths; where it is refused, the other findings say what is left."
    return [Finding(ERROR, "files_unreadable", evidence, hint, spec.claim)]


def _errors(seen: WalkReport) -> str:
    words = [what[len("errno ") :] for what in seen.done if what.startswith("errno ")]
    return ", ".join(sorted(words)) or "no reason"


def _squashed(seen: WalkReport) -> str:
    if len(seen.new_files_as) != 2 or seen.new_files_as[0] == 0:
        return ""
    return f"; a new file of root's belongs to UID {seen.new_files_as[0]} there"


def _numbers(seen: WalkReport) -> str:
    return ", ".join(f"{seen.left.get(what, 0)} {what}s" for what in FAULTS)


def _small(text: str) -> str:
    return text[0].lower() + text[1:]
