"""Data sources by name, and what is done to their images: subsets, splits, statistics."""

from __future__ import annotations

from typing import Any

from nastk.errors import unknown
from nastk.training.data.carried import CarriedImages
from nastk.training.data.cifar10 import Cifar10
from nastk.training.data.cifar100 import Cifar100
from nastk.training.data.digits import Digits
from nastk.training.data.fashion_mnist import FashionMnist
from nastk.training.data.huggingface import HuggingFace
from nastk.training.data.image_folder import ImageFolder
from nastk.training.data.images import DataSource, Images, ImageSet
from nastk.training.data.npz import Npz
from nastk.training.data.search_record import image_facts, search_record
from nastk.training.data.source import SourceSettings
from nastk.training.data.statistics import Normalisation, statistics
from nastk.training.data.stored import StoredImages
from nastk.training.data.subsets import Drawn, draw_parts, hold_out, search_parts, split, subset
from nastk.training.data.summary import data_lines, empty_classes

SOURCES: dict[str, type[Any]] = {
    source.name: source for source in (Digits, FashionMnist, Cifar10, Cifar100, Npz, ImageFolder, HuggingFace)
}

__all__ = [
    "SOURCES",
    "CarriedImages",
    "Cifar10",
    "Cifar100",
    "DataSource",
    "Digits",
    "Drawn",
    "FashionMnist",
    "HuggingFace",
    "ImageFolder",
    "ImageSet",
    "Images",
    "Normalisation",
    "Npz",
    "SourceSettings",
    "StoredImages",
    "data_lines",
    "draw_parts",
    "empty_classes",
    "hold_out",
    "image_facts",
    "load_data",
    "search_parts",
    "search_record",
    "split",
    "statistics",
    "subset",
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
