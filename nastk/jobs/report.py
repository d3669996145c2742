"""The report as a step: what lies in a run folder, or in a sweep's, as one page."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import check_flag
from nastk.errors import UserError, nearest
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
        return write_sweep_report(_sweep(str(config.sweep), Path(config.runs)))
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


def _sweep(sweep: str, runs: Path) -> Path:
    """Returns the folder that `sweep=` means: a path, or a name below `runs`."""
    for folder in (Path(sweep), runs / sweep) if sweep.strip() else ():
        if folder.is_dir():
            return folder
    there = sorted(path.name for path in runs.glob("sweep-*") if path.is_dir())
    hint = f"; nearest is {nearest(sweep, there)[0]!r}" if there else ""
    raise UserError(f"sweep={sweep!r}: no such folder{hint}")


def _comparison(first: Path, second: Path, config: DictConfig) -> Path:
    """Returns the page that compares two runs, after each was asked for its answers image by image."""
    for folder in (first, second):
        with doing(f"asking the networks of {folder.name}"):
            prepare_shown(folder, config, config.report.images)
    return write_comparison(first, second)
