"""How many images a second are scored on one thread, by how many are scored at once.

    python scripts/benchmarks/scoring.py --out scripts/benchmarks/reports/<date>-scoring.md

Each number of images has its turn in every round, in an order that is drawn anew; a ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from machine import machine
from training_speed import network

from nastk.training.batches import SCORING_BATCH, scoring_batch

BATCHES = (16, 32, 64, 128, 256, 512, 1024)
FAMILIES = ("rep_conv", "residual_basic", "depthwise_separable", "inverted_residual", "NASNet cells")
SIZES = (28, 64)


def rates(family: str, size: int, rounds: int) -> dict[int, list[float]]:
    """Returns images a second, one a round, for each number of images at once."""
    scored = network(family, size).eval()
    found: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    with torch.inference_mode():
        for _ in range(rounds):
            for batch in random.sample(BATCHES, len(BATCHES)):
                images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
                calls = max(1, 1024 // batch)
                scored(images)
                start = time.perf_counter()
                for _ in range(calls):
                    scored(images)
                found[batch].append(calls * batch / (time.perf_counter() - start))
    return found


def before(size: int) -> int:
    """Returns how many images were scored at once, whatever the device."""
    return SCORING_BATCH * 32**2 // max(size, 32) ** 2


def row(family: str, size: int, rounds: int) -> str:
    """Returns a line of the table."""
    found, now = rates(family, size, rounds), scoring_batch(size, torch.device("cpu"))
    near = min(BATCHES, key=lambda batch: abs(batch - now))
    ratios = [one / other for one, other in zip(found[near], found[before(size)], strict=True)]
    told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return (
        f"| {family} | {size} | "
        + " | ".join(f"{statistics.median(found[one]):.0f}" for one in BATCHES)
        + f" | {told} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    told = ["# How fast images are scored, by how many at once\n", f"`{facts['command']}`, {facts['date']},"]
    told += [f"commit {facts['commit']}, {facts['processor']}, one thread. Images a second, median of {options.rounds}"]
    told += ["rounds; last: what is chosen now over 1,024 of 32 x 32 pixels at once (least to greatest).\n"]
    told += [f"| network | pixels | {' | '.join(map(str, BATCHES))} | faster |", "|---|---" + "|---" * 8 + "|"]
    told += [row(family, size, options.rounds) for family in FAMILIES for size in SIZES]
    text = "\n".join(told) + "\n"
    print(text) if options.out is None else options.out.write_text(text)


if __name__ == "__main__":
    main()
