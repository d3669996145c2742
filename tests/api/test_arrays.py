"""Images that are arrays: taken in every usual form, kept once in the run's folder, refused with a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import nastk
from nastk.api.arrays import FILE, array_set

X = np.arange(10 * 4 * 4, dtype=np.uint8).reshape(10, 4, 4)
Y = [0, 1] * 5
NAMES = ["cat", "ant"] * 5


def test_a_fifth_of_each_class_is_split_off_always_the_same() -> None:
    found = array_set((X, Y))
    assert [len(found[name]) for name in ("x_train", "y_train", "x_test", "y_test")] == [8, 8, 2, 2]
    assert sorted(found["y_test"]) == [0, 1]
    assert {*map(bytes, found["x_train"]), *map(bytes, found["x_test"])} == set(map(bytes, X))
    again = array_set((X.astype(np.int64)[..., None], np.array(Y)))
    assert all(np.array_equal(found[name], again[name]) for name in found) and again["x_train"].dtype == np.uint8


def test_labels_may_be_names() -> None:
    found = array_set({"x_train": X, "y_train": NAMES, "x_test": X[:1], "y_test": ["cat"]})
    assert found["classes"].tolist() == ["ant", "cat"]
    assert found["y_train"].tolist() == [1, 0] * 5 and found["y_test"].tolist() == [1]


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ((X,), "1 of them, expected a folder, (x, y)"),
        ({"x": X}, "a mapping of x, expected x_train, y_train"),
        ((X, Y[:9]), "10 images and 9 labels in x_train and y_train"),
        ((X / 255, Y), "x_train is an array of float64, expected whole numbers from 0 to 255; (x * 255)"),
        ((X.astype(int) - 1, Y), "x_train has pixels from -1 to 158, expected 0 to 255"),
        ((np.zeros((10, 3, 8, 8), np.uint8), Y), "expected (n, height, width) or (n, height, width, 3); np.moveaxis"),
        ((X, [0.5] * 10), "y_train is float64 (10,), expected a number or a name for each image"),
        ((X, [*NAMES[:9], "bee"]), "class 'bee' has 1 image, expected at least 2"),
        ((X, NAMES, X, ["dog"] * 10), "y_test has the class 'dog', the training part has ant, cat"),
    ],
)
def test_another_form_is_one_line_and_leaves_nothing_behind(images: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(nastk.UserError) as raised:
        nastk.Run("new", tmp_path).search(images=images, space="nasnet")
    assert told in str(raised.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["new", None])
def test_arrays_of_a_search_that_does_not_begin_are_not_kept(name: str | None, tmp_path: Path) -> None:
    run = nastk.Run(name, tmp_path)
    with pytest.raises(nastk.UserError, match="trials=-1"):
        run.search(images=(X, Y), space="nasnet", trials=-1)
    assert list(tmp_path.iterdir()) == [] and (name is None) == ("no folder yet" in _folder(run))


def _folder(run: nastk.Run) -> str:
    try:
        return str(run.folder)
    except nastk.UserError as error:
        return str(error)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(nastk.UserError, match="holds files but no run"):
        nastk.Run(tmp_path).search(images=(X, Y), space="nasnet")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_search_keeps_them_and_goes_on_with_them_and_with_no_others(tmp_path: Path) -> None:
    x, y = (load_digits().images * 255 / 16).round().astype(np.uint8), [f"digit {one}" for one in load_digits().target]
    run = nastk.Run("mine", tmp_path)
    settings: dict[str, Any] = {"space": "nasnet", "controller": "random", "evaluator": "zero_cost", "trials": 1}
    run.search(images=(x, y), objective={"maximize": ["score"]}, target={"seconds": 0.02}, **settings)
    assert (run.folder / FILE).is_file() and "10 classes (digit 0, digit 1" in " ".join(run.said)
    assert len(run.search(trials=2).rows) == 2
    assert len(run.search(images=(x, y), trials=2).rows) == 2
    with pytest.raises(nastk.UserError, match=r"images.npz: holds other images than those given"):
        run.search(images=(x[::-1], y))
    with pytest.raises(nastk.UserError, match="images and data: both given"):
        run.search(images=(x, y), data="digits")
