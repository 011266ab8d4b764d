# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the gates of `make lint`, two at a time; all of them run even when one fails, and a table closes the output.

Usage: python tests/tools/lint.py [GATE ...]      (inside the environment `dev`; without names all gates)

Ansible's tools want a collection at a path of their own and write into it. They get a copy of the checkout at
.build/lint/ansible_collections/gpuops/inference, made of the files that git has or would add. The others only read, and
look at the checkout itself.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time

from collection import CollectionFailure, build_and_install, copy_tree, one_at_a_time
from places import BUILD, REPOSITORY

ROOT = BUILD / "lint"
TREE = ROOT / "ansible_collections" / "gpuops" / "inference"
# A second copy, in which no tool writes: reuse takes every file that it sees for a source file.
SOURCE = ROOT / "source"
TOOLS = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Gate:
    """One check: its name, what it holds, and the commands that must all succeed in its folder."""

    name: str
    holds: str
    commands: tuple[tuple[str, ...], ...]  # {tarball} stands for the built collection
    variables: tuple[tuple[str, str], ...] = ()
    folder: pathlib.Path = TREE
    # Words that make a line of output a failure, for a tool that reports without failing.
    bad_words: tuple[str, ...] = ()
    # What the output has where a tool failed by a chance of its own: it is run once more then.
    chance: str = ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a gate said: whether it passed, how many seconds it took, and its output."""

    gate: Gate
    passed: bool
    seconds: float
    output: str


# The slow ones first, so that two lanes end at about the same time.
GATES = (
    Gate(
        "sanity",
        "ansible-test sanity, every test, no ignore file",
        ((sys.executable, str(TOOLS / "sanity.py")),),
        # It makes a home of its own, and needs the true one to find the user's pip settings.
        (("HOME", str(pathlib.Path.home())),),
    ),
    Gate(
        "ansible-lint",
        "ansible-lint, profile production, nothing skipped",
        (("ansible-lint", "--nocolor", "--offline"),),
        (("ANSIBLE_HOME", str(ROOT / "ansible-lint-home")),),
    ),
    Gate(
        "antsibull-docs",
        "documentation of plugins and roles, and every reference in it",
        (("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all", "."),),
        # Where the random name of its own temporary folder ends in _ (one in 37), reStructuredText takes that name in
        # its pages for a reference.
        chance='Unknown target name: "antsibull-docs-',
    ),
    Gate(
        "galaxy-importer",
        "the built collection would be imported by Galaxy without a warning",
        ((sys.executable, "-m", "galaxy_importer.main", "{tarball}"),),
        (("GALAXY_IMPORTER_CONFIG", str(TOOLS / "galaxy-importer.cfg")),),
        folder=ROOT,
        bad_words=("WARNING:", "ERROR:", "CRITICAL:"),
    ),
    Gate(
        "mypy",
        "types of the plugins, the sandbox, the cluster and the tools, strict",
        (
            # 3.10 is the oldest Python of ansible-core 2.16, the oldest that the collection runs on.
            ("mypy", "--python-version", "3.10", "--package", "ansible_collections.gpuops.inference.plugins"),
            ("mypy", "--package", "gpuops_sandbox"),
            ("mypy", "--package", "gpuops_cluster"),
            ("mypy", "tests/tools"),
        ),
        (
            ("MYPYPATH", os.pathsep.join((str(ROOT), "tests/sandbox", "tests/cluster", "tests/tools"))),
            ("MYPY_CACHE_DIR", str(ROOT / "mypy-cache")),
        ),
    ),
    Gate(
        "ruff",
        "style, import order and docstrings of all Python",
        (("ruff", "check", "--no-cache"), ("ruff", "format", "--no-cache", "--diff", "--quiet")),
        folder=REPOSITORY,
    ),
    Gate("yamllint", "style of all YAML", (("yamllint", "--strict", "."),), folder=REPOSITORY),
    Gate("reuse", "every file names its licence", (("reuse", "lint", "--lines"),), folder=SOURCE),
    Gate(
        "changelog",
        "changelog fragments and the changelog are well-formed",
        (("antsibull-changelog", "lint"), ("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")),
        folder=REPOSITORY,
    ),
)


def refresh(tree: pathlib.Path) -> None:
    """Copy the checkout anew; what tools keep beside it (environments, type caches) stays."""
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(tree)
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main"], cwd=tree, check=True)


def gate_variables(gate: Gate) -> dict[str, str]:
    """Return the environment of a gate: a home folder of its own, since some tools leave logs and caches there."""
    home = ROOT / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "GIT_CONFIG_GLOBAL": str(pathlib.Path.home() / ".gitconfig"),
        **os.environ,
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT),
        "NO_COLOR": "1",
        **dict(gate.variables),
    }


def run_gate(gate: Gate, tarball: pathlib.Path | None) -> Outcome:
    """Run the commands of a gate one after the other, to the end; return what came out."""
    started = time.monotonic()
    variables = gate_variables(gate)
    passed = True
    output = ""
    for command in gate.commands:
        words = [word.format(tarball=tarball) for word in command]
        done = _run(words, gate.folder, variables)
        if gate.chance and gate.chance in done.stdout:
            done = _run(words, gate.folder, variables)
        bad = any(line.startswith(gate.bad_words) for line in done.stdout.splitlines()) if gate.bad_words else False
        passed = passed and done.returncode == 0 and not bad
        output += f"$ {' '.join(words)}\n{done.stdout.rstrip()}\n"
    return Outcome(gate, passed, time.monotonic() - started, output)


def _run(words: list[str], folder: pathlib.Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def report(outcome: Outcome) -> None:
    """Print one line for a gate that passed, its whole output for one that failed; keep the output as a file."""
    log = ROOT / f"{outcome.gate.name}.log"
    log.write_text(outcome.output, encoding="utf-8")
    verdict = "passed" if outcome.passed else "FAILED"
    sys.stdout.write(f"{verdict}  {outcome.gate.name} ({outcome.seconds:.0f} s): {outcome.gate.holds}\n")
    if not outcome.passed:
        sys.stdout.write(f"{outcome.output}(also in {log.relative_to(REPOSITORY)})\n\n")
    sys.stdout.flush()


def run_gates(gates: list[Gate]) -> list[Outcome]:
    """Run gates two at a time, reporting each as it ends."""
    needs_tarball = any("{tarball}" in command for gate in gates for command in gate.commands)
    tarball = build_and_install() if needs_tarball else None
    for tree in (TREE, SOURCE):
        refresh(tree)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as lanes:
        for future in concurrent.futures.as_completed([lanes.submit(run_gate, gate, tarball) for gate in gates]):
            outcomes.append(future.result())
            report(outcomes[-1])
    return sorted(outcomes, key=lambda outcome: GATES.index(outcome.gate))


def main(names: list[str]) -> int:
    """Run the named gates, or all; return 1 if any failed."""
    unknown = sorted(set(names) - {gate.name for gate in GATES})
    if unknown:
        sys.stderr.write(f"No such gate: {', '.join(unknown)}. Gates: {', '.join(gate.name for gate in GATES)}\n")
        return 2
    started = time.monotonic()
    try:
        with one_at_a_time("lint"):
            outcomes = run_gates([gate for gate in GATES if not names or gate.name in names])
    except CollectionFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for outcome in outcomes:
        verdict = "ok" if outcome.passed else "FAILED"
        sys.stdout.write(f"  {verdict:6} {outcome.gate.name:16} {outcome.seconds:4.0f} s\n")
    passed = sum(outcome.passed for outcome in outcomes)
    seconds = time.monotonic() - started
    sys.stdout.write(f"{passed} of {len(outcomes)} gates passed in {seconds:.0f} s\n")
    return 0 if passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
