"""The fidelity audit as a step: a spread of the searched cells, trained longer, and how far the two rankings agree."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import settings
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator
from nastk.evaluators.tabular import TabularEvaluator
from nastk.genotype import Genotype
from nastk.jobs.audit_settings import AuditSettings, resolved
from nastk.jobs.data_record import record_data
from nastk.jobs.parts import make_evaluator, run_config, shares_weights
from nastk.jobs.ranked_by import only_scores, trained_instead
from nastk.objective import quality
from nastk.progress import Count, doing
from nastk.runs.audit import (
    AUDIT,
    FEWEST,
    Audit,
    AuditedCell,
    Kind,
    Training,
    concluded,
    read_audit,
    write_audit,
)
from nastk.runs.folder import DATA, held, made_by
from nastk.runs.trials import TRIALS, TrialRow, read_trials
from nastk.stats.rank_agreement import kendall, spread


class Setting(NamedTuple):
    """A setting that every cell is trained in.

    Attributes:
        kind: the field of `AuditedCell` that takes the result.
        repeat: how many trainings a cell has there before.
        evaluator: trains.
        metric: of its result, the accuracy that counts.
    """

    kind: Kind
    repeat: int
    evaluator: Evaluator
    metric: str


def run_audit(config: DictConfig) -> tuple[Path, Audit]:
    """Audits the search of `config.run`, or goes on with an audit that was stopped.

    Every result is written into audit.json at once. The images, the part that is held out to score on, and the recipe
    are the search's; weights and batches start from other seeds than there, so that agreement is not owed to them.

    Returns:
        the run folder, and the finished audit.

    Raises:
        UserError: there is no such run, a setting is wrong, the run holds an audit with others, or fewer than three
            cells could be trained.
    """
    folder, searched = run_config(config)
    wanted: AuditSettings = settings(AuditSettings, config)
    scored = only_scores(searched) or shares_weights(searched)
    with held(folder):
        candidates = ranked_candidates(folder)
        searched = trained_instead(searched) if scored else searched
        wanted, epochs = resolved(wanted, searched, folder, scored)
        found = read_audit(folder)
        audit = _new_audit(wanted, epochs, candidates, scored) if found is None else _same_audit(found, wanted, folder)
        _tell_of_cells(audit, wanted, len(candidates))
        genotypes = {row.key: row.genotype for row in candidates}
        missing = [cell.key for cell in audit.cells if cell.key not in genotypes]
        if missing:
            raise UserError(f"{folder / AUDIT}: trials.jsonl has no trained cell {missing[0]}; they are of two runs")
        audit = _train(folder, audit, wanted, searched, genotypes)
    if len(audit.trained) < FEWEST:
        raise UserError(f"{folder}: {audit.sentence}; move {AUDIT} away to try again")
    return folder, audit


def ranked_candidates(folder: Path) -> list[TrialRow]:
    """Returns the different candidates that a search trained to the end, or scored, the best first.

    Raises:
        UserError: there are fewer than three, or a line of trials.jsonl is damaged.
    """
    path = folder / TRIALS
    rows = [row for row in read_trials(path) if row.state == "complete"]
    for row in rows:
        if row.genotype.key != row.key:
            raise UserError(f"{path}: trial {row.number} has the key {row.key!r}, its genotype {row.genotype.key!r}")
    if len(rows) < FEWEST:
        raise UserError(f"{folder}: the search trained {len(rows)} cells, expected {FEWEST} at least to compare")
    return sorted(rows, key=lambda row: (-quality(row.metrics), row.number))


def _new_audit(wanted: AuditSettings, epochs: int | None, candidates: list[TrialRow], scored: bool) -> Audit:
    """Returns an audit to come; of candidates that were not trained what the search told is a score."""
    cells = tuple(
        AuditedCell(
            row.number,
            row.key,
            rank,
            None if scored else row.accuracy,
            score=row.accuracy if scored and row.score is None else row.score,
        )
        for rank in spread(len(candidates), wanted.cells)
        for row in [candidates[rank]]
    )
    return Audit(asdict(wanted), epochs, len(candidates), cells, made_by=made_by())


def _same_audit(found: Audit, wanted: AuditSettings, folder: Path) -> Audit:
    for name, value in asdict(wanted).items():
        if found.settings.get(name) != value:
            raise UserError(
                f"{folder / AUDIT}: holds an audit with {name}={found.settings.get(name)}, this command has {value}; "
                "use the same settings to go on, or move the file away"
            )
    return found


def _tell_of_cells(audit: Audit, wanted: AuditSettings, candidates: int) -> None:
    if len(audit.cells) < wanted.cells:
        print(f"audit: the search trained {len(audit.cells)} cells, not {wanted.cells}: all are taken", file=sys.stderr)
    if candidates > audit.candidates:
        print(
            f"audit: the search has gone on from {audit.candidates} trained cells to {candidates}; the cells stay "
            f"those of {AUDIT}, move it away to choose anew",
            file=sys.stderr,
        )


def _train(
    folder: Path, audit: Audit, wanted: AuditSettings, searched: DictConfig, genotypes: dict[str, Genotype]
) -> Audit:
    if audit.finished:
        return audit
    if (folder / DATA).exists():
        record_data(folder, make_evaluator(searched))  # raises where the images are not the search's
    if audit.done:
        print(f"{folder}: going on after {audit.done} trainings", file=sys.stderr)
    total = (wanted.seeds + wanted.noise) * len(audit.cells)
    with Count("audit", total, "training", audit.done) as count:
        for setting in _settings(wanted, searched):
            for index, cell in enumerate(audit.cells):
                if len(cell.trainings(setting.kind)) > setting.repeat or cell.key in audit.failed:
                    continue
                with doing(f"training {cell.key[:8]} {'longer' if setting.kind == 'longer' else 'again'}"):
                    training = _one_training(setting, genotypes[cell.key], count)
                cells = (*audit.cells[:index], cell.after(setting.kind, training), *audit.cells[index + 1 :])
                audit = dataclasses.replace(audit, cells=cells)
                write_audit(folder, audit)
                _show(count, cell, setting, training, audit)
    audit = concluded(audit)
    write_audit(folder, audit)
    return audit


def _settings(wanted: AuditSettings, searched: DictConfig) -> Iterator[Setting]:
    """Yields the settings, each made when its turn comes: every evaluator may hold all images."""
    if wanted.epochs is None:
        evaluator = make_evaluator(searched)
        if not isinstance(evaluator, TabularEvaluator) or searched.evaluator.get("test") is None:
            raise UserError("evaluator.test: null in the search's config.yaml, expected the table's longer training")
        yield Setting("longer", 0, evaluator, "test_accuracy")
        return
    longer: dict[str, Any] = {"evaluator": {"epochs": wanted.epochs}}
    if wanted.all_images:
        longer["data"] = {"subset": 1.0}
    for seed in range(wanted.seeds):
        yield Setting("longer", seed, _evaluator(searched, longer, seed + 1), "accuracy")
    if wanted.noise:
        yield Setting("again", 0, _evaluator(searched, {}, wanted.seeds + 1), "accuracy")


def _evaluator(searched: DictConfig, changes: dict[str, Any], repeat: int) -> Evaluator:
    first = searched.evaluator.get("repeat", 0)
    changed = OmegaConf.merge(searched, changes, {"evaluator": {"repeat": first + repeat, "max_seconds": None}})
    assert isinstance(changed, DictConfig)
    return make_evaluator(changed)


def _one_training(setting: Setting, genotype: Genotype, count: Count) -> Training:
    def report(epoch: int, accuracy: float) -> None:
        count.note(f"epoch {epoch}, accuracy {accuracy:.4f}")
        count.add(0)

    start = time.monotonic()
    accuracy, reason = None, ""
    try:
        accuracy = float(setting.evaluator.evaluate(genotype, report)[setting.metric])
    except EvaluationFailed as failure:
        reason = failure.reason
    return Training(accuracy, round(time.monotonic() - start, 3), reason)


def _show(count: Count, cell: AuditedCell, setting: Setting, training: Training, audit: Audit) -> None:
    results = [(other.worth, other.mean(setting.kind)) for other in audit.cells]
    known = [(before, now) for before, now in results if now is not None]
    tau = kendall([before for before, _ in known], [now for _, now in known])
    so_far = f"tau so far {tau:.2f}" if tau is not None else "no tau yet"
    count.note(so_far)
    count.add()
    told = f"accuracy {training.accuracy:.4f}" if training.accuracy is not None else training.reason
    before = f"{cell.accuracy:.4f}" if cell.accuracy is not None else f"score {cell.worth:.5g}"
    line = f"audit {cell.key[:8]} {setting.kind:<6} {told}, {before} in the search"
    print(f"{line}  [{audit.done}/{count.total}] {so_far}", file=sys.stderr, flush=True)
