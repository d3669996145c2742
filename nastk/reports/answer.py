"""What a run's page opens with: the file to ship, how good and how fast it is, its budget, and its best rival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from nastk.budget import LATENCY
from nastk.reports.beside import rival
from nastk.reports.final_table import FinalRow
from nastk.reports.page import card, facts, paragraph, warning
from nastk.reports.reasons import grouped_reasons
from nastk.reports.run_config import limits
from nastk.reports.shipped import Shipped, ShippedFile, read_shipped
from nastk.reports.table_text import NONE, SHOWN_KEY, count, milliseconds, share, size
from nastk.reports.table_text import limits as told_limits
from nastk.reports.versus import versus
from nastk.runs.contents import Run
from nastk.stats.interval import wilson
from nastk.stats.steadiness import untrusted

Tile = tuple[str, str, str]
MOST_REASONS = 3
LATER = {
    "search": "The chosen network is the small one of the search: it is not trained in full and not exported yet.",
    "transferred": "The networks are trained in full, but no file is exported yet.",
}


def answer(run: Run, config: Mapping[str, Any], rows: Sequence[FinalRow]) -> str:
    """Returns the opening section.

    Args:
        run: its folder.
        config: of it.
        rows: of the final table, the network to ship first.
    """
    if not rows:
        return card("Result", *map(warning, _nothing(run)))
    best = rows[0]
    shipped = Shipped()
    if best.key in run.exports:
        shipped = read_shipped(run.exports[best.key], run.folder / "export" / best.key)
    allowed = dict(shipped.limits or best.size.limits or limits(config))
    tiles = [_accuracy(best), _latency(best, shipped), _budget(best, allowed, shipped), _beside(rows)]
    return card(
        "Result",
        _ship(run, best),
        *(warning(f"{best.why[0].upper()}{best.why[1:]}.") for _ in range(bool(best.why))),
        *(warning(f"Over its budget: {line}.") for line in best.broken),
        facts(tiles),
        versus(rows, allowed.get(LATENCY)),
        paragraph(f"Why this file: {shipped.reason}.", "dim small") if shipped.reason else "",
        *(warning(LATER[best.stage]) for _ in range(best.stage in LATER)),
        *map(warning, (line for line in shipped.warnings if line not in best.broken)),
    )


def _nothing(run: Run) -> list[str]:
    """Returns why there is no network to show, and what to do."""
    if not run.trials:
        return ["No candidate has been trained yet: the search has no finished trial."]
    states = Counter(trial.state for trial in run.trials)
    ended = ", ".join(f"{number} {state}" for state, number in states.most_common())
    said = [f"No candidate has been trained yet: of {len(run.trials)} trials {ended}."]
    failed = grouped_reasons([trial for trial in run.trials if trial.state == "failed"])
    return said + [f"{times} failed: {reason or 'no reason recorded'}" for _, reason, times in failed[:MOST_REASONS]]


def _ship(run: Run, best: FinalRow) -> str:
    """Returns which file it is, or which network where there is no file yet."""
    kind = (
        f"the baseline {best.baseline} ({best.key[:SHOWN_KEY]})" if best.baseline else f"network {best.key[:SHOWN_KEY]}"
    )
    sizes = f"{count(best.params)} parameters, {count(best.macs)} multiply-accumulates"
    if best.file is None:
        return f'<p class="ship">Best so far: {escape(kind)}</p>{paragraph(sizes, "dim")}'
    path = _relative(best.file, run.folder)
    weight = size(best.size_bytes.get(best.recommended or ""))
    told = f"{weight} in {best.recommended}, with the labels.json beside it; {kind} of {sizes}"
    return f'<p class="ship">Ship <code>{escape(path)}</code></p>{paragraph(told, "dim")}'


def _accuracy(best: FinalRow) -> Tile:
    precision = best.recommended or "fp32"
    value = best.accuracy.get(precision)
    if value is None and best.score is not None:
        return "Score", f"{best.score:.5g}", "score in the search (zero-cost, not trained)"
    if value is None:
        return "Accuracy", f"{share(best.search_accuracy)} %", "in the search, on validation images"
    told = f"test accuracy, {precision}"
    if best.test_images is not None:
        low, high = wilson(value, best.test_images)
        told += f", of {best.test_images:,} images; 95 % interval {share(low)} to {share(high)}"
    return "Accuracy", f"{share(value)} %", told


def _latency(best: FinalRow, shipped: Shipped) -> Tile:
    precision = best.recommended or "fp32"
    value = best.latency_ms.get(precision)
    if value is None:
        return "Latency", NONE, "not measured"
    network = "small network of the search" if best.stage == "search" else precision
    if precision in best.doubts:
        return "Latency", f"{milliseconds(value)} ms ?", f"p50, {network}: {untrusted(best.doubts[precision])}"
    file = next((one for one in shipped.files if one.precision == precision), None)
    return "Latency", f"{milliseconds(value)} ms", f"p50, {network}{_trusted(file)}"


def _trusted(file: ShippedFile | None) -> str:
    """Returns how a latency was taken, and what speaks for it."""
    if file is None:
        return ""
    threads = f", {file.threads:.0f} thread{'s' * (file.threads != 1)}" if file.threads else ""
    steady = f"; trustworthy: repeats within {100 * file.spread:.1f} %" if file.spread is not None else ""
    return f", one image{threads}{steady}"


def _budget(best: FinalRow, allowed: Mapping[str, float], shipped: Shipped) -> Tile:
    """Returns whether the limits are kept, and how much of the latency is used."""
    if not allowed:
        return "Budget", "none", "no limit was set"
    precision = best.recommended or "fp32"
    value = best.latency_ms.get(precision)
    used = f", {100 * value / allowed[LATENCY]:.0f} % used" if LATENCY in allowed and value is not None else ""
    told = f"{told_limits(allowed)}{used}"
    if best.broken:
        return "Budget", "broken", told
    if LATENCY in allowed and value is None:
        return "Budget", "not known", f"{told}; not timed on this machine"
    if shipped.recommended is None:
        return (
            "Budget",
            "met so far",
            f"{told}; by the network of the {'search' if best.stage == 'search' else 'transfer'}",
        )
    doubtful = "; by a timing that is not trustworthy" if LATENCY in allowed and precision in best.doubts else ""
    return "Budget", "met", f"{told}{doubtful}"


def _beside(rows: Sequence[FinalRow]) -> Tile:
    """Returns the best network of the other kind: a baseline, or what was searched where a baseline is shipped."""
    other = rival(rows)
    kind = "Best searched network" if rows[0].baseline else "Best baseline"
    if other is None:
        return kind, "none", "no known network was trained beside it: transfer with baselines=auto"
    precision = other.recommended or "fp32"
    accuracy, latency = other.accuracy.get(precision), other.latency_ms.get(precision)
    told = [f"{share(accuracy)} %"] * (accuracy is not None)
    if latency is not None:
        told.append(f"{milliseconds(latency)} ms{' ?' * (precision in other.doubts)}")
    within = ["within the budget"] * bool(rows[0].broken and not other.broken)
    alike = [
        f"trained like it, the shipped one has {share(one.ranked_accuracy)} %" for one in rows[:1] if one.refit_images
    ]
    return kind, other.baseline or other.key[:SHOWN_KEY], ", ".join([*told, precision, *within, *alike])


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
