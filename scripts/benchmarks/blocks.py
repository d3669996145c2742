"""Measures what each block family costs on this processor: the table that the options of stage spaces are chosen by.

    python scripts/benchmarks/blocks.py --out scripts/benchmarks/reports/<date>-blocks.md

For each family at three widths and three resolutions: multiply-accumulates of a block, latency of a block in float32
and in int8 (and a million multiply-accumulates), and images a second through a step of training. A block's cost is a
quarter of the difference between networks of six and of two blocks, so that stem and classifier drop out.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from machine import machine
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nastk.genotype.families  # noqa: F401  (enters the families)
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.runtimes.latency import quick_times
from nastk.deploy.runtimes.session import open_session
from nastk.errors import UserError
from nastk.genotype.blocks import BLOCKS
from nastk.genotype.stages import StageGenotype
from nastk.networks.stages import build_stages

SHALLOW, DEEP = 2, 6
BATCH = 32
# Options that make a family what the mobile spaces use of it, where the defaults are not that already.
SIDES: dict[str, list[dict[str, Any]]] = {
    "conv": [{}, {"kernel": 1}],
    "residual_bottleneck": [{"expansion": 4.0}, {"expansion": 2.0}],
}
LEFT_OUT = ("max_pool", "skip", "global_pool", "norm")


@dataclass(frozen=True)
class Costs:
    """Of one block: millions of multiply-accumulates, milliseconds in float32 and int8, milliseconds of training."""

    mmacs: float
    fp32_ms: float
    int8_ms: float
    train_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 48, 128])
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 16, 8], help="pixels a side of the map")
    parser.add_argument("--families", nargs="+", default=[name for name in BLOCKS if name not in LEFT_OUT])
    parser.add_argument("--seconds", type=float, default=0.3, help="that each file is timed, in each of three rounds")
    parser.add_argument("--out", type=Path, help="report to write, or to add a table to; default: print it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    before = [] if arguments.out is None or not arguments.out.exists() else [arguments.out.read_text()]
    lines = [
        *(before or ["# What a block costs\n"]),
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}, one thread, batch 1;",
        f"training: {BATCH} images a step, forward and backward. {facts['versions']}\n",
        "| family | options | width | map | MMACs | fp32 µs | int8 µs | fp32 µs/MMAC | int8 µs/MMAC | training "
        "images/s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for family in arguments.families:
        if BLOCKS[family].classifier:
            continue
        for options in SIDES.get(family, [{}]):
            for width in arguments.widths:
                for side in arguments.sides:
                    lines.append(_row(family, options, width, side, arguments.seconds))
                    print(lines[-1], file=sys.stderr)
    report = "\n".join(lines) + "\n"
    print(report) if arguments.out is None else arguments.out.write_text(report)


def _row(family: str, options: dict[str, Any], width: int, side: int, seconds: float) -> str:
    told = ", ".join(f"{name}={value}" for name, value in options.items()) or "defaults"
    try:
        costs = block_costs(family, options, width, side, seconds)
    except UserError as error:
        return f"| {family} | {told} | {width} | {side}x{side} | {error} | | | | | |"
    return (
        f"| {family} | {told} | {width} | {side}x{side} | {costs.mmacs:.2f} | {1000 * costs.fp32_ms:.1f} | "
        f"{1000 * costs.int8_ms:.1f} | {1000 * costs.fp32_ms / costs.mmacs:.2f} | "
        f"{1000 * costs.int8_ms / costs.mmacs:.2f} | {1000 * BATCH / costs.train_ms:.0f} |"
    )


def block_costs(family: str, options: dict[str, Any], width: int, side: int, seconds: float) -> Costs:
    """Returns what one block costs.

    Raises:
        UserError: the family cannot be built so.
    """
    networks = [_network(family, options, width, depth, side) for depth in (SHALLOW, DEEP)]
    macs = [_macs(network, side) for network in networks]
    models = [quick_model(network.eval(), (1, 3, side, side)) for network in networks]
    files = [serialise(model) for model in models]
    files += [serialise(quantized_model(model, assumed_ranges(model))) for model in models]
    images = np.random.default_rng(0).standard_normal((1, 3, side, side), dtype=np.float32)
    sessions = [open_session(file, 1) for file in files]
    least = [np.inf] * len(sessions)
    for _ in range(3):  # in turn, the quickest counts: only disturbances differ
        for index, session in enumerate(sessions):
            call = functools.partial(session.run, None, {"image": images})
            least[index] = min(least[index], 1000 * float(np.median(quick_times(call, seconds / 2))))
    steps = [_step_ms(network, side) for network in networks]
    blocks = DEEP - SHALLOW
    return Costs(
        (macs[1] - macs[0]) / blocks / 1e6,
        (least[1] - least[0]) / blocks,
        (least[3] - least[2]) / blocks,
        (steps[1] - steps[0]) / blocks,
    )


def _network(family: str, options: dict[str, Any], width: int, depth: int, side: int) -> nn.Module:
    stem = {"block": "conv", "width": width, "kernel": 1}
    stage = {"block": family, "width": width, "depth": depth, **options}
    genotype = StageGenotype.from_dict({"kind": "stages", "stem": [stem], "stages": [stage]})
    return build_stages(genotype, classes=10, channels=3, height=side, width=side)


def _macs(network: nn.Module, side: int) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, 3, side, side))
    return int(counter.get_total_flops()) // 2


def _step_ms(network: nn.Module, side: int) -> float:
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave it out
    images = torch.randn(BATCH, 3, side, side).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        network(images).sum().backward()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
