# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs real ``ansible-playbook`` processes of the environment that the tests run in."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
INSTALLED = REPOSITORY / ".build" / "collections"
CALLBACKS = Path(__file__).resolve().parent / "callbacks"
COLLECTION_FOLDER = Path("ansible_collections/gpuops/inference")
PLAYBOOK_SECONDS = 120.0


def collections_path(checkout: Path) -> Path:
    """Return where ansible finds the collection: installed by ``make install`` where that is just the checkout's
    content, else ``checkout``, a folder in which the checkout lies at ``ansible_collections/gpuops/inference``."""
    plugins = sorted(path for path in (REPOSITORY / "plugins").rglob("*.py"))
    installed = [INSTALLED / COLLECTION_FOLDER / path.relative_to(REPOSITORY) for path in plugins]
    pairs = zip(plugins, installed, strict=True)
    same = all(there.is_file() and filecmp.cmp(here, there, shallow=False) for here, there in pairs)
    return INSTALLED if plugins and same else checkout


def link_checkout(root: Path) -> Path:
    """Let the checkout lie at ``ansible_collections/gpuops/inference`` below ``root``, and return ``root``."""
    link = root / COLLECTION_FOLDER
    link.parent.mkdir(parents=True)
    link.symlink_to(REPOSITORY)
    return root


@dataclass
class PlayResult:
    """How an ``ansible-playbook`` ended. ``results`` holds each task's result on each host, with ``task``, ``host`` and
    ``status`` (``ok``, ``failed``, ``unreachable``, ``skipped``) besides; ``stats`` ansible's own summary per host."""

    rc: int
    stdout: str
    stderr: str
    results: list[dict[str, Any]] = field(default_factory=list)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def last(self) -> dict[str, Any]:
        """The last task's result."""
        assert self.results, f"no task has ended\n{self.stdout}{self.stderr}"
        return self.results[-1]

    @property
    def changed(self) -> int:
        """How many results say changed."""
        return sum(bool(result.get("changed")) for result in self.results)

    def check(self) -> PlayResult:
        """Fail with the whole output unless the playbook went well; return itself."""
        assert self.rc == 0, f"ansible-playbook ended with {self.rc}\n{self.stdout}{self.stderr}"
        return self


class RunningPlay:
    """An ``ansible-playbook`` that is under way."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=dict(environment),
                start_new_session=True,
            )

    def descendants(self) -> list[int]:
        """Return the ids of the living processes that this play has started. Workers have sessions of their own."""
        children: dict[int, list[int]] = {}
        for path in Path("/proc").iterdir():
            words = _stat(int(path.name)) if path.name.isdigit() else []
            if words and words[0] != "Z":
                children.setdefault(int(words[1]), []).append(int(path.name))
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            below = children.get(waiting.pop(), [])
            found += below
            waiting += below
        return found

    def kill_parent(self) -> list[int]:
        """Kill ansible-playbook alone (SIGKILL) and return the ids of the processes that it leaves behind."""
        orphans = self.descendants()
        self.process.kill()
        self.process.wait()
        return orphans

    def kill_tree(self) -> None:
        """Kill ansible-playbook and everything that it has started (SIGKILL)."""
        tree = [*self.descendants(), self.process.pid]
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_for_end(tree)

    def wait(self, seconds: float = PLAYBOOK_SECONDS) -> PlayResult:
        """Wait until it has ended and return how."""
        try:
            rc = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_tree()
            raise AssertionError(f"ansible-playbook did not end within {seconds:g} s\n{self._output()}") from None
        results: list[dict[str, Any]] = []
        stats: dict[str, dict[str, int]] = {}
        for line in self._lines():
            entry = json.loads(line)
            if "stats" in entry:
                stats = entry["stats"]
            else:
                results.append(entry)
        return PlayResult(rc, _text(self._stdout), _text(self._stderr), results, stats)

    def _lines(self) -> list[str]:
        path = self.folder / "results.jsonl"
        return _text(path).splitlines() if path.exists() else []

    def _output(self) -> str:
        return _text(self._stdout) + _text(self._stderr)


class Playbooks:
    """Runs plays with a private home in ``folder``. ``checkout``: see ``collections_path``; ``python``: the interpreter
    beside which ``ansible-playbook`` lies."""

    def __init__(self, folder: Path, checkout: Path, python: str = sys.executable) -> None:
        self.folder = folder
        self._program = str(Path(python).parent / "ansible-playbook")
        self.collections = collections_path(checkout)
        self._count = 0

    def start(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *arguments: str,
        play: Mapping[str, Any] | None = None,
        inventory: str = "localhost,",
        environment: Mapping[str, str] | None = None,
    ) -> RunningPlay:
        """Start a play of ``tasks`` on the inventory's hosts and return at once. ``play`` adds keywords to the play,
        ``arguments`` are given to ``ansible-playbook``."""
        whole = {
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            **(play or {}),
            "tasks": list(tasks),
        }
        folder = self._new_folder()
        playbook = folder / "play.yml"
        playbook.write_text(json.dumps([whole], indent=2), encoding="utf-8")
        return self.start_playbook(
            str(playbook), *arguments, inventory=inventory, environment=environment, folder=folder
        )

    def start_playbook(
        self,
        playbook: str,
        *arguments: str,
        inventory: str = "localhost,",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> RunningPlay:
        """Start a playbook, given as a file or by its full name in a collection, and return at once."""
        folder = folder or self._new_folder()
        command = [self._program, "-i", inventory, playbook, *arguments]
        return RunningPlay(command, {**self._environment(folder), **(environment or {})}, folder)

    def run(self, tasks: Sequence[Mapping[str, Any]], *arguments: str, **options: Any) -> PlayResult:
        """Run a play of ``tasks`` to its end; everything else as for ``start``."""
        return self.start(tasks, *arguments, **options).wait()

    def run_playbook(self, playbook: str, *arguments: str, **options: Any) -> PlayResult:
        """Run a playbook to its end; everything else as for ``start_playbook``."""
        return self.start_playbook(playbook, *arguments, **options).wait()

    def _new_folder(self) -> Path:
        self._count += 1
        folder = self.folder / f"play-{self._count}"
        folder.mkdir(parents=True)
        return folder

    def _environment(self, folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return {
            "LC_ALL": "C.UTF-8",
            **kept,
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / "ansible-home"),
            "ANSIBLE_ASYNC_DIR": str(self.folder / "async"),
            "ANSIBLE_REMOTE_TMP": str(self.folder / "remote-tmp"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "results_file",
            "RESULTS_FILE": str(folder / "results.jsonl"),
        }


def wait_for_end(pids: Sequence[int], seconds: float = 60.0) -> None:
    """Wait until none of these processes is alive."""
    deadline = time.monotonic() + seconds
    while living := [pid for pid in pids if _state(pid) not in ("", "Z")]:
        assert time.monotonic() < deadline, f"still alive after {seconds:g} s: {living}"
        time.sleep(0.02)


def _state(pid: int) -> str:
    words = _stat(pid)
    return words[0] if words else ""


def _stat(pid: int) -> list[str]:
    """Return what follows the program's name in ``/proc/PID/stat``: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
