"""Measures how fast networks train here: against a bare torch loop, against Lightning's tutorial, and side by side.

    python scripts/benchmarks/training.py

About 8 minutes on two cores of a machine that does nothing else. Writes scripts/benchmarks/reports/<date>-training.md
and .json. Both sides of a ratio run in turn in this process; a ratio is the median over the rounds, its spread the
least and the greatest. A GPU, where
there is one, is measured too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from kept_rows import KeptRows
from machine import machine
from training_forms import FORMS, SHAPES, compare, keep_memory
from training_gpu import on_gpu
from training_parts import Workers, memory, profiles, stages, step_seconds
from training_report import Report, images_a_second, in_turn, ratio
from training_sides import Subject, bare, ours, subjects, tutorial, whole

from nastk.deploy.runtimes.gpu import missing_gpu
from nastk.training.recipe import Recipe
from nastk.training.seeds import threads_set

TUTORIAL, OURS_IN_TUTORIAL = "Lightning's tutorial", "tutorial, our network"
STEPS = {"bare loop": 0.95, OURS_IN_TUTORIAL: 1.15, TUTORIAL: 1.15}
WHOLE = {OURS_IN_TUTORIAL: 1.5, TUTORIAL: 1.5}
REPORTS = Path(__file__).resolve().parent / "reports"


def against_others(report: Report, rounds: int) -> None:
    """Images a second of each side, and whole short trainings."""
    rows, short = [], []
    for subject in subjects():
        recipe = Recipe(epochs=8 if subject.config.size <= 16 else 1)
        images = recipe.epochs * (len(subject.images) // recipe.batch) * recipe.batch
        with threads_set(1, subject.config.size):
            found = in_turn(_sides(subject, recipe), rounds if subject.config.size > 16 else 2 * rounds)
            rows += images_a_second(report, f"{subject.name}, steps", found, images, STEPS)
            short_recipe = Recipe(epochs=2)
            sides = _sides(subject, short_recipe)
            found = in_turn({name: whole(sides[name]) for name in ("ours", *WHOLE)}, min(rounds, 3))
            short += images_a_second(report, f"{subject.name}, whole", found, 2 * len(subject.images), WHOLE)
    report.table(
        "Images a second",
        "One thread, batch 64; separable 3x3 cells, N = 1, F = 12, about 52,000 parameters; the same steps on each "
        "side. Ours makes its\nbatches and sets Lightning up within its time; the bare loop has batches made before. "
        "The tutorial is a DataLoader of two workers\nand the default Trainer, in torch's own forms and layout; with "
        "our network: in ours.",
        ["images", "side", "images/s", "ours is faster by", "spread"],
        rows,
    )
    report.table(
        "Whole short trainings",
        "1,000 images, 2 epochs, from building the network to the end of the training; one thread.",
        ["images", "side", "images/s", "ours is faster by", "spread"],
        short,
    )


def _sides(subject: Subject, recipe: Recipe) -> dict[str, Callable[[], float]]:
    return {
        "ours": lambda: ours(subject, recipe),
        "bare loop": lambda: bare(subject, recipe),
        "bare loop, torch's own forms": lambda: bare(subject, recipe, own=True),
        OURS_IN_TUTORIAL: lambda: tutorial(subject, recipe),
        TUTORIAL: lambda: tutorial(subject, recipe, own=True),
    }


def set_up_and_finish(report: Report, candidates: int) -> None:
    """Milliseconds of each stage of a candidate."""
    rows = []
    for subject in subjects(512):
        with threads_set(1, subject.config.size):
            stages(subject, 0)
            found = [stages(subject, seed) for seed in range(1, candidates + 1)]
        middle = {name: 1e3 * statistics.median(split[name] for split in found) for name in found[0]}
        total = sum(value for name, value in middle.items() if name != "training")
        rows.append([subject.name, *(f"{value:.0f}" for value in middle.values()), f"**{total:.0f}**"])
        what = f"{subject.name}: seconds before the first and after the last step"
        report.target(what, "below 0.3", total / 1e3, total < 300)
    report.table(
        "From proposal to first step, from last step to result",
        f"Milliseconds, median over {candidates} random cells of the NASNet space (N = 1, F = 12), one thread, imports "
        "left out; training: 8 steps;\nscore: 102 images; all but training in the last column.",
        ["images", *found[0], "together"],
        rows,
    )


def side_by_side(report: Report, candidates: int, rounds: int) -> None:
    """Candidates an hour: one thread each, as many as cores, against one at a time on all cores."""
    cores = len(os.sched_getaffinity(0))
    pools = {"one thread each": Workers(cores, 1), "one at a time": Workers(1, cores)}
    rows = []
    for which, subject in enumerate(subjects(64)):
        seeds = range(candidates if subject.config.size <= 16 else max(cores, candidates // 2))
        found = in_turn({name: _inverse(pool, which, seeds) for name, pool in pools.items()}, rounds)
        middle, least, most = ratio(found["one at a time"], found["one thread each"])
        rates = [f"{1 / statistics.median(times):.0f}" for times in found.values()]
        rows.append([subject.name, *rates, f"{middle:.2f}", f"{least:.2f} to {most:.2f}"])
    for pool in pools.values():
        pool.close()
    report.table(
        "Candidates an hour",
        f"Random cells of the NASNet space (N = 1, F = 12), 256 images, 1 epoch, scored; {cores} cores, processes "
        "warm. Side by side:\none thread a candidate, as many as cores. One at a time: all cores.",
        ["images", "side by side", "one at a time", "ratio", "spread"],
        rows,
    )


def _inverse(pool: Workers, which: int, seeds: Sequence[int]) -> Callable[[], float]:
    return lambda: 1 / pool.an_hour(which, seeds)


def single_forms(report: Report, repeats: int) -> None:
    """Milliseconds of single operations in torch's own form and in ours."""
    keep_memory()
    rows = []
    with threads_set(1, 32):
        for form in FORMS:
            row = [form.name]
            for shape in SHAPES:
                plain, other, apart = compare(form, shape, repeats)
                row.append(f"{plain:.2f} / {other:.2f} = {plain / other:.1f} ({apart:.0e})")
            rows.append(row)
    report.table(
        "Equal forms of single operations",
        "Forward and backward, channels_last, one thread, least of the repeats: milliseconds of torch's own form / of "
        "the other = faster by\n(greatest difference of a gradient over the greatest gradient, float32). Kept ones are "
        "in\n`nastk/training/kernels/` and `nastk/ops/identity.py`.",
        ["operation", *("x".join(map(str, shape)) for shape in SHAPES)],
        rows,
    )


def flat_memory(report: Report, counts: Sequence[int]) -> None:
    """Resident memory over many candidates."""
    found = memory(counts)
    growth = found[counts[-1]] / found[counts[0]]
    report.target(
        f"memory after {counts[-1]} candidates over that after {counts[0]}", "below 1.1", growth, growth < 1.1
    )
    report.table(
        "Memory",
        "Resident memory of a fresh process, each candidate another random cell (8x8, F = 4, 120 images, 1 epoch).",
        ["candidates", "MiB"],
        [[count, f"{size:.0f}"] for count, size in found.items()],
    )


def where_time_goes(report: Report, cells: int, steps: int) -> None:
    """Profile of a 32x32 step, and what our forms of it bring."""
    subject = subjects(128)[1]
    with threads_set(1, 32):
        found = profiles(subject, range(cells), steps)
        rounds = [
            [step_seconds(subject, seed, own, steps) for own in (False, True)]
            for _ in range(2)
            for seed in range(cells)
        ]
    mine, plain = found.values()
    whole_step, whole_plain = sum(mine.values()), sum(plain.values())
    rows = [
        [f"`{op}`", f"{100 * plain.get(op, 0.0) / whole_plain:.1f}", f"{plain.get(op, 0.0):.1f}", f"{value:.1f}"]
        for op, value in sorted(mine.items(), key=lambda item: -max(item[1], plain.get(item[0], 0.0)))[:14]
    ]
    middle, least, most = ratio([own for _, own in rounds], [mine for mine, _ in rounds])
    report.table(
        "Where the time of a 32x32 step goes",
        f"torch.profiler, one thread, batch 64, mean over {cells} random cells (N = 1, F = 12): {whole_plain:.0f} ms a "
        f"step in torch's own forms,\n{whole_step:.0f} ms in ours. Unprofiled, ours is faster by {middle:.2f} "
        f"({least:.2f} to {most:.2f} over cells).",
        ["op", "% of torch's own", "ms, torch's own", "ms, ours"],
        rows,
    )


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison")
    parser.add_argument("--quick", action="store_true", help="one round of everything, to see that it runs")
    parser.add_argument("--gpu", action="store_true", help="what needs a GPU alone, into <date>-training-gpu.md")
    parser.add_argument("--work", type=Path, help="folder of what is measured on a GPU; an earlier one goes on")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    return parser


def main() -> None:
    arguments = options().parse_args()
    missing = missing_gpu() if arguments.gpu else None
    if missing is not None:
        print(f"training.py: nothing measured: {missing}", file=sys.stderr)
        sys.exit(2)
    rounds, quick = (1 if arguments.quick else arguments.rounds), arguments.quick
    report = Report({**machine(), "load before": [round(load, 2) for load in os.getloadavg()]})
    report.facts["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    if not arguments.gpu:
        on_processor(report, rounds, quick)
    settings = {"gpu": report.facts["gpu"], "commit": report.facts["commit"], "rounds": rounds}
    on_gpu(report, rounds, KeptRows(arguments.work, settings))
    if not arguments.gpu:
        single_forms(report, 3 if quick else 15)
    print(report.write(arguments.out, "training-gpu" if arguments.gpu else "training"))


def on_processor(report: Report, rounds: int, quick: bool) -> None:
    """Measures all that needs no GPU but single operations."""
    against_others(report, rounds)
    set_up_and_finish(report, 2 if quick else 7)
    side_by_side(report, 2 if quick else 8, min(rounds, 3))
    where_time_goes(report, 1 if quick else 4, 1 if quick else 3)
    flat_memory(report, (2, 4) if quick else (20, 50, 100, 150, 200))


if __name__ == "__main__":
    main()
