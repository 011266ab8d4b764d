# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The starts of vLLM whose logs are kept: what each does wrong, named after the cause the collection should find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from gpuops_sandbox.engine.tiny_model import HEALTHY_BUT_BROKEN_HEAD_DIM, copy_model

MODELS = "input/Models"
MODEL = f"{MODELS}/Mistral-Small-4-119B-2603"
LEADER = "my-llm-inference-0.my-llm-inference.runai-my-project"
GIB = 1024**3
MIB = 1024**2
_SMALL = ("--max-model-len", "256", "--kv-cache-memory-bytes", "16M")
_ONE_OF_TWO = ("--distributed-timeout-seconds", "20", *_SMALL)
_TWO_PODS = ("--distributed-timeout-seconds", "150", *_SMALL)
_BUSY_PORT = 'python3 -m http.server 8000 >/dev/null 2>&1 & sleep 1; exec vllm serve "$@"'


@dataclass(frozen=True)
class Case:
    """A start: what differs from one healthy pod with one GPU.

    ``ranks``: the pods that are started (0 leads). ``leader_address``: where the leader's name leads instead of to
    the leader; empty: the name is unknown. ``follower_dies``: the follower is killed while the engine serves.
    ``dies_of_a_chat``: the engine says that it is healthy, and the first chat ends it.
    """

    arguments: tuple[str, ...] = _SMALL
    model: str = MODEL
    tensor: int = 1
    pipeline: int = 1
    ranks: tuple[int, ...] = (0,)
    shared_memory_bytes: int = GIB
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    leader_address: str | None = None
    follower_dies: bool = False
    dies_of_a_chat: bool = False
    must_fail: bool = True

    def command_line(self, rank: int) -> tuple[str, ...]:
        """Return the arguments of ``vllm serve`` for a rank, in the collection's order."""
        arguments = [f"/data/{self.model}", "--served-model-name", "mistral4"]
        arguments += ["--tensor-parallel-size", str(self.tensor), "--pipeline-parallel-size", str(self.pipeline)]
        if self.pipeline > 1:
            arguments += ["--nnodes", str(self.pipeline), "--node-rank", str(rank), "--master-addr", LEADER]
            arguments += ["--master-port", "29501", "--distributed-executor-backend", "mp"]
        arguments += ["--headless"] if rank else ["--host", "0.0.0.0", "--port", "8000"]
        return (*arguments, *self.arguments)


CASES = {
    "good_start": Case(_TWO_PODS, tensor=2, pipeline=2, ranks=(0, 1), must_fail=False),
    "unknown_flag": Case((*_SMALL, "--no-such-flag", "3")),
    "invalid_flag_value": Case((*_SMALL, "--dtype", "int3")),
    "port_in_use": Case(command=("sh", "-c", _BUSY_PORT, "vllm")),
    "nnodes_mismatch": Case((*_SMALL, "--nnodes", "2"), tensor=1),
    "node_rank_invalid": Case((*_SMALL, "--nnodes", "2", "--node-rank", "2"), tensor=2),
    "ray_missing": Case((*_SMALL, "--distributed-executor-backend", "ray"), tensor=2),
    "model_path_missing": Case(model=f"{MODELS}/no-such-model"),
    "model_folder_unreadable": Case(model=f"{MODELS}/folder-0700"),
    "model_file_unreadable": Case(model=f"{MODELS}/files-0600"),
    "model_config_broken": Case(model=f"{MODELS}/broken-config"),
    "model_type_unknown": Case(model=f"{MODELS}/unknown-type"),
    "model_weights_unreadable": Case(model=f"{MODELS}/weights-0600"),
    "model_weights_missing": Case(model=f"{MODELS}/no-weights"),
    "tensor_parallel_heads": Case(tensor=3),
    "max_model_len_too_large": Case(("--max-model-len", "4096", *_SMALL[2:])),
    "memory_utilization_invalid": Case((*_SMALL, "--gpu-memory-utilization", "1.5")),
    "kv_cache_no_room": Case(("--max-model-len", "512", "--kv-cache-memory-bytes", "128K")),
    "kv_cache_request_too_large": Case((*_SMALL[:2], "--kv-cache-memory-bytes", "640G")),
    "shared_memory_too_small": Case(shared_memory_bytes=64 * MIB, tensor=2),
    "followers_missing": Case(_ONE_OF_TWO, pipeline=2),
    "leader_name_unresolvable": Case(_ONE_OF_TWO, pipeline=2, ranks=(1,), leader_address=""),
    "leader_no_route": Case(_ONE_OF_TWO, pipeline=2, ranks=(1,), leader_address="10.77.200.200"),
    "leader_unreachable": Case(_ONE_OF_TWO, pipeline=2, ranks=(1,), leader_address="10.77.0.1"),
    "attention_head_size_unsupported": Case(model=f"{MODELS}/head-dim-16", dies_of_a_chat=True, must_fail=False),
    "follower_died": Case(
        _TWO_PODS,
        pipeline=2,
        ranks=(0, 1),
        environment={"VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": "20"},
        follower_dies=True,
        dies_of_a_chat=True,
        must_fail=False,
    ),
}


def fill_volume(volume: Path) -> None:
    """Put the models of all cases on a volume."""
    models = volume / MODELS
    copy_model(volume / MODEL, 2000, 2000)
    copy_model(models / "head-dim-16", 2000, 2000, head_dim=HEALTHY_BUT_BROKEN_HEAD_DIM)
    for name in ("folder-0700", "files-0600", "weights-0600", "no-weights", "broken-config", "unknown-type"):
        copy_model(models / name, 0, 0)
    (models / "folder-0700").chmod(0o700)
    for file in (models / "files-0600").iterdir():
        file.chmod(0o600)
    (models / "weights-0600" / "model.safetensors").chmod(0o600)
    (models / "no-weights" / "model.safetensors").unlink()
    (models / "broken-config" / "config.json").write_text('{"model_type": "llama",', encoding="utf-8")
    unknown = {"architectures": ["NoSuchForCausalLM"], "model_type": "nosuch"}
    (models / "unknown-type" / "config.json").write_text(json.dumps(unknown), encoding="utf-8")
