"""The report as a step: what lies in a run folder, or in a sweep's, as one page."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from nastk.checks import check_flag
from nastk.errors import UserError
from nastk.jobs.artifacts import write_artifacts
from nastk.jobs.shown import prepare_shown
from nastk.reports import write_report, write_sweep_report
from nastk.runs.folder import existing_run


def run_report(config: DictConfig) -> Path:
    """Returns the path of the page written for `config.run` or `config.sweep`."""
    if config.get("sweep") is not None:
        if config.run is not None:
            raise UserError(f"run={config.run!r} and sweep={config.sweep!r}: expected one of them")
        folder = Path(config.sweep)
        if not str(config.sweep).strip() or not folder.is_dir():
            raise UserError(f"sweep={config.sweep!r}: no such folder")
        return write_sweep_report(folder)
    folder = existing_run(config.run, config.runs)
    check_flag("report.images", config.report.images)
    page = write_report(folder, prepare_shown(folder, config, config.report.images))
    try:
        write_artifacts(folder)
    except UserError as error:
        raise UserError(f"{error} (the report is written: {page}; the dashboard lacks its drawings)") from None
    return page
