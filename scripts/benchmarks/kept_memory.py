"""What it gains that a training keeps the memory that it frees: steps of large images, with it and without, in pairs.

    python scripts/benchmarks/kept_memory.py --out scripts/benchmarks/reports/<date>-kept-memory.md

Each side is a process of its own, since glibc's thresholds cannot be set back; the sides of a round follow each other
in an order that is drawn anew, and the ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from machine import machine
from torch.nn.functional import cross_entropy
from training_speed import CPU, network

from nastk.training.kept_memory import memory_kept
from nastk.training.kernels.quick_forms import quick_forms
from nastk.training.recipe import Recipe

CASES = (("rep_conv", 128, 64), ("residual_basic", 224, 64), ("inverted_residual", 64, 64))
CASES += (("inverted_residual", 128, 64), ("inverted_residual", 224, 32))
MEGABYTE = 1 << 20


def steps(family: str, size: int, batch: int, kept: bool, seconds: float) -> dict[str, float]:
    """Returns images a second, the peak of memory in MB, and what of it is left when the training has ended."""
    trained = network(family, size)
    optimizer = Recipe().make_optimizer(trained)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10

    def step() -> None:
        loss = cross_entropy(trained(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with memory_kept() if kept else contextlib.nullcontext(), quick_forms(trained, CPU):
        step()
        step()
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            step()
            count += 1
        took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    left = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MEGABYTE
    return {"rate": count * batch / took, "peak": peak, "left": left}


def row(case: tuple[str, int, int], rounds: int, seconds: float) -> str:
    """Returns a line of the table."""
    found: dict[str, list[dict[str, float]]] = {"kept": [], "given back": []}
    for _ in range(rounds):
        for side in random.sample(list(found), 2):
            words = [str(word) for word in (*case, side, seconds)]
            told = subprocess.run(
                [sys.executable, __file__, "--side", *words], capture_output=True, text=True, check=True
            )
            found[side].append(json.loads(told.stdout))
    ratios = [one["rate"] / other["rate"] for one, other in zip(found["kept"], found["given back"], strict=True)]
    cells = [
        " to ".join(f"{statistics.median(one[fact] for one in found[side]):.0f}" for side in ("given back", "kept"))
        for fact in ("rate", "peak", "left")
    ]
    faster = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return f"| {case[0]} | {case[1]}, {case[2]} | {cells[0]} | {faster} | {cells[1]} | {cells[2]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of steps, a side and round")
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    parser.add_argument("--side", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        family, size, batch, side, seconds = options.side
        print(json.dumps(steps(family, int(size), int(batch), side == "kept", float(seconds))))
        return
    facts = machine()
    told = ["# Memory that a training keeps\n", f"`{facts['command']}`, {facts['date']}, commit {facts['commit']},"]
    told += [f"{facts['processor']}, one thread, torch {torch.__version__}. Without to with; faster by: median over"]
    told += [f"{options.rounds} rounds (least to greatest). MB: of the process, at its peak and after the training.\n"]
    told += [
        "| family | pixels, batch | images a second | faster by | peak (MB) | left (MB) |",
        "|---|---|---|---|---|---|",
    ]
    told += [row(case, options.rounds, options.seconds) for case in CASES]
    text = "\n".join(told) + "\n"
    print(text) if options.out is None else options.out.write_text(text)


if __name__ == "__main__":
    main()
