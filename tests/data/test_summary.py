"""What a user is told of the images: parts, classes of other sizes or without images, and mirroring."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from nastk.data.images import DataSource
from nastk.data.sources import Digits, HuggingFace, ImageFolder, Npz
from nastk.data.sources.decoded import DecodedSource
from nastk.data.subsets import draw_parts
from nastk.data.summary import data_lines
from nastk.errors import UserError
from tests.data.files import labels, pictures, write_hub_set, write_image_folder, write_npz


def lines(source: DataSource, flip: bool = False) -> list[str]:
    return data_lines(source, draw_parts(source, 0), flip=flip)


def test_the_parts_and_their_sizes_are_told_first(tmp_path: Path) -> None:
    own = ImageFolder(str(write_image_folder(tmp_path / "own", ("train", "valid", "test"))), resize=9)
    assert lines(own)[0] == (
        "data image_folder: 3 classes (bird, cat, dog) of 9x9 pixels, trains on 30 images, validates on 30 of valid/, "
        "30 to test on"
    )
    split = ImageFolder(str(write_image_folder(tmp_path / "split", ("",))))
    assert "trains on 19 images, validates on 5 held out of the training part, 6 to test on" in lines(split)[0]
    assert "10 classes (0, 1, 2, 3, 4, 5 more) of 8x8 pixels" in lines(Digits())[0]


def test_mirroring_is_told_either_way_and_is_off_for_images_of_unknown_kind(tmp_path: Path) -> None:
    assert not any(source().flip for source in (DecodedSource, ImageFolder, HuggingFace, Npz))
    source = ImageFolder(str(write_image_folder(tmp_path)))
    assert lines(source)[-1].startswith("data image_folder: training does not mirror images; data.flip=true is for")
    assert "training mirrors images; data.flip=false where" in lines(source, flip=True)[-1]


def test_classes_of_other_sizes_and_without_images_are_told(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path, ("train", "val", "test"))
    assert len(lines(ImageFolder(str(root)))) == 2, "nothing more of a set without a fault"
    for index in range(4):
        (root / "train" / "dog" / f"00{index}.png").unlink()
    shutil.rmtree(root / "val" / "cat")
    for name in ("bird", "dog"):
        for path in (root / "test" / name).iterdir():
            path.unlink()
    told = lines(ImageFolder(str(root)))[1:-1]
    assert "classes differ in size: 6 training images of dog, 10 of bird" not in "".join(told), "not twice as many"
    assert told == [
        "data image_folder: no validation image of cat: accuracy there is over the other 2",
        "data image_folder: no test image of bird, dog: accuracy there is over the other 1",
    ]
    (root / "train" / "dog" / "004.png").unlink()
    assert "classes differ in size: 5 training images of dog, 10 of bird; " in lines(ImageFolder(str(root)))[1]


def test_a_test_part_may_lack_a_class_in_any_source_of_ones_own(tmp_path: Path) -> None:
    import datasets

    npz = Npz(str(write_npz(tmp_path / "a.npz", y_test=np.zeros(12, np.int64))))
    parts = datasets.load_from_disk(str(write_hub_set(tmp_path / "whole")))
    parts["test"] = parts["test"].filter(lambda row: row["label"] == 0)
    parts.save_to_disk(str(tmp_path / "hub"))
    for source in (npz, HuggingFace(path=str(tmp_path / "hub"))):
        assert set(source.test().y.tolist()) == {0} == set(source.test_labels().tolist())
        assert "no test image of " in lines(source)[-2] and "over the other 1" in lines(source)[-2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": pictures(12, 10, 3)}, r"images of shape \(3, 10, 10\), expected \(3, 12, 12\) as in the training"),
        ({"x_test": pictures(12, 12, 1)}, r"images of shape \(1, 12, 12\)"),
        ({"x_test": pictures(12, 12, 3).astype(float)}, "type float64, expected uint8"),
        ({"x_test": pictures(11, 12, 3)}, "11 images and 12 labels"),
        ({"y_test": labels(12, 4)}, "label 3, expected 0 to 2"),
    ],
)
def test_an_archives_test_part_is_checked_by_its_header(tmp_path: Path, changes: dict, message: str) -> None:
    source = Npz(str(write_npz(tmp_path / "a.npz", **changes)))
    with pytest.raises(UserError, match=f"x_test, y_test: .*{message}"):
        lines(source)


def test_an_archive_that_is_resized_takes_test_images_of_another_size(tmp_path: Path) -> None:
    source = Npz(str(write_npz(tmp_path / "a.npz", x_test=pictures(12, 9, 3))), resize=8)
    assert source.test_labels().tolist() == source.test().y.tolist()


def test_a_source_that_cannot_tell_of_its_test_part_is_told_without(tmp_path: Path) -> None:
    assert Digits().test_labels() is None
    assert "to test on" not in lines(dataclasses.replace(Digits(), validation=10))[0]
