"""An evaluator that prepares what all of its candidates need, and says who called what."""

from __future__ import annotations

import os
from pathlib import Path

from nastk.evaluators import Evaluator, Report
from nastk.genotype import Genotype


class Preparing(Evaluator):
    """Scores by a number that was prepared; leaves a line for each call, with its process.

    Args:
        table: "dies" ends the process, as by a kill, when it has prepared the number.
        others: those of `TabularEvaluator`, whose configuration this one takes.
    """

    def __init__(self, table: str, **others: object) -> None:
        self._dies = table == "dies"
        self._folder: Path | None = None

    def prepare(self, folder: Path) -> None:
        """Keeps a number, unless one is there."""
        folder.mkdir(exist_ok=True)
        known = (folder / "number").exists()
        _note(folder, "found" if known else "prepared")
        if not known:
            (folder / "number").write_text("0.75")
        if self._dies:
            os._exit(9)

    def load(self, folder: Path) -> None:
        """Reads it."""
        _note(folder, "loaded")
        self._folder, self._number = folder, float((folder / "number").read_text())

    def cost(self, genotype: Genotype) -> dict[str, float]:
        """Nothing costs anything."""
        return {"latency_ms": 1.0, "params": 1.0}

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Returns it."""
        assert self._folder is not None
        _note(self._folder, "evaluated")
        return {"accuracy": self._number}


def _note(folder: Path, what: str) -> None:
    with (folder / "calls").open("a") as file:
        file.write(f"{what} {os.getpid()}\n")
