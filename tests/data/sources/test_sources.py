"""A data set is a file in the folder of sources and a YAML of its settings: nothing else names it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nastk.config.build import build, load_yaml
from nastk.data import sources
from nastk.data.subsets import draw_parts
from nastk.errors import UserError

STRIPES = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nastk.data.images import ImageSet
from nastk.data.source import SourceSettings


@dataclass(frozen=True, kw_only=True)
class Stripes(SourceSettings):
    name: ClassVar[str] = "stripes"
    classes: ClassVar[tuple[str, ...]] = ("across", "down")
    channels: ClassVar[int] = 1
    width: int = 2

    @property
    def size(self) -> int:
        return self.resize or 8

    def train(self) -> ImageSet:
        return self._part(40)

    def test(self) -> ImageSet:
        return self._part(10)

    def _part(self, images: int) -> ImageSet:
        y = np.arange(images) % 2
        across = np.broadcast_to((np.arange(8) // self.width % 2 * 255).astype(np.uint8)[:, None], (8, 8))
        x = np.where(y[:, None, None] == 0, across, across.T).astype(np.uint8)
        return self.from_arrays("data stripes", x, y, len(self.classes))
"""


@pytest.fixture
def with_stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "stripes.py").write_text(STRIPES)
    (tmp_path / "stripes.yaml").write_text("_target_: nastk.data.sources.stripes.Stripes\nwidth: 4\nvalidation: 0.25\n")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    monkeypatch.setattr(sources, "SOURCES", sources.find_sources())
    yield tmp_path
    sys.modules.pop("nastk.data.sources.stripes", None)
    monkeypatch.undo()
    vars(sources).pop("stripes", None)


def test_a_file_and_a_yaml_are_a_data_set(with_stripes: Path) -> None:
    made = build(load_yaml(with_stripes / "stripes.yaml"), "data")
    assert made == sources.load_data("stripes", width=4, validation=0.25)
    drawn = draw_parts(made, seed=0)
    assert (len(drawn.train), len(drawn.validation), len(made.test())) == (30, 10, 10)
    with pytest.raises(UserError, match="data stripes: crop=2, expected a share of the side from 0 to 0.5"):
        sources.load_data("stripes", crop=2)


def test_the_sources_that_come_with_nastk_are_found_by_their_files() -> None:
    found = {"digits", "fashion_mnist", "cifar10", "cifar100", "npz", "image_folder", "huggingface"}
    assert found <= set(sources.SOURCES)
    assert all(kind.name == name for name, kind in sources.SOURCES.items())
