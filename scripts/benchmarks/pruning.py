"""Measures whether networks that are trained wide and narrowed to a budget beat those that are sized to it, all else
alike: the same images, recipe, budget, epochs in all and seeds.

    python scripts/benchmarks/pruning.py --data ../shared/data --out report.md

Images: 20 photographs of hands a class at 64 pixels a side (`photos20` of front_points.py), or scikit-learn's digits;
test images are scored. Budget: multiply-accumulates, which no clock says. Ways to get there:

- sized: the genotype made as wide as the budget allows, as `at_budget` does it, trained from scratch for all epochs;
- pruned: sized to 1.5 times the budget, trained for half of them, narrowed, trained for the other half, taught by what
  it was cut out of: what `transfer.prune=true` does;
- pruned, labels: the same without a teacher;
- sized, taught: the sized network from scratch for half of the epochs, taught by the same wide one.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from fast_recipe import fast_recipe
from front_points import data_words, point_named

from nastk.data.images import DataSource
from nastk.data.sources import Digits, Npz
from nastk.deploy.runtimes.machine import machine_facts
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.filling import filled
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.pruned import pruned_networks, wide_network
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import counted_cost, sized_network
from nastk.jobs.transfer.sizing import Limit
from nastk.networks import NetworkConfig
from nastk.runs.folder import git_commit
from nastk.runs.pruned import read_pruning
from nastk.training.initial import Initial
from nastk.training.transfer import RunSettings, TransferSettings, train_final

STEM = (Stage("conv", 16, stride=2),)
GENOTYPES = {
    "residual": StageGenotype(
        tuple(Stage("residual_basic", width, stride=2) for width in (24, 48, 96)),
        stem=STEM,
    ),
    "inverted residual": StageGenotype(
        (
            *(Stage("inverted_residual", 16, stride=2, options=(("expansion", 3.0),)),),
            *(Stage("inverted_residual", width, depth=2, stride=2) for width in (24, 48)),
        ),
        stem=STEM,
        head=(Stage("conv", 128, options=(("kernel", 1),)),),
    ),
}
SETS = {"photos20": "Photographs of hands", "digits": "Digits of scikit-learn"}
ARMS = ("sized", "pruned", "pruned, labels", "sized, taught")


class Result(NamedTuple):
    """Accuracy on the test images in percent, multiply-accumulates, and seconds of CPU, the wide network's too."""

    accuracy: float
    macs: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of photos/, as front_points.py wants it"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=24, help="in all")
    parser.add_argument("--images", choices=SETS, default="photos20")
    parser.add_argument("--networks", nargs="+", choices=GENOTYPES, default=[*GENOTYPES])
    parser.add_argument("--macs", type=float, default=4e6, help="the budget")
    parser.add_argument("--times", type=float, default=1.5, help="of the budget, that the wide network uses")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        data = images(options, work)
        found: dict[str, dict[str, list[Result]]] = {name: {arm: [] for arm in ARMS} for name in options.networks}
        for seed in range(options.seeds):
            for name in options.networks:
                for arm, result in compared(name, data, options, seed, work / name / str(seed)).items():
                    print(f"{name}, {arm}, seed {seed}: {result.accuracy:.2f} %", file=sys.stderr, flush=True)
                    found[name][arm].append(result)
            report = "\n".join([heading(options, data, seed + 1), *rows(found)]) + "\n"
            if options.out is not None:
                options.out.write_text(report)
    if options.out is None:
        print(report)


def images(options: argparse.Namespace, work: Path) -> DataSource:
    """Returns the images of the benchmark; arrays are written into `work`."""
    if options.images == "digits":
        return Digits()
    words = data_words(point_named("photos20-fp32-0.15"), options.data, work)
    return Npz(words[1].partition("=")[2], flip=True)


def genotype_for(name: str, size: int) -> StageGenotype:
    """Returns a genotype; for images of few pixels with two strides less."""
    found = GENOTYPES[name]
    if size >= 32:
        return found
    *first, last = found.stages
    stem = tuple(dataclasses.replace(stage, stride=1) for stage in found.stem)
    return dataclasses.replace(found, stem=stem, stages=(*first, dataclasses.replace(last, stride=1)))


def rows(found: Mapping[str, Mapping[str, Sequence[Result]]]) -> Iterator[str]:
    """Yields the table's lines, by network and way."""
    for name, ways in found.items():
        for arm, results in ways.items():
            own, sized = ([one.accuracy for one in group] for group in (results, ways["sized"]))
            gain = "" if arm == "sized" else told(np.subtract(own, sized))
            each = " ".join(f"{value:.1f}" for value in own)
            cost = f"{np.mean([one.macs for one in results]) / 1e6:.3f}"
            seconds = f"{np.mean([one.seconds for one in results]):.0f}"
            yield f"| {name} | {arm} | {told(own)} | {each} | {gain} | {cost} | {seconds} |"


def compared(name: str, data: DataSource, options: argparse.Namespace, seed: int, place: Path) -> dict[str, Result]:
    """Returns what each way comes to."""
    genotype, half = genotype_for(name, data.size), options.epochs // 2
    shape = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    network = NetworkConfig(**shape, sizes={"depth_multiplier": 1.0})  # type: ignore[arg-type]
    sizing = Sizing(network, (Limit("macs", options.macs, "--macs"),), {}, None, None)
    recipe = settings(seed, half, data)
    plan = TransferPlan(1, 1, sizing, recipe, data, RunSettings(), None, prune=options.times, prune_taught=True)
    sized, alone = filled_up(genotype, sizing, place / "sizes"), dataclasses.replace(network, sizes={})
    at = counted_cost(sized, alone)["macs"]
    found: dict[str, Result] = {}
    accuracy, took = trained(sized, alone, data, settings(seed, options.epochs, data), place / "sized")
    found["sized"] = Result(accuracy, at, took)
    begin = time.process_time()
    (narrow,) = pruned_networks(place, plan, recipe, None, [wide_network(place, plan, genotype.key, genotype)])
    wide_took = time.process_time() - begin
    assert narrow.start is not None
    record = read_pruning(narrow.place)
    assert record is not None
    taught = dataclasses.replace(recipe, teacher=str(narrow.start.teacher))
    for arm, how in (("pruned", taught), ("pruned, labels", recipe)):
        accuracy, took = trained(narrow.genotype, narrow.network, data, how, place / arm, narrow.start.initial)
        found[arm] = Result(accuracy, record.cost["macs"], wide_took + took)
    accuracy, took = trained(sized, alone, data, taught, place / "sized, taught")
    found["sized, taught"] = Result(accuracy, at, wide_took + took)
    return found


def settings(seed: int, epochs: int, data: DataSource) -> TransferSettings:
    """Returns the recipe of `training=fast`, with batch and rate by the number of images as it has them."""
    plain = {"epochs": epochs, "threads": 1, "auxiliary": 0.0, "drop_path": 0.0, "seed": seed}
    return fast_recipe(len(data.train()), data.size, **plain)


def trained(
    genotype: StageGenotype,
    network: NetworkConfig,
    data: DataSource,
    how: TransferSettings,
    folder: Path,
    initial: Initial | None = None,
) -> tuple[float, float]:
    """Returns the accuracy on the test images in percent, and the seconds of CPU that the training took."""
    begin = time.process_time()
    found: dict[str, Any] = train_final(genotype, network, data, how, folder, initial=initial)
    return 100 * float(found["accuracy"]), time.process_time() - begin


def filled_up(genotype: StageGenotype, sizing: Sizing, folder: Path) -> StageGenotype:
    """Returns a genotype as wide as the budget allows, what one factor of width leaves given to single stages."""
    found = sized_network(genotype, sizing, folder)
    alone, limit = dataclasses.replace(found, sizes={}), sizing.limits[0].value

    def used(form: StageGenotype) -> float:
        share = counted_cost(form, alone)["macs"] / limit
        return share if share <= 1 else math.inf

    return filled(Scaling(width=found.sizes["width_multiplier"]).genotype(genotype), used)


def told(values: Sequence[float] | np.ndarray) -> str:
    """Returns mean and standard deviation."""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def heading(options: argparse.Namespace, data: DataSource, seeds: int) -> str:
    """Returns what stands before the table's lines."""
    facts = machine_facts()
    return (
        f"# Pruned to a budget, or sized to it\n\n`python {' '.join(sys.argv)}`, {date.today()}, commit "
        f"{git_commit()}, one of {facts['cores']} cores of an {facts['processor']}, the machine shared.\n\n"
        f"{SETS[options.images]}, {len(data.classes)} classes at {data.size} px, {len(data.train()):,} + "
        f"{len(data.test()):,} images; {options.macs / 1e6:g} million multiply-accumulates allowed, {options.epochs} "
        f"epochs in all, {seeds} seeds. Test accuracy in percent, mean and standard deviation over seeds; "
        "gain: of the difference to `sized`, seed by seed; seconds of CPU include the wide network's.\n\n"
        "| network | way | accuracy | each seed | gain | million MACs | CPU seconds |\n|---|---|---|---|---|---|---|"
    )


if __name__ == "__main__":
    main()
