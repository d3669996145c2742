"""Shallow forms of known networks at a point of the front benchmark, sized alike: which blocks a tight budget wants.

    python scripts/benchmarks/front.py --data DIR --work DIR --points cifar10-int8-0.1 --parts search
    python scripts/benchmarks/shallow.py --data DIR --work DIR --point cifar10-int8-0.1 [--seeds 3] [--epochs 10]

ResNet-18 with one block a stage behind a 3x3 stem of stride 2 and before the classifier that weighs places has residual
blocks, plain convolutions in their place, these with SiLU, or re-parameterised ones; below stand two networks in the
form that small images have by hand. The widths of each are what fits the limit, found by measuring. Judged by the
images that each seed's training holds out, not by test images. Stopped or killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from front import parser_of_trainings
from front_points import point_named
from front_train import HELD_OUT, Front, Trained
from machine import machine

from nastk.errors import UserError, unknown
from nastk.genotype.small import LEAST_PIXELS
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.start_points import plain, shallow, smooth
from nastk.jobs.transfer.baselines import Baseline, named_network
from nastk.networks import NetworkConfig

BY_HAND = ("resnet18", "repvgg_a0")


def main() -> None:
    parser = parser_of_trainings(__doc__)
    parser.add_argument("--point", default="cifar10-int8-0.1", help="whose search has begun in --work")
    parser.add_argument("--seeds", type=int, default=3, help="of each network")
    parser.add_argument("--forms", nargs="*", help="of the shallow ResNet-18; default: all")
    parser.add_argument("--by-hand", nargs="*", default=BY_HAND, help="networks in the form of small images")
    options = parser.parse_args()
    try:
        _run(options)
    except UserError as error:
        sys.exit(f"error: {error}")


def _run(options: argparse.Namespace) -> None:
    front = Front(point_named(options.point), "mobile", options.data, options.work, 0, options.epochs, [])
    made = _forms(front.network)
    for name in options.forms or []:
        if name not in made:
            raise unknown("form", name, made)
    forms = [Baseline(f"shallow {name}", (made[name],)) for name in options.forms or made]
    networks = [*front.sized(forms), *front.rivals(options.by_hand)]
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


def _forms(network: NetworkConfig) -> dict[str, StageGenotype]:
    """Returns the shallow ResNet-18 for a network's images, by its kind of blocks."""
    given = (named_network("resnet18"), network.height, network.width, LEAST_PIXELS)
    residual, convolutions, silu = shallow(*given), plain(*given), smooth(*given)
    if residual is None or convolutions is None or silu is None:
        raise UserError(f"images of {network.height} pixels leave ResNet-18 as it is, expected smaller ones")
    return {
        "residual": _in_blocks(residual, "residual_basic"),
        "plain": _in_blocks(convolutions, "conv"),
        "silu": _in_blocks(silu, "conv"),
        "re-parameterised": _in_blocks(convolutions, "rep_conv"),
    }


def _in_blocks(genotype: StageGenotype, block: str) -> StageGenotype:
    """Returns a network behind a 3x3 stem, its stages divided into one for each block: no factor changes the depth."""
    stages = tuple(
        Stage(block, stage.width, 1, stage.stride if place == 0 else 1, stage.options)
        for stage in genotype.stages
        for place in range(stage.depth)
    )
    stem = Stage("conv", genotype.stem[0].width, stride=genotype.stem[0].stride)
    return dataclasses.replace(genotype, stem=(stem,), stages=stages)


if __name__ == "__main__":
    main()
