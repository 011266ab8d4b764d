# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The table of causes that vLLM's own log tells: which text means what, and what to do.

The texts are vLLM 0.32.0's as measured on a CPU, and those of the 0.33.0 sources where only a GPU shows them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING


@dataclass(frozen=True)
class LogRule:
    """One cause. ``pattern`` is searched in every line that is not noise; ``seen`` says in words what stands there.

    ``consequence``: it follows from another cause and is told only when nothing else is found. ``passing``: the next
    start may go well without any change. ``follower_hint`` replaces ``hint`` for the log of a follower.
    """

    cause: str
    pattern: str
    seen: str
    hint: str
    consequence: bool = False
    passing: bool = False
    severity: str = ERROR
    follower_hint: str | None = None


# What vLLM says around a worker's error, and also where there is none: then the worker was killed.
WORKER_ENDED = r"WorkerProc initialization failed due to an exception in a background process"

LOG_RULES = (
    # Arguments: ended within about 10 s, before any engine process.
    LogRule(
        "unknown_flag",
        r"error: unrecognized arguments:",
        "`error: unrecognized arguments: ...`",
        "This vLLM does not know the option: correct `vllm_args` (`vllm serve --help=all` in the image lists them).",
    ),
    LogRule(
        "invalid_flag_value",
        r"error: argument \S+: (invalid|expected)",
        "`error: argument ...: invalid ...`",
        "Correct the value in `vllm_args`.",
    ),
    LogRule(
        "port_in_use",
        r"\[Errno 98\]|Address already in use",
        "`OSError: [Errno 98] Address already in use` (it names no port)",
        "Something in the pod listens on `serving.port` already: choose another one, or remove the second server.",
        passing=True,
    ),
    LogRule(
        "service_variable_collision",
        r"VLLM_PORT .*appears to be a URI",
        "`VLLM_PORT '...' appears to be a URI`",
        "A Kubernetes Service named `vllm` puts VLLM_PORT=tcp://... into every pod of the namespace: rename the "
        "Service.",
    ),
    LogRule(
        "nnodes_mismatch",
        r"`?--nnodes \d+`? must evenly divide the total world size",
        "`--nnodes N must evenly divide the total world size` (it says data-parallel even for tensor and "
        "pipeline parallel)",
        "Tensor x pipeline x data parallel must be a multiple of the number of pods.",
    ),
    LogRule(
        "node_rank_invalid",
        r"`?--node-rank`? must be between 0 and",
        "`--node-rank must be between 0 and ...`",
        "A pod's index lies outside of the engine: `--nnodes` must be the number of pods, leader included.",
    ),
    LogRule(
        "nnodes_with_ray",
        r"nnodes > 1 can only be set when distributed executor backend",
        "`nnodes > 1 can only be set when distributed executor backend is ...`",
        "Either Ray or `--nnodes`, not both: use `distributed_executor_backend: mp`.",
    ),
    LogRule(
        "ray_missing",
        r"No module named 'ray'|Failed to import Ray|\bray: (command )?not found",
        "`No module named 'ray'`",
        "The official image has no Ray since 0.18: use `distributed_executor_backend: mp`, or an image with Ray.",
    ),
    LogRule(
        "ray_script_missing",
        r"multi-node-serving\.sh: No such file",
        "`multi-node-serving.sh: No such file or directory`",
        "The script moved from examples/online_serving to examples/ray_serving between vLLM 0.20 and 0.22: use "
        "`distributed_executor_backend: mp`, which needs no script.",
    ),
    # The model.
    LogRule(
        "model_file_unreadable",
        r"PermissionError: \[Errno 13\] Permission denied: '[^']*\.(json|jinja|model|safetensors|bin|txt|py)'",
        "`PermissionError: ... Permission denied: '.../config.json'`",
        "The serving UID cannot read the model's files: give it the files (chown), or make them readable for it.",
    ),
    LogRule(
        "model_path_missing",
        r"HFValidationError: Repo id must be in the form",
        "`HFValidationError: Repo id must be in the form 'repo_name' ...`",
        "There is no folder at `model.path` inside the pod, so vLLM took it for the name of a repository: check the "
        "volume's mount path and the folder's name.",
    ),
    LogRule(
        "model_not_in_cache",
        r"LocalEntryNotFoundError",
        "`LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder`",
        "The model is given by a repository's name, and downloads are off: give the path of the files on a volume.",
    ),
    LogRule(
        "model_hub_unreachable",
        r"couldn't connect to 'https://huggingface\.co'|huggingface\.co.*(Name or service not known|resolve)",
        "`We couldn't connect to 'https://huggingface.co'`",
        "The pod has no way to the internet: give the path of the files on a volume.",
        passing=True,
    ),
    LogRule(
        "model_folder_unreadable",
        r"Invalid repository ID or local directory specified",
        "`Invalid repository ID or local directory specified` (no word of permission)",
        "The folder is empty, or the serving UID may not enter it: look at its owner and mode first (a folder of "
        "mode 0700 "
        "gives just this text).",
    ),
    LogRule(
        "model_config_broken",
        r"It looks like the config file at .* is not a valid JSON file",
        "`It looks like the config file at ... is not a valid JSON file`",
        "config.json is damaged or cut off: copy the model again.",
    ),
    LogRule(
        "model_type_unknown",
        r"has model type `?\w+`? but Transformers does not recognize|Model architectures .* are not supported|"
        r"No model architectures are specified",
        "`Transformers does not recognize this architecture`",
        "This image is too old for the model (or config.json is of another one): use a newer `image`.",
    ),
    LogRule(
        "remote_code_needed",
        r"trust[_-]remote[_-]code(=True|`| to|\.)|contains custom code which must be executed",
        "the model brings code of its own",
        "Read that code, then allow it with `--trust-remote-code` in `vllm_args`.",
    ),
    LogRule(
        "model_weights_unreadable",
        r"FileNotFoundError: No such file or directory: \S+\.safetensors",
        "`FileNotFoundError: No such file or directory: ....safetensors` - misleading: often the file exists",
        "safetensors says this also of a file that the serving UID may not read: check owner and mode before "
        "looking for a missing file.",
    ),
    LogRule(
        "model_weights_missing",
        r"Cannot find any model weights with",
        "`Cannot find any model weights with ...`",
        "The folder has a config.json but no weights: finish the copy.",
    ),
    LogRule(
        "max_model_len_too_large",
        r"User-specified max_model_len \(\d+\) is greater than the derived max_model_len",
        "`User-specified max_model_len (...) is greater than the derived max_model_len`",
        "Lower `--max-model-len`: the model itself does not go further.",
    ),
    # Parallelism.
    LogRule(
        "tensor_parallel_heads",
        r"Total number of attention heads \(\d+\) must be divisible by tensor parallel size",
        "`Total number of attention heads (...) must be divisible by tensor parallel size (...)`",
        "Choose a `tensor_parallel_size` that divides the model's attention heads.",
    ),
    LogRule(
        "pipeline_parallel_layers",
        r"available_memory // bytes_per_block",
        "`ZeroDivisionError` at `available_memory // bytes_per_block` - says nothing of pipeline parallel",
        "A pipeline stage got no layer: `pipeline_parallel_size` must not exceed the model's layers.",
    ),
    LogRule(
        "world_size_exceeds_gpus",
        r"World size \(\d+\) is larger than the number of available GPUs",
        "`World size (N) is larger than the number of available GPUs (M) in this node`",
        "This pod was not told of the others: it needs `--nnodes`, or `tensor_parallel_size` is larger than "
        "`gpus_per_pod`.",
    ),
    LogRule(
        "pipeline_parallel_eager",
        r"assert self\.intermediate_tensors is not None",
        "`assert self.intermediate_tensors is not None` at the first request, /health was 200",
        "Pipeline parallel with `--enforce-eager` is broken on CPUs: use `-cc.mode=1 -cc.backend=eager` instead.",
    ),
    LogRule(
        "cpu_device_count",
        r"assert local_message_queue is not None",
        "`assert local_message_queue is not None`",
        "A CPU counts as one device per pod: several ranks per pod over several pods need a device count of their own.",
    ),
    LogRule(
        "cpu_threads_binding",
        r"Not enough allowed NUMA nodes to bind threads",
        "`Not enough allowed NUMA nodes to bind threads of N local CPUWorkers`",
        "Set VLLM_CPU_OMP_THREADS_BIND: one list of CPUs per local worker, separated by `|`.",
    ),
    LogRule(
        "attention_head_size_unsupported",
        r"Unsupported CPU attention configuration: head_dim",
        "`Unsupported CPU attention configuration: head_dim=...` at the first request, /health was 200",
        "The CPU build serves head sizes that are multiples of 32 only: this model needs GPUs.",
    ),
    # Memory.
    LogRule(
        "gpu_out_of_memory",
        r"OutOfMemoryError: CUDA out of memory|torch\.cuda\.OutOfMemoryError|CUDA out of memory",
        "`CUDA out of memory`",
        "Weights and KV cache do not fit: more GPUs per replica, a smaller `--max-model-len`, or a lower "
        "`--gpu-memory-utilization` where something else uses the GPU.",
    ),
    LogRule(
        "memory_low_at_start",
        r"(Free memory on device|Available memory on node) .* on startup is less than desired",
        "`Free memory on device ... on startup is less than desired GPU memory utilization`",
        "Something else already uses that memory, or the fraction is too high: lower `--gpu-memory-utilization`.",
        passing=True,
    ),
    LogRule(
        "kv_cache_no_room",
        r"No available memory for the cache blocks",
        "`No available memory for the cache blocks`",
        "The weights leave no room for the KV cache: more GPUs per replica, or raise `--gpu-memory-utilization`.",
    ),
    LogRule(
        "kv_cache_too_small",
        r"KV cache is needed, which is larger than the available KV cache memory",
        "`... KV cache is needed, which is larger than the available KV cache memory`",
        "Lower `--max-model-len` (the message estimates the longest that fits), or use more GPUs per replica.",
    ),
    LogRule(
        "kv_cache_request_too_large",
        r"on kv cache allocation is less than requested memory for kv",
        "`Available memory ... on kv cache allocation is less than requested memory for kv`",
        "Lower `--kv-cache-memory-bytes`.",
    ),
    LogRule(
        "memory_utilization_invalid",
        r"validation errors? for CacheConfig",
        "`1 validation error for CacheConfig`",
        "`--gpu-memory-utilization` is a fraction between 0 and 1.",
    ),
    LogRule(
        "shared_memory_too_small",
        r"Insufficient space in /dev/shm|No space left on device: '?/dev/shm|shm_open.*No space left|"
        r"error while creating shared memory segment|\bBus error\b|died unexpectedly \(exit code: -7\)|"
        r"Failed core proc\(s\): \{[^}]*: -7\b",
        "`Insufficient space in /dev/shm for shared-memory allocation`, or a process that ended by SIGBUS (`exit code: "
        "-7`, `Bus error`)",
        "Kubernetes gives a pod 64 MiB of /dev/shm: `vllm_workload` always asks for more; a hand-made workload needs "
        "`largeShmRequest`, or an emptyDir of medium Memory there.",
    ),
    LogRule(
        "worker_killed",
        r"died unexpectedly \(exit code: -9\)|Failed core proc\(s\): \{[^}]*: -9\b",
        "`Worker proc ... died unexpectedly (exit code: -9)`: one of the pod's processes was killed (SIGKILL)",
        "Nearly always by the kernel, for memory: raise `resources.memory_limit` (what lies in /dev/shm counts too), "
        "or set `resources.memory_request` where the machine itself ran out of it.",
        passing=True,
    ),
    LogRule(
        "worker_ended_silently",
        WORKER_ENDED,
        "`WorkerProc initialization failed ...` although no worker tells of an exception: one of the pod's processes "
        "was killed before the engine had started",
        "Nearly always by the kernel, for memory while the weights load: raise `resources.memory_limit` (what lies "
        "in /dev/shm counts too), or set `resources.memory_request` where the machine itself ran out of it.",
        consequence=True,
        passing=True,
    ),
    LogRule(
        "disk_full",
        r"^(?!.*(/dev/shm|shm_open)).*(No space left on device|Disk quota exceeded)",
        "`OSError: [Errno 28] No space left on device`",
        "The disk below that path is full: HOME and the caches lie in `scratch_size` of the machine's disk, models on "
        "their volume.",
        passing=True,
    ),
    # Identity and caches.
    LogRule(
        "cache_not_writable",
        r"Permission denied: '(/\.\w+|~|/root|/home/)",
        "`Permission denied: '/.cache'`: HOME is / for a UID without a passwd entry",
        "Set HOME and VLLM_CACHE_ROOT to a private writable folder; `vllm_workload` does.",
    ),
    LogRule(
        "read_only_file_system",
        r"Read-only file system",
        "`OSError: [Errno 30] Read-only file system: '...'`",
        "Something is written to a volume that is mounted read-only: point what writes there (a cache, HF_HOME, a "
        "download) to the scratch folder, or mount the volume with `volumes[].read_only: false`.",
    ),
    LogRule(
        "uid_without_name",
        r"getpwuid\(\): uid not found",
        "`KeyError: 'getpwuid(): uid not found: 2000'`",
        "Set USER and LOGNAME (images before 0.22 have no entry for that UID); `vllm_workload` does.",
    ),
    LogRule(
        "compiler_missing",
        r"InvalidCxxCompiler|Failed to find C compiler|No working C\+\+ compiler found",
        "`InvalidCxxCompiler`, often at the first request only, /health was 200",
        "The image lacks a C++ compiler, which compiled kernels need: use the official image.",
    ),
    LogRule(
        "device_not_found",
        r"Failed to infer device type|No CUDA GPUs are available|"
        r"no CUDA-capable device|NVIDIA driver on your system is too old",
        "`Failed to infer device type`",
        "The pod sees no usable GPU: check `gpus_per_pod`, the machine's driver, and that the image is built for it.",
        passing=True,
    ),
    # Between pods.
    LogRule(
        "followers_missing",
        r"Timed out after \d+ seconds waiting for clients\. \d+/\d+ clients joined",
        "`Timed out after N seconds waiting for clients. 1/2 clients joined.`",
        "Not all followers reached the leader in time. Followers of an earlier start count for nothing: all pods of a "
        "replica are restarted together. Check that every pod runs, and that all TCP ports are open between them.",
        passing=True,
    ),
    LogRule(
        "leader_name_unresolvable",
        r"network addresses of \([^)]*\) cannot be retrieved \(gai error",
        "`The IPv6 network addresses of (NAME, PORT) cannot be retrieved (gai error: ...)`",
        "The leader's name does not resolve: its headless Service is missing, or publishes only ready pods.",
        passing=True,
    ),
    LogRule(
        "leader_no_route",
        r"errno: (113 - No route to host|101 - Network is unreachable|110 - Connection timed out)",
        "`errno: 113 - No route to host` (only the address in parentheses is right); `110 - Connection timed out` "
        "where a firewall drops what is sent",
        "The leader's address cannot be reached: a network policy or firewall between the pods, a wrong "
        "`--master-addr`, or (on the leader itself) an address that is not its own.",
        passing=True,
    ),
    LogRule(
        "leader_unreachable",
        r"DistNetworkError: The client socket has timed out|TCP client failed to connect/validate to host",
        "`DistNetworkError: The client socket has timed out ... while trying to connect to (HOST, PORT)`",
        "Nobody listens at the leader's `--master-addr`:`--master-port`: the leader has ended or never started. "
        "Read its "
        "log first; all pods of a replica are restarted together.",
        passing=True,
    ),
    LogRule(
        "follower_died",
        r"Connection closed by peer .*remote worker crashing",
        "`Connection closed by peer [...]. This is typically caused by a remote worker crashing.`",
        "A pod of the replica ended while it served; /health stays 200 and requests hang. Restart all its pods "
        "together "
        "(`restart_policy: recreate_group` does) and read that pod's log.",
        follower_hint="The leader, or another pod of the replica, ended: this pod never exits by itself, so all are "
        "restarted together. Read the leader's log.",
        passing=True,
    ),
    LogRule(
        "nccl_failed",
        r"NCCL error|ncclSystemError|ncclInternalError|ncclUnhandledCudaError|"
        r"Watchdog caught collective operation timeout",
        "`NCCL error: ...` or `Watchdog caught collective operation timeout`",
        "GPUs of different pods do not reach each other as NCCL wants to: set NCCL_DEBUG=INFO, and check the fabric's "
        "variables and devices (with RDMA also locked memory), NCCL_SOCKET_IFNAME and /dev/shm.",
        passing=True,
    ),
    LogRule(
        "engine_start_timeout",
        r"Timed out waiting for engine core processes to start",
        "`Timed out waiting for engine core processes to start`",
        "Loading takes longer than VLLM_ENGINE_READY_TIMEOUT_S: raise `start_timeout`, or look at the storage's speed.",
        passing=True,
    ),
    LogRule(
        "engine_stalled",
        r"No available shared memory broadcast block found in \d+ seconds",
        "`No available shared memory broadcast block found in 60 seconds`",
        "A rank hangs or is very slow: look at the other pods' logs and at their GPUs' use.",
        severity=WARNING,
        passing=True,
    ),
    LogRule(
        "interrupted_while_loading",
        r"KeyboardInterrupt: terminated",
        "`KeyboardInterrupt: terminated`",
        "The pod was ended while it loaded: by a liveness probe that is too early, a preemption or a deletion.",
        passing=True,
    ),
    # Told only when nothing above explains them.
    LogRule(
        "request_timeout",
        r"TimeoutError: RPC call to \w+ timed out",
        "`TimeoutError: RPC call to sample_tokens timed out.`",
        "A rank did not answer within VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: a follower ended or hangs; restart all "
        "pods of "
        "the replica together.",
        consequence=True,
        passing=True,
    ),
    LogRule(
        "path_not_permitted",
        r"PermissionError: \[Errno 13\] Permission denied: '",
        "`PermissionError: ... Permission denied: '/...'` for a path that is no file of the model",
        "The serving UID may not read or write there: check owner and mode of that path, and `run_as`.",
        consequence=True,
    ),
    LogRule(
        "worker_died",
        r"Worker proc \S+ died unexpectedly",
        "`Worker proc ... died unexpectedly`",
        "Without an error before it, the kernel may have killed it: check the pod's memory limit (OOMKilled).",
        consequence=True,
        passing=True,
    ),
    LogRule(
        "engine_died",
        r"EngineDeadError",
        "`EngineDeadError`, and it is not a clean stop",
        "The engine ended while it served; the cause stands before it in the log, or in a follower's log.",
        consequence=True,
        passing=True,
    ),
)

# What the next start cannot escape, unless somebody changes something.
LASTING_CAUSES = frozenset(rule.cause for rule in LOG_RULES if not rule.passing)
