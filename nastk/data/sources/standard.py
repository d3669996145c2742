"""The sets that everyone knows: where their files are looked for, and when they are downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nastk.checks import check_flag
from nastk.data.source import SourceSettings
from nastk.data.sources.download import Published, fetch, unpack
from nastk.data.sources.folder import data_folder
from nastk.errors import UserError


@dataclass(frozen=True, kw_only=True)
class StandardSource(SourceSettings):
    """Settings of a set whose official files can be fetched.

    Attributes:
        root: folder with its files. None: `$NASTK_DATA/<name>`, then `~/.cache/nastk/data/<name>`.
        download: whether absent files are fetched. None: where `root` is not given, into `~/.cache/nastk/data/<name>`.
    """

    download: bool | None = None

    published: ClassVar[tuple[Published, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag(self._field("download"), self.download, None)

    @property
    def place(self) -> Path:
        """The folder with the files; they are fetched first where that is wanted.

        Raises:
            UserError: there is none, which says which files to put where and where they come from.
        """
        own = Path(self.root).expanduser() if self.root else Path.home() / ".cache" / "nastk" / "data" / self.name
        places = [own] if self.root else [*_shared(self.name), own]
        there = [place for place in places if self._any_in(place)]
        place = there[0] if there else own
        if place == own:
            self._complete(own)
        if not self._any_in(place):
            raise self._nowhere(places)
        return place

    def _any_in(self, place: Path) -> bool:
        return any(file.is_in(place) for file in self.published)

    def _complete(self, folder: Path) -> None:
        for file in self.published:
            if file.is_in(folder):
                continue
            if file.is_archive and (folder / file.name).is_file():
                unpack(self.name, file, folder)
            elif self.download or (self.download is None and not self.root):
                try:
                    fetch(self.name, file, folder)
                except UserError as error:
                    raise UserError(f"{error}; {self._way(folder)}, or give data.root=FOLDER") from None

    def _way(self, folder: Path) -> str:
        absent = [file for file in self.published if not file.is_in(folder)]
        return (
            f"put {', '.join(file.name for file in absent)} from {absent[0].urls[0].rpartition('/')[0]} into {folder}"
        )

    def _nowhere(self, places: list[Path]) -> UserError:
        way = f"{self._way(places[-1])}, or let data.download=true fetch"
        if not self.root:
            return UserError(f"data {self.name}: not found in {', '.join(map(str, places))}; {way}, or give data.root")
        try:
            folder = data_folder(self.name, self.root)
        except UserError as error:
            return UserError(f"{error}; {way}")
        return UserError(f"data {self.name}: {folder}: none of its files is in it; {way}")


def _shared(name: str) -> list[Path]:
    """Returns where `NASTK_DATA`, a folder of data sets, may hold the set: under its name, with - for _, or itself."""
    if not (base := os.environ.get("NASTK_DATA")):
        return []
    folder = Path(base).expanduser()
    return [folder / name, folder / name.replace("_", "-"), folder]
