"""The record of a fidelity audit, audit.json: which cells, how they were trained longer, and what came of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from nastk.config.build import check_type
from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import read_object
from nastk.stats.rank_agreement import PAIRS_THAT_TELL, Agreement, agreement, verdict

SCHEMA = 1
AUDIT = "audit.json"
FEWEST = 3

Made = TypeVar("Made")
Kind = Literal["longer", "again"]


@dataclass(frozen=True)
class Training:
    """One training of a cell.

    Attributes:
        accuracy: on the held-out part, 0 to 1, or None where it failed.
        seconds: that it took.
        reason: why it failed.
    """

    accuracy: float | None
    seconds: float
    reason: str = ""

    def __post_init__(self) -> None:
        _check_share(self.accuracy)


@dataclass(frozen=True)
class AuditedCell:
    """A cell that the search trained, and its trainings since.

    Attributes:
        number: of the search's trial.
        key: the genotype's canonical key.
        rank: its place among the search's candidates, the best 0.
        accuracy: in the search, 0 to 1; None where the search trained none.
        longer: trainings in the longer setting.
        again: trainings in the search's own setting with another seed.
        score: in a search that trained none.
    """

    number: int
    key: str
    rank: int
    accuracy: float | None
    longer: tuple[Training, ...] = ()
    again: tuple[Training, ...] = ()
    score: float | None = None

    def __post_init__(self) -> None:
        _check_share(self.accuracy)
        if not re.fullmatch(r"[\w-]{1,128}", self.key):
            raise UserError(f"key={self.key[:60]!r}: expected letters and digits")
        if (self.accuracy is None) == (self.score is None):
            raise UserError(f"accuracy={self.accuracy}, score={self.score}: expected one of them")
        if self.score is not None and not math.isfinite(self.score):
            raise UserError(f"score={self.score}: expected a finite number")

    @property
    def worth(self) -> float:
        """What the search ranked it by."""
        return self.accuracy if self.accuracy is not None else self.score or 0.0

    def trainings(self, kind: Kind) -> tuple[Training, ...]:
        """Returns those of one kind."""
        return self.longer if kind == "longer" else self.again

    def after(self, kind: Kind, training: Training) -> AuditedCell:
        """Returns the cell with one training more."""
        trainings = (*self.trainings(kind), training)
        return replace(self, longer=trainings) if kind == "longer" else replace(self, again=trainings)

    def mean(self, kind: Kind) -> float | None:
        """Returns the mean accuracy of one kind; None before the first training, or where one failed."""
        values = [training.accuracy for training in self.trainings(kind)]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class Audit:
    """An audit, finished or not.

    Attributes:
        settings: of the audit by name, with the number of epochs that null stands for.
        epochs: of the search, None where a table answered or nothing was trained.
        candidates: how many the search had trained.
        cells: those chosen, the best of the search first.
        agreement: of the search with the longer training; None where there is no order to compare.
        noise: of the search with its own setting and another seed; None where that was not trained.
        sentence: what a user may conclude; empty until it is finished.
        finished: whether every training is done.
        made_by: versions and machine.
    """

    settings: Mapping[str, int | float | bool | None]
    epochs: int | None
    candidates: int
    cells: tuple[AuditedCell, ...]
    agreement: Agreement | None = None
    noise: Agreement | None = None
    sentence: str = ""
    finished: bool = False
    made_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({cell.key for cell in self.cells}) < len(self.cells):
            raise UserError("cells: a key is there twice")

    @property
    def scored(self) -> bool:
        """Whether the search ranked by a score and trained nothing."""
        return any(cell.score is not None for cell in self.cells)

    @property
    def done(self) -> int:
        """How many trainings are recorded."""
        return sum(len(cell.longer) + len(cell.again) for cell in self.cells)

    @property
    def trained(self) -> tuple[AuditedCell, ...]:
        """The cells with a longer result."""
        return tuple(cell for cell in self.cells if cell.mean("longer") is not None)

    @property
    def failed(self) -> dict[str, str]:
        """Why a longer training failed, by key."""
        return {cell.key: entry.reason for cell in self.cells for entry in cell.longer if entry.accuracy is None}


def concluded(audit: Audit) -> Audit:
    """Returns the finished audit with what its results come to."""
    cells, reasons = audit.trained, list(audit.failed.values())
    if len(cells) < FEWEST:
        told = f"{len(cells)} of {len(audit.cells)} cells were trained longer, too few to compare: {reasons[-1]}"
        return replace(audit, sentence=told, finished=True)
    longer = _agreement(cells, "longer", audit.candidates)
    again = [cell for cell in cells if cell.mean("again") is not None]
    noise = _agreement(again, "again", audit.candidates)
    values = [cell.mean("longer") or 0.0 for cell in cells]
    trained = "Training" if audit.scored else "Longer training"
    left = f"{trained} leaves them at {100 * min(values):.2f} to {100 * max(values):.2f} %."
    said = verdict(longer, noise)
    if audit.scored:
        said = verdict(longer, None, "search by training (evaluator=training)")
        said = f"The score of untrained cells against their accuracy after training: {said} {_of_the_best(audit)}"
    sentence = f"{said} {left}"
    if reasons:
        sentence += f" {len(reasons)} of {len(audit.cells)} cells failed in it and are left out: {reasons[-1]}."
    return replace(audit, agreement=longer, noise=noise, sentence=sentence, finished=True)


def _of_the_best(audit: Audit) -> str:
    """Returns what can be said of the order among the best fifth of the search, from which one is taken."""
    count = math.ceil(audit.candidates / 5)
    best = [cell for cell in audit.trained if cell.rank < count]
    found = _agreement(best, "longer", count)
    if found is None or found.pairs < PAIRS_THAT_TELL:
        return f"Of the best fifth of the search {len(best)} were trained, too few to tell how it orders these."
    return (
        f"Among the best fifth of the search: tau {found.tau:.2f} (95 % interval {found.low:.2f} to {found.high:.2f})."
    )


def write_audit(folder: Path, audit: Audit) -> None:
    """Writes audit.json into a run folder at once."""
    write_json(folder / AUDIT, {"schema": SCHEMA, **asdict(audit)})


def read_audit(folder: Path) -> Audit | None:
    """Reads a run folder's audit.json; None where there is none.

    Raises:
        UserError: it is damaged; names the field.
    """
    path = folder / AUDIT
    if not path.exists():
        return None
    data = read_object(path)
    if data.pop("schema", None) != SCHEMA:
        raise UserError(f"{path}: another schema than {SCHEMA}, expected an audit of this version")
    try:
        return _made(Audit, data, "")
    except UserError as error:
        raise UserError(f"{path}: {error}; the file is damaged") from None


def _made(kind: type[Made], data: Any, where: str) -> Made:
    """Builds a dataclass of those above from its JSON, every value checked against its annotation."""
    if not isinstance(data, dict):
        raise UserError(f"{where.rstrip('.')}: {str(data)[:60]!r}, expected an object")
    hints, found = get_type_hints(kind), {}
    for name in [entry.name for entry in fields(kind)]:  # type: ignore[arg-type]
        if name not in data and (kind, name) in ADDED:
            continue
        if name not in data:
            raise UserError(f"{where}{name}: missing")
        value = data[name]
        part = PARTS.get((kind, name))
        if part is not None and isinstance(value, list):
            value = tuple(_made(part, entry, f"{where}{name}[{index}].") for index, entry in enumerate(value))
        elif part is Agreement and value is not None:
            value = _made(part, value, f"{where}{name}.")
        check_type(value, hints[name], f"{where}{name}")
        found[name] = value
    try:
        return kind(**found)
    except UserError as error:
        raise UserError(f"{where}{error}") from None


ADDED = {(AuditedCell, "score")}  # that the files of before have not
PARTS: Mapping[tuple[Any, str], type[Any]] = {
    (Audit, "cells"): AuditedCell,
    (Audit, "agreement"): Agreement,
    (Audit, "noise"): Agreement,
    (AuditedCell, "longer"): Training,
    (AuditedCell, "again"): Training,
}


def _agreement(cells: Sequence[AuditedCell], kind: Kind, candidates: int) -> Agreement | None:
    values = [cell.mean(kind) or 0.0 for cell in cells]
    return agreement([cell.worth for cell in cells], values, [cell.rank for cell in cells], candidates)


def _check_share(accuracy: float | None) -> None:
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise UserError(f"accuracy={accuracy}: expected 0 to 1")
