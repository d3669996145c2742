"""Shallow forms of known networks at a point of the front benchmark, sized alike: which blocks a tight budget wants.

    python scripts/benchmarks/front.py --data DIR --work DIR --points cifar10-int8-0.1 --parts search
    python scripts/benchmarks/shallow.py --data DIR --work DIR --point cifar10-int8-0.1 [--seeds 3] [--epochs 10]

ResNet-18 with one block a stage behind a 3x3 stem of stride 2 and before the classifier that weighs places has residual
blocks, plain convolutions in their place or re-parameterised ones; below stand two networks in the form that small
images have by hand. The widths of each are what fits the limit, found by measuring. Judged by the images that each
seed's training holds out, not by test images. Stopped or killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from front_points import point_named
from front_train import HELD_OUT, Front, Trained
from machine import machine

from nastk.errors import UserError
from nastk.genotype.small import shortened
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer.baselines import Baseline, named_network

BY_HAND = ("resnet18", "repvgg_a0")
SIDE = {"photos20": 64, "photos": 64, "fashion_mnist": 28, "cifar10": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="as for front.py")
    parser.add_argument("--work", type=Path, required=True, help="of front.py, where the search of the point has begun")
    parser.add_argument("--point", default="cifar10-int8-0.1")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    try:
        _run(options)
    except UserError as error:
        sys.exit(f"error: {error}")


def _run(options: argparse.Namespace) -> None:
    point = point_named(options.point)
    front = Front(point, "mobile", options.data, options.work, 0, options.epochs, [])
    forms = [Baseline(f"shallow {name}", (form,)) for name, form in _forms(SIDE[point.images]).items()]
    networks = [*front.sized(forms), *front.rivals(BY_HAND)]
    facts = machine()
    print(f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}\n")
    print("| network | widths x depths | held out | seconds a training |\n|---|---|---|---|")
    for network in networks:
        found = [front.train(network, seed) for seed in range(options.seeds)]
        print(_row(network, found), flush=True)


def _row(network: Trained, found: list[dict[str, float]]) -> str:
    scores = [100 * one[HELD_OUT] for one in found]
    spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    assert isinstance(network.genotype, StageGenotype)
    shape = ", ".join(f"{stage.width}x{stage.depth}" for stage in network.genotype.body)
    seconds = statistics.mean(one["seconds"] for one in found)
    return f"| {network.name} | {shape} | {statistics.mean(scores):.2f}{spread} | {seconds:.0f} |"


def _forms(side: int) -> dict[str, StageGenotype]:
    """Returns the shallow ResNet-18 for images of a side, by its kind of blocks."""
    left = shortened(named_network("resnet18"), side, side)
    if not isinstance(left, StageGenotype):
        raise UserError(f"images of {side} pixels leave ResNet-18 as it is, expected smaller ones")
    stem, end = Stage("conv", left.stem[0].width, stride=2), Stage("depthwise_classifier")

    def made(block: str, depth: int) -> StageGenotype:
        # Stages of one block each, whose depth no factor can change.
        rows = [
            Stage(block, stage.width, 1, stage.stride if place == 0 else 1)
            for stage in left.stages
            for place in range(depth)
        ]
        return dataclasses.replace(left, stem=(stem,), stages=tuple(rows), classifier=end)

    return {"residual": made("residual_basic", 1), "plain": made("conv", 2), "re-parameterised": made("rep_conv", 2)}


if __name__ == "__main__":
    main()
