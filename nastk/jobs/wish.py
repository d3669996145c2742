"""The whole job as a step: the plan is told first, then the pipeline runs, and the file to ship is told at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nastk.cli.launch import command
from nastk.cli.wish_words import KILOBYTE
from nastk.data.images import DataSource
from nastk.data.sources.decoded import HEADERS, DecodedSource
from nastk.data.summary import named_classes
from nastk.deploy.cost.sources import MeasuredLatency
from nastk.errors import UserError
from nastk.free_memory import GIGABYTE
from nastk.jobs.candidate_cost import check_times
from nastk.jobs.candidate_input import free_bytes
from nastk.jobs.given import named_folder, recorded_run
from nastk.jobs.parts import make_data, make_objective, make_target
from nastk.jobs.pipeline import run_pipeline
from nastk.jobs.search_parts import search_parts
from nastk.reports import FinalRow, final_table
from nastk.reports.beside import measured, named, rival
from nastk.reports.table_text import limits, share, size
from nastk.runs.folder import space_name
from nastk.stats.chance import best_guess

NO_LIMIT = "none (max_latency_ms=3 sets one)"


def run_wish(config: DictConfig) -> tuple[Path, list[str]]:
    """Runs the pipeline; returns the run folder, and the lines that tell what came of it.

    Raises:
        UserError: a step's; a mistake in the settings or the images is found before anything is told or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    words = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    sources: list[DataSource] = []

    def tell_plan(checked: DictConfig) -> None:
        check_limits(checked)
        parts = search_parts(checked)
        if isinstance(parts.latency, MeasuredLatency):
            check_times(parts.target)
        sources.append(make_data(checked))
        sys.stderr.writelines(f"plan: {line}\n" for line in plan_lines(checked, sources[0], words))
        sys.stderr.flush()

    finished = run_pipeline(config, tell_plan)
    rows = final_table(finished.folder)
    images = config.get("images") or OmegaConf.select(config, "data.root")
    counts = np.bincount(sources[0].test().y.numpy()).tolist()
    return finished.folder, [
        finished.table,
        "",
        *shipped_lines(rows, config.get("max_model_kb")),
        *guess_lines(rows, counts),
        f"Report: {finished.page}",
        *next_lines(finished.folder, rows, images, config.trials),
    ]


def check_limits(config: DictConfig) -> None:
    """Raises UserError where a run goes on with other limits than those that its networks were made for."""
    recorded = recorded_run(config)
    if recorded is None:
        return
    before, now = make_objective(recorded).limits, make_objective(config).limits
    if before != now:
        raise UserError(
            f"{named_folder(config)}: holds a run {_limits_told(before)}, this command has "
            f"{limits(now) if now else 'none'}; leave them out to go on, or give another run="
        )


def _limits_told(values: Mapping[str, float]) -> str:
    return f"with the limits {limits(values)}" if values else "without limits"


def plan_lines(config: DictConfig, data: DataSource, words: Sequence[str]) -> list[str]:
    """Returns what is about to happen, a line each: images, their size, networks, limits, memory, place, time.

    Args:
        config: of the run, that goes on or is new.
        data: its images.
        words: of Hydra's command line, which name the space.
    """
    begun, allowed = recorded_run(config) is not None, make_objective(config).limits
    train, names = len(data.train()), data.classes
    test = getattr(data, "test_labels", lambda: None)()  # a source of the user's own may not tell
    tested = "" if test is None else f", {len(test):,} to test the final networks on"
    kind = "grey" if data.channels == 1 else "colour"
    free = free_bytes(config.evaluator.get("device", "auto"))
    folder = named_folder(config)
    place = f"a new folder in {config.runs}/; run=NAME names it" if folder is None else str(folder)
    return [
        f"images {OmegaConf.select(config, 'data.root') or data.name}: {train:,} to search and train on{tested}; "
        f"{len(names):,} classes ({named_classes(names)}), {kind}",
        f"size {size_told(config, data)}",
        f"space {'of the run' if begun else space_name(list(words))}: {config.trials} candidates are trained briefly; "
        f"then the best and {_baselines(config, begun)} of the same budget in full",
        f"limit {limits(allowed) if allowed else NO_LIMIT}{_weight_told(config)}; target {make_target(config).name}",
        *([] if free is None else [f"memory {free / GIGABYTE:.3g} GB free"]),
        f"run folder {place}{', goes on' if begun else ''}",
        "time: the search times a step of training first and tells how long its candidates take",
    ]


def size_told(config: DictConfig, data: DataSource) -> str:
    """Returns to how many pixels images are brought, and why."""
    pixels = f"{data.size}x{data.size} pixels"
    if data.resize is not None:
        return f"{pixels}, as set"
    if not isinstance(data, DecodedSource):
        return f"{pixels}, as the images are; size=N brings them to others"
    least, most = data.sides
    sides = f"all of {least}" if least == most else f"{least} to {most}, median taken"
    wish = "; fewer where the limit leaves no room for them" if make_objective(config).limits else ""
    return f"{pixels}: the shorter sides of up to {HEADERS} images are {sides}, at most 224{wish}; size=N sets it"


def shipped_lines(rows: Sequence[FinalRow], max_kb: float | None) -> list[str]:
    """Returns the file to ship, and the best network of the other kind beside it: a baseline, or one that was searched.

    Args:
        rows: of the final table, the network to ship first.
        max_kb: what the file may weigh, in kilobytes; None for no limit.
    """
    if not rows:
        return ["Nothing was exported"]
    first, other = rows[0], rival(rows)
    lines = [f"Ship: {first.file or first.key}", f"  {named(first)}: {measured(first, first.recommended)}"]
    if other is not None:
        lines.append(f"  {named(other)}, best of its kind: {measured(other, other.recommended)}")
    lines += [f"  {first.why}"] * bool(first.why)
    return [*lines, *_weighed(rows, max_kb)]


def guess_lines(rows: Sequence[FinalRow], counts: Sequence[int]) -> list[str]:
    """Returns that the network to ship may be guessing, where its accuracy is not above what guesses reach.

    Args:
        rows: of the final table, the network to ship first.
        counts: test images of each class.
    """
    right = rows[0].accuracy.get(rows[0].recommended or "fp32") if rows else None
    if right is None or right > best_guess(counts, 1):
        return []
    reached = share(best_guess(counts, 1))
    return [
        f"  not better than guessing: on {sum(counts)} test images guesses reach {reached} %; give more "
        "images, or train longer (training.epochs=, evaluator.epochs= in another run=)"
    ]


def next_lines(folder: Path, rows: Sequence[FinalRow], images: str | None, trials: int) -> list[str]:
    """Returns the commands to go on with: to try the file, and to search longer."""
    model = rows[0].file.parent if rows and rows[0].file is not None else None
    asked = images if images is not None and Path(images).is_dir() else "FOLDER"
    tried = [] if model is None else [f"Next: {command('predict', model=model, images=asked)}"]
    return [*tried, f"      {command('wish', run=folder, trials=2 * trials)}  # searches on, and trains what it finds"]


def _weighed(rows: Sequence[FinalRow], max_kb: float | None) -> list[str]:
    """Returns whether the file to ship keeps its limit of weight; where not, which other file does."""
    weight = rows[0].size_bytes.get(rows[0].recommended or "")
    if max_kb is None or weight is None:
        return []
    most = max_kb * KILOBYTE
    if weight <= most:
        return [f"  keeps max_model_kb={max_kb:g}"]
    light = next(((row, name) for row in rows for name, other in row.size_bytes.items() if other <= most), None)
    if light is None:
        advice = f"give max_model_kb={max_kb * most / weight:.0f} in another run="
    else:
        advice = f"within it is {named(light[0])}: {measured(*light)}"
    return [f"  Over its budget: {size(weight)}, max_model_kb={max_kb:g}; {advice}"]


def _baselines(config: DictConfig, begun: bool) -> str:
    asked = config.get("baselines")
    if asked == "auto":
        return "known networks" if begun else "three known networks"
    return f"{', '.join(asked)}" if asked else "no known networks"


def _weight_told(config: DictConfig) -> str:
    if config.get("max_model_kb") is None:
        return ""
    return f", for a file of {config.max_model_kb:g} kB in int8, which is weighed at the end"
