"""Times int8 files with the convolution of the image in int8 and in float32: where `Scheme.float_stem` is to end.

    taskset -c 0 python scripts/benchmarks/float_stem.py

Each stem stands before two convolutions of stride 2; below are networks of conf/network at a quarter of their width, in
the form for small images. Both files are timed in turn on one thread, and that several times; weights are random.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import onnx
import onnxruntime
import torch
from machine import machine

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import UINT8, X86, Scheme
from nastk.deploy.runtimes.latency import CallTimer, interleaved
from nastk.deploy.runtimes.session import open_session
from nastk.genotype import Genotype
from nastk.genotype.blocks import SAME
from nastk.genotype.small import for_images
from nastk.genotype.stages import StageGenotype
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig, build_network

FLOAT = dataclasses.replace(UINT8, float_stem=10**6)  # whatever it has to add up
# By pixels a side: channels in and out, kernel, stride.
STEMS = {
    28: ((1, 16, 3, 1), (1, 64, 5, 1), (1, 128, 3, 1)),
    32: ((3, 16, 3, 1), (3, 32, 3, 1), (3, 40, 3, 1), (3, 48, 3, 1), (3, 64, 3, 1)),
    64: (
        *((1, 64, 7, 2), (1, 96, 5, 2), (1, 128, 7, 2), (1, 64, 11, 4), (3, 16, 3, 2), (3, 32, 3, 2), (3, 64, 3, 2)),
        *((3, 40, 4, 4), (3, 40, 5, 2), (3, 48, 5, 2), (3, 32, 6, 2), (3, 64, 6, 2), (3, 16, 7, 2), (3, 32, 7, 2)),
        *((3, 64, 7, 2), (3, 16, 11, 2)),
    ),
    224: (
        *((3, 16, 3, 2), (3, 32, 3, 2), (3, 64, 3, 2), (3, 40, 4, 4), (3, 40, 5, 2), (3, 32, 6, 2), (3, 16, 7, 2)),
        *((3, 64, 7, 2), (3, 64, 11, 4)),
    ),
}
SIDES = {"resnet18": (32, 64), "mobilenet_v2": (32, 64, 224), "mobilenet_v3_small": (32, 224)}
WIDTH, LEAST_PIXELS = 0.25, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6, help="that each file is timed in a round")
    options = parser.parse_args()
    torch.manual_seed(0)
    facts = machine()
    print(f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']},", end=" ")
    print(f"ONNX Runtime {onnxruntime.__version__}\n")
    head = "products | weights a pixel | as `X86` | int8 (µs) | float32 (µs) | ratio (least to greatest) |"
    for first, rows in (("| image | stem |", _stems), ("| network | image |", _networks)):
        print(f"{first} {head}\n{'|---' * 8}|")
        for row in rows(options.rounds, options.seconds):
            print(row, flush=True)
        print()


def _stems(rounds: int, seconds: float) -> Iterator[str]:
    for side, (channels, width, kernel, stride) in ((side, stem) for side, row in STEMS.items() for stem in row):
        padding = SAME if kernel % 2 else (kernel - stride) // 2
        stem = {"block": "conv", "width": width, "kernel": kernel, "stride": stride, "padding": padding}
        body = [{"block": "conv", "width": width, "stride": 2}] * 2
        genotype = StageGenotype.from_dict({"kind": "stages", "stem": [stem], "stages": body})
        model = _model(genotype, NetworkConfig(classes=10, channels=channels, size=side, drop_path=0.0))
        how = f"{channels} to {width}, {kernel}x{kernel}, stride {stride}"
        yield f"| {side} px | {how} | {_row(model, FLOAT, rounds, seconds)}"


def _networks(rounds: int, seconds: float) -> Iterator[str]:
    for name, side in ((name, side) for name, row in SIDES.items() for side in row):
        sizes = {"depth_multiplier": 1.0, "width_multiplier": WIDTH}
        config = NetworkConfig(sizes=sizes, classes=10, channels=3, size=side, drop_path=0.0)
        model = _model(for_images(named_network(name), side, side, LEAST_PIXELS), config)
        yield f"| {name} | {side} px | {_row(model, X86, rounds, seconds)}"


def _model(genotype: Genotype, config: NetworkConfig) -> onnx.ModelProto:
    return quick_model(build_network(genotype, config).eval(), (1, *config.shape))


def _row(model: onnx.ModelProto, scheme: Scheme, rounds: int, seconds: float) -> str:
    """Times int8 throughout against a scheme; medians over the rounds of each round's medians."""
    assert float_stems(model, scheme), "nothing to compare"
    weight = next(tensor.dims for tensor in model.graph.initializer if tensor.name == model.graph.node[0].input[1])
    shape = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim][1:]
    image = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    files = [serialise(quantized_model(model, assumed_ranges(model), one)) for one in (UINT8, scheme)]
    timers = [CallTimer(functools.partial(open_session(file, 1).run, None, {INPUT: image})) for file in files]
    found = (interleaved(timers, batch=1, threads=1, seconds=seconds) for _ in range(rounds))
    times = [[latency.p50_ms for latency in pair] for pair in found]
    ratios = sorted(floating / whole for whole, floating in times)
    whole, floating = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    facts = f"{math.prod(weight[1:])} | {math.prod(weight[:2])} | {'float32' if float_stems(model, X86) else 'int8'}"
    return f"{facts} | {whole:.1f} | {floating:.1f} | {spread} |"


if __name__ == "__main__":
    main()
