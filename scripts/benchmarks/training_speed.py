"""Measures training steps of each block family on one thread of a CPU, in fp32 and in bf16.

    python scripts/benchmarks/training_speed.py --out scripts/benchmarks/reports/<date>-training-speed.md

The sides of a round run in an order that is drawn anew, and a ratio is the median over the rounds, so that other work
on the machine takes no side. "Before" is with depthwise convolutions left to autocast.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from machine import machine
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import nastk.genotype.families  # noqa: F401  (enters the families)
from nastk.genotype import Cell, CellGenotype, Edge, Genotype, Node
from nastk.genotype.stages import StageGenotype
from nastk.networks import NetworkConfig, build_network
from nastk.training.device import place
from nastk.training.kernels.depthwise import QuickDepthwise, SingleDepthwise
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.module import clip_norm
from nastk.training.recipe import Recipe

CPU = torch.device("cpu")
FAMILIES = {
    "rep_conv": {},
    "residual_basic": {},
    "depthwise_separable": {},
    "inverted_residual": {"expansion": 4.0},
    "inverted_residual, kernel 5": {"expansion": 4.0, "kernel": 5},
    "universal_inverted_bottleneck": {"expansion": 4.0, "start": 3},
    "fused_inverted_residual": {"expansion": 4.0},
    "NASNet cells": {},
}
SHAPES = ((64, 8), (32, 64))
SIDES = {"fp32": (True, False), "bf16 before": (False, True), "bf16": (True, True)}
PARTS = ("forward", "backward", "clipping", "optimizer")


def genotype(family: str) -> Genotype:
    """Returns stages of one family, 16 to 96 channels, or separable cells."""
    if family == "NASNet cells":
        nodes = tuple(Node((Edge(state, "sep_conv_3x3"), Edge(state - 1, "identity"))) for state in (1, 2))
        cell = Cell(2, nodes, (2, 3))
        return CellGenotype("nasnet", (("normal", cell), ("reduction", cell)))
    block = {"block": family.split(",", maxsplit=1)[0], **FAMILIES[family]}
    shapes = ((24, 1, 1), (32, 2, 2), (64, 3, 2), (96, 2, 2))
    stages = [{**block, "width": width, "depth": depth, "stride": stride} for width, depth, stride in shapes]
    stem = [{"block": "conv", "width": 16, "kernel": 3, "stride": 2}]
    head = [{"block": "conv", "kernel": 1, "width": 256}]
    return StageGenotype.from_dict({"kind": "stages", "stem": stem, "stages": stages, "head": head})


def network(family: str, size: int) -> nn.Module:
    """Returns the network of a family for images of `size` pixels a side, placed and in training mode."""
    torch.manual_seed(0)
    made = genotype(family)
    cells = {"cells": 1, "filters": 12, "stem": "stride2"} if family == "NASNet cells" else {}
    built = build_network(made, NetworkConfig(channels=3, size=size, **cells).of(made))  # type: ignore[arg-type]
    place(built, CPU)
    return built.train()


@contextmanager
def forms(trained: nn.Module, after: bool) -> Iterator[None]:
    """Quick forms for the block; not `after`: those of before."""
    with quick_forms(trained, CPU):
        if not after:
            for module in trained.modules():
                if isinstance(module, SingleDepthwise):
                    module.__class__ = nn.Conv2d
                elif isinstance(module, QuickDepthwise):
                    module.__class__ = DepthwiseBefore
        yield


class DepthwiseBefore(QuickDepthwise):
    """Left to autocast."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.Conv2d.forward(self, input) if torch.is_autocast_enabled("cpu") else super().forward(input)


def steps(family: str, size: int, batch: int, rounds: int) -> dict[str, list[tuple[float, ...]]]:
    """Returns, for each side, the seconds of the parts of a step in each round."""
    trained = network(family, size)
    optimizer = Recipe().make_optimizer(trained)
    weights = list(trained.parameters())
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10

    def step(bf16: bool) -> tuple[float, ...]:
        clock = [time.perf_counter()]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = cross_entropy(trained(images), labels, label_smoothing=0.1)
        clock.append(time.perf_counter())
        optimizer.zero_grad()
        loss.backward()
        clock.append(time.perf_counter())
        clip_norm(weights, 5.0)
        clock.append(time.perf_counter())
        optimizer.step()
        clock.append(time.perf_counter())
        return tuple(after - before for before, after in itertools.pairwise(clock))

    found: dict[str, list[tuple[float, ...]]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in random.sample(list(SIDES), len(SIDES)):
            after, bf16 = SIDES[side]
            with forms(trained, after):
                step(bf16)
                found[side].append(min((step(bf16) for _ in range(2)), key=sum))
    return found


def row(family: str, size: int, batch: int, rounds: int) -> str:
    """Returns a line of the table."""
    found = steps(family, size, batch, rounds)
    totals = {side: [sum(parts) for parts in times] for side, times in found.items()}
    rates = {side: batch / statistics.median(times) for side, times in totals.items()}

    def faster(side: str, other: str) -> str:
        ratios = sorted(b / a for a, b in zip(totals[side], totals[other], strict=True))
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"

    middle = [statistics.median(column) for column in zip(*found["fp32"], strict=True)]
    shares = " / ".join(f"{100 * part / sum(middle):.0f}" for part in middle)
    return (
        f"| {family} | {size}, {batch} | {rates['fp32']:.0f} | {rates['bf16 before']:.0f} | {rates['bf16']:.0f} | "
        f"{faster('bf16', 'bf16 before')} | {faster('bf16', 'fp32')} | {shares} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    lines = [
        "# How fast a step of training is on a CPU\n",
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}, one thread, torch "
        f"{torch.__version__},\nbeside other work. Images a second; faster by: median over {arguments.rounds} rounds "
        "(least to greatest). Shares of an fp32 step in %: " + " / ".join(PARTS) + ".\n",
        "| family | pixels, batch | fp32 | bf16 before | bf16 | faster by | bf16 over fp32 | shares |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for family in arguments.families:
        for size, batch in SHAPES:
            lines.append(row(family, size, batch, arguments.rounds))
            print(lines[-1], file=sys.stderr)
    report = "\n".join(lines) + "\n"
    print(report) if arguments.out is None else arguments.out.write_text(report)


if __name__ == "__main__":
    main()
