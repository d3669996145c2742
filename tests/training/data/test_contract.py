"""What every data source promises; a new one is entered in `SOURCES` and, with a small copy of its files, here."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nastk.config import build, load_yaml, shipped
from nastk.errors import UserError
from nastk.training.data import SOURCES, DataSource, load_data
from tests.training.data.files import write_cifar, write_fashion, write_npz

ROOTS: dict[str, Callable[[Path], Path | None]] = {
    "digits": lambda folder: None,
    "fashion_mnist": lambda folder: write_fashion(folder / "fashion"),
    "cifar10": lambda folder: write_cifar(folder / "cifar"),
    "npz": lambda folder: write_npz(folder / "images.npz"),
}
OF_FILES = [name for name in SOURCES if name != "digits"]


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
    root = ROOTS[request.param](tmp_path)
    return load_data(request.param, None if root is None else str(root))


def test_images_are_of_the_kind_that_the_source_says(source: DataSource) -> None:
    for part in (source.train(), source.test()):
        assert part.x.dtype == torch.uint8
        assert part.y.dtype == torch.int64
        assert tuple(part.x.shape[1:]) == (source.channels, source.size, source.size)
        assert part.y.unique().tolist() == list(range(len(source.classes)))


def test_reading_twice_gives_the_same(source: DataSource) -> None:
    assert torch.equal(source.train().x, source.train().x)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_shipped_configuration_makes_the_source(name: str) -> None:
    made = build(load_yaml(shipped("conf") / "data" / f"{name}.yaml"), "data")
    assert isinstance(made, SOURCES[name])
    assert made == load_data(name)


@pytest.mark.parametrize("name", OF_FILES)
def test_no_root_is_said(name: str) -> None:
    with pytest.raises(UserError, match="no root given"):
        load_data(name).train()


@pytest.mark.parametrize("name", OF_FILES)
def test_a_missing_folder_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such"):
        load_data(name, str(tmp_path / "nowhere")).train()


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_an_empty_folder_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder is empty"):
        load_data(name, str(tmp_path)).train()


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_a_file_in_place_of_the_folder_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        load_data(name, str(tmp_path / "file")).train()


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(UserError, match="nearest is 'cifar10'"):
        load_data("cifar")


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UserError, match="nearest is 'flip'"):
        load_data("digits", flips=True)
    with pytest.raises(UserError, match="field of data source digits 'root'"):
        load_data("digits", "/tmp")
