"""A data source at another size: the same images, brought there from their files; and what of it is kept in memory."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nastk.data.carried import CarriedImages
from nastk.data.images import DataSource, Images
from nastk.data.sized import PartsBySize, data_at, drawn_on
from nastk.data.sources import load_data
from nastk.errors import UserError
from tests.data.files import write_cifar, write_image_folder

CPU = torch.device("cpu")


def source(name: str, folder: Path, **settings: Any) -> DataSource:
    """Returns a small set of a kind."""
    root = write_cifar(folder / "set") if name == "cifar10" else write_image_folder(folder / "set", size=40)
    return load_data(name, root=str(root), **settings)


@pytest.mark.parametrize("name", ["cifar10", "image_folder"])
def test_images_are_brought_to_a_size_from_their_files_whatever_the_runs_own(name: str, tmp_path: Path) -> None:
    data = source(name, tmp_path, resize=30, subset=0.5)
    made = data_at(data, 16)
    assert (made.size, made.resize, made.resized, made.classes) == (16, 16, True, data.classes)
    assert made.skipped is data.skipped
    plain = dataclasses.replace(data, resize=16)  # type: ignore[type-var]
    assert torch.equal(made.test().pixels(torch.arange(5)), plain.test().pixels(torch.arange(5)))
    drawn, other = drawn_on(data, 3, CPU), drawn_on(made, 3, CPU)
    assert torch.equal(drawn.train_indices, other.train_indices)
    assert data_at(data, 0) is data_at(data, 30) is data


def test_what_travels_has_the_same_pixels_at_every_size(tmp_path: Path) -> None:
    data = source("image_folder", tmp_path, resize=30)
    small = drawn_on(data_at(data, 16), 0, CPU)
    assert isinstance(small.train, Images) and isinstance(small.validation, Images)
    there = pickle.loads(pickle.dumps(PartsBySize(data, 0, CPU).carried((30, 16))))
    assert isinstance(there, CarriedImages)
    found = drawn_on(data_at(there, 16), 5, CPU)
    assert isinstance(found.train, Images) and isinstance(found.validation, Images)
    assert torch.equal(found.train.x, small.train.x)
    assert torch.equal(found.validation.x, small.validation.x)
    assert torch.equal(found.train.y, small.train.y)
    assert data_at(there, 8).train().size == 8  # a size that nobody sent is made of what came


def test_sizes_are_given_back_where_memory_would_not_hold_all_and_come_out_the_same_again(tmp_path: Path) -> None:
    data = source("image_folder", tmp_path, memory_gb=30 * 3 * 16**2 * 1.3e-9)
    parts = PartsBySize(data, 0, CPU)
    first = parts.at(16)
    assert parts.at(16) is first
    small = parts.at(8)
    assert parts.at(8) is small and parts.at(16) is first
    parts.at(12)
    assert 8 not in parts._kept
    again = parts.at(8)
    assert again is not small
    assert np.array_equal(_pixels(again.drawn.train), _pixels(small.drawn.train))
    assert again.normalisation == small.normalisation


def test_a_source_that_has_no_size_to_set_is_named(tmp_path: Path) -> None:
    class Other:
        name, size = "other", 32

    with pytest.raises(UserError, match="data other: cannot be brought to 16 pixels"):
        data_at(Other(), 16)  # type: ignore[arg-type]


def _pixels(images: Any) -> Any:
    return images.pixels(torch.arange(len(images))).numpy()
