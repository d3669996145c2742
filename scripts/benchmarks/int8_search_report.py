"""Hypervolumes of the int8 fronts that searches ended with, as a table and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
import numpy as np
from intervals import mean_and_reach
from machine import machine
from matplotlib import pyplot as plt
from nas_bench_201_pareto import hypervolume
from scipy.stats import kendalltau

from nastk.files import write_json
from nastk.outside import read_json

mpl.use("Agg")
BY = {"int8": ("int8_accuracy", "int8_ms"), "fp32 latency": ("accuracy", "fp32_ms"), "MACs": ("accuracy", "macs")}
K = TypeVar("K", str, int)
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#7f7f7f")


def write_report(options: argparse.Namespace, arms: Sequence[str], times: Mapping[str, float]) -> Path:
    """Writes the report, its figures as JSON and its picture; returns its path.

    Args:
        options: of the command line.
        arms: names of the searches; the first is compared with the others.
        times: int8 latency of every cell in milliseconds, measured again after all searches.
    """
    metrics = {path.stem: read_json(path)["metrics"] for path in (options.out / "cells").glob("*.json")}
    points = {key: (values["int8_accuracy"], times[key]) for key, values in metrics.items()}
    worst = np.array([min(point[0] for point in points.values()), max(point[1] for point in points.values())])
    whole = hypervolume(np.array(list(points.values())), worst)
    every: dict[str, list[float]] = {arm: [] for arm in arms}
    own: dict[str, list[float]] = {arm: [] for arm in arms}
    fronts: dict[str, list[list[tuple[float, float]]]] = {arm: [] for arm in arms}
    for arm in arms:
        for seed in range(options.seeds):
            keys = read_json(options.out / f"{arm.replace(' ', '-')}-{seed}.json")["keys"]
            chosen = front(keys, metrics, *BY.get(arm, BY["int8"]))
            every[arm].append(hypervolume(np.array([points[key] for key in keys]), worst) / whole)
            own[arm].append(hypervolume(np.array([points[key] for key in chosen]), worst) / whole)
            fronts[arm].append([points[key] for key in chosen])
    facts = machine()
    space = options.space if options.space != "nasnet" else f"nasnet with {options.blocks} blocks"
    lines = [
        "# Search for int8: by int8 latency, by float32 latency, by MACs, at random",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        f"Fashion-MNIST at 16x16, 2,000 training images, 2 epochs, validated on 2,000 others; space "
        f"{space}, N = 1, F = 24; {options.trials} trained cells a search, {options.seeds} seeds, the "
        "same budget, controller (pareto_evolution) and seeds on all sides but random's controller. Hypervolume of "
        "int8 accuracy and int8 latency (p50, batch 1, one thread, measured again after all searches), as a share of "
        "that of all cells that any search trained. *Own front*: of the cells that a search itself holds for its best, "
        "by what it was told to look at. *All*: of every cell it trained, as if all had been quantized and measured.",
        "",
        "| search by | own front: mean ± sd | int8 minus this (95 % interval) | all: mean ± sd | int8 minus this |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {arm} | {np.mean(own[arm]):.3f} ± {np.std(own[arm], ddof=1):.3f} | "
        f"{difference(own[arms[0]], own[arm]) if arm != arms[0] else ''} | "
        f"{np.mean(every[arm]):.3f} ± {np.std(every[arm], ddof=1):.3f} | "
        f"{difference(every[arms[0]], every[arm]) if arm != arms[0] else ''} |"
        for arm in arms
    ]
    names = ("fp32_ms", "macs", "accuracy", "int8_accuracy")
    columns = {name: [metrics[key][name] for key in metrics] for name in names}
    again = [times[key] for key in metrics]
    lines += [
        "",
        f"Over the {len(metrics)} cells, Kendall's tau of int8 latency with float32 latency is "
        f"{kendalltau(again, columns['fp32_ms']).statistic:.2f}, with MACs "
        f"{kendalltau(again, columns['macs']).statistic:.2f}; of int8 accuracy with float32 accuracy "
        f"{kendalltau(columns['int8_accuracy'], columns['accuracy']).statistic:.2f}.",
        "",
        f"![fronts]({options.report.stem}.png)",
        "",
    ]
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text("\n".join(lines))
    write_json(options.report.with_suffix(".json"), {"schema": 1, **facts, "own_front": own, "all": every})
    _draw(options.report.with_suffix(".png"), fronts, list(points.values()))
    path: Path = options.report
    return path


def front(keys: Sequence[K], metrics: Mapping[K, Mapping[str, float]], maximize: str, minimize: str) -> list[K]:
    """Returns the keys that no other beats in both."""
    chosen: list[K] = []
    for key in sorted(keys, key=lambda key: (metrics[key][minimize], -metrics[key][maximize])):
        if not chosen or metrics[key][maximize] > metrics[chosen[-1]][maximize]:
            chosen.append(key)
    return chosen


def difference(first: Sequence[float], other: Sequence[float]) -> str:
    """Returns the mean of the paired differences and its 95 % interval by Student's t."""
    mean, reach = mean_and_reach([one - another for one, another in zip(first, other, strict=True)])
    return f"{mean:+.3f} ({mean - reach:+.3f} to {mean + reach:+.3f})"


def _draw(
    path: Path, fronts: Mapping[str, Sequence[Sequence[tuple[float, float]]]], points: Sequence[tuple[float, float]]
) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.scatter([ms for _, ms in points], [100 * accuracy for accuracy, _ in points], s=6, color="#cccccc")
    for (arm, lines), colour in zip(fronts.items(), COLOURS, strict=False):
        for number, front in enumerate(lines):
            ordered = sorted(front, key=lambda point: point[1])
            axes.plot(
                [ms for _, ms in ordered],
                [100 * accuracy for accuracy, _ in ordered],
                "o-",
                color=colour,
                markersize=3,
                linewidth=0.8,
                label=f"by {arm}" if number == 0 else None,
            )
    axes.set_xlabel("int8 latency, ms (p50, batch 1, one thread)")
    axes.set_ylabel("int8 accuracy, % of held-out images")
    axes.set_title("What each search holds for its front, as int8 files (a line a seed)")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
