"""The final table: what each network weighs, how accurate and how fast each of its files is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nastk.budget import LATENCY, broken_limits
from nastk.errors import UserError
from nastk.objective import ACCURACY, BALANCED, SCORE, STEADY
from nastk.outside import number_in
from nastk.reports.run_config import limits, parse_config
from nastk.reports.shipped import Shipped, read_shipped
from nastk.reports.transferred import Size, read_size
from nastk.runs.candidate import Candidate
from nastk.runs.contents import Run, read_run
from nastk.runs.schema import Object
from nastk.runs.shipping import read_shipping, ship_places


@dataclass(frozen=True)
class FinalRow:
    """A network of the final table.

    Attributes:
        key: of its genotype; of one that was narrowed or grown it is not the candidate's, which the search knows.
        stage: how far it came: "search", "transferred" or "exported"; a network of the search is smaller.
        params: parameters.
        macs: multiply-accumulates of one image.
        search_accuracy: on the search's validation images, 0 to 1.
        accuracy: on the test set by precision, 0 to 1.
        latency_ms: p50 by precision.
        size_bytes: of the file by precision.
        recommended: the precision to ship.
        file: the recommended file.
        size: N, F and the limits that they were picked by.
        validation_accuracy: of the transferred network, on training images that were held out to rank several; the
            balanced one where the search maximized that.
        doubts: by precision, why its latency cannot be trusted.
        broken: a sentence for each limit that it breaks.
        balanced_accuracy: of the transferred network on the test set, the mean over the classes.
        untested: classes that have no test image.
        baseline: name of the known network that it is; None for one that the search found.
        seconds: that its training took.
        score: of the untrained network, where the search trained none.
        test_images: that its accuracies were counted on.
        why: in a line why it ships, of the first row, where held-out images alone would not say so; else "".
        refit_images: that it was trained on once more, all of them; None where it ships as it was ranked.
        ranked_accuracy: test accuracy in fp32 as it was ranked, trained like the others, of what was trained once more.
    """

    key: str
    stage: str
    params: float | None = None
    macs: float | None = None
    search_accuracy: float | None = None
    accuracy: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    size_bytes: Mapping[str, float] = field(default_factory=dict)
    recommended: str | None = None
    file: Path | None = None
    size: Size = field(default_factory=Size)
    validation_accuracy: float | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    balanced_accuracy: float | None = None
    untested: tuple[str, ...] = ()
    baseline: str | None = None
    seconds: float | None = None
    score: float | None = None
    test_images: int | None = None
    why: str = ""
    refit_images: int | None = None
    ranked_accuracy: float | None = None


def final_table(run: Path | Run) -> list[FinalRow]:
    """Returns the networks that were transferred or exported, the chosen one first; where none was, the chosen one.

    Where several were transferred and ranked, baselines among them, they stand as they would ship: see
    `nastk.runs.shipping`.

    Raises:
        UserError: a file of the run folder is malformed.
    """
    run = run if isinstance(run, Run) else read_run(run)
    known: dict[str, Candidate] = {trial.key: trial for trial in reversed(run.trained)}
    known |= {candidate.key: candidate for candidate in run.front}
    first = run.best.key if run.best is not None else ""
    rows = [_made(run, key, known.get(run.candidate_of(key))) for key in {**run.transfers, **run.exports}]
    if not rows and run.best is not None:
        rows = [_searched(run.best)]
    places = ship_places(run.folder)

    def order(row: FinalRow) -> tuple[float, bool, float, str]:
        chosen = run.candidate_of(row.key) == first
        return places.get(row.key, math.inf), not chosen, -row.accuracy.get("fp32", 0.0), row.key

    return _with_reason(run.folder, sorted(rows, key=order))


def _with_reason(folder: Path, rows: list[FinalRow]) -> list[FinalRow]:
    """Returns the rows, the first with why it ships where that was decided of it."""
    shipping = read_shipping(folder) if rows else None
    if shipping is None or shipping.networks[0].key != rows[0].key:
        return rows
    return [replace(rows[0], why=shipping.why), *rows[1:]]


def _searched(best: Candidate) -> FinalRow:
    metrics = best.metrics
    latency = {"fp32": metrics["latency_ms"]} if "latency_ms" in metrics else {}
    return FinalRow(
        best.key,
        "search",
        metrics.get("params"),
        metrics.get("macs"),
        metrics.get(ACCURACY),
        score=metrics.get(SCORE),
        latency_ms=latency,
        doubts={"fp32": "the machine was busy during the search"} if metrics.get(STEADY) == 0 else {},
    )


def _made(run: Run, key: str, candidate: Candidate | None) -> FinalRow:
    where = f"{run.folder / 'transfer' / key / 'metrics.json'}"
    metrics, ranked = run.refits.get(key) or run.transfers.get(key, {}), run.transfers.get(key, {})
    measured = number_in(metrics, "accuracy", where)
    accuracy = {} if measured is None else {"fp32": measured}
    shipped, found = Shipped(), candidate.metrics if candidate is not None else {}
    if key in run.exports:
        shipped = read_shipped(run.exports[key], run.folder / "export" / key)
    row = FinalRow(
        key=key,
        stage="exported" if key in run.exports else "transferred",
        params=_first(number_in(metrics, "params", where), shipped.params),
        macs=_first(number_in(metrics, "macs", where), shipped.macs),
        search_accuracy=found.get(ACCURACY),
        score=found.get(SCORE),
        accuracy=accuracy | {file.precision: file.accuracy for file in shipped.files if file.accuracy is not None},
        latency_ms={file.precision: file.p50_ms for file in shipped.files if file.p50_ms is not None},
        size_bytes={file.precision: file.size_bytes for file in shipped.files if file.size_bytes is not None},
        recommended=shipped.recommended,
        file=shipped.recommended_path,
        size=read_size(run.folder / "transfer" / key),
        validation_accuracy=_held_out(run, ranked, where),
        doubts={file.precision: file.doubt for file in shipped.files if file.doubt},
        balanced_accuracy=number_in(metrics, "balanced_accuracy", where),
        untested=_names_in(metrics, "classes_without_test_images", where),
        baseline=run.baselines.get(key),
        seconds=number_in(ranked, "seconds", where),
        test_images=_counted(number_in(metrics, "test_images", where)),
        refit_images=_counted(number_in(run.refits.get(key, {}), "train_images", where)),
        ranked_accuracy=number_in(ranked, "accuracy", where) if key in run.refits else None,
    )
    return replace(row, broken=_broken(run, row) if shipped.broken is None else shipped.broken)


def _held_out(run: Run, metrics: Mapping[str, object], where: str) -> float | None:
    """Returns what a transferred network is ranked by; files of before have no balanced accuracy."""
    config = parse_config(run.config_text, run.folder / "config.yaml") if run.config_text is not None else {}
    objective = config.get("objective")
    maximized = objective.get("maximize") if isinstance(objective, Mapping) else None
    balanced = isinstance(maximized, Sequence) and list(maximized[:1]) == [BALANCED]
    found = number_in(metrics, f"validation_{BALANCED}", where) if balanced else None
    return found if found is not None else number_in(metrics, "validation_accuracy", where)


def _broken(run: Run, row: FinalRow) -> tuple[str, ...]:
    """Returns which limits are broken where no manifest says it: there is none yet, or one of before it did."""
    config = parse_config(run.config_text, run.folder / "config.yaml") if run.config_text is not None else {}
    allowed = dict(row.size.limits or limits(config))
    latency = config.get("latency")
    if not row.size.limits and isinstance(latency, Mapping) and "PredictorLatency" in str(latency.get("_target_")):
        allowed.pop(LATENCY, None)  # it was of another device, and of networks of another size
    shipped = row.recommended or ""
    costs = {"params": row.params, "macs": row.macs, LATENCY: row.latency_ms.get(shipped)}
    return tuple(broken_limits(allowed, costs, row.file.name if row.file else row.key[:8], row.doubts.get(shipped, "")))


def _counted(images: float | None) -> int | None:
    return int(images) if images and images >= 1 else None


def _names_in(metrics: Object, name: str, where: str) -> tuple[str, ...]:
    found = metrics.get(name) or []
    if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        raise UserError(f"{where}: {name} {found!r:.60}, expected a list of names")
    return tuple(found)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
