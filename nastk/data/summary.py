"""What a user is told of the images before a search: how many in which part, and what about them spoils a result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nastk.data.images import DataSource
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.data.subsets import Drawn

SKEWED = 2.0  # the largest class has so many times the images of the smallest: worth a word
MOST_NAMED = 5


def data_lines(data: DataSource, drawn: Drawn, *, flip: bool) -> list[str]:
    """Returns the lines, the first of them with the parts and their sizes.

    Args:
        data: the source.
        drawn: what is trained and validated on.
        flip: whether training mirrors images.

    Raises:
        UserError: the test part is not what it should be, as far as can be told without opening its images; or there
            are no images where `data.unlabelled` says.
    """
    test = getattr(data, "test_labels", lambda: None)()  # a source of the user's own may not tell
    unlabelled = unlabelled_images(data, tell=True)
    parts = [
        f"{len(data.classes):,} classes ({named_classes(data.classes)}) of {data.size}x{data.size} pixels",
        f"trains on {len(drawn.train):,} images",
        f"validates on {len(drawn.validation):,} {_origin(data, drawn)}",
        *([] if test is None else [f"{len(test):,} to test on"]),
        *([] if unlabelled is None else [f"{len(unlabelled):,} without labels for a teacher's students"]),
    ]
    found = [", ".join(parts)]
    found += _imbalance(data.classes, drawn.train.y.cpu().numpy())
    found += _empty(data.classes, drawn.validation.y.cpu().numpy(), "validation")
    found += [] if test is None else _empty(data.classes, test, "test")
    mirrored = "mirrors images; data.flip=false where a mirrored image is another class (digits, letters, arrows)"
    plain = "does not mirror images; data.flip=true is for sets where a mirrored one is still of its class"
    found.append(f"training {mirrored if flip else plain}")
    return [f"data {data.name}: {line}" for line in found]


def empty_classes(classes: Sequence[str], labels: NDArray[np.int64]) -> list[str]:
    """Returns the classes that have no image among those of these labels."""
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]


def _imbalance(classes: Sequence[str], labels: NDArray[np.int64]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[high] < SKEWED * counts[low]:
        return []
    return [
        f"classes differ in size: {counts[low]:,} training images of {classes[low]}, {counts[high]:,} of "
        f"{classes[high]}; accuracy favours the large ones, balanced_accuracy is told beside it; "
        "evaluator.class_weights=balanced and training.class_weights=balanced train on all alike"
    ]


def _empty(classes: Sequence[str], labels: NDArray[np.int64], part: str) -> list[str]:
    missing = empty_classes(classes, labels)
    if not missing:
        return []
    return [
        f"no {part} image of {named_classes(missing)}: accuracy there is over the other {len(classes) - len(missing)}"
    ]


def _origin(data: DataSource, drawn: Drawn) -> str:
    if drawn.validation_indices is not None:
        return "held out of the training part"
    folder = data.facts().get("folders", {}).get("validation")
    return f"of {folder}" if folder else "of the validation part"


def named_classes(classes: Sequence[str]) -> str:
    """Returns the first classes by name, and how many more there are."""
    more = [f"{len(classes) - MOST_NAMED:,} more"] if len(classes) > MOST_NAMED else []
    return ", ".join([*classes[:MOST_NAMED], *more])
