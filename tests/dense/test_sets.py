"""Sets of images with masks or boxes: what is read, and what is refused; and the script that makes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nastk.dense.sets import read_set
from nastk.errors import UserError

SCRIPTS = Path(__file__).parents[2] / "scripts"
SPLITS = ("train", "val", "test")
Arrays = dict[str, NDArray[Any]]
Make = Callable[..., tuple[int, str]]


def masked() -> Arrays:
    """Returns a set to segment: two images of 4x6 pixels a split."""
    arrays: Arrays = {"classes": np.array(["background", "shoe"])}
    for split in SPLITS:
        masks = np.zeros((2, 4, 6), np.uint8)
        masks[0, :2], masks[1, 3] = 1, 255
        arrays |= {f"{split}_images": np.full((2, 4, 6, 3), 7, np.uint8), f"{split}_masks": masks}
    return arrays


def boxed() -> Arrays:
    """Returns a set to detect in: three images of 4x6 pixels a split, the second without a box."""
    arrays: Arrays = {"classes": np.array(["shoe", "bag"])}
    for split in SPLITS:
        arrays |= {
            f"{split}_images": np.zeros((3, 4, 6, 3), np.uint8),
            f"{split}_boxes": np.array([[0, 0, 6, 4], [1, 1, 2, 2], [0, 1, 5, 4]], np.float32),
            f"{split}_labels": np.array([1, 0, 1]),
            f"{split}_image": np.array([2, 0, 2]),
        }
    return arrays


MAKERS = {"segmentation": masked, "detection": boxed}


def saved(path: Path, arrays: Arrays) -> Path:
    """Writes a set's file."""
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_masks_are_read_as_they_are(tmp_path: Path) -> None:
    found = read_set(saved(tmp_path / "a.npz", masked()), "segmentation")
    assert found.classes == ("background", "shoe")
    images, targets = found.split("val")
    assert images.shape == (2, 4, 6, 3) and images.dtype == torch.uint8
    np.testing.assert_array_equal(torch.stack(list(targets)).numpy(), masked()["val_masks"])


def test_boxes_are_dealt_out_to_their_images(tmp_path: Path) -> None:
    found = read_set(saved(tmp_path / "a.npz", boxed()), "detection")
    assert found.classes == ("shoe", "bag")
    boxes = [target["boxes"].tolist() for target in found.split("test").targets]
    assert boxes == [[[1, 1, 2, 2]], [], [[0, 0, 6, 4], [0, 1, 5, 4]]]
    assert [target["labels"].tolist() for target in found.split("test").targets] == [[0], [], [1, 1]]
    assert found.split("test").targets[1]["boxes"].shape == (0, 4)


def _with(array: NDArray[Any], place: Any, value: object) -> NDArray[Any]:
    changed = array.copy()
    changed[place] = value
    return changed


WRONG = {
    "no masks": ("segmentation", "val_masks", None, "no array val_masks in it, which a set for segmentation has"),
    "no classes": ("detection", "classes", None, "no array classes in it"),
    "images of floats": (
        "segmentation",
        "train_images",
        np.zeros((2, 4, 6, 3)),
        "expected uint8 (n, height, width, 3)",
    ),
    "grey images": ("segmentation", "test_images", np.zeros((2, 4, 6), np.uint8), "test_images is uint8 (2, 4, 6)"),
    "other channels": (
        "detection",
        "val_images",
        np.zeros((3, 4, 6, 4), np.uint8),
        "expected uint8 (n, height, width, 3",
    ),
    "another size": (
        "segmentation",
        "val_images",
        np.zeros((2, 8, 6, 3), np.uint8),
        "expected height=4 as train_images",
    ),
    "a mask too few": ("segmentation", "val_masks", np.zeros((1, 4, 6), np.uint8), "expected n=2 as val_images has it"),
    "no images": ("segmentation", "train_images", np.zeros((0, 4, 6, 3), np.uint8), "expected at least one image"),
    "an unknown class": (
        *("segmentation", "test_masks", _with(masked()["test_masks"], (1, 2, 5), 2)),
        "test_masks: 2 at row 2, column 5 of image 1, expected a class from 0 to 1, or 255",
    ),
    "nothing counts": ("segmentation", "train_masks", np.full((2, 4, 6), 255, np.uint8), "255 everywhere"),
    "the background alone": ("segmentation", "classes", np.array(["background"]), "1 classes, expected 2 to 255"),
    "a class twice": ("detection", "classes", np.array(["bag", "bag"]), "classes: 'bag' is there twice"),
    "a class of spaces": ("detection", "classes", np.array(["bag", " "]), "classes: ' ' is no name"),
    "classes by number": ("detection", "classes", np.arange(2), "classes is int64 (2,), expected one text"),
    "objects": ("detection", "classes", np.array(["a", None], object), "holds Python objects"),
    "no box": ("detection", "train_boxes", np.zeros((0, 4), np.float32), "expected at least one box"),
    "boxes of three": ("detection", "train_boxes", np.zeros((3, 3), np.float32), "expected float32 (m, 4)"),
    "boxes of doubles": ("detection", "train_boxes", np.zeros((3, 4)), "train_boxes is float64 (3, 4)"),
    "a label too few": ("detection", "val_labels", np.array([1, 0]), "expected m=3 as val_boxes has it"),
    "an empty box": (
        *("detection", "train_boxes", _with(boxed()["train_boxes"], (1, 2), 1)),
        "train_boxes: box 1 is (1, 1, 1, 2), expected x0 < x1 and y0 < y1 within 6x4 pixels",
    ),
    "a box outside": ("detection", "val_boxes", _with(boxed()["val_boxes"], (2, 3), 4.5), "box 2 is (0, 1, 5, 4.5)"),
    "a box of no number": ("detection", "val_boxes", _with(boxed()["val_boxes"], (0, 0), np.nan), "box 0 is (nan, 0"),
    "a label too many": (
        "detection",
        "test_labels",
        np.array([1, 2, 1]),
        "test_labels: 2 of box 1, expected a class from",
    ),
    "a negative image": ("detection", "test_image", np.array([1, 2, -1]), "test_image: -1 of box 2, expected an image"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_array_that_is_not_what_it_should_be_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    task, name, value, expected = WRONG[case]
    arrays = MAKERS[task]()
    del arrays[name]
    if value is not None:
        arrays[name] = value
    with pytest.raises(UserError) as error:
        read_set(saved(tmp_path / "set.npz", arrays), task)
    assert expected in str(error.value) and str(tmp_path / "set.npz") in str(error.value)


def test_a_file_that_is_cut_short_missing_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "set.npz", boxed()).read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / "set.npz").write_bytes(whole[:length])
        with pytest.raises(UserError, match="cut short"):
            read_set(tmp_path / "set.npz", "detection")
    with pytest.raises(UserError, match=r"missing\.npz"):
        read_set(tmp_path / "missing.npz", "detection")
    with pytest.raises(UserError, match="unknown task 'boxes'; nearest is"):
        read_set(saved(tmp_path / "set.npz", boxed()), "boxes")
    with pytest.raises(UserError, match="unknown split 'tests'; nearest is 'test'"):
        read_set(tmp_path / "set.npz", "detection").split("tests")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Make:
    """Runs the script on what comes with scikit-learn; returns exit code and what it said."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.delenv("NASTK_DATA", raising=False)
    script = importlib.import_module("dense_sets")

    def made(out: Path, *given: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["dense_sets", f"--out={out}", "--images=8", "--size=32", *given])
        code = 0
        try:
            script.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, "".join(capsys.readouterr())

    return made


def test_the_script_makes_sets_that_belong_together_the_same_for_the_same_seed(make: Make, tmp_path: Path) -> None:
    code, said = make(tmp_path / "one")
    assert code == 0 and "generated texture (no photographs found)" in said
    assert make(tmp_path / "two")[0] == 0 == make(tmp_path / "three", "--seed=1")[0]
    assert (tmp_path / "one" / "detection.npz").read_bytes() != (tmp_path / "three" / "detection.npz").read_bytes()
    for name in ("segmentation", "detection"):
        assert (tmp_path / "one" / f"{name}.npz").read_bytes() == (tmp_path / "two" / f"{name}.npz").read_bytes()
    masks, boxes = (read_set(tmp_path / "one" / f"{name}.npz", name) for name in ("segmentation", "detection"))
    assert masks.classes == ("background", *boxes.classes)
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        assert len(masks.split(split).targets) == count
        assert torch.equal(masks.split(split).images, boxes.split(split).images)
        for mask, target in zip(masks.split(split).targets, boxes.split(split).targets, strict=True):
            inside = torch.zeros_like(mask)
            for (x0, y0, x1, y1), label in zip(target["boxes"].long().tolist(), target["labels"], strict=True):
                inside[y0:y1, x0:x1] = 1
                assert (mask[y0:y1, x0:x1] == label + 1).any()
            assert not ((mask > 0) & (mask < 255) & (inside == 0)).any()


def test_the_script_refuses_what_there_is_not(make: Make, tmp_path: Path) -> None:
    code, said = make(tmp_path, "--items=0,zehn")
    assert code == 2 and said.startswith("error: unknown item of digits 'zehn'; nearest is")
    assert not list(tmp_path.iterdir())
