"""Runs the files of an export on the test images and times them, each target's against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.export.assess import EvaluatedFile, Quality, check_parity, quality, torch_logits
from nastk.deploy.images import ImageSource, LabelledImages, normalised
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.session import denormals_flushed
from nastk.deploy.targets.target import Target
from nastk.errors import UserError
from nastk.networks.stored import Trained
from nastk.progress import doing

BATCH = 1024
# Of a file, by the runtime that ran it and its name.
Answers = dict[tuple[str, str], NDArray[np.float32]]


def decided_on(held_out: LabelledImages | None) -> str:
    """Returns in words on which images the accuracies of files are compared; `held_out` as of `evaluate_files`."""
    if held_out is None:
        return "the test images, for no others are known that the network was not trained on"
    return f"{len(held_out.y):,} held-out training images"


def evaluate_files(
    targets: Sequence[Target],
    folder: Path,
    trained: Trained,
    data: ImageSource,
    seconds: float,
    held_out: LabelledImages | None = None,
) -> tuple[dict[str, list[EvaluatedFile]], int]:
    """Asks the trained network in torch and every file that runs on this machine for every test image.

    Args:
        targets: whose files lie in `folder`.
        folder: of the export.
        trained: the network that they were written from.
        data: gives the test images, a batch at a time: they need not fit into memory.
        seconds: of measuring a file.
        held_out: images that the network was not trained on and that are no test images; None where there are none.

    Returns:
        How each target's files did, by its name, in the order of its `files`; and how many test images there were.

    Raises:
        ParityError: a target's first file does not compute what the network does.
    """
    with doing("scoring the files on the test images"):
        answers, reference, labels = _answers(targets, folder, trained, data.test())
    judged = _accuracies(targets, folder, trained, held_out)
    evaluated = {}
    for target in targets:
        latencies = latencies_of(target, folder, seconds)
        mine: list[EvaluatedFile] = []
        for precision, file in target.files.items():
            score: Quality | None = None
            logits = answers.get((target.runtime, file))
            if logits is not None:
                if precision == "fp32":
                    check_parity(file, logits, reference)
                score = replace(quality(logits, reference, labels), held_out=judged.get((target.runtime, file)))
            mine.append(EvaluatedFile(precision, file, score, latencies.get(file)))
        evaluated[target.name] = mine
    return evaluated, len(labels)


def _answers(
    targets: Sequence[Target], folder: Path, trained: Trained, images: LabelledImages
) -> tuple[Answers, NDArray[np.float32], NDArray[np.int64]]:
    """Returns the logits (n, classes) of each file, those of torch, and the labels (n,)."""
    normal = trained.facts["normalisation"]
    runners = {
        (target.runtime, file): target.runner(folder / file)
        for target in reversed(targets)  # of two that share a file and a runtime, the first has its way
        if target.cannot_run() is None
        for file in target.files.values()
    }
    found: dict[tuple[str, str], list[NDArray[np.float32]]] = {file: [] for file in runners}
    reference, truth = [], []
    for pixels, labels in images.batches(BATCH):
        batch = normalised(pixels, normal["mean"], normal["std"])
        reference.append(torch_logits(trained.network, batch))
        truth.append(labels.numpy())
        with denormals_flushed():
            for file, run in runners.items():
                found[file].append(run(batch))
    answers = {file: np.concatenate(parts) for file, parts in found.items()}
    return answers, np.concatenate(reference), np.concatenate(truth)


def _accuracies(
    targets: Sequence[Target], folder: Path, trained: Trained, images: LabelledImages | None
) -> dict[tuple[str, str], float]:
    """Returns the accuracy of each file on images held out; empty where there are none."""
    if images is None:
        return {}
    with doing("scoring the files on the images held out"):
        answers, _, labels = _answers(targets, folder, trained, images)
    return {file: float((logits.argmax(1) == labels).mean()) for file, logits in answers.items()}


def latencies_of(target: Target, folder: Path, seconds: float) -> dict[str, Latency]:
    """Times a target's files for so many seconds each; returns their latencies by name, none where that cannot be.

    Raises:
        UserError: of `Target.measure`, or there is not enough memory where they are timed.
    """
    if target.cannot_run() is not None or target.cannot_time() is not None:
        return {}
    files = list(target.files.values())
    try:
        with doing(f"timing {len(files)} files for {target.name}"):
            measured = target.measure([folder / file for file in files], seconds=seconds)
    except MemoryError as error:
        said = str(error) or "no memory"
        raise UserError(f"target {target.name}: {', '.join(files)} cannot be timed: {said}") from None
    return dict(zip(files, measured, strict=True))
