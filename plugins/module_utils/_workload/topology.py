# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How the GPUs of one replica are divided: tensor, pipeline and data parallel sizes, each with its reason.

vLLM numbers ranks pod by pod with tensor parallelism varying fastest, so a pipeline stage is a row of neighbours.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Decision, Topology
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec

# Run:ai takes at most 1000 pods besides the leader; no machine holds more than 72 GPUs (GB200 NVL72).
MOST_PODS = 1001
MOST_GPUS_PER_POD = 72
_MOST_SUGGESTIONS = 3


def decide_topology(spec: WorkloadSpec) -> tuple[Topology, list[Decision]]:
    """Return the layout of one replica and the decisions behind it.

    Defaults: tensor parallel within a pod, one pipeline stage per pod, one engine. Given sizes are kept, and the tensor
    and pipeline sizes that were not given follow from them as long as that is unambiguous. Raises ``OptionError`` where
    TP x PP x DP differs from the GPUs (saying how many would idle or are missing and what would fit), where tensor
    parallelism would cross pods without ``allow_cross_pod_tp``, and where a stage or engine would end inside a pod.
    """
    _check_bounds(spec)
    data = 1 if spec.data_parallel_size is None else spec.data_parallel_size
    tensor = _tensor_size(spec, data)
    pipeline = _pipeline_size(spec, tensor, data)
    topology = Topology(spec.pods, spec.gpus_per_pod, tensor, pipeline, data)
    _check_all_used(topology)
    _check_tensor_boundary(topology, spec.allow_cross_pod_tp)
    _check_engine_boundary(topology)
    return topology, _decisions(spec, topology)


def fitting_sizes(pods: int, gpus_per_pod: int) -> list[tuple[int, int, int]]:
    """Return the (tensor, pipeline, data) sizes that use every GPU without crossing pods awkwardly, best first.

    Tensor parallelism inside a pod comes first (it exchanges most, and GPUs of one pod are the closest), then pipeline
    stages that are whole pods, then several engines.
    """
    gpus = pods * gpus_per_pod
    fits = []
    for tensor in _divisors(gpus_per_pod):
        for pipeline in _divisors(gpus // tensor):
            data = gpus // (tensor * pipeline)
            if _engine_fits(tensor * pipeline, gpus_per_pod):
                fits.append((tensor, pipeline, data))
    return sorted(fits, key=lambda sizes: (-sizes[0], sizes[2], sizes[1]))


def _check_bounds(spec: WorkloadSpec) -> None:
    bounds = (("pods", spec.pods, MOST_PODS), ("gpus_per_pod", spec.gpus_per_pod, MOST_GPUS_PER_POD))
    for option, value, most in bounds:
        if not 1 <= value <= most:
            raise OptionError.of(option, f"{value} is out of range.", f"Use 1 to {most}.")
    sizes = (
        ("tensor_parallel_size", spec.tensor_parallel_size),
        ("pipeline_parallel_size", spec.pipeline_parallel_size),
        ("data_parallel_size", spec.data_parallel_size),
    )
    for option, size in sizes:
        if size is not None and size < 1:
            raise OptionError.of(option, f"{size} is out of range.", "Use 1 or more.")


def _tensor_size(spec: WorkloadSpec, data: int) -> int:
    if spec.tensor_parallel_size is not None:
        return spec.tensor_parallel_size
    gpus = spec.pods * spec.gpus_per_pod
    if spec.pipeline_parallel_size is not None:
        return max(1, gpus // (spec.pipeline_parallel_size * data))
    return min(spec.gpus_per_pod, max(1, gpus // data))


def _pipeline_size(spec: WorkloadSpec, tensor: int, data: int) -> int:
    if spec.pipeline_parallel_size is not None:
        return spec.pipeline_parallel_size
    rest = spec.pods * spec.gpus_per_pod // (tensor * data)
    # More stages than pods means several stages inside a pod: possible, but only when somebody asks for it.
    return min(spec.pods, max(1, rest))


def _check_all_used(topology: Topology) -> None:
    gpus = topology.pods * topology.gpus_per_pod
    if topology.world_size == gpus:
        return
    sizes = (
        f"tensor_parallel_size {topology.tensor_parallel_size} x pipeline_parallel_size "
        f"{topology.pipeline_parallel_size} x data_parallel_size {topology.data_parallel_size} = {topology.world_size}"
    )
    difference = gpus - topology.world_size
    verdict = f"{_count(difference)} would idle" if difference > 0 else f"{_count(-difference)} are missing"
    raise OptionError.of(
        "tensor_parallel_size",
        f"{sizes}, but pods {topology.pods} x gpus_per_pod {topology.gpus_per_pod} = {gpus} GPUs: {verdict}.",
        _what_fits(topology),
        "gpus_idle" if difference > 0 else "gpus_missing",
    )


def _check_tensor_boundary(topology: Topology, allowed: bool) -> None:
    tensor, gpus_per_pod = topology.tensor_parallel_size, topology.gpus_per_pod
    if gpus_per_pod % tensor == 0:
        return
    if tensor % gpus_per_pod:
        raise OptionError.of(
            "tensor_parallel_size",
            f"{tensor} neither divides gpus_per_pod ({gpus_per_pod}) nor is a multiple of it: "
            "a tensor parallel group would end in the middle of a pod.",
            _what_fits(topology),
            "tensor_parallel_boundary",
        )
    if not allowed:
        raise OptionError.of(
            "tensor_parallel_size",
            f"{tensor} is more than the {gpus_per_pod} GPUs of one pod: every layer would wait for the network between "
            "pods.",
            f"{_what_fits(topology)} Or set allow_cross_pod_tp: true if the fabric is fast enough.",
            "cross_pod_tensor_parallel",
        )


def _check_engine_boundary(topology: Topology) -> None:
    engine = topology.tensor_parallel_size * topology.pipeline_parallel_size
    if not _engine_fits(engine, topology.gpus_per_pod):
        raise OptionError.of(
            "data_parallel_size",
            f"Each of the {topology.data_parallel_size} engines would have {engine} GPUs, and pods have "
            f"{topology.gpus_per_pod}: an engine would end in the middle of a pod, which vLLM cannot lay out.",
            _what_fits(topology),
            "data_parallel_boundary",
        )


def _engine_fits(engine: int, gpus_per_pod: int) -> bool:
    return engine % gpus_per_pod == 0 or gpus_per_pod % engine == 0


def _what_fits(topology: Topology) -> str:
    def differing(sizes: tuple[int, int, int]) -> int:
        return len([1 for fitting, size in zip(sizes, given, strict=True) if fitting != size])

    given = (topology.tensor_parallel_size, topology.pipeline_parallel_size, topology.data_parallel_size)
    # What keeps most of the given sizes is what was probably meant.
    near = sorted(fitting_sizes(topology.pods, topology.gpus_per_pod), key=differing)[:_MOST_SUGGESTIONS]
    words = " or ".join(
        f"tensor_parallel_size {tensor}, pipeline_parallel_size {pipeline}"
        + (f", data_parallel_size {data}" if data > 1 else "")
        for tensor, pipeline, data in near
    )
    return f"What fits: {words}."


def _decisions(spec: WorkloadSpec, topology: Topology) -> list[Decision]:
    tensor, pipeline, data = (
        topology.tensor_parallel_size,
        topology.pipeline_parallel_size,
        topology.data_parallel_size,
    )
    reasons = {
        "tensor_parallel_size": _tensor_reason(topology),
        "pipeline_parallel_size": (
            f"{pipeline} stages over {topology.pods} pods: only activations cross between pods"
            if pipeline > 1
            else "every layer is on every tensor parallel group: no pipeline is needed"
        ),
        "data_parallel_size": f"{data} engines share the requests" if data > 1 else "one engine per replica",
    }
    given = {
        "tensor_parallel_size": spec.tensor_parallel_size,
        "pipeline_parallel_size": spec.pipeline_parallel_size,
        "data_parallel_size": spec.data_parallel_size,
    }
    values = {"tensor_parallel_size": tensor, "pipeline_parallel_size": pipeline, "data_parallel_size": data}
    return [
        Decision(
            name,
            values[name],
            reasons[name] if given[name] is None else f"as given; {reasons[name]}",
            "plan" if given[name] is None else "user",
        )
        for name in values
    ]


def _tensor_reason(topology: Topology) -> str:
    if topology.tensor_parallel_size == topology.gpus_per_pod:
        return f"all {topology.gpus_per_pod} GPUs of a pod: the traffic of every layer stays inside the pod"
    if topology.tensor_parallel_size < topology.gpus_per_pod:
        return f"{topology.tensor_parallel_size} of the {topology.gpus_per_pod} GPUs of a pod per tensor parallel group"
    return "spans pods, as allow_cross_pod_tp permits: every layer uses the fabric between pods"


def _divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def _count(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number} GPUs"
