"""What a run's page shows of its images, made when a report is: counts, examples, the answers of the file to ship."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig

from nastk.errors import UserError
from nastk.outside import read_bytes
from nastk.reports import FinalRow, final_table
from nastk.runs.contents import Run, read_run
from nastk.runs.folder import DATA
from nastk.runs.shown import PICTURES, Answers, Shown, forget_shown, read_shown, write_shown

BATCH = 64
SIDE = 96  # pixels of a picture on the page, at most
MOST_WRONG = 24
MOST_CLASSES, EXAMPLES = 20, 3
# Of test images that a file is asked for: so many, or what takes a minute, drawn at random where there are more.
MOST_ASKED, LEAST_ASKED, MILLISECONDS = 10_000, 500, 60_000.0


def prepare_shown(folder: Path, config: DictConfig, pictures: bool) -> str | None:
    """Writes what is to be shown, or finds it as it should be.

    Args:
        folder: of the run.
        config: of the report; its `data`, where it has one, is laid over the run's.
        pictures: whether images may be shown.

    Returns:
        why there is nothing to show, None where there is.
    """
    if not (folder / DATA).is_file():
        return "the search was trained on no images"
    run = read_run(folder)
    rows = final_table(run)
    best = rows[0] if rows and rows[0].file is not None else None
    made_of = {
        "data": hashlib.sha256(read_bytes(folder / DATA)).hexdigest(),
        "model": best and _hash(run, best),
        "pictures": pictures,
    }
    there = _there(folder)
    if there is not None and there.made_of == made_of:
        return None
    if there is not None and {**there.made_of, "pictures": False} == made_of:  # without them nothing need be read anew
        none: dict[str, Any] = dict.fromkeys(PICTURES)
        write_shown(folder, dataclasses.replace(there, made_of=made_of, **none))
        return None
    try:
        write_shown(folder, _shown(run, config, best, made_of))
    except UserError as error:
        forget_shown(folder)
        return str(error)
    return None


def _there(folder: Path) -> Shown | None:
    """Returns what is there, None where it is nothing or damaged, which is then made anew."""
    try:
        return read_shown(folder)
    except UserError:
        return None


def _hash(run: Run, best: FinalRow) -> str | None:
    files = run.exports[best.key].get("files")
    entry = files.get(best.file.name) if isinstance(files, dict) and best.file is not None else None
    return str(entry.get("sha256")) if isinstance(entry, dict) else None


def _shown(run: Run, config: DictConfig, best: FinalRow | None, made_of: dict[str, Any]) -> Shown:
    """Reads the images and asks the file to ship, if there is one; raises UserError where either cannot be."""
    from nastk.data.sized import data_at
    from nastk.jobs.given import run_settings
    from nastk.jobs.parts import make_data

    data = make_data(run_settings(run.folder, config))
    train = data.train()
    trained, tested = (tuple(part.y.bincount(minlength=len(data.classes)).tolist()) for part in (train, data.test()))
    shown = Shown(made_of, tuple(data.classes), trained, tested)
    if made_of["pictures"]:
        shown = _with_examples(shown, train)
    if best is None:
        return shown
    from nastk.deploy.export.classifier import open_classifier

    classifier = open_classifier(run.folder / "export" / best.key)
    if tuple(classifier.classes) != tuple(data.classes):
        raise UserError(f"data {data.name}: its classes are not those of the exported network")
    return _with_answers(shown, classifier, data_at(data, classifier.size).test(), _most(best))


def _most(best: FinalRow) -> int:
    latency = best.latency_ms.get(best.recommended or "fp32")
    return MOST_ASKED if not latency else int(np.clip(MILLISECONDS / latency, LEAST_ASKED, MOST_ASKED))


def _with_examples(shown: Shown, images: Any) -> Shown:
    """Returns it with the first images of each class."""
    import torch

    labels = images.y.cpu().numpy()
    first = [np.flatnonzero(labels == label)[:EXAMPLES] for label in range(min(len(shown.classes), MOST_CLASSES))]
    places = np.concatenate(first)
    pixels = _small(images.pixels(torch.from_numpy(places)))
    return dataclasses.replace(shown, examples=pixels, example_labels=labels[places].astype(np.int64))


def _with_answers(shown: Shown, classifier: Any, test: Any, most: int) -> Shown:
    """Returns it with what the file says of the test images, and those that are wrong with the largest confidence."""
    import torch

    count = len(test.y)
    asked = np.arange(count)
    if count > most:
        asked = np.sort(np.random.default_rng(0).choice(count, most, replace=False))
    labels: list[Any] = []  # as they come: an image that cannot be decoded is left out
    found: list[Any] = []
    worst = _Surest()
    for pixels, truth in test.take(torch.from_numpy(asked)).batches(BATCH):
        probabilities = classifier.probabilities(pixels.cpu().numpy())
        worst.add(pixels, truth.cpu().numpy(), probabilities)
        labels.append(truth.cpu().numpy().astype(np.int64))
        found.append(probabilities)
    probabilities = np.concatenate(found)
    predicted, confidence = probabilities.argmax(1).astype(np.int64), probabilities.max(1).astype(np.float32)
    answers = Answers(classifier.file, np.concatenate(labels), predicted, confidence, count)
    shown = dataclasses.replace(shown, answers=answers)
    if not shown.made_of["pictures"] or not worst.kept:
        return shown
    pictures, places = np.stack([one.pixels for one in worst.kept]), [one.place for one in worst.kept]
    return dataclasses.replace(shown, wrong=pictures, wrong_at=np.array(places, np.int64))


class _Mistake(NamedTuple):
    """An image that is wrong: how sure the file is, its place in the answers, and (side, side, channels) to show."""

    confidence: float
    place: int
    pixels: Any


class _Surest:
    """The mistakes with the largest confidence, `kept` in that order, of all that are added in turn."""

    def __init__(self) -> None:
        self.kept: list[_Mistake] = []
        self._seen = 0

    def add(self, pixels: Any, labels: Any, probabilities: Any) -> None:
        """Takes images (n, channels, h, w), their classes (n,), and what the file says of them (n, classes)."""
        import torch

        confidence = probabilities.max(1).astype(np.float32)
        wrong = np.flatnonzero(probabilities.argmax(1) != labels)
        wrong = wrong[np.argsort(-confidence[wrong], kind="stable")[:MOST_WRONG]]
        if len(wrong):
            small = _small(pixels[torch.from_numpy(wrong)])
            made = zip(wrong, small, strict=True)
            mistakes = [_Mistake(float(confidence[at]), self._seen + int(at), one) for at, one in made]
            self.kept = sorted([*self.kept, *mistakes], key=lambda one: (-one.confidence, one.place))[:MOST_WRONG]
        self._seen += len(labels)


def _small(pixels: Any) -> Any:
    """Returns images (n, side, side, channels) that are no larger than the page shows them, of (n, channels, h, w)."""
    from nastk.data.resize import resized

    small = resized(pixels, SIDE) if pixels.shape[2] > SIDE else pixels
    return np.ascontiguousarray(small.cpu().numpy().transpose(0, 2, 3, 1))
