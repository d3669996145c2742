"""CIFAR-100's two versions and its two kinds of labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.sources import Cifar100
from nastk.data.sources.cifar100 import KINDS
from nastk.errors import UserError
from tests.data.files import pictures, write_cifar100


@pytest.mark.parametrize("python", [False, True])
def test_pixels_and_both_labels_are_those_of_the_files(tmp_path: Path, python: bool) -> None:
    root = str(write_cifar100(tmp_path, python=python))
    fine, coarse = Cifar100(root=root), Cifar100(root=root, labels="coarse")
    for source, classes in ((fine, 100), (coarse, 20)):
        train = source.train()
        assert np.array_equal(train.x.numpy(), pictures(200, 32, 3, 0).transpose(0, 3, 1, 2))
        assert len(source.test()) == 100
        assert len(source.classes) == classes
        assert train.y.unique().tolist() == list(range(classes))
    assert torch.equal(fine.train().y // 5, coarse.train().y)
    assert (fine.classes[7], coarse.classes[7]) == ("fine_7", "coarse_7")


def test_the_published_names_are_given_where_the_lists_are_not(tmp_path: Path) -> None:
    root = write_cifar100(tmp_path)
    for path in (root / "cifar-100-binary").glob("*.txt"):
        path.unlink()
    fine, coarse = Cifar100(root=str(root)).classes, Cifar100(root=str(root), labels="coarse").classes
    assert (len(set(fine)), len(set(coarse))) == (100, 20)
    assert (fine[0], fine[19], fine[99], coarse[0], coarse[19]) == (
        *("apple", "cattle", "worm", "aquatic_mammals", "vehicles_2"),
    )
    assert all(list(names) == sorted(names) for names in KINDS.values())  # as the authors numbered them


def test_the_folder_may_be_the_inner_one(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    write_cifar100(tmp_path, python=True)
    assert len(Cifar100(root=str(tmp_path / "cifar-100-binary")).test()) == 100
    assert Cifar100(root=str(tmp_path / "cifar-100-python")).folder.name == "cifar-100-python"


def test_the_test_file_is_opened_by_test_alone(tmp_path: Path) -> None:
    source = Cifar100(root=str(write_cifar100(tmp_path)))
    (source.folder / "test.bin").unlink()
    assert len(source.train()) == 200
    with pytest.raises(UserError, match=r"no file test\.bin"):
        source.test()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes, expected a multiple of 3074 .2 labels and 32x32 RGB each"),
        (bytes(3073 * 100), "expected a multiple of 3074"),
        (bytes((0, 100)) + bytes(3072), "label 100, expected 0 to 99"),
        (bytes(3074 * 3), "class 1 of 100 has no image"),
    ],
)
def test_a_file_that_is_not_right_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    source = Cifar100(root=str(write_cifar100(tmp_path)))
    (source.folder / "train.bin").write_bytes(content)
    with pytest.raises(UserError, match=message):
        source.train()


def test_a_list_of_another_length_is_named(tmp_path: Path) -> None:
    source = Cifar100(root=str(write_cifar100(tmp_path)))
    (source.folder / "fine_label_names.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"fine_label_names\.txt: 2 class names, expected 100"):
        _ = source.classes


def test_other_labels_name_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown labels of data cifar100 'fin'; nearest is 'fine'"):
        Cifar100(labels="fin")  # type: ignore[arg-type]
