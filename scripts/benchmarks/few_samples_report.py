"""The report of scripts/benchmarks/few_samples.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from machine import machine
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Results of one device, number of measurements and method: (seeds,) each of Spearman and share within 10 %."""

    device: str
    count: int
    method: str
    rank: Floats
    within: Floats


def report(found: dict[str, list[Judged]], seeds: int, command: str, seconds: float) -> str:
    """Returns the tables as Markdown: of each part the means over devices, then device by device."""
    lines = ["# Latency on a new device from a few measurements", "", f"`python {command}`", ""]
    lines += [f"- {name}: {value}" for name, value in machine().items() if name != "command"]
    lines += [f"- seconds: {seconds:.0f}", ""]
    for title, judged in found.items():
        lines += [f"## {title}", "", *_means(judged), "", *_devices(judged), ""]
    return "\n".join(lines)


def _means(judged: Sequence[Judged]) -> list[str]:
    lines = ["| measured | method | Spearman, mean over devices | least device | within 10 % |", "|---|---|---|---|---|"]
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
    for one in judged:
        lines.append(
            f"| {one.device} | {one.count} | {one.method} | {one.rank.mean():.4f} ({one.rank.min():.4f} to "
            f"{one.rank.max():.4f}) | {one.within.mean():.3f} ({one.within.min():.3f} to {one.within.max():.3f}) |"
        )
    return lines
