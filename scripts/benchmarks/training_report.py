"""What the training benchmark writes, and how it compares: sides in turn, ratios with their spread."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = list[list[Any]]


@dataclasses.dataclass
class Report:
    """What was found so far: Markdown for people, plain values for programs, and which targets were met."""

    facts: dict[str, Any]
    parts: list[str] = dataclasses.field(default_factory=list)
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    targets: Rows = dataclasses.field(default_factory=list)

    def table(self, title: str, text: str, head: Sequence[str], rows: Rows) -> None:
        lines = [" | ".join(map(str, row)) for row in ([*head], ["---"] * len(head), *rows)]
        self.parts.append(f"## {title}\n\n{text}\n\n" + "\n".join(f"| {line} |" for line in lines))
        self.values[title] = [dict(zip(head, row, strict=True)) for row in rows]
        print(f"{time.strftime('%H:%M:%S')} {self.parts[-1]}\n", file=sys.stderr, flush=True)

    def target(self, what: str, wanted: str, found: float, met: bool) -> None:
        self.targets.append([what, wanted, f"{found:.2f}", "yes" if met else "**no**"])

    def write(self, folder: Path, name: str = "training") -> Path:
        self.facts["load after"] = [round(load, 2) for load in os.getloadavg()]
        heading = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        lines = "\n".join("| " + " | ".join(row) + " |" for row in self.targets)
        top = f"# Training speed\n\n{heading}\n\n| what | target | found | met |\n|---|---|---|---|\n{lines}"
        path = folder / f"{self.facts['date']}-{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join([top, *self.parts]) + "\n")
        path.with_suffix(".json").write_text(
            json.dumps({"schema": 1, **self.facts, "found": self.values}, indent=1) + "\n"
        )
        return path


def in_turn(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs the sides one after the other, `rounds` times, each time beginning with another, and drops a first round."""
    names = list(sides)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            seconds = sides[name]()
            if number:
                found[name].append(seconds)
    return found


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Returns median, least and greatest of the rounds' quotients."""
    quotients = [one / other for one, other in zip(slow, fast, strict=True)]
    return statistics.median(quotients), min(quotients), max(quotients)


def images_a_second(
    report: Report, name: str, found: Mapping[str, list[float]], images: int, targets: Mapping[str, float]
) -> Rows:
    """Returns a row a side, "ours" against it; a ratio that has a target is judged by it."""
    rows = []
    for side, times in found.items():
        middle, least, most = ratio(times, found["ours"])
        rate = images / statistics.median(times)
        rows.append([name, side, f"{rate:.0f}", f"{middle:.3f}", f"{least:.3f} to {most:.3f}"])
        if side in targets:
            report.target(f"{name}: ours over {side}", f"at least {targets[side]}", middle, middle >= targets[side])
    return rows
