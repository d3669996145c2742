"""What a search was trained and validated on, as plain values: the content of data.json."""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

from nastk.data.images import DataSource, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.data.resize import RESIZING
from nastk.data.subsets import Drawn

SCHEMA = 1


def image_facts(data: DataSource) -> dict[str, Any]:
    """Returns what every record of images says: their kind, how they were brought to it, how many were left out."""
    return {
        "name": data.name,
        "channels": data.channels,
        "size": data.size,
        "resizing": RESIZING if data.resized else None,
        "skipped": len(data.skipped.found),
        **data.facts(),
    }


def search_record(data: DataSource, seed: int, drawn: Drawn, normalisation: Normalisation) -> dict[str, Any]:
    """Returns the content of data.json.

    Args:
        data: the source.
        seed: that drew the parts.
        drawn: the parts, as they are trained and validated on.
        normalisation: counted on the training part.
    """
    return {
        "schema": SCHEMA,
        **image_facts(data),
        "classes": len(data.classes),
        "seed": seed,
        "train": _part(drawn.train, drawn.train_indices, len(data.classes)),
        "validation": _part(drawn.validation, drawn.validation_indices, len(data.classes)),
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
    }


def _part(images: ImageSet, indices: Tensor | None, classes: int) -> dict[str, Any]:
    """Returns size, images a class, and a hash of the indices as little-endian int64; None for the set's own part."""
    digest = None if indices is None else hashlib.sha256(indices.numpy().astype("<i8").tobytes()).hexdigest()
    return {
        "images": len(images),
        "per_class": images.y.bincount(minlength=classes).tolist(),
        "indices_sha256": digest,
        "images_sha256": images.fingerprint(),
    }
