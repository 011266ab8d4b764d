# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the cluster, built from pinned Go modules: once for each content of go.mod and go.sum, then found.

Each tool has a module of its own below tests/cluster/go, because they resolve different versions of the same libraries.
A built tool lies in the cache folder as cluster-TOOL-HASH: its programs in bin, files of its module in share. The hash
covers go.mod, go.sum, the recipe below and the Go version. Where modules come from is Go's own setting (GOPROXY).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import made_by_one
from places import cache_directory

from gpuops_cluster.failure import ClusterError
from gpuops_cluster.programs import Programs

MODULES = Path(__file__).resolve().parents[1] / "go"

# Raise it when the steps below make something else of the same modules.
RECIPE_VERSION = "1"

# The lowest Go that all go.mod files name.
OLDEST_GO = "1.26"

# The exit status that says so.
GO_IS_MISSING = 2

KUBERNETES_VERSION = "v1.36.3"
_MAJOR, _MINOR, _PATCH = KUBERNETES_VERSION.removeprefix("v").split(".")
_STAMP = "k8s.io/component-base/version"
_KUBERNETES_FLAGS = " ".join(
    f"-X {_STAMP}.{name}={value}"
    # Without them the programs call themselves v0.0.0-master and clients cannot parse it.
    for name, value in (
        ("gitVersion", KUBERNETES_VERSION),
        ("gitMajor", _MAJOR),
        ("gitMinor", _MINOR),
        ("gitTreeState", "clean"),
        ("gitCommit", "0" * 40),
        ("buildDate", "2026-01-01T00:00:00Z"),
    )
)


@dataclass(frozen=True)
class Tool:
    """One Go module to build: its folder below tests/cluster/go, the packages and the names of their programs."""

    name: str
    packages: dict[str, str]  # name of the program -> Go package
    linker_flags: str = ""
    module: str = ""  # the module whose files are kept beside the programs
    files: tuple[str, ...] = ()


# Long builds first: whoever waits sees what takes the time.
TOOLS = (
    Tool(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
                # Of the whole cluster alone: its machine and its Services.
                *("kubelet", "kube-proxy"),
            )
        },
        linker_flags=_KUBERNETES_FLAGS,
    ),
    Tool(
        "lws",
        {"lws": "sigs.k8s.io/lws/cmd"},
        module="sigs.k8s.io/lws",
        files=(
            "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
            "config/crd/bases/disaggregatedset.x-k8s.io_disaggregatedsets.yaml",
            "config/webhook/manifests.yaml",
        ),
    ),
    Tool("coredns", {"coredns": "github.com/coredns/coredns"}),
    Tool("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
)


def find() -> Programs | None:
    """Return the programs if all of them are built, else None. Raises ``ClusterError`` without a usable Go."""
    folders = {tool.name: _folder(tool) for tool in TOOLS}
    if not all((folder / ".ready").exists() for folder in folders.values()):
        return None
    return _describe(folders)


def build() -> Programs:
    """Build what is not built (about eight minutes of two processors for all), and return the programs."""
    found = find()
    if found is not None:
        return found
    started = time.monotonic()
    with _one_builder():
        folders = {tool.name: _make(tool) for tool in TOOLS}
        # Of no use once everything is built: some gigabytes.
        shutil.rmtree(_work_folder(), ignore_errors=True)
    _say(f"The programs of the test cluster are ready after {time.monotonic() - started:.0f} s.")
    return _describe(folders)


def _describe(folders: dict[str, Path]) -> Programs:
    paths = {name: folders[tool.name] / "bin" / name for tool in TOOLS for name in tool.packages}
    files = {Path(name).name: folders[tool.name] / "share" / Path(name).name for tool in TOOLS for name in tool.files}
    return Programs(paths, files)


def _make(tool: Tool) -> Path:
    folder = _folder(tool)
    with made_by_one(folder) as is_maker:
        if is_maker:
            started = time.monotonic()
            _say(f"Building {', '.join(tool.packages)} (once for this version): {folder}")
            _compile(tool, folder)
            _keep_files(tool, folder)
            _say(f"{tool.name} is built after {time.monotonic() - started:.0f} s.")
    return folder


def _compile(tool: Tool, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir(parents=True)
    single = len(tool.packages) == 1
    target = str(programs / next(iter(tool.packages))) if single else f"{programs}/"
    _run_go(
        tool,
        "build",
        "-trimpath",
        # No debugger ever sees them; without its tables the compiler is quicker and its cache half as large.
        "-gcflags=all=-dwarf=false",
        "-ldflags",
        f"-s -w {tool.linker_flags}".strip(),
        "-o",
        target,
        *tool.packages.values(),
    )


def _keep_files(tool: Tool, folder: Path) -> None:
    share = folder / "share"
    share.mkdir()
    if not tool.files:
        return
    module = Path(_run_go(tool, "list", "-m", "-f", "{{.Dir}}", tool.module).strip())
    for name in tool.files:
        shutil.copyfile(module / name, share / Path(name).name)


def _folder(tool: Tool) -> Path:
    content = hashlib.sha256()
    for part in (RECIPE_VERSION, _go_version(), repr(tool)):
        content.update(part.encode() + b"\0")
    for name in ("go.mod", "go.sum"):
        content.update((MODULES / tool.name / name).read_bytes() + b"\0")
    return cache_directory() / f"cluster-{tool.name}-{content.hexdigest()[:12]}"


def _work_folder() -> Path:
    return cache_directory() / "downloads" / "go"


def _variables() -> dict[str, str]:
    work = _work_folder()
    variables = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH", "GOWORK")}
    variables.update(
        CGO_ENABLED="0",
        GOFLAGS="-mod=readonly -modcacherw -buildvcs=false",
        GOMODCACHE=str(work / "modules"),
        GOCACHE=str(work / "build"),
        # The compiler's own garbage collector: less often is a tenth quicker and takes under 2 GB.
        GOGC="400",
    )
    return variables


def _go_version() -> str:
    program = shutil.which("go")
    found = "none"
    if program is not None:
        # In a module's folder, so that Go's own choice of a toolchain counts.
        done = subprocess.run(
            [program, "env", "GOVERSION", "GOOS", "GOARCH"],
            cwd=MODULES / TOOLS[0].name,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and is_new_enough(done.stdout.split()[0]):
            return done.stdout
        found = done.stdout.split()[0] if done.returncode == 0 else done.stderr.strip()
    raise ClusterError(
        f"the test cluster is built with Go {OLDEST_GO} or newer (found: {found}): install Go as go.dev/doc/install "
        "says and put its bin folder on PATH; where the distribution's is new enough: apt-get install golang-go",
        GO_IS_MISSING,
    )


def is_new_enough(version: str) -> bool:
    """Say whether a version as ``go env GOVERSION`` prints it (go1.26.8) is at least OLDEST_GO; unreadable: no."""
    numbers = version.removeprefix("go").split(".")[:2]
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers):
        return False
    return [int(number) for number in numbers] >= [int(number) for number in OLDEST_GO.split(".")]


def _run_go(tool: Tool, *words: str) -> str:
    done = subprocess.run(
        ["go", *words], cwd=MODULES / tool.name, env=_variables(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"`go {words[0]}` of {tool.name} failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


@contextmanager
def _one_builder() -> Iterator[None]:
    """Let one process build at a time: they share the compiler's cache, and the last one removes it."""
    path = cache_directory() / "cluster-tools.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Build the programs and print where each one lies."""
    try:
        programs = build()
    except ClusterError as error:
        print(f"gpuops_cluster: {error}", file=sys.stderr)
        return error.code
    for path in programs.paths.values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
