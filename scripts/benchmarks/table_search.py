"""NAS-Bench-201 as a search problem for the benchmarks: choices, look-up, and the path encoding for predictors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from nastk.evaluators.tabular import TabularEvaluator, read_arrays
from nastk.genotype import Genotype
from nastk.genotype.paths import path_encoding
from nastk.spaces import NasBench201Space, Value, replay


class Cells:
    """The cells of a table, their results in the table's order, and the way from choices to a row.

    Args:
        evaluator: the one that `evaluator=tabular` uses.
        arrays: of results to load from its file.
    """

    def __init__(self, evaluator: TabularEvaluator, arrays: list[str]) -> None:
        self.evaluator = evaluator
        self.results = {name: values.astype(float) for name, values in read_arrays(evaluator.path, arrays).items()}
        self._space = NasBench201Space()
        self._rows: dict[tuple[Any, ...], int] = {}
        self._encodings: dict[tuple[Any, ...], np.ndarray] = {}

    @cached_property
    def choices(self) -> dict[str, tuple[Value, ...]]:
        """Options by name, in the order that the space asks for them."""
        asked: dict[str, tuple[Value, ...]] = {}

        def choose(name: str, options: Any) -> Value:
            asked[name] = tuple(options)
            return asked[name][0]

        self._space.genotype(choose)
        return asked

    def genotype(self, chosen: Mapping[str, Any]) -> Genotype:
        """Returns the cell that the choices stand for."""
        return replay(self._space, chosen)

    def row(self, chosen: Mapping[str, Any]) -> int:
        """Returns the table's row for choices."""
        at = tuple(chosen[name] for name in self.choices)
        if at not in self._rows:
            self._rows[at] = self.evaluator.row(self.genotype(chosen))
        return self._rows[at]

    def encode(self, chosen: Mapping[str, Any]) -> np.ndarray:
        """Returns the path encoding of the cell that choices stand for."""
        at = tuple(chosen.get(name) for name in self.choices)
        if at not in self._encodings:
            self._encodings[at] = np.array(path_encoding(self.genotype(chosen)))
        return self._encodings[at]
