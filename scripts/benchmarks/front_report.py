"""The table and the plot of the front benchmark, from what its searches and trainings left."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from front_points import Point
from machine import machine
from scipy.stats import ttest_ind, ttest_rel

from nastk.deploy.targets import CpuTarget
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.runs.full_size import FULL
from nastk.training.record import SHAPE
from nastk.training.rungs import read_rungs

WORST = 0.0  # accuracy that hypervolumes are counted from
FOUND = "search-"
COLUMNS = 2  # of the plot


@dataclass(frozen=True)
class Line:
    """A network at a point, its numbers a seed each.

    Attributes:
        name: of the network; those that a search found begin with `FOUND`.
        held_out: mean accuracy on held-out images, other ones with every seed.
        dropped: after so many epochs, at which `held_out` was scored; None where it was trained to the end.
        accuracy: on the test images, of the exported file in the point's precision.
        latency_ms: p50 of that file.
        seconds: of the trainings.
        used: share of the limit that the sized network was measured at.
    """

    name: str
    held_out: float
    dropped: int | None
    accuracy: tuple[float, ...]
    latency_ms: tuple[float, ...]
    seconds: tuple[float, ...]
    used: float | None

    @property
    def found(self) -> bool:
        """Whether a search found it."""
        return self.name.startswith(FOUND)

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds."""
        return statistics.fmean(self.accuracy)


def write_report(work: Path, points: Sequence[Point], out: Path | None) -> None:
    """Writes the table to `out` and the plot beside it; prints the table where `out` is None."""
    found = {point: lines for point in points if (lines := read_lines(work / point.name, point))}
    facts = machine()
    told = [
        "# Found networks and those made by hand, at equal measured latency\n",
        f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']},",
        f"{facts['cores']} cores, batch 1, one thread. {facts['versions']}\n",
        "Accuracy: of the exported file on the test images, mean and standard deviation over seeds. Chosen by held-out",
        "images; those of a rival that is trained once are of the first seed. p: of Student's t-test against the best",
        "rival, paired by seed where both have the same number of them. Used: share of the limit that the network was",
        "measured at when it was sized.\n",
        _reference(),
    ]
    won = []
    for point, lines in found.items():
        told += _table(point, lines, _seconds(work / point.name))
        won.append(_verdict(lines))
    told += ["", *(f"- {point.name}: {verdict}" for point, verdict in zip(found, won, strict=True)), *_volumes(found)]
    text = "\n".join(told) + "\n"
    if out is None:
        print(text)
        return
    out.write_text(text)
    _plot(found, out.with_suffix(".png"))


def read_lines(place: Path, point: Point) -> list[Line]:
    """Returns the networks of a point that were trained, the best found one and the best rivals first."""
    lines = [_line(path.parent, point) for path in sorted(place.glob("*/name.json"))]
    known = (one for one in lines if one is not None)
    return sorted(known, key=lambda one: (-len(one.accuracy), -(one.dropped or math.inf), -one.held_out))


def _line(folder: Path, point: Point) -> Line | None:
    metrics = [_read(path) for path in sorted(folder.glob("transfer/seed*/metrics.json"))]
    rungs = [] if metrics else read_rungs(folder / "transfer" / "seed0")
    if not metrics and not rungs:
        return None
    files = [
        _read(path)["targets"]["cpu"]["precisions"][point.precision]
        for path in sorted(folder.glob("export/seed*/manifest.json"))
    ]
    full, shape = folder / FULL, folder / SHAPE
    sized = _read(full if full.exists() else shape)
    return Line(
        _read(folder / "name.json")["name"],
        statistics.fmean(one["validation_accuracy"] for one in metrics) if metrics else rungs[-1].validation_accuracy,
        None if metrics else rungs[-1].epochs,
        tuple(file["accuracy"] for file in files),
        tuple(file["latency_ms"]["p50"] for file in files),
        tuple(one["seconds"] for one in metrics),
        sized["cost"].get("latency_ms", 0.0) / point.limit_ms or None,
    )


def best(lines: Sequence[Line], found: bool) -> Line | None:
    """Returns the best of the found networks or of the rivals: by held-out images one found, by mean the rival.

    A rival may be chosen by its test accuracy, which a found network never is: what is claimed holds against the best.
    """
    own = [one for one in lines if one.found == found and one.accuracy]
    if not own:
        return None
    return max(own, key=lambda one: one.held_out if found else one.mean)


def _verdict(lines: Sequence[Line]) -> str:
    ours, rival = best(lines, True), best(lines, False)
    if ours is None or rival is None:
        return "not whole yet"
    lead, p = 100 * (ours.mean - rival.mean), p_value(ours, rival)
    word = "won" if lead >= 0 else "lost"
    told = "too few seeds for a test" if p is None else f"p = {p:.3f}"
    return f"**{word}** by {abs(lead):.2f} points against {rival.name} ({told})"


def p_value(one: Line, other: Line) -> float | None:
    """Returns the two-sided p of a t-test of two networks' accuracies; None with fewer than two seeds."""
    if min(len(one.accuracy), len(other.accuracy)) < 2:
        return None
    test = ttest_rel if len(one.accuracy) == len(other.accuracy) else ttest_ind
    return float(test(one.accuracy, other.accuracy).pvalue)


def hypervolume(points: Sequence[tuple[float, float]], latest_ms: float) -> float:
    """Returns the area between accuracy `WORST` and the front of (latency, accuracy), up to a latency."""
    area, best_so_far, before = 0.0, WORST, 0.0
    for latency, accuracy in sorted(points):
        if latency >= latest_ms:
            break
        area += (latency - before) * (best_so_far - WORST)
        before, best_so_far = latency, max(best_so_far, accuracy)
    return area + (latest_ms - before) * (best_so_far - WORST)


def _volumes(found: dict[Point, list[Line]]) -> list[str]:
    """Returns the hypervolume of what was found and of all rivals together, for each set of images and precision.

    Of one limit there is none: networks that use it to the full have an area of almost nothing before it.
    """
    told = []
    for images, precision in dict.fromkeys((point.images, point.precision) for point in found):
        points = {one: lines for one, lines in found.items() if (one.images, one.precision) == (images, precision)}
        if len(points) == 1:
            continue
        latest = max(point.limit_ms for point in points)
        every = [line for lines in points.values() for line in lines if line.accuracy]
        ours, theirs = (
            hypervolume([(statistics.fmean(one.latency_ms), one.mean) for one in every if one.found == mine], latest)
            for mine in (True, False)
        )
        told.append(
            f"- hypervolume, {images} in {precision} up to {latest:g} ms: found {ours:.5f}, all rivals {theirs:.5f}"
        )
    return told


def _reference() -> str:
    """Returns what one known network takes here, since machines differ."""
    network = NetworkConfig(size=64, sizes={"width_multiplier": 0.25})
    cost = CpuTarget(seconds=1.0).cost(named_network("mobilenet_v2"), network)
    return f"mobilenet_v2 at width 0.25, 64 x 64 pixels, takes {cost['latency_ms']:.3f} ms in fp32 here.\n"


def _table(point: Point, lines: Sequence[Line], seconds: dict[str, float]) -> list[str]:
    rows = [
        f"\n## {point.images}: {point.limit_ms:g} ms in {point.precision}\n",
        "| network | held out | test | ms | used | seeds | training (s) |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in lines:
        spread = f" ± {100 * statistics.stdev(one.accuracy):.2f}" if len(one.accuracy) > 1 else ""
        left = "not chosen" if one.dropped is None else f"dropped after {one.dropped} epochs"
        test = f"{100 * one.mean:.2f}{spread}" if one.accuracy else left
        latency = f"{statistics.fmean(one.latency_ms):.3f}" if one.latency_ms else ""
        used = f"{100 * one.used:.0f} %" if one.used else ""
        took = f"{sum(one.seconds):.0f}" if one.seconds else ""
        rows.append(
            f"| {one.name} | {100 * one.held_out:.2f} | {test} | {latency} | {used} | {len(one.accuracy)} | {took} |"
        )
    trained = sum(sum(one.seconds) for one in lines if not one.found)
    rows += [f"\n{name}: {took:.0f} s; the rivals' trainings {trained:.0f} s." for name, took in seconds.items()]
    return rows


def _seconds(place: Path) -> dict[str, float]:
    return {path.stem: _read(path)["seconds"] for path in sorted(place.glob("*.json"))}


def _plot(found: dict[Point, list[Line]], path: Path) -> None:
    columns = min(COLUMNS, len(found))
    rows = math.ceil(len(found) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6.5 * columns, 4 * rows), squeeze=False)
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    for axis, (point, lines) in zip(axes.flat, found.items(), strict=False):
        drawn = sorted((one for one in lines if one.accuracy), key=lambda one: statistics.fmean(one.latency_ms))
        for number, one in enumerate(drawn, start=1):
            mean = statistics.fmean(one.latency_ms), 100 * one.mean
            spread = 100 * statistics.stdev(one.accuracy) if len(one.accuracy) > 1 else 0
            marker, colour = ("s", "#0072b2") if one.found else ("o", "#d55e00")
            name = f"{number}  {one.name.removeprefix(FOUND)}"
            axis.errorbar(*mean, yerr=spread, fmt=marker, color=colour, capsize=3, label=name)
            axis.annotate(str(number), mean, textcoords="offset points", xytext=(6, 4), fontsize=8)
        axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        axis.set(title=point.name, xlabel=f"p50, {point.precision} (ms)", ylabel="test accuracy (%)")
        axis.locator_params(axis="x", nbins=5)
        axis.margins(0.25)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
