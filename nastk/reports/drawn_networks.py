"""Which networks a run's page draws: the one to ship and its rival as they were sized, and the best of the search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.scaling import Scaling
from nastk.genotype.stages import StageGenotype
from nastk.objective import SCORE, quality
from nastk.outside import read_json
from nastk.reports.beside import rival
from nastk.reports.drawings import draw_genotype
from nastk.reports.final_table import FinalRow
from nastk.reports.table_text import SHOWN_KEY, share
from nastk.reports.worth import BY_SCORE
from nastk.runs.candidate import Candidate
from nastk.runs.contents import Run

DRAWN = 3
HOVERED, MOST_LETTERS = 40, 1_500_000  # networks that show beside their points, and what these may take of the page


def drawn_networks(run: Run, rows: Sequence[FinalRow]) -> dict[str, str]:
    """Returns SVG texts by the name of the file that each is kept in, <key>-<part>.svg.

    Args:
        run: the run.
        rows: of its final table, the network to ship first.

    Raises:
        UserError: the genotype of a network that was trained in full is damaged.
    """
    return {
        f"{key}-{name}.svg": drawing
        for key, (genotype, title) in networks_of(run, rows, DRAWN).items()
        for name, drawing in draw_genotype(genotype, title).items()
    }


def networks_of(run: Run, rows: Sequence[FinalRow], most: int | None = None) -> dict[str, tuple[Genotype, str]]:
    """Returns genotype and title by key: what was trained in full, as it was sized, then candidates, the best first.

    Args:
        run: the run.
        rows: of its final table, the network to ship first.
        most: candidates of the search, None for all.

    Raises:
        UserError: the genotype of a network that was trained in full is damaged.
    """
    found: dict[str, tuple[Genotype, str]] = {}
    final = list(_final(run, rows))
    word = "best of the search" if final else "chosen"
    for key, genotype, title in (*final, *_of_search(run, most, word)):
        found.setdefault(key, (genotype, title))
    return found


def hovered(run: Run) -> dict[str, str]:
    """Returns the drawings of candidates by key, the best first, as many as there is room for."""
    found: dict[str, str] = {}
    room = MOST_LETTERS
    for candidate in _best(run, HOVERED):
        drawing = "".join(draw_genotype(candidate.genotype, candidate.key[:SHOWN_KEY]).values())
        room -= len(drawing)
        if room < 0:
            break
        found[candidate.key] = drawing
    return found


def _final(run: Run, rows: Sequence[FinalRow]) -> Iterator[tuple[str, Genotype, str]]:
    """Yields key, genotype and title of what was trained in full: the network to ship, and its rival."""
    if not rows or rows[0].stage == "search":
        return
    for row in (rows[0], rival(rows)):
        path = run.folder / "transfer" / row.key / "genotype.json" if row is not None else None
        if row is None or path is None or not path.exists():
            continue
        try:
            genotype = Genotype.from_dict(read_json(path))
        except UserError as error:
            raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
        if isinstance(genotype, StageGenotype):  # as it was sized
            size = row.size.numbers
            genotype = Scaling(size.get("width_multiplier", 1.0), size.get("depth_multiplier", 1.0)).genotype(genotype)
        kind = "the one to ship" if row is rows[0] else "the best beside it"
        how = "narrowed" if row.key in run.narrowed else "grown"
        of = run.candidate_of(row.key)
        made = f"{how} from {of[:SHOWN_KEY]}" if of != row.key else "searched"
        origin = row.baseline or made
        yield row.key, genotype, f"{origin} ({row.key[:SHOWN_KEY]}), {kind}"


def _of_search(run: Run, most: int | None, word: str) -> list[tuple[str, Genotype, str]]:
    return [
        (candidate.key, candidate.genotype, _title(candidate, "" if place else f", {word}"))
        for place, candidate in enumerate(_best(run, most))
    ]


def _best(run: Run, most: int | None) -> list[Candidate]:
    """Returns the chosen candidate, then the front, then the best others."""
    others = sorted(run.trained, key=lambda trial: -quality(trial.metrics))
    found: dict[str, Candidate] = {}
    for candidate in ((run.best,) if run.best is not None else ()) + run.front + tuple(others):
        found.setdefault(candidate.key, candidate)
    return list(found.values())[:most]


def _title(candidate: Candidate, more: str) -> str:
    accuracy = candidate.metrics.get("accuracy")
    told = f", {share(accuracy)} %" if accuracy is not None else ""
    if SCORE in candidate.metrics:
        told = f", {BY_SCORE.told(candidate.metrics)}"
    return f"{candidate.key[:SHOWN_KEY]} (trial {candidate.number}{told}{more})"
