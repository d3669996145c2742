"""Which folders of an image folder are its training, validation and test part, and which are none of these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nastk.data.sources.listing import is_litter, list_entries, within
from nastk.errors import UserError

NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Parts:
    """The parts of an image folder.

    Attributes:
        train: has a folder for each class; the root itself where it has no parts.
        validation, test: the same, None where there is none.
        left_out: names of the folders beside them, which nothing is read from.
    """

    train: Path
    validation: Path | None = None
    test: Path | None = None
    left_out: tuple[str, ...] = ()


def find_parts(where: str, root: Path) -> Parts:
    """Tells the parts of `root` by the usual names (`NAMES`, upper or lower case, "train_set" too).

    A folder of such a name that has no folders in it may as well be a class ("train" beside "car"): it is one where it
    is the only such name and other folders lie beside it.

    Raises:
        UserError: two folders are the same part, or there is another part and no training part.
    """
    inside = within(root)
    entries = [entry for entry in list_entries(root) if not entry.name.startswith(".") and entry.is_dir()]
    folders = sorted(entry.name for entry in entries if not is_litter(entry.name) and inside(entry))
    litter = sorted(entry.name for entry in entries if entry.name not in folders)
    named = {name: part for name in folders if (part := _part(name)) is not None}
    nested = any(_has_folders(root / name) for name in named)
    if not named or (not nested and len(named) == 1 and len(folders) > 1):
        return Parts(root)  # what is no class there is told with the classes
    found: dict[str, str] = {}
    for name, part in named.items():
        if part in found:
            raise UserError(
                f"{where}: {root}: {found[part]}/ and {name}/ are both the {part} part, expected one of them"
            )
        found[part] = name
    if "train" not in found:
        raise UserError(f"{where}: {root}: has {min(named)}/ but no train/, expected train/CLASS/*.jpg")
    paths = {part: root / name for part, name in found.items()}
    others = [name for name in folders if name not in named]
    return Parts(paths["train"], paths.get("validation"), paths.get("test"), (*others, *litter))


def _part(name: str) -> str | None:
    """Returns which part a folder's name stands for."""
    plain = name.casefold().replace("-", "_").replace(" ", "_").removesuffix("_set")
    return next((part for part, names in NAMES.items() if plain in names), None)


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() and not is_litter(entry.name) for entry in list_entries(folder))
