"""The report as a step: what lies in a run folder, or in a sweep's, as one page."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import check_flag
from nastk.errors import UserError
from nastk.jobs.artifacts import write_artifacts
from nastk.jobs.shown import prepare_shown
from nastk.progress import doing
from nastk.reports import write_report, write_sweep_report
from nastk.reports.compare import write_comparison
from nastk.runs.folder import existing_run


def run_report(config: DictConfig) -> Path:
    """Returns the path of the page written for `config.run`, for it beside `config.run2`, or for `config.sweep`."""
    if config.get("sweep") is not None:
        if config.run is not None:
            raise UserError(f"run={config.run!r} and sweep={config.sweep!r}: expected one of them")
        if config.get("run2") is not None:
            raise UserError(f"run2={config.run2!r} and sweep={config.sweep!r}: expected run=NAME with run2=NAME")
        folder = Path(config.sweep)
        if not str(config.sweep).strip() or not folder.is_dir():
            raise UserError(f"sweep={config.sweep!r}: no such folder")
        return write_sweep_report(folder)
    check_flag("report.images", config.report.images)
    folder = existing_run(config.run, config.runs)
    if config.get("run2") is not None:
        return _comparison(folder, existing_run(config.run2, config.runs), config)
    with doing("asking the networks about the test images"):
        answers = prepare_shown(folder, config, config.report.images)
    with doing("drawing the report"):
        page = write_report(folder, answers)
    try:
        with doing("drawing for the dashboard"):
            write_artifacts(folder)
    except UserError as error:
        raise UserError(f"{error} (the report is written: {page}; the dashboard lacks its drawings)") from None
    return page


def _comparison(first: Path, second: Path, config: DictConfig) -> Path:
    """Returns the page that compares two runs, after each was asked for its answers image by image."""
    for folder in (first, second):
        with doing(f"asking the networks of {folder.name}"):
            prepare_shown(folder, config, config.report.images)
    return write_comparison(first, second)
