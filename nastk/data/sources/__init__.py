"""Data sources by name, one file a data set: what lies in this folder is found, nothing is entered in a list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from nastk.data.images import DataSource
from nastk.data.source import SourceSettings
from nastk.data.sources.cifar10 import Cifar10
from nastk.data.sources.cifar100 import Cifar100
from nastk.data.sources.digits import Digits
from nastk.data.sources.fashion_mnist import FashionMnist
from nastk.data.sources.huggingface import HuggingFace
from nastk.data.sources.image_folder import ImageFolder
from nastk.data.sources.npz import Npz
from nastk.errors import unknown

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


def find_sources() -> dict[str, type[Any]]:
    """Returns every class with a name in a file of this folder, by that name; their common ancestors have none."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    named = [kind for kind in _heirs(SourceSettings) if "name" in vars(kind) and kind.__module__.startswith(__name__)]
    return {kind.name: kind for kind in named}


def _heirs(kind: type[Any]) -> Iterator[type[Any]]:
    for heir in kind.__subclasses__():
        yield heir
        yield from _heirs(heir)


SOURCES = find_sources()


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
