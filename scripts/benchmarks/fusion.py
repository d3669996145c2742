"""Counts how much of random cells of every shipped search space runs in int8 after ONNX Runtime's optimisation.

    python scripts/benchmarks/fusion.py --out scripts/benchmarks/reports/<date>-fusion.md

Each cell becomes a network of the default depth and width with statistics as after training, is calibrated on random
images and written for x86 and for ARM. Exits with code 1 where a cell has less than 0.95 of its convolutions in int8;
those of the image that a scheme has in float32 for their speed are not counted.
"""

from __future__ import annotations

import argparse
import collections
import logging
import random
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import nn

from nastk.config.build import build, load_yaml, shipped, shipped_spaces
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.kept_float import float_stems
from nastk.deploy.precision.quantize import quantized_model
from nastk.deploy.precision.scheme import ARM, X86
from nastk.deploy.precision.unsigned import as_uint8
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session, predict
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.runs.folder import git_commit
from nastk.spaces import random_genotype

LEAST = 0.95
CALIBRATION, IMAGES = 16, 16


@dataclass
class Tally:
    """What was found in the cells of a space, for one scheme."""

    shares: list[float] = field(default_factory=list)
    convolutions: int = 0
    conversions: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)

    def row(self, space: str, scheme: str) -> str:
        """Returns it as a row of the table."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.most_common()) or "none"
        return (
            f"| {space} | {scheme} | {len(self.shares)} | {self.convolutions} | {np.mean(self.shares):.3f} | "
            f"{min(self.shares):.3f} | {reasons} | {np.median(self.conversions):g} | "
            f"{100 * np.median(self.errors):.1f} | {100 * max(self.errors):.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=50, help="random cells of each space")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    start = time.perf_counter()
    tallies = {name: space(name, arguments.cells) for name in shipped_spaces()}
    least = min(min(tally.shares) for found in tallies.values() for tally in found.values())
    rows = [tally.row(name, scheme) for name, found in tallies.items() for scheme, tally in found.items()]
    report = _report(rows, least, time.perf_counter() - start)
    if arguments.out is None:
        print(report)
    else:
        arguments.out.write_text(report)
    sys.exit(least < LEAST)


def space(name: str, cells: int) -> dict[str, Tally]:
    """Draws cells of a space and counts, by scheme."""
    drawn = build(load_yaml(shipped("search_spaces") / f"{name}.yaml"), "space")
    found = {"x86": Tally(), "arm": Tally()}
    for seed in range(cells):
        _cell(random_genotype(drawn, random.Random(seed)), seed, found)
    print(f"{name}: {cells} cells", file=sys.stderr, flush=True)
    return found


def _cell(genotype: Genotype, seed: int, found: dict[str, Tally]) -> None:
    config = NetworkConfig()
    shape = config.channels, config.size, config.size
    model = quick_model(_network(genotype, config, seed), (1, *shape))
    generator = np.random.default_rng(seed)
    calibration, images = (generator.standard_normal((n, *shape), np.float32) for n in (CALIBRATION, IMAGES))
    ranges = tensor_ranges(model, calibration)
    expected = predict(open_session(serialise(model)), images)
    with tempfile.TemporaryDirectory() as folder:
        for name, scheme in (("x86", X86), ("arm", ARM)):
            path = Path(folder) / f"{name}.onnx"
            quantized = quantized_model(model, ranges, scheme)
            path.write_bytes(serialise(quantized))
            fusion, tally = int8_share(path, signed=scheme.symmetric), found[name]
            convolutions = fusion.convolutions - len(float_stems(model, scheme))
            tally.shares.append(fusion.in_int8 / convolutions if convolutions else 1.0)
            tally.convolutions += convolutions
            tally.conversions.append(fusion.conversions)
            tally.reasons.update(f"{node.op} ({node.reason})" for node in fusion.float_nodes)
            logits = predict(open_session(serialise(as_uint8(quantized)), exact=True), images)
            tally.errors.append(float(np.sqrt(np.square(logits - expected).mean()) / expected.std()))


def _network(genotype: Genotype, config: NetworkConfig, seed: int) -> nn.Module:
    """Returns the network with statistics as training gives them, so that folding them changes every weight."""
    torch.manual_seed(seed)
    network = build_network(genotype, config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.05, 0.4)
    return network.eval()


def _report(rows: list[str], least: float, seconds: float) -> str:
    facts = {"date": date.today().isoformat(), "commit": git_commit(), **machine_facts(), **versions()}
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return (
        f"# Convolutions in int8\n\n`python {shlex.join(sys.argv)}` ({seconds:.0f} s)\n\n{lines}\n\n"
        "Random cells of every shipped space, N = 2, F = 16, 32 x 32 x 3, random weights. The arm rows are what ONNX\n"
        "Runtime makes of the symmetric file where int8 activations stay int8. Conversions: of a whole tensor between\n"
        "float and int8, the image's included. Error: of the logits, root mean square over standard deviation.\n\n"
        "| space | for | cells | convolutions | in int8 | least of a cell | nodes in float | conversions (median) | "
        "error % (median) | (worst) |\n|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"Least share of a cell: {least:.3f}, wanted at least {LEAST}.\n"
    )


if __name__ == "__main__":
    main()
