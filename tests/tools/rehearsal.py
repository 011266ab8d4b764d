# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo, the sandbox alone and the cluster alone have in common: a place that runs, and how to reach it.

Runs inside the environment `sandbox`, with a cluster inside `dev` (tests/tools/environments.py).
"""

from __future__ import annotations

import abc
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import collection
import environments
import system_packages
from places import INSTALLED_COLLECTIONS, REPOSITORY

SANDBOX_SOURCES = REPOSITORY / "tests" / "sandbox"

# Settings of the user's that must not reach a rehearsal: another control plane's address, another Ansible's files.
FOREIGN_PREFIXES = ("RUNAI_", "GPUOPS_", "ANSIBLE_")
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# How long an interrupted command may take to end by itself, in seconds.
GRACE_SECONDS = 10.0


class RehearsalFailure(Exception):
    """A step failed; the message says which one. ``code`` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Stopwatch:
    """Announces the steps and remembers how long each took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step and take its time."""
        say(f"== {title}")
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[title] = time.monotonic() - started

    def table(self) -> str:
        """Return the steps with their seconds, and the sum, as lines."""
        rows = [*self.seconds.items(), ("all together", sum(self.seconds.values()))]
        width = max(len(title) for title, _seconds in rows)
        return "\n".join(f"  {title:<{width}} {seconds:6.1f} s" for title, seconds in rows)


def say(line: str) -> None:
    """Print a line at once, between the lines of the programs that run."""
    print(line, flush=True)


class Interrupted(BaseException):
    """The user, or a supervisor, asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Interrupted by {signal.Signals(number).name}")
        self.number = number


def raise_on_signals() -> None:
    """Turn the ending signals into one exception, so that everything that was started is ended."""

    def interrupted(number: int, _frame: FrameType | None) -> NoReturn:
        ignore_signals()
        raise Interrupted(number)

    for number in ENDING_SIGNALS:
        signal.signal(number, interrupted)


def ignore_signals() -> None:
    """Let the clean-up run to its end: it takes seconds, and has time limits of its own."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run_command(command: list[str], variables: Mapping[str, str], line: Callable[[str], None] | None = None) -> int:
    """Run a command to its end and return its exit status; give each line of its output to ``line``.

    It has its own process group, so that ^C in the terminal reaches this program alone, which then ends it; the kernel
    ends it should this program be killed.
    """
    output = sys.stderr if line is None else subprocess.PIPE
    bound = ["setpriv", "--pdeathsig", "INT", "--", *command]
    with subprocess.Popen(
        bound, env=variables, stdin=subprocess.DEVNULL, stdout=output, text=True, process_group=0
    ) as process:
        try:
            for text in process.stdout or ():
                if line is not None:
                    line(text.rstrip("\n"))
            return process.wait()
        except BaseException:
            end_group(process)
            raise


def end_group(process: subprocess.Popen[str]) -> None:
    """End a command and what it started: politely, then by force."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                continue


def build_engine() -> None:
    """Build the real vLLM for the CPU and the tiny model, once for each machine; they say what they do."""
    variables = {**os.environ, "PYTHONPATH": str(SANDBOX_SOURCES)}
    if run_command([sys.executable, "-m", "gpuops_sandbox.engine.tiny_model"], variables):
        raise RehearsalFailure("the engine cannot be built")


def build_collection() -> None:
    """Build the collection and install it from its tarball, as users get it."""
    try:
        tarball = collection.build_and_install()
    except collection.CollectionFailure as failure:
        raise RehearsalFailure(str(failure)) from failure
    say(f"{tarball.name}, installed in {INSTALLED_COLLECTIONS.relative_to(REPOSITORY)}")


class RunningPlace(abc.ABC):
    """Something started for a rehearsal, with a model on its claim: how Ansible reaches it. Its folder goes with it."""

    inventory: pathlib.Path
    # Where Python finds the program that starts and ends it.
    sources: tuple[str, ...]

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.state: dict[str, Any] = {}

    @abc.abstractmethod
    def start(self, keep: bool) -> None:
        """Start it. Unless ``keep``, it ends with this program at the latest."""

    @abc.abstractmethod
    def end(self) -> None:
        """End it with all that runs in it and remove its files."""

    @abc.abstractmethod
    def command(self, verb: str, *options: str) -> list[str]:
        """Return the command line of one of the verbs of the program that starts and ends it."""

    @abc.abstractmethod
    def connection_variables(self) -> dict[str, str]:
        """Return the variables that tell the collection where it is and how to log in."""

    def call(self, verb: str, *options: str) -> None:
        """Run one of the verbs. Raises ``RehearsalFailure``."""
        if run_command(self.command(verb, *options), self.program_variables()):
            raise RehearsalFailure(f"`{verb}` failed")

    def program_variables(self) -> dict[str, str]:
        """Return the environment of the program that starts and ends it."""
        return {**os.environ, "PYTHONPATH": os.pathsep.join(self.sources)}

    def ansible_variables(self) -> dict[str, str]:
        """Return the environment in which ``ansible-playbook`` reaches it, with nothing of the user's own."""
        home = self.folder / "ansible-home"
        home.mkdir(exist_ok=True)
        configuration = home / "ansible.cfg"
        configuration.touch()
        variables = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
        variables.update(self.connection_variables())
        variables.update(
            ANSIBLE_COLLECTIONS_PATH=str(INSTALLED_COLLECTIONS),
            ANSIBLE_HOME=str(home),
            ANSIBLE_CONFIG=str(configuration),
            ANSIBLE_CALLBACK_RESULT_FORMAT="yaml",
        )
        if sys.stdout.isatty():
            variables["ANSIBLE_FORCE_COLOR"] = "1"
        return variables

    def how_to_use(self) -> str:
        """Return what to type in another terminal to use it with the installed collection."""
        variables = {**self.connection_variables(), "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED_COLLECTIONS)}
        exports = "\n".join(f"  export {name}={value}" for name, value in variables.items())
        playbook = pathlib.Path(sys.prefix) / "bin" / "ansible-playbook"
        return (
            f"{exports}\n"
            f"  {playbook} gpuops.inference.status -i {self.inventory}\n"
            "  (likewise deploy, smoke_test, teardown; the credentials are its own and die with it)"
        )


class RunningSandbox(RunningPlace):
    """A sandbox that runs, with the model on its claim. The simulator removes the folder when it ends."""

    inventory = REPOSITORY / "inventories" / "sandbox"
    sources = (str(SANDBOX_SOURCES),)

    def start(self, keep: bool) -> None:
        """Start the simulator, put the model on the claim. Unless ``keep``, it ends with this program at the latest."""
        self.call("up", *(() if keep else ("--die-with-parent",)))
        self.state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        self.call("prepare")

    def end(self) -> None:
        """End the simulator with all its pods and remove its files."""
        subprocess.run(
            self.command("down"), env=self.program_variables(), stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
        )

    def command(self, verb: str, *options: str) -> list[str]:
        """Return the command line of one of the simulator's verbs."""
        return [sys.executable, "-m", "gpuops_sandbox", verb, "--state-dir", str(self.folder), *options]

    def connection_variables(self) -> dict[str, str]:
        """Return the variables that tell the collection where the sandbox is and how to log in."""
        return {
            "RUNAI_URL": self.state["api_url"],
            "RUNAI_CLIENT_ID": self.state["client_id"],
            "RUNAI_CLIENT_SECRET": self.state["client_secret"],
            "RUNAI_CA_PATH": self.state["ca_path"],
        }


@contextmanager
def running(place: RunningPlace, title: str, stopwatch: Stopwatch, keep: bool = False) -> Iterator[None]:
    """Start a place and end it afterwards, whatever happens; with ``keep`` it stays if all went well."""
    kept = False
    try:
        with stopwatch.step(title):
            place.start(keep)
        yield
        kept = keep
    finally:
        if not kept:
            ignore_signals()
            with stopwatch.step("clean up"):
                place.end()
                shutil.rmtree(place.folder, ignore_errors=True)


def new_sandbox() -> RunningSandbox:
    """Return a sandbox that is not started yet, in a new folder."""
    return RunningSandbox(pathlib.Path(tempfile.mkdtemp(prefix="gpuops-sandbox-")))


def main(run: Callable[[], None], environment_name: str = "sandbox", needs: str | None = "sandbox") -> int:
    """Run a rehearsal inside an environment; return the exit status. ``needs`` names the set of system programs that
    it calls as root (tests/tools/system_packages.py)."""
    if needs and os.geteuid() != 0:
        sys.stderr.write("This needs root: pods have their own users and networks. Run it with sudo.\n")
        return 2
    if needs and system_packages.provide(needs):
        return 2
    try:
        environment = environments.make_environment(environment_name)
    except environments.EnvironmentFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if pathlib.Path(sys.prefix) != environment:
        return environments.become(["python", *sys.argv], environment)
    raise_on_signals()
    try:
        run()
    except RehearsalFailure as failure:
        sys.stderr.write(f"FAILED: {failure}\n")
        return failure.code
    except Interrupted as interruption:
        sys.stderr.write(f"{interruption}: everything that was started has been ended.\n")
        return 128 + interruption.number
    return 0
