"""What bfloat16 gains on a CPU: steps of known networks, and of random candidates of a search."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nastk.config.build import build, load_yaml, shipped
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.genotype.small import for_images
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.spaces import Space, random_genotype
from nastk.training.precision import StepTimes, step_times
from nastk.training.settings import TrainingSettings

SIDES = ("fp32", "bf16")
CANDIDATES, SIDE = 6, 28
# What a search of 3,200 images trains a candidate on.
IMAGES, EPOCHS = 3200, 4


class Timed(NamedTuple):
    """A network of conf/network whose steps are timed: times its width, for images of so many pixels a side."""

    name: str
    width: float
    size: int
    least: int  # pixels of the last map, a side


TIMED = (
    Timed("resnet18", 0.125, 32, 2),
    Timed("resnet18", 0.25, 32, 4),
    Timed("repvgg_a0", 0.25, 32, 4),
    Timed("mobilenet_v1", 0.25, 32, 4),
    Timed("mobilenet_v2", 0.5, 32, 4),
    Timed("mobilenet_v2", 0.5, 48, 2),
    Timed("mobilenet_v4_conv_small", 0.5, 48, 2),
)


def speed_lines(work: Path, batch: int = 64) -> list[str]:
    """Returns a table of images a second, timed now or before."""
    lines = ["\n## Steps\n", f"Images a second at batch {batch}, as `nastk.training.precision` times them.\n"]
    lines += [
        "| network, times its width | pixels | fp32 | bf16 | times as fast | taken |",
        "|---|---|---|---|---|---|",
    ]
    for one in TIMED:
        path = work / f"steps-{one.name}-{one.width:g}-{one.size}-{one.least}.json"
        if not path.exists():
            write_json(path, _timed(one, batch))
        found = json.loads(path.read_text())
        rates, times = " | ".join(f"{batch / found[side]:.0f}" for side in SIDES), StepTimes(*map(found.get, SIDES))
        name = f"{one.name}, {one.width:g}"
        lines.append(f"| {name} | {one.size} | {rates} | {times.faster:.2f} | {times.precision} |")
    return lines


def _timed(one: Timed, batch: int) -> dict[str, float]:
    genotype = for_images(named_network(one.name), one.size, one.size, one.least)
    sizes = {"depth_multiplier": 1.0, "width_multiplier": one.width}
    network = NetworkConfig(sizes=sizes, classes=10, channels=3, size=one.size, drop_path=0.0)
    return _times(genotype, network, batch)


def candidate_lines(work: Path, batch: int = 64) -> list[str]:
    """Returns a table of random candidates of `+space=mobile`, timed now or before, and how many train in an hour."""
    lines = [f"\n## Candidates of +space=mobile, {SIDE} pixels, batch {batch}\n"]
    lines += ["| candidate | fp32, ms a step | bf16, ms a step | times as fast |", "|---|---|---|---|"]
    space: Space = build(load_yaml(shipped("search_spaces") / "mobile.yaml"), "space", Space, size=SIDE)
    rng, all_times = random.Random(0), []
    for number in range(CANDIDATES):
        genotype = random_genotype(space, rng)
        path = work / f"candidate-{number}.json"
        if not path.exists():
            write_json(path, _times(genotype, NetworkConfig(classes=10, channels=1, size=SIDE).of(genotype), batch))
        found = json.loads(path.read_text())
        all_times.append(found)
        lines.append(f"| {number} | {_row(found)} |")
    whole = {side: statistics.fmean(one[side] for one in all_times) for side in SIDES}
    steps = EPOCHS * (IMAGES // batch)
    rates = " and ".join(f"{3600 / (steps * whole[side]):.0f} in {side}" for side in SIDES)
    lines.append(f"| mean | {_row(whole)} |\n")
    return [*lines, f"Of {steps} steps each (their scoring left out), an hour of one core trains {rates}."]


def _row(times: Mapping[str, float]) -> str:
    fp32, bf16 = (times[side] for side in SIDES)
    return f"{1000 * fp32:.0f} | {1000 * bf16:.0f} | {fp32 / bf16:.2f}"


def _times(genotype: Genotype, network: NetworkConfig, batch: int) -> dict[str, float]:
    times = step_times(genotype, network, TrainingSettings(batch=batch, threads=1))
    assert times is not None, "small networks fit into memory"
    return times._asdict()
