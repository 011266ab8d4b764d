# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on the log of vLLM: the texts as recorded from vLLM 0.32.0 on a CPU, the traps, and real log files."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LOG_RULES
from hypothesis import given
from hypothesis import strategies as st

WRAPPERS = (
    "(EngineCore pid=7) ERROR 11-23 07:55:37 [core.py:1100] Exception: WorkerProc initialization failed due to an "
    "exception in a background process. See stack trace for root cause.\n"
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
)
UNREADABLE_CACHE = "[Errno 13] Permission denied: '/.cache'"

# Cause and text, as measured (facts: vLLM 0.32.0 on a CPU) or as in the sources where only a GPU shows them.
RECORDED = [
    ("port_in_use", "OSError: [Errno 98] Address already in use"),
    ("unknown_flag", "vllm: error: unrecognized arguments: --no-such-flag 3"),
    ("invalid_flag_value", "vllm serve: error: argument --tensor-parallel-size/-tp: invalid int value: 'two'"),
    ("invalid_flag_value", "vllm serve: error: argument --dtype: invalid choice: 'int3' (choose from 'auto')"),
    (
        "model_path_missing",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': "
        "'/models/nosuch'. Use `repo_type` argument if needed.",
    ),
    (
        "model_not_in_cache",
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the "
        "specified revision on the local disk and outgoing traffic has been disabled.",
    ),
    (
        "model_hub_unreachable",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in "
        "the cached "
        "files.",
    ),
    (
        "model_folder_unreadable",
        "  Value error, Invalid repository ID or local directory specified: '/models/m'.",
    ),
    ("model_config_broken", "OSError: It looks like the config file at '/m/config.json' is not a valid JSON file."),
    (
        "model_type_unknown",
        "  Value error, The checkpoint you are trying to load has model type `nosuch` but Transformers does not "
        "recognize "
        "this architecture.",
    ),
    ("model_weights_missing", "RuntimeError: Cannot find any model weights with `/models/m`"),
    (
        "tensor_parallel_heads",
        "  Value error, Total number of attention heads (4) must be divisible by tensor parallel size (3).",
    ),
    (
        "pipeline_parallel_layers",
        "    num_blocks = available_memory // bytes_per_block\nZeroDivisionError: integer division or modulo by zero",
    ),
    (
        "max_model_len_too_large",
        "  Value error, User-specified max_model_len (4096) is greater than the derived max_model_len "
        "(max_position_embeddings=512.0 or model_max_length=None in model's config.json).",
    ),
    (
        "memory_low_at_start",
        "ValueError: Available memory on node 0 (11.16/12.59 GiB) on startup is less than desired CPU memory "
        "utilization "
        "(0.92, 11.58 GiB).",
    ),
    (
        "memory_low_at_start",
        "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory "
        "utilization "
        "(0.92, 72.8 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    ),
    (
        "kv_cache_no_room",
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        "initializing "
        "the engine",
    ),
    (
        "kv_cache_request_too_large",
        "ValueError: Available memory on node 0 (9.31/12.59 GiB) on kv cache allocation is less than requested "
        "memory for "
        "kv (64.0 GiB).",
    ),
    (
        "memory_utilization_invalid",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig\ngpu_memory_utilization\n"
        "  Input should be less than or equal to 1",
    ),
    (
        "shared_memory_too_small",
        "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 64 MiB free.",
    ),
    (
        "nnodes_mismatch",
        "ValueError: Invalid data-parallel launch options: `--nnodes 2` must evenly divide the total world size (3).",
    ),
    ("node_rank_invalid", "ValueError: bad: `--node-rank` must be between 0 and 1; got `--node-rank 2`."),
    (
        "nnodes_with_ray",
        "  Value error, nnodes > 1 can only be set when distributed executor backend is mp, uni or external_launcher.",
    ),
    ("ray_missing", "  Value error, Failed to import Ray: No module named 'ray'.Please install Ray"),
    ("ray_script_missing", "bash: /vllm-workspace/examples/multi-node-serving.sh: No such file or directory"),
    (
        "device_not_found",
        "RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG`",
    ),
    ("engine_died", "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue."),
    ("model_file_unreadable", "PermissionError: [Errno 13] Permission denied: '/models/m/config.json'"),
    ("model_weights_unreadable", "FileNotFoundError: No such file or directory: /models/m/model.safetensors"),
    (
        "cache_not_writable",
        f"RuntimeError: Worker failed with error '{UNREADABLE_CACHE}', please check the stack trace above for the root "
        "cause",
    ),
    ("uid_without_name", "KeyError: 'getpwuid(): uid not found: 2000'"),
    (
        "followers_missing",
        "torch.distributed.DistStoreError: Timed out after 21 seconds waiting for clients. 1/2 clients joined.",
    ),
    (
        "leader_unreachable",
        "torch.distributed.DistNetworkError: The client socket has timed out after 20000ms while trying to connect to "
        "(127.0.0.1, 29603).",
    ),
    (
        "leader_name_unresolvable",
        "[c10d] The IPv6 network addresses of (no-such-head.internal, 29630) cannot be retrieved (gai error: -2 "
        "- Name or "
        "service not known).\ntorch.distributed.DistNetworkError: The client socket has timed out after 20000ms while "
        "trying to connect to (no-such-head.internal, 29630).",
    ),
    (
        "leader_no_route",
        "DistNetworkError: The client socket has failed to connect to any network address of (10.77.0.99, 29630). "
        "(errno: 113 - No route to host)",
    ),
    ("leader_no_route", "DistNetworkError: failed to connect (errno: 101 - Network is unreachable)"),
    (
        "follower_died",
        "Connection closed by peer [127.0.0.1]:47318. This is typically caused by a remote worker crashing.",
    ),
    ("request_timeout", "TimeoutError: RPC call to sample_tokens timed out."),
    ("attention_head_size_unsupported", "RuntimeError: Unsupported CPU attention configuration: head_dim=16 isa=2"),
    ("pipeline_parallel_eager", "    assert self.intermediate_tensors is not None\nAssertionError"),
    ("cpu_device_count", "    assert local_message_queue is not None\nAssertionError"),
    (
        "cpu_threads_binding",
        "AssertionError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers. Allowed NUMA nodes "
        "are [0].",
    ),
    ("compiler_missing", "torch._inductor.exc.InductorError: InvalidCxxCompiler: No working C++ compiler found: 'g++'"),
    ("service_variable_collision", "ValueError: VLLM_PORT 'tcp://10.0.0.1:8000' appears to be a URI."),
    ("world_size_exceeds_gpus", "World size (4) is larger than the number of available GPUs (2) in this node."),
    ("gpu_out_of_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    (
        "engine_start_timeout",
        "TimeoutError: Timed out waiting for engine core processes to start. This is often caused",
    ),
    ("engine_stalled", "No available shared memory broadcast block found in 60 seconds. This typically happens when"),
    ("nccl_failed", "RuntimeError: NCCL error: unhandled system error"),
    ("worker_died", "Worker proc VllmWorker-1 died unexpectedly (exit code: 1), shutting down executor."),
    (
        "worker_ended_silently",
        "(Worker pid=13) INFO 11-27 02:25:53 [parallel_state.py:1906] world_size=2 rank=1 local_rank=0\n"
        "(MainProcess pid=1) INFO 11-27 02:25:54 [multiproc_executor.py:479] [shutdown] Executor: waiting\n"
        "Exception: WorkerProc initialization failed due to an exception in a background process.",
    ),
    ("worker_killed", "Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor."),
    (
        "worker_killed",
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): "
        "{'EngineCore': -9}",
    ),
    ("shared_memory_too_small", "Worker proc VllmWorker-0 died unexpectedly (exit code: -7), shutting down executor."),
    ("disk_full", "OSError: [Errno 28] No space left on device: '/scratch/vllm/torch_compile_cache'"),
    ("read_only_file_system", "OSError: [Errno 30] Read-only file system: '/data/input/.cache'"),
    ("path_not_permitted", "PermissionError: [Errno 13] Permission denied: '/data/input/Models'"),
    (
        "leader_no_route",
        "[W1123 17:05:56.000294458 socket.cpp:764] [c10d] The client socket has failed to connect to "
        "[::ffff:10.77.200.200]:29501 (errno: 110 - Connection timed out).",
    ),
    ("interrupted_while_loading", "KeyboardInterrupt: terminated"),
    (
        "remote_code_needed",
        "ValueError: Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
    ),
    (
        "kv_cache_too_small",
        "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache "
        "is needed, "
        "which is larger than the available KV cache memory (12.33 GiB).",
    ),
]
HEALTHY = """\
(APIServer pid=1) INFO 11-23 07:55:37 [api_utils.py:286] non-default args: {'model_tag': '/models/tiny', 'port': 8101}
(EngineCore pid=7) WARNING 11-23 07:55:40 [utils.py:3] Found ulimit of 20000 and failed to automatically increase with \
error current limit exceeds maximum limit. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`
(EngineCore pid=7) ERROR 11-23 07:55:41 [registry.py:1041] Traceback (most recent call last):
(EngineCore pid=7) ERROR 11-23 07:55:41 [registry.py:1041] PermissionError: [Errno 13] Permission denied: '/.cache'
(Worker pid=9) INFO 11-23 07:55:44 [default_loader.py:501] Loading weights took 0.01 seconds
INFO:     Application startup complete.
resource_tracker: There appear to be 1 leaked shared_memory objects to clean up at shutdown
"""
CLEAN_STOP = """\
(APIServer pid=1) INFO 11-23 16:22:46 [launcher.py:254] [shutdown] API server: shutdown triggered
(APIServer pid=1) ERROR 11-23 16:22:46 [async_llm.py:700] AsyncLLM output_handler failed.
(APIServer pid=1) ERROR 11-23 16:22:46 [async_llm.py:700] Traceback (most recent call last):
(APIServer pid=1) ERROR 11-23 16:22:46 [async_llm.py:700] vllm.v1.engine.exceptions.EngineDeadError: EngineCore \
encountered an issue. See stack trace (above) for the root cause.
(EngineCore pid=7) INFO 11-23 16:22:46 [core.py:1454] [shutdown] EngineCore: trigger received signal=SIGTERM
"""


def causes(text: str, role: str = "leader") -> list[str]:
    return [finding.cause for finding in diagnose_log(text, role)]


@pytest.mark.parametrize(
    ("cause", "text"), RECORDED, ids=[f"{cause}-{at}" for at, (cause, _text) in enumerate(RECORDED)]
)
def test_recorded_texts(cause: str, text: str) -> None:
    prefixed = "\n".join(f"(EngineCore pid=7) ERROR 11-23 07:55:37 [core.py:1098] {line}" for line in text.split("\n"))
    for log in (text, prefixed, f"\x1b[0;36m{text}\x1b[0m", text + "\n" + WRAPPERS):
        assert causes(log)[0] == cause
    finding = diagnose_log(text)[0]
    assert finding.evidence
    assert finding.hint


def test_every_rule_has_a_recorded_text() -> None:
    assert {cause for cause, _text in RECORDED} == {rule.cause for rule in LOG_RULES}


def test_a_healthy_log_has_no_cause() -> None:
    assert diagnose_log(HEALTHY) == []


def test_a_clean_stop_is_no_crash() -> None:
    assert diagnose_log(HEALTHY + CLEAN_STOP) == []
    before, marked = CLEAN_STOP.split("\n", 1)
    assert diagnose_log(HEALTHY + marked + before) == []


def test_an_engine_that_vanished_is_a_crash_although_the_rest_is_shut_down() -> None:
    orderly = (
        "(EngineCore pid=7) INFO 11-23 16:22:46 [core.py:1454] [shutdown] EngineCore: trigger received signal=SIGTERM\n"
    )
    triggered, rest = CLEAN_STOP.replace(orderly, "").split("\n", 1)
    assert causes(HEALTHY + rest + triggered) == ["engine_died"]


def test_wrappers_are_never_the_cause() -> None:
    assert diagnose_log(WRAPPERS) == []


def test_a_worker_that_tells_why_it_ended_has_not_ended_silently() -> None:
    started = "(Worker pid=9) INFO 11-23 07:55:37 [parallel_state.py:1] world_size=2 rank=1 local_rank=0\n"
    assert causes(started + WRAPPERS) == ["worker_ended_silently"]
    tells = "(Worker pid=9) ERROR 11-23 07:55:37 [multiproc_executor.py:953] WorkerProc failed to start.\n"
    assert causes(started + tells + WRAPPERS) == []
    error = "(Worker pid=9) ERROR 11-23 07:55:37 [x.py:1] torch.SomethingNewError: the moon is full\n"
    assert causes(started + error + WRAPPERS) == ["engine_failed"]
    stopped = (
        "(EngineCore pid=7) INFO 11-23 16:22:46 [core.py:1] [shutdown] EngineCore: trigger received signal=SIGTERM\n"
    )
    assert causes(started + stopped + WRAPPERS) == []


def test_an_unknown_error_is_told_as_the_log_tells_it_the_workers_first() -> None:
    log = (
        "(APIServer pid=1) ValueError: what the API server makes of it\n"
        "(Worker_TP0 pid=9) ERROR 11-23 07:55:37 [x.py:1] torch.SomethingNewError: the moon is full\n" + WRAPPERS
    )
    findings = diagnose_log(log)
    assert [finding.cause for finding in findings] == ["engine_failed"]
    assert findings[0].evidence == "torch.SomethingNewError: the moon is full"


def test_the_unknown_error_wins_over_its_consequences() -> None:
    log = (
        "(Worker pid=9) ERROR 11-23 07:55:37 [x.py:1] KeyError: 'chatcmpl-1'\n"
        "(EngineCore pid=7) ERROR 11-23 07:55:38 [y.py:1] Worker proc VllmWorker-1 died unexpectedly (exit code: 1)\n"
        "(APIServer pid=1) ERROR 11-23 07:55:39 [z.py:1] vllm.v1.engine.exceptions.EngineDeadError: EngineCore "
        "encountered\n"
    )
    assert causes(log) == ["engine_failed"]


def test_what_was_overcome_is_no_cause() -> None:
    waited = "TCP client failed to connect/validate to host 10.77.0.10:29501 - retrying (try=0, timeout=1800000ms)\n"
    joined = "INFO [parallel_state.py:1] rank 1 in world size 2 is assigned as DP rank 0, PP rank 1\n"
    assert causes(waited, "follower") == ["leader_unreachable"]
    assert causes(waited + joined, "follower") == []
    assert causes(RECORDED[0][1] + "\n" + HEALTHY) == []


def test_a_follower_gets_its_own_hint() -> None:
    text = "Connection closed by peer [10.77.0.10]:47318. This is typically caused by a remote worker crashing."
    assert diagnose_log(text, "leader")[0].hint != diagnose_log(text, "follower")[0].hint


def test_misleading_texts_are_explained() -> None:
    unreadable = diagnose_log("FileNotFoundError: No such file or directory: /models/m/model.safetensors")[0]
    assert "owner and mode" in unreadable.hint
    folder = diagnose_log("  Value error, Invalid repository ID or local directory specified: '/models/m'.")[0]
    assert "0700" in folder.hint


def test_a_huge_log_is_read_at_both_ends() -> None:
    assert causes(RECORDED[1][1] + "\n" + "INFO nothing\n" * 100_000) == ["unknown_flag"]
    assert causes("INFO nothing\n" * 100_000 + RECORDED[1][1]) == ["unknown_flag"]


@given(st.text(st.characters() | st.sampled_from(string.printable + "\x1b"), max_size=400))
def test_any_text_is_accepted(text: str) -> None:
    diagnose_log(text)


@given(st.lists(st.sampled_from([text for _cause, text in RECORDED] + HEALTHY.splitlines() + ["\x1b[0m", "(((", ""])))
def test_any_mixture_of_known_lines_gives_findings_with_hints(lines: list[str]) -> None:
    for finding in diagnose_log("\n".join(lines)):
        assert finding.hint
        assert len(finding.evidence) <= 400


RECORDED_LOGS = sorted((Path(__file__).parent.parent / "recorded_logs").glob("*/*.log"))
# Files that were named after the experiment where the rule's word is another one.
CAUSE_OF_FILE = {
    "heads_not_divisible": "tensor_parallel_heads",
    "invalid_value": "invalid_flag_value",
    "kv_cache_does_not_fit": "kv_cache_no_room",
    "model_config_unreadable": "model_file_unreadable",
    "weights_missing": "model_weights_missing",
    "weights_unreadable": "model_weights_unreadable",
}


@pytest.mark.parametrize("path", RECORDED_LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_real_logs(path: Path) -> None:
    """``<cause>[.<role>].log``; ``good_...`` has no cause."""
    experiment, _dot, role = path.stem.partition(".")
    found = causes(path.read_text(encoding="utf-8", errors="replace"), role or "leader")
    if experiment.startswith("good_"):
        assert found == []
    else:
        assert found[:1] == [CAUSE_OF_FILE.get(experiment, experiment)]


def test_real_logs_are_there() -> None:
    assert len(RECORDED_LOGS) >= 10
