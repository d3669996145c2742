"""Data sources by name, one file a data set."""

from __future__ import annotations

from typing import Any

from nastk.data.images import DataSource
from nastk.data.sources.cifar10 import Cifar10
from nastk.data.sources.cifar100 import Cifar100
from nastk.data.sources.digits import Digits
from nastk.data.sources.fashion_mnist import FashionMnist
from nastk.data.sources.huggingface import HuggingFace
from nastk.data.sources.image_folder import ImageFolder
from nastk.data.sources.npz import Npz
from nastk.errors import unknown

SOURCES: dict[str, type[Any]] = {
    source.name: source for source in (Digits, FashionMnist, Cifar10, Cifar100, Npz, ImageFolder, HuggingFace)
}

__all__ = [
    "SOURCES",
    "Cifar10",
    "Cifar100",
    "Digits",
    "FashionMnist",
    "HuggingFace",
    "ImageFolder",
    "Npz",
    "load_data",
]


def load_data(name: str, root: str | None = None, **fields: Any) -> DataSource:
    """Returns the data source called `name`.

    Args:
        name: one of `SOURCES`.
        root: its folder or file; "digits" has none.
        fields: other fields of the source, e.g. `flip`.

    Raises:
        UserError: an unknown name or field. Files are checked when they are read.
    """
    if name not in SOURCES:
        raise unknown("data source", name, SOURCES)
    source = SOURCES[name]
    valid = source.__dataclass_fields__
    given = fields if root is None else {"root": root, **fields}
    for field in given:
        if field not in valid:
            raise unknown(f"field of data source {name}", field, valid)
    made: DataSource = source(**given)
    return made
