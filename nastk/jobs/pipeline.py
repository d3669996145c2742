"""All steps on one run folder, each taking up what the one before left there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from omegaconf import DictConfig, open_dict

from nastk.config.build import load_yaml
from nastk.events import StepBegan, tell
from nastk.jobs.bench import bench_plan, run_bench
from nastk.jobs.export import export_plan, run_export
from nastk.jobs.given import going_on, recorded_run
from nastk.jobs.parts import make_space, make_target
from nastk.jobs.report import run_report
from nastk.jobs.search import run_search
from nastk.jobs.search_parts import RECORDED_SETTINGS
from nastk.jobs.transfer.transfer import run_transfer, transfer_plan
from nastk.reports import final_table, format_table
from nastk.reports.table_text import table_notes
from nastk.runs.failed import failure_lines

Result = TypeVar("Result")
STEPS = 5


class Finished(NamedTuple):
    """What a pipeline comes to: its run folder, the final table as text, the path of the report."""

    folder: Path
    table: str
    page: Path


def run_pipeline(config: DictConfig, begin: Callable[[DictConfig], None] | None = None) -> Finished:
    """Runs the steps; returns what they come to.

    Args:
        config: of all of them.
        begin: gets the settings of a run that goes on, or those given, when they were checked.

    Raises:
        UserError: a step's; a mistake in the settings of any step is found before the first one starts.
    """
    config = going_on(config, RECORDED_SETTINGS, recorded_run(config))
    make_space(config)
    transfer_plan(config, config)
    export_plan(config)
    bench_plan(config)
    if begin is not None:
        begin(config)
    with open_dict(config):
        config.run = str(_step("search", 1, run_search, config))
        config.model = None
        config.data = load_yaml(Path(config.run) / "config.yaml").get("data")  # with the size that the search chose
    _step("transfer", 2, run_transfer, config)
    _step("quantize and export", 3, run_export, config)
    reason = make_target(config).cannot_time()
    if reason is None:
        _step("bench", 4, run_bench, config)
    else:
        print(f"[4/{STEPS} bench] left out: {reason}", file=sys.stderr)
    page = _step("report", 5, run_report, config)
    rows = final_table(Path(config.run))
    told = [format_table(rows), *table_notes(rows), *failure_lines(Path(config.run))]
    return Finished(Path(config.run), "\n".join(told), page)


def _step(name: str, number: int, job: Callable[[DictConfig], Result], config: DictConfig) -> Result:
    tell(StepBegan(name, number, STEPS))
    return job(config)
