"""What the held-out images teach: a network trained without them, and once more on all, over image sets and seeds.

    python scripts/benchmarks/refit.py --data DIR --work DIR --sets photos20 cifar10 --out REPORT

This is `transfer.refit`: the same network, recipe, epochs and seed; each seed holds out other images. Test accuracy is
what both are compared by, for the second has no other images left. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fast_recipe import fast_recipe
from front_points import IMAGES
from machine import machine
from optimizers import NETWORKS, images_of, interval, network_for, spread

from nastk.data.images import DataSource
from nastk.data.subsets import hold_out
from nastk.errors import UserError
from nastk.training.transfer import train_final


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion-mnist/, cifar10/ and photos/")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is trained; an earlier one goes on")
    parser.add_argument("--sets", nargs="+", choices=("digits", *IMAGES), default=["digits", "photos20", "cifar10"])
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="default: as many as a transfer takes")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    try:
        options.work.mkdir(parents=True, exist_ok=True)
        rows = [_row(name, images_of(name, options.data, options.work), options) for name in options.sets]
    except UserError as error:
        sys.exit(f"error: {error}")
    facts = machine()
    told = ["# Trained once more, on the held-out images too\n", f"`{facts['command']}`, {facts['date']}, commit"]
    told += [f"{facts['commit']}, {facts['processor']}, one thread, {options.network} at width"]
    told += [f"{NETWORKS[options.network]}, {options.seeds} seeds.\n"]
    told += ["Test accuracy in percent, mean and standard deviation over seeds; gain: paired by seed, with its 95 %"]
    told += [
        "interval.\n",
        "| images | epochs | without those held out | on all | gain |",
        "|---|---|---|---|---|",
        *rows,
    ]
    text = "\n".join(told) + "\n"
    print(text) if options.out is None else options.out.write_text(text)


def _row(name: str, data: DataSource, options: argparse.Namespace) -> str:
    found = [_trained(name, data, seed, options) for seed in range(options.seeds)]
    parts, alls = ([100 * one[place]["accuracy"] for one in found] for place in (0, 1))
    gain = interval([after - before for before, after in zip(parts, alls, strict=True)])
    counts = [f"{one['train_images']:,}" for one in found[0]]
    cells = [name, str(found[0][0]["epochs"]), f"{counts[0]}: {spread(parts)}", f"{counts[1]}: {spread(alls)}", gain]
    return f"| {' | '.join(cells)} |"


def _trained(name: str, data: DataSource, seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the metrics of a network trained without the held-out images, and on all for as many epochs."""
    changes: dict[str, Any] = {"device": "cpu", "threads": 1, "seed": seed, "holdout": True}
    if options.epochs:
        changes["epochs"] = options.epochs
    recipe = fast_recipe(len(hold_out(data, seed)[0]), data.size, **changes)
    found = []
    for word, how in (("part", recipe), ("all", dataclasses.replace(recipe, holdout=False))):
        folder = options.work / name / f"{options.network}-{recipe.epochs}-{word}-{seed}"
        found.append(train_final(*network_for(options.network, data), data, how, folder))
        print(f"{folder}: test {100 * found[-1]['accuracy']:.2f}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
