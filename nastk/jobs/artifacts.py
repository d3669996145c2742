"""Gives optuna-dashboard the drawings of the best cells, each at its trial, and the report at the study.

Written with the report, so that a search pays nothing for it. A finished trial of Optuna's takes no attribute any more;
the dashboard also finds a trial's artifacts among the study's attributes, where a person's uploads to finished
trials have been kept since its first versions.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.storages import JournalStorage

from nastk.errors import UserError
from nastk.files import cannot_write, write_bytes
from nastk.objective import quality
from nastk.reports.drawings import draw_genotype
from nastk.runs.candidate import Candidate
from nastk.runs.contents import Run, read_run
from nastk.runs.folder import JOURNAL, InUseError, held
from nastk.runs.trial_record import OUTCOME, row_of
from nastk.runs.trials import check_rows
from nastk.storages.journal_file import open_journal
from nastk.study.study import STUDY_NAME

FOLDER = "artifacts"
MOST = 50
OF_STUDY, OF_TRIAL = "artifacts:", "dashboard:artifacts:"
KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".html": "text/html"}


def write_artifacts(run: Path) -> int:
    """Adds the drawings of the best cells and the report to the study's journal; what is there is not added again.

    Returns:
        how many files the dashboard shows; 0 where the study is in no journal here, or a search is at work on it.

    Raises:
        UserError: a file is damaged, or cannot be written; or the journal is of another run.
    """
    if not (run / JOURNAL).is_file():
        return 0
    try:
        with held(run):
            return _write(run)
    except InUseError:
        return 0


def _write(run: Path) -> int:
    storage = open_journal(run)
    study = _study_of(run, storage)
    there = storage.get_study_system_attrs(study._study_id)
    trials = {trial.number: trial._trial_id for trial in study.get_trials(deepcopy=False)}
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    files = [(OF_STUDY, name, (run / name).read_bytes()) for name in ("report.html", "pareto.png")]
    files += [
        (f"{OF_TRIAL}{trials[number]}:", name, data)
        for number, name, data in _drawings(read_run(run))
        if number in trials
    ]
    for prefix, name, data in files:
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"nastk:{prefix}{name}"))
        write_bytes(folder / identity, data)
        if f"{prefix}{identity}" not in there:
            facts = {"artifact_id": identity, "filename": name, "mimetype": KINDS[Path(name).suffix], "encoding": None}
            storage.set_study_system_attr(study._study_id, f"{prefix}{identity}", json.dumps(facts))
    return len(files)


def _study_of(run: Path, storage: JournalStorage) -> optuna.Study:
    """Returns the run's study; raises UserError where the journal is another's."""
    try:
        study = optuna.load_study(study_name=STUDY_NAME, storage=storage)
    except KeyError:
        raise UserError(f"{run / JOURNAL}: emptied, or of no search; put back a copy") from None
    trials = study.get_trials(deepcopy=False)
    recorded = [trial for trial in trials if OUTCOME in trial.user_attrs]
    lost = [trial.number for trial in trials if OUTCOME not in trial.user_attrs and trial.state.is_finished()]
    check_rows(run, [row_of(trial) for trial in recorded], without_result=lost)
    return study


def _drawings(run: Run) -> Iterator[tuple[int, str, bytes]]:
    """Yields trial number, file name and SVG of each cell of the front and of the best candidates."""
    ranked = sorted(run.trained, key=lambda trial: -quality(trial.metrics))
    best: dict[int, Candidate] = {one.number: one for one in (*run.front, *ranked)}
    for number, candidate in list(best.items())[:MOST]:
        for name, drawing in draw_genotype(candidate.genotype, f"trial {number}: {candidate.key[:8]}").items():
            yield number, f"{name}.svg", drawing.encode()
