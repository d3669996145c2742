"""refit/<key>: the network to ship trained once more, on the images too that were held out to choose it."""

from __future__ import annotations

from pathlib import Path

REFIT = "refit"
METRICS = "metrics.json"  # written last by a training


def refit_place(model: Path) -> Path:
    """Returns where the network of a folder `<run>/transfer/<key>` is trained once more: `<run>/refit/<key>`."""
    return model.parent.parent / REFIT / model.name


def to_export(model: Path) -> Path:
    """Returns the folder whose weights are exported: where the network was trained once more, or its own."""
    place = refit_place(model)
    return place if (place / METRICS).is_file() else model
