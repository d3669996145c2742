"""Which folders are taken for which part, which for classes, and that whatever is left out is named."""

import shutil
from pathlib import Path

import pytest

from nastk.data.sources import ImageFolder
from nastk.data.sources.parts import find_parts
from nastk.data.subsets import search_parts
from nastk.errors import UserError
from tests.data.files import write_image_folder


def made(root: Path, *names: str) -> Path:
    """Writes four images a class into each folder."""
    return write_image_folder(root, names, each=4)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "valid", "Testing"),
        ("TRAIN", "Validation", "TEST"),
        ("train_set", "validation-set", "test set"),
    ],
)
def test_parts_are_known_by_their_usual_names(tmp_path: Path, train: str, validation: str, test: str) -> None:
    for name in (train, validation, test):
        (tmp_path / name / "cat").mkdir(parents=True)
    found = find_parts("data", tmp_path)
    assert (found.train, found.validation, found.test) == tuple(tmp_path / name for name in (train, validation, test))
    assert found.left_out == ()


def test_parts_of_other_names_are_read_as_any(tmp_path: Path) -> None:
    source = ImageFolder(str(made(tmp_path, "training", "valid", "Test")), resize=8)
    train, held = search_parts(source, 0)
    assert (len(train), len(held), len(source.test())) == (12, 12, 12)
    assert str(held.reader.where(0)).endswith("valid/bird/000.png")  # type: ignore[attr-defined]
    assert source.facts()["test"] == "Test/"
    assert source.facts()["folders"] == {"train": "training/", "validation": "valid/", "test": "Test/"}


def test_what_is_no_part_is_named_once_and_recorded(tmp_path: Path, capsys) -> None:
    root = made(tmp_path / "set", "train", "extra", "__MACOSX", "train/@eaDir")
    (root / "elsewhere").symlink_to(made(tmp_path / "outside", "x"))
    (root / ".cache").mkdir()
    shutil.copy(root / "train" / "cat" / "000.png", root / "train" / "loose.png")
    source = ImageFolder(str(root))
    source.train(), source.test()
    beside, within = capsys.readouterr().err.splitlines()
    assert beside.startswith(f"nastk: data image_folder: {root}: ignored extra/, __MACOSX/, elsewhere/; ")
    assert "val/ or valid/ or validation/" in beside
    assert within == f"nastk: data image_folder: {root / 'train'}: ignored 1 images without a class folder, @eaDir/"
    ignored = source.facts()["ignored"]
    assert {f"folder {name}/" for name in ("extra", "__MACOSX", "elsewhere", "@eaDir")} < ignored.keys()
    assert source.classes == ("bird", "cat", "dog")


def test_litter_is_no_class_of_a_folder_without_parts(tmp_path: Path) -> None:
    source = ImageFolder(str(made(tmp_path, "", "__MACOSX")))
    assert source.classes == ("bird", "cat", "dog") and len(source.train()) == 9
    assert source.facts()["ignored"] == {"folder __MACOSX/": 1}
    assert source.facts()["folders"] == {}


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_a_class_may_be_called_like_a_part(tmp_path: Path, name: str) -> None:
    root = made(tmp_path, "")
    (root / "bird").rename(root / name)
    assert ImageFolder(str(root)).classes == tuple(sorted(("cat", "dog", name)))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "val", "valid"), "val/ and valid/ are both the validation part, expected one of them"),
        (("Train", "train"), "Train/ and train/ are both the train part"),
        (("testing", "other"), "has testing/ but no train/, expected train/CLASS/"),
    ],
)
def test_parts_that_cannot_be_told_are_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    root = made(tmp_path, *folders)
    with pytest.raises(UserError, match=f"^data image_folder: {root}: {message}"):
        ImageFolder(str(root)).train()


def test_two_parts_of_loose_images_are_no_classes(tmp_path: Path) -> None:
    root = made(tmp_path, "")
    (root / "bird").rename(root / "train")
    (root / "cat").rename(root / "test")
    with pytest.raises(UserError, match="train: no class folder, expected at least 2.*4 images lie beside it"):
        ImageFolder(str(root)).train()
