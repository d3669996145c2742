"""How the latency of a network is shared among its calls: measured within the whole network, on one thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from torch import nn

from nastk.deploy.cost.op_timing import BEHIND
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import calls_by_node, quick_model, serialise
from nastk.deploy.runtimes.candidate_timing import QuickTiming, timing_of
from nastk.deploy.runtimes.latency import quick_times
from nastk.deploy.runtimes.profiler import Kernel, profiled_kernels
from nastk.deploy.runtimes.session import open_session
from nastk.stats.steadiness import mean_others, others_running

LEAST_RUNS, MOST_RUNS = 6, 100
CONVOLUTIONS = ("Conv", "FusedConv")


@dataclass(frozen=True)
class CallTimes:
    """How long one image takes, and of that each call.

    Attributes:
        timing: p50 of the whole network without the profiler, and whether it can be trusted.
        milliseconds: of each call's kernels under the profiler, medians over the runs, by the call's name.
        runs: that the medians are of.
    """

    timing: QuickTiming
    milliseconds: Mapping[str, float]
    runs: int


def call_times(network: nn.Module, shape: tuple[int, ...], seconds: float) -> CallTimes:
    """Times a network as the float32 file that would ship, one image on one thread of ONNX Runtime.

    A kernel that several calls were fused into counts as the first of them; what the runtime has added, a change of
    layout say, as the kernel before.

    Args:
        network: with weights, in eval mode.
        shape: of an image, (C, H, W).
        seconds: for the profiler, and for the whole network without it; a slow one takes longer.

    Raises:
        UnsupportedError: the quick writer cannot write the network, so that nodes cannot be told apart.
        UserError: ONNX Runtime cannot run it.
    """
    model, calls = quick_model(network, (1, *shape)), calls_by_node(network, (1, *shape))
    file = serialise(model)
    images = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    kernels, runs = profiled_kernels(file, images, threads=1, seconds=seconds, least=LEAST_RUNS, most=MOST_RUNS)
    session = open_session(file)
    before = others_running()
    whole = quick_times(lambda: session.run(None, {INPUT: images}), seconds)
    timing = timing_of(whole, mean_others([before, others_running()]))
    per_run = len(kernels) // runs
    times = np.array([kernel.ms for kernel in kernels]).reshape(runs, per_run)[1:]  # the first run is slower
    milliseconds: dict[str, float] = defaultdict(float)
    for call, time in zip(_calls(kernels[:per_run], model, calls), np.median(times, axis=0), strict=True):
        milliseconds[call] += float(time)
    return CallTimes(timing, milliseconds, runs - 1)


def _calls(kernels: Sequence[Kernel], model: onnx.ModelProto, calls: Mapping[str, str]) -> Iterator[str]:
    """Yields the call that each kernel of a run counts as."""
    nodes = {node.name: node for node in model.graph.node}
    makers = {name: node for node in model.graph.node for name in node.output}
    latest = calls[model.graph.node[0].name]
    for kernel in kernels:
        node = nodes.get(kernel.node) or nodes.get(BEHIND.sub("", kernel.node.partition("/")[0]))
        if node is not None:
            latest = calls[_first(node, kernel, makers).name]
        yield latest


def _first(node: onnx.NodeProto, kernel: Kernel, makers: Mapping[str, onnx.NodeProto]) -> onnx.NodeProto:
    """Returns the convolution that a kernel begins with where it has the name of what was fused behind it."""
    found: onnx.NodeProto | None = node
    while kernel.op in CONVOLUTIONS and found is not None and found.op_type != "Conv":
        found = makers.get(found.input[0])
    return found or node
