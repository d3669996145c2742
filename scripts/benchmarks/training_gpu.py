"""The part of the training benchmark that needs a GPU: captured steps, and candidates side by side on one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import torch
from kept_rows import KeptRows
from training_parts import Workers
from training_report import Report, Rows, images_a_second, in_turn
from training_sides import Subject, bare, ours, subjects

from nastk.training.recipe import Recipe

PROCESSES = (1, 2, 4)


def on_gpu(report: Report, rounds: int, kept: KeptRows) -> None:
    """Images a second and candidates an hour on a GPU, where there is one."""
    if not torch.cuda.is_available():
        report.parts.append("## GPU\n\nnot run: no GPU")
        return
    device, name = torch.device("cuda:0"), torch.cuda.get_device_name(0)
    rows: Rows = []
    for subject in subjects():
        rows += kept.rows(subject.name, partial(_steps, report, subject, rounds, device))
    report.table(
        "GPU: images a second",
        f"{name}, bf16 autocast, channels_last, batch 128; separable 3x3 cells, N = 1, F = 12.",
        ["images", "side", "images/s", "captured is faster by", "spread"],
        rows,
    )
    rows = []
    for count in PROCESSES:
        rows += kept.rows(f"{count} processes", partial(_an_hour, count, device))
    text = f"{name}; random cells of the NASNet space (N = 1, F = 12), 256 images, 1 epoch; processes that share it."
    report.table("GPU: candidates an hour", text, ["images", "processes", "candidates an hour"], rows)


def _steps(report: Report, subject: Subject, rounds: int, device: torch.device) -> Rows:
    recipe = Recipe(epochs=10, batch=128)
    found = in_turn(_sides(subject, recipe, device), rounds)
    images = recipe.epochs * (len(subject.images) // recipe.batch) * recipe.batch
    return images_a_second(report, subject.name, found, images, {})


def _an_hour(count: int, device: torch.device) -> Rows:
    pool = Workers(count, 1, str(device))
    rows: Rows = [
        [subject.name, count, f"{pool.an_hour(which, range(8 * count)):.0f}"]
        for which, subject in enumerate(subjects(64))
    ]
    pool.close()
    return rows


def _sides(subject: Subject, recipe: Recipe, device: torch.device) -> dict[str, Callable[[], float]]:
    captured, launched = (dataclasses.replace(recipe, graph=graph) for graph in (True, False))
    return {
        "ours": lambda: ours(subject, captured, device),
        "ours, not captured": lambda: ours(subject, launched, device),
        "bare loop": lambda: bare(subject, recipe, device, bf16=True),
    }
