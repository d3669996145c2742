"""What a genotype costs where it will run, known before a single step of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import onnx
import torch

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.memory import peak_activation_bytes
from nastk.deploy.onnx.validate import MAX_BYTES
from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.runtimes.candidate_timing import QuickTiming, quick_timing
from nastk.deploy.runtimes.session import open_session
from nastk.errors import unknown
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.networks.count import without_content
from nastk.objective import STEADY
from nastk.processor import usable_cores

PRECISIONS = ("fp32", "int8")
MEGABYTE = 1e6
Writer = Callable[[onnx.ModelProto], onnx.ModelProto]


@dataclass(frozen=True)
class Static:
    """The costs that need no clock, and the file that the clock needs."""

    params: int
    macs: int
    memory_mb: float
    size_mb: float
    file: bytes

    def timed(self, timing: QuickTiming) -> dict[str, float]:
        """Returns the metrics of a candidate that was run, and 1 or 0 for whether its latency can be trusted."""
        return {**self.with_latency(timing.p50_ms), STEADY: float(timing.doubt is None)}

    def with_latency(self, milliseconds: float) -> dict[str, float]:
        """Returns the metrics of a candidate whose latency was predicted."""
        return {
            "latency_ms": milliseconds,
            "params": self.params,
            "macs": self.macs,
            "memory_mb": self.memory_mb,
            "size_mb": self.size_mb,
        }


class Conditions(Protocol):
    """Under which a candidate is measured; a target has these fields."""

    @property
    def precision(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def seconds(self) -> float: ...


def measure_cost(
    genotype: Genotype, network_config: NetworkConfig, target: Conditions, write: Writer | None = None
) -> dict[str, float]:
    """Builds the network, writes it as it would be deployed, runs it.

    Args:
        genotype: the cells.
        network_config: depth, width and image; the auxiliary head, which is not deployed, is left out.
        target: `precision` "fp32" or "int8" (measured on a quantized file), `threads`, `batch`, and the `seconds` that
            measuring the latency may take.
        write: makes the target's graph of the float32 one, where it is not that of the CPU.

    Returns:
        `latency_ms` (p50) and `latency_steady` (1, or 0 where it cannot be trusted), and, the same at every call,
        `params`, `macs`, `memory_mb` (peak activations of one image in float32) and `size_mb` (of the file); a megabyte
        is 10^6 bytes.

    Raises:
        UserError: a precision that there is not, or a network that cannot be built or written.
        MemoryError: more weights than a file can hold, or than there is memory for.
    """
    static = static_cost(genotype, network_config, target.precision, write)
    shape = target.batch, *network_config.shape
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    session = open_session(static.file, target.threads)
    threads = target.threads or usable_cores()
    timing = quick_timing(lambda: session.run(None, {INPUT: images}), seconds=target.seconds, threads=threads)
    return static.timed(timing)


def static_cost(
    genotype: Genotype, network_config: NetworkConfig, precision: str = "fp32", write: Writer | None = None
) -> Static:
    """Returns the part of `measure_cost` that depends on nothing but its arguments.

    With `write`, which makes a target's graph of the float32 one, the precision is of no consequence.
    """
    if precision not in PRECISIONS and write is None:
        raise unknown("precision", precision, PRECISIONS)
    deployed = replace(network_config, auxiliary=False, drop_path=0.0)
    params, macs = _counted(genotype, deployed)
    # The weights are of no consequence, but the caller's random numbers are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(genotype, deployed).eval()
    model = onnx_model(network, (1, *deployed.shape))
    memory = peak_activation_bytes(model)
    if write is not None:
        model = write(model)
    elif precision == "int8":
        ranges: Ranges = assumed_ranges(model)
        model = quantized_model(model, ranges)
    file = serialise(model)
    return Static(
        params=params,
        macs=macs,
        memory_mb=memory / MEGABYTE,
        size_mb=len(file) / MEGABYTE,
        file=file,
    )


def _counted(genotype: Genotype, config: NetworkConfig) -> tuple[int, int]:
    """Returns parameters and multiply-accumulates.

    Counts without memory: what fills it would be killed by the system, and with it the search.

    Raises:
        MemoryError: more weights than a file can hold.
    """
    with without_content():
        network = build_network(genotype, config).eval()
    params = count_parameters(network, auxiliary=False)
    if 4 * params > MAX_BYTES:
        raise MemoryError(f"{4 * params / 1e9:.1f} GB of weights, an ONNX file holds 2 GB")
    return params, count_macs(network, config)
