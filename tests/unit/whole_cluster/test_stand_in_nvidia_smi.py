# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster's stand-in for nvidia-smi: the container's own devices, with the memory of the ranks' processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuops_cluster.machine import nvidia_smi

DEVICES = "NVIDIA_VISIBLE_DEVICES"


def process(folder: Path, pid: int, title: str, mebibytes: int) -> None:
    """Write what /proc shows of a process."""
    (folder / str(pid)).mkdir()
    (folder / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")
    (folder / str(pid) / "status").write_text(f"Name:\tx\nVmRSS:\t  {mebibytes * 1024} kB\n", encoding="utf-8")


def test_a_rank_belongs_to_the_device_of_its_tensor_rank(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    process(tmp_path, 1, "/opt/vllm/bin/python", 700)
    process(tmp_path, 19, "VLLM::EngineCore", 600)
    process(tmp_path, 27, "VLLM::Worker_PP1_TP0", 840)
    process(tmp_path, 28, "VLLM::Worker_PP1_TP1", 850)
    assert nvidia_smi.memory_by_rank(2, tmp_path) == {0: 840, 1: 850}


def test_the_only_rank_of_a_pod_with_one_device_is_the_engine(tmp_path: Path) -> None:
    process(tmp_path, 19, "VLLM::EngineCore", 600)
    assert nvidia_smi.memory_by_rank(1, tmp_path) == {0: 600}
    assert nvidia_smi.memory_by_rank(2, tmp_path) == {}


def test_a_query_prints_as_nvidia_smi_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(DEVICES, "GPU-00000004,GPU-00000005")
    asked = "--query-gpu=index,uuid,memory.used,memory.total"
    assert nvidia_smi.main([asked, "--format=csv,noheader,nounits"]) == 0
    assert capsys.readouterr().out == "0, GPU-00000004, 0, 81559\n1, GPU-00000005, 0, 81559\n"
    assert nvidia_smi.main([asked, "--format=csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "index, uuid, memory.used [MiB], memory.total [MiB]"
    assert lines[1] == "0, GPU-00000004, 0 MiB, 81559 MiB"


def test_an_unknown_field_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(DEVICES, "GPU-00000004")
    assert nvidia_smi.main(["--query-gpu=index,colour", "--format=csv"]) == 2
    assert "colour" in capsys.readouterr().out


def test_a_container_without_devices_has_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DEVICES, "void")
    assert nvidia_smi.main([]) == 6
    assert "No devices were found" in capsys.readouterr().out
