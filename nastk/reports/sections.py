"""The sections of a run's page, each made of what the run folder holds and empty where it holds nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.objective import STEADY
from nastk.reports.bench_section import flat, shown
from nastk.reports.final_table import FinalRow
from nastk.reports.page import card, command, folded, paragraph, table, warning
from nastk.reports.reasons import grouped_reasons
from nastk.reports.run_config import controller_name, made_by, run_seed
from nastk.reports.shipped import target_files
from nastk.reports.table_text import (
    DOUBT,
    NONE,
    SHOWN_KEY,
    TIMED,
    WEIGHED,
    Column,
    duration,
    group_spans,
    milliseconds,
    share,
    size,
    table_columns,
    table_notes,
)
from nastk.reports.versus import latency_spans
from nastk.reports.worth import BY_SCORE, BY_SHARED, worth_of
from nastk.runs.audit import FEWEST
from nastk.runs.contents import Run
from nastk.runs.steps import read_commands
from nastk.runs.trials import STATES

MOST_REASONS = 12
WHAT_STATES_MEAN = {
    "complete": "trained to a result",
    "duplicate": "the same cell as an earlier trial, result copied",
    "rejected": "over the budget, not trained",
    "pruned": "training stopped early",
    "failed": "training failed",
}
UNTRAINED = {
    BY_SCORE: {"complete": "scored, not trained", "failed": "could not be scored"},
    BY_SHARED: {"complete": "judged with shared weights, not trained", "failed": "could not be judged"},
}


def subtitle(run: Run, config: Mapping[str, Any]) -> str:
    """Returns a line on how the search was done."""
    parts = []
    if config.get("controller"):
        parts.append(f"controller {controller_name(config)}")
    if run_seed(config) is not None:
        parts.append(f"seed {run_seed(config)}")
    trained, trials = (f"{number} {name}{'s' * (number != 1)}" for number, name in _numbers(run))
    parts.append(f"{trained} {worth_of(run.trained).done} in {trials}")
    parts.append(f"{duration(sum(trial.seconds for trial in run.trials))} of searching")
    simulated = sum(trial.metrics.get("simulated_seconds", 0.0) for trial in run.trained)
    if simulated:
        parts.append(f"{duration(simulated)} of simulated training time")
    return ", ".join(parts)


def _numbers(run: Run) -> tuple[tuple[int, str], tuple[int, str]]:
    return (len(run.trained), "candidate"), (len(run.trials), "trial")


def networks(rows: Sequence[FinalRow], left_out: Sequence[str] = ()) -> str:
    """Returns the final table, and which networks are not in it, a line each."""
    if not rows:
        return ""
    columns = table_columns(rows)
    columns = [column for column in columns if not _elsewhere(column, rows)]
    heads = [column.name for column in columns]
    texts = list(zip(*(column.cells for column in columns), strict=True))
    left = [index for index, column in enumerate(columns) if column.left]
    scored = any(row.score is not None for row in rows)
    of_search = "the small network" + (", untrained: a score, no accuracy" if scored else " on validation images")
    note = (
        "Not transferred yet: parameters, MACs and latency are those of the small network of the search."
        if rows[0].stage == "search"
        else f"Accuracy per precision is that of the test images; search is {of_search}."
    )
    if any(row.balanced_accuracy is not None for row in rows):
        note += " Balanced is the mean over the classes of fp32's accuracy on their test images."
    untested = list(dict.fromkeys(name for row in rows for name in row.untested))
    if untested:
        note += f" Without a test image, and in no accuracy on them: {', '.join(untested)}."
    grid = table(heads, texts, left, groups=group_spans(columns), first=True)
    return card("Networks", grid, *map(warning, [*table_notes(rows), *left_out]), paragraph(note, "dim small"))


def _elsewhere(column: Column, rows: Sequence[FinalRow]) -> bool:
    """Says whether a column has no number, or the page tells them elsewhere: of files, of limits all alike, of time."""
    empty = all(cell == NONE for cell in column.cells)
    exported = all(row.stage == "exported" for row in rows) and column.group in (TIMED, WEIGHED)
    return (
        empty or exported or (column.name == "limit" and len(set(column.cells)) == 1) or column.name == "training (s)"
    )


def precisions(run: Run, rows: Sequence[FinalRow]) -> str:
    """Returns one line a file that was exported, and how far its latencies reach."""
    found = [
        (row.baseline or row.key[:SHOWN_KEY], target, file)
        for row in rows
        if row.key in run.exports
        for target, file in target_files(run.exports[row.key], run.folder / "export" / row.key)
    ]
    lines = []
    for name, target, file in found:
        times = [milliseconds(value) for value in (file.p50_ms, file.p90_ms, file.p99_ms)]
        times = [text + DOUBT for text in times] if file.doubt else times
        shares = [share(file.accuracy), share(file.agreement)]
        lines.append([name, target, file.precision, file.file, size(file.size_bytes), *shares, *times])
    heads = ["network", "target", "precision", "file", "size", "accuracy (%)", "agreement (%)"]
    heads += ["p50 (ms)", "p90 (ms)", "p99 (ms)"]
    kept = [index for index in range(len(heads)) if index != 1 or len({line[1] for line in lines}) > 1]
    lines = [[line[index] for index in kept] for line in lines]
    note = paragraph(
        "Agreement: test images to which the file gives the same class as the trained network.", "dim small"
    )
    left = tuple(range(len(kept) - 6))
    spans = latency_spans([(f"{name} {target} {file.precision}", file) for name, target, file in found])
    return card("Files", table([heads[index] for index in kept], lines, left), spans, note) if lines else ""


def states(run: Run) -> str:
    """Returns how many trials ended in each state, and why those that were not trained were not."""
    counts = Counter(trial.state for trial in run.trials)
    meaning = WHAT_STATES_MEAN | UNTRAINED.get(worth_of(run.trained), {})
    lines = [[state, str(counts[state]), meaning[state]] for state in STATES if counts[state]]
    stopped = [trial for trial in run.trials if trial.state in ("rejected", "pruned", "failed")]
    reasons = grouped_reasons(stopped)
    why = [[state, str(times), reason or "none recorded"] for state, reason, times in reasons[:MOST_REASONS]]
    left_out = len(reasons) - len(why)
    parts = [table(["state", "trials", "meaning"], lines, (0, 2), wrap=(2,))]
    if why:
        parts.append("<p></p>" + table(["state", "trials", "reason"], why, (0, 2), wrap=(2,)))
    if left_out:
        parts.append(paragraph(f"and {left_out} more reasons in trials.csv", "dim small"))
    unsteady = sum(trial.metrics.get(STEADY) == 0 for trial in run.trials)
    if unsteady:
        parts.append(
            warning(
                f"The latencies of {unsteady} of {len(run.trials)} trials are not trustworthy: the machine was busy "
                "with something else. What was rejected for its latency may have met the limit."
            )
        )
    return card("What became of the trials", *parts) if run.trials else ""


def machine(run: Run, config: Mapping[str, Any]) -> str:
    """Returns where and with what it ran, as the search and the measurements recorded it."""
    found: dict[str, Any] = dict(made_by(config))
    measured = {"machine": run.bench.machine, "versions": run.bench.versions} if run.bench is not None else {}
    for source in (measured, *run.exports.values()):
        for name in ("machine", "versions"):
            part = source.get(name)
            found |= flat(part) if isinstance(part, Mapping) else {name: part} if part else {}
    lines = [[name.replace("_", " "), shown(value)] for name, value in found.items()]
    return folded("Machine and versions", table(["what", "value"], lines, (0, 1), wrap=(1,))) if lines else ""


def reproduction(run: Run, config: Mapping[str, Any]) -> str:
    """Returns the commands that made the run, its seed and what it was made with."""
    commands, versions = read_commands(run.folder), made_by(config)
    seed = {} if run_seed(config) is None else {"seed": str(run_seed(config))}
    if not commands and not versions:
        return ""
    lines = [[name, value] for name, value in (seed | versions).items()]
    told = "Given in this order; a run that is there goes on with its own settings, so take another run= to begin anew."
    given = paragraph(told, "dim small") + "".join(map(command, commands)) if commands else ""
    end = (
        "The same seed gives the same candidates; latencies, and what was rejected for them, are those of the machine."
    )
    return card(
        "How to reproduce", given, table(["what", "value"], lines, (0, 1), wrap=(1,)), paragraph(end, "dim small")
    )


def configuration(run: Run) -> str:
    """Returns config.yaml as it is."""
    return folded("Configuration", command(run.config_text.strip())) if run.config_text else ""


def next_steps(run: Run, rows: Sequence[FinalRow]) -> str:
    """Returns the command lines that go on from here."""
    at = shlex.quote(run_argument(run.folder))
    stage = rows[0].stage if rows else None
    steps = []
    if stage == "search":
        steps.append(("Train the chosen cells larger, on all training images:", f"python -m nastk.transfer run={at}"))
    if stage in ("search", "transferred"):
        steps.append(("Quantize, export and check:", f"python -m nastk.export run={at}"))
    if stage is not None and run.bench is None:
        steps.append(("Measure the files on this machine:", f"python -m nastk.bench run={at}"))
    if run.audit is None and len(run.trained) >= FEWEST:
        steps.append(("Does the search's short training rank cells, or noise?", f"python -m nastk.audit run={at}"))
    more = f"python -m nastk.search run={at} trials={max(2 * len(run.trained), 16)}"
    steps.append(("Search longer; what is there is kept:", more))
    steps.append(("Make this page anew:", f"python -m nastk.report run={at}"))
    return card("What next", *(paragraph(text) + command(line) for text, line in steps))


def run_argument(folder: Path) -> str:
    """Returns what `run=` must be to mean this folder: a bare name would be looked up in runs/."""
    if folder.parent == Path("runs"):
        return folder.name
    return str(folder if folder.parent != Path() else folder.resolve())
