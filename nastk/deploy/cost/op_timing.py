"""Times every operation where it is used, inside whole networks, by ONNX Runtime's profiler.

An operation alone in a model would be timed in another layout and unfused. Within a network its time is what it adds
there: what a runtime has fused into the node before takes none, and the conversions that quantization puts around a
node count as the node's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from nastk.deploy.cost.op_rows import Op, named_ops
from nastk.deploy.runtimes.profiler import profiled_kernels

WARM, LEAST_RUNS, MOST_RUNS = 10, 30, 500
# The shorter half of a node's times counts: what makes the others longer is another process.
KEPT = 0.5
# What ONNX Runtime and nastk's quantizer put behind the name of a node.
BEHIND = re.compile(r"(_nchwc|_token_\d+|/duplicated|\.(dequantized|uint8|int8|quantized).*|\.(weight|bias)\..*)+$")


def op_times(
    model: onnx.ModelProto, shipped: bytes, images: NDArray[np.float32], threads: int, seconds: float
) -> tuple[Mapping[Op, Sequence[float]], float]:
    """Runs a network under the profiler.

    Args:
        model: the float32 graph.
        shipped: the file to run, `model` or its quantized form.
        images: the batch.
        threads: that compute together; 0 is all cores.
        seconds: to run for, after ten runs that do not count.

    Returns:
        for each operation the milliseconds of every place in the network, and the share of the time that was of no
        operation of `model`.
    """
    kernels, runs = profiled_kernels(
        shipped, images, threads=threads, seconds=seconds, least=WARM + LEAST_RUNS, most=WARM + MOST_RUNS
    )
    times: dict[str, list[float]] = defaultdict(list)
    for kernel in kernels:
        times[kernel.node].append(kernel.ms)
    ops = dict(named_ops(model))
    by_node: dict[str, float] = dict.fromkeys(ops, 0.0)
    unknown = 0.0
    for name, every in times.items():
        counted = sorted(every[WARM:])
        # Nodes of ONNX Runtime's own, between layouts say, share a name.
        mean = float(np.mean(counted[: max(1, round(KEPT * len(counted)))])) * len(every) / runs
        node = name if name in ops else BEHIND.sub("", name)
        if node in by_node:
            by_node[node] += mean
        else:
            unknown += mean
    found: dict[Op, list[float]] = defaultdict(list)
    for name, milliseconds in by_node.items():
        found[ops[name]].append(milliseconds)
    return found, unknown / max(unknown + sum(by_node.values()), 1e-9)
