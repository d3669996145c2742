"""What every data source promises; a new one is found by its file, and entered here with a small copy of its images."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nastk.config.build import build, load_yaml, shipped
from nastk.data.images import DataSource
from nastk.data.sources import SOURCES, load_data
from nastk.errors import UserError
from tests.data.files import (
    write_cifar,
    write_cifar100,
    write_fashion,
    write_hub_set,
    write_image_folder,
    write_npz,
)

ROOTS: dict[str, Callable[[Path], Path | None]] = {
    "digits": lambda folder: None,
    "fashion_mnist": lambda folder: write_fashion(folder / "fashion"),
    "cifar10": lambda folder: write_cifar(folder / "cifar"),
    "cifar100": lambda folder: write_cifar100(folder / "cifar100"),
    "npz": lambda folder: write_npz(folder / "images.npz"),
    "huggingface": lambda folder: write_hub_set(folder / "set"),
    "image_folder": lambda folder: write_image_folder(folder / "folder"),
}
OF_FILES = [name for name in SOURCES if name != "digits"]
PLACE = {"huggingface": "path"}  # which field says where the set lies, "root" elsewhere
STANDARD = ["fashion_mnist", "cifar10", "cifar100"]


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
    root = ROOTS[request.param](tmp_path)
    return load_data(request.param, **({} if root is None else {PLACE.get(request.param, "root"): str(root)}))


def test_images_are_of_the_kind_that_the_source_says(source: DataSource) -> None:
    for part in (source.train(), source.test()):
        pixels = part.pixels(torch.tensor([2, 0]))
        assert pixels.dtype == torch.uint8
        assert part.y.dtype == torch.int64
        assert tuple(pixels.shape) == (2, source.channels, source.size, source.size)
        assert torch.equal(part.take(torch.tensor([2, 0])).pixels(torch.tensor([0, 1])), pixels)
        assert part.y.unique().tolist() == list(range(len(source.classes)))


def test_reading_twice_gives_the_same(source: DataSource) -> None:
    every = torch.arange(len(source.train()))
    assert torch.equal(source.train().pixels(every), source.train().pixels(every))


def test_images_that_memory_would_not_hold_are_made_when_asked_for_and_are_the_same(source: DataSource) -> None:
    resize = 2 * source.size
    within = dataclasses.replace(source, resize=resize)  # type: ignore[type-var]
    beyond = dataclasses.replace(within, memory_gb=1e-9, workers=2)
    for left, kept in ((beyond.train(), within.train()), (beyond.test(), within.test())):
        chosen = torch.arange(0, len(kept), 9)
        assert left.to(torch.device("cpu")) is left
        assert torch.equal(left.pixels(chosen), kept.pixels(chosen)) and torch.equal(left.y, kept.y)
    assert beyond.train().fingerprint() == beyond.train().fingerprint() != beyond.test().fingerprint()


def test_a_pickled_source_takes_no_images_along(source: DataSource) -> None:
    source.train()
    copy = pickle.loads(pickle.dumps(source))
    assert copy == source and len(pickle.dumps(source)) < 2000
    assert torch.equal(copy.train().y, source.train().y)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_shipped_configuration_makes_the_source(name: str) -> None:
    made = build(load_yaml(shipped("conf") / "data" / f"{name}.yaml"), "data")
    assert isinstance(made, SOURCES[name])
    assert made == load_data(name)


@pytest.mark.parametrize("name", sorted({*OF_FILES} - {*STANDARD}))
def test_no_root_is_said(name: str) -> None:
    with pytest.raises(UserError, match=f"no {PLACE.get(name, 'root')} given"):
        load_data(name).train()


@pytest.mark.parametrize("name", OF_FILES)
def test_a_missing_folder_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such"):
        load_data(name, **{PLACE.get(name, "root"): str(tmp_path / "nowhere")}).train()


@pytest.mark.parametrize("name", STANDARD)
def test_an_empty_folder_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder is empty"):
        load_data(name, str(tmp_path)).train()


@pytest.mark.parametrize("name", STANDARD)
def test_a_file_in_place_of_the_folder_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        load_data(name, str(tmp_path / "file")).train()


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(UserError, match="nearest is 'cifar10'"):
        load_data("cifar1")


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UserError, match="nearest is 'flip'"):
        load_data("digits", flips=True)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("root", "/tmp", "none: the images"),
        ("resize", 0, "1 to 1024 pixels a side"),
        ("resize", 2000, "1 to 1024 pixels a side"),
        ("resize", 32.0, "1 to 1024 pixels a side"),
        ("subset", 0, "a number of images, or a share above 0 and up to 1.0"),
        ("subset", 1.1, "a number of images, or a share"),
        ("subset", float("nan"), "a number of images, or a share"),
        ("subset", True, "a number of images, or a share"),
        ("validation", 1.0, "a share above 0 and below 1.0"),
        ("validation", -5, "a share above 0 and below 1.0"),
        ("memory_gb", 0, "a number of gigabytes above 0"),
        ("memory_gb", float("inf"), "a number of gigabytes above 0"),
        ("workers", 0, "1 to 256 processes"),
        ("flip", "yes", "true or false"),
        ("crop", 0.6, "from 0 to 0.5"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(field: str, value: object, expected: str) -> None:
    with pytest.raises(UserError, match=rf"data digits: {field}={value!r}, expected .*{expected}"):
        load_data("digits", **{field: value})


def test_every_source_resizes(source: DataSource) -> None:
    made = dataclasses.replace(source, resize=7)  # type: ignore[type-var]
    assert made.size == 7
    for part in (made.train(), made.test()):
        assert (part.size, part.channels) == (7, source.channels)
        assert part.pixels(torch.arange(3)).shape == (3, source.channels, 7, 7)
        assert part.y.unique().tolist() == list(range(len(source.classes)))
