"""The genotype: what a network is made of, as a frozen value that travels as JSON; one class a kind."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from nastk.errors import UserError, unknown
from nastk.genotype.skeleton import Skeleton, skeleton_named
from nastk.outside import parse_json

KEY_DIGITS = 32
CELLS = "cells"  # the kind of a file that names none

READERS: dict[str, Callable[[object], Genotype]] = {}
SHOWN: list[Callable[[Genotype], str]] = []  # how a notebook shows one, for what draws stands above this room


class Genotype(ABC):
    """What a network is made of; says nothing of depth, width or weights, which its skeleton's sizes and training give.

    A kind is a frozen dataclass of its own that is entered by `enter_kind`, has a skeleton (`nastk.genotype.skeleton`)
    with a builder (`nastk.networks.build`), and a drawing (`nastk.reports.drawings`). Equal values compare equal and
    can be hashed.

    Attributes:
        kind: as files write it.
        skeleton: name of the skeleton that its parts are put into.
    """

    kind: ClassVar[str]
    skeleton: str

    @property
    @abstractmethod
    def key(self) -> str:
        """Equal for genotypes that compute the same function up to a renaming of weights; 32 hexadecimal digits."""

    @property
    @abstractmethod
    def ops(self) -> frozenset[str]:
        """Names of the operations or block families that it uses."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, dicts and numbers, the JSON form."""

    @abstractmethod
    def encoding(self) -> list[float]:
        """Returns numbers, always as many, that a predictor of accuracy reads; equal keys give equal ones."""

    @abstractmethod
    def terms(self, reading: str) -> dict[str, float]:
        """Returns the terms that a latency can be a sum of, and how much of each there is.

        Args:
            reading: of `readings`: which of the operations a device is taken to run.
        """

    @property
    @abstractmethod
    def readings(self) -> tuple[str, ...]:
        """The readings that `terms` knows."""

    @abstractmethod
    def lines(self) -> list[str]:
        """Returns what it is made of, for a person to read, a line each."""

    @property
    def own_network(self) -> Mapping[str, Any]:
        """Fields of its network that the genotype chooses itself, whatever those of other candidates are."""
        return {}

    @property
    def plan(self) -> Skeleton:
        """Its skeleton."""
        return skeleton_named(self.skeleton)

    def to_json(self) -> str:
        """Returns the JSON text; `from_json` gives back an equal genotype."""
        return json.dumps(self.to_dict())

    def _repr_html_(self) -> str | None:
        """Returns what a notebook shows; None, for the text, before anything that draws is loaded."""
        return SHOWN[-1](self) if SHOWN else None

    @staticmethod
    def from_dict(data: object) -> Genotype:
        """Reads what `to_dict` gave, of any kind; a file that names none holds cells.

        Raises:
            UserError: where the data are not of that form; the message names the place.
        """
        kind = data.get("kind", CELLS) if isinstance(data, Mapping) else CELLS
        if not isinstance(kind, str) or kind not in READERS:
            raise unknown("kind of genotype", kind, READERS)
        return READERS[kind](data)

    @staticmethod
    def from_json(text: str) -> Genotype:
        """Reads what `to_json` gave; raises UserError where the text is not that."""
        return Genotype.from_dict(parse_json(text, "genotype", ", expected what Genotype.to_json writes"))


def enter_kind(kind: str, read: Callable[[object], Genotype]) -> None:
    """Enters a kind of genotype with the function that reads its JSON form.

    Raises:
        ValueError: the name is taken.
    """
    if kind in READERS:
        raise ValueError(f"genotype kind {kind!r} is in the table already")
    READERS[kind] = read


def show_with(draw: Callable[[Genotype], str]) -> None:
    """Has notebooks show genotypes as the HTML that `draw` returns."""
    SHOWN[:] = [draw]


def check_cells(skeleton: str, found: list[tuple[str, int]]) -> None:
    """Raises UserError where cells, as names and numbers of inputs, are not those that the skeleton asks for."""
    plan = skeleton_named(skeleton)
    expected = [place.name for place in plan.cells]
    names = [name for name, _ in found]
    if names != expected:
        raise UserError(f"genotype: cells {names}, expected {expected} for skeleton {skeleton!r}")
    for name, inputs in found:
        if inputs != plan.inputs:
            raise UserError(
                f"genotype: cell {name!r} has {inputs} inputs, expected {plan.inputs} for skeleton {skeleton!r}"
            )
