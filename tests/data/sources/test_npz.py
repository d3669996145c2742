"""A user's own .npz: what is read, and what is said of arrays that are not right."""

from pathlib import Path

import numpy as np
import pytest

from nastk.data.sources import Npz
from nastk.errors import UserError
from tests.data.files import labels, pictures, write_npz


def test_rgb_images_become_channels_first(tmp_path: Path) -> None:
    source = Npz(str(write_npz(tmp_path / "a.npz")))
    assert np.array_equal(source.train().x.numpy(), pictures(30, 12, 3).transpose(0, 3, 1, 2))
    assert (source.channels, source.size, source.classes) == (3, 12, ("0", "1", "2"))
    assert len(source.test()) == 12


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 1)])
def test_grey_images_come_with_and_without_a_channel(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = pictures(30, 12, 1).reshape(30, *shape)
    source = Npz(str(write_npz(tmp_path / "a.npz", x_train=x, x_test=x[:12])))
    assert source.train().x.shape == (30, 1, 12, 12)
    assert source.test().x.shape == (12, 1, 12, 12)


@pytest.mark.parametrize(("height", "width"), [(20, 14), (14, 20), (5, 9)])
def test_images_that_are_not_square_are_resized(tmp_path: Path, height: int, width: int) -> None:
    x = np.random.default_rng(0).integers(0, 256, (30, height, width, 3), dtype=np.uint8)
    source = Npz(root=str(write_npz(tmp_path / "a.npz", x_train=x, x_test=x[:12])), resize=8)
    assert source.train().x.shape == (30, 3, 8, 8)
    assert source.test().x.shape == (12, 3, 8, 8)
    assert (source.size, source.channels) == (8, 3)


def test_the_test_images_may_be_of_another_size_where_all_are_resized(tmp_path: Path) -> None:
    source = Npz(root=str(write_npz(tmp_path / "a.npz", x_test=pictures(12, 9, 3))), resize=8)
    assert source.train().x.shape[1:] == source.test().x.shape[1:] == (3, 8, 8)


def test_class_names_may_lie_in_the_file(tmp_path: Path) -> None:
    source = Npz(str(write_npz(tmp_path / "a.npz", classes=np.array(["cat", "dog", "cow"]))))
    assert source.classes == ("cat", "dog", "cow")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": None}, "no array y_train in it, there are: x_test, x_train, y_test"),
        ({"x_test": None}, "no array x_test in it"),
        ({"x_train": pictures(30, 12, 3).astype(object)}, "x_train holds Python objects"),
        ({"y_train": labels(30, 3).astype(object)}, "y_train holds Python objects"),
        ({"x_train": pictures(30, 12, 3).astype(np.float32)}, "type float32, expected uint8"),
        ({"x_train": pictures(30, 12, 3)[:, :, :9]}, "12x9 pixels, expected square"),
        ({"x_train": pictures(30, 12, 2)}, "expected .n, size, size"),
        ({"x_train": pictures(30, 12, 3)[:29]}, "29 images and 30 labels"),
        ({"x_train": pictures(0, 12, 3), "y_train": labels(0)}, "no image in it"),
        ({"y_train": np.zeros(30, np.int64)}, "1 class"),
        ({"y_train": labels(30, 3) * 2}, "class 1 of 5 has no image"),
        ({"y_train": labels(30, 3).astype(np.int64) - 1}, "label -1"),
        ({"y_train": labels(30, 3).astype(np.float64)}, "type float64, expected whole numbers"),
        ({"y_train": labels(30, 3)[:, None]}, "labels of shape"),
        ({"y_train": np.full(30, 10**12)}, "class"),
        ({"classes": np.array(["cat", "dog"])}, "expected 3 names"),
    ],
)
def test_arrays_that_are_not_right_are_named(
    tmp_path: Path, changes: dict[str, np.ndarray | None], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Npz(str(write_npz(tmp_path / "a.npz", **changes))).train()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": pictures(12, 12, 1)[..., 0]}, "as in the training part"),
        ({"x_test": pictures(12, 10, 3)}, "as in the training part"),
        ({"y_test": labels(12, 4)}, "label 3, expected 0 to 2"),
        ({"x_test": pictures(12, 12, 3).astype(object)}, "x_test holds Python objects"),
    ],
)
def test_test_arrays_that_are_not_right_are_named(
    tmp_path: Path, changes: dict[str, np.ndarray | None], message: str
) -> None:
    source = Npz(str(write_npz(tmp_path / "a.npz", **changes)))
    source.train()
    with pytest.raises(UserError, match=message):
        source.test()


@pytest.mark.parametrize("keep", [0, 10, 3000, -30])
def test_a_cut_short_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"a\.npz: not an \.npz file, or cut short"):
        Npz(str(path)).train()


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="x_train is cut short or damaged"):
        Npz(str(path)).train()


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.npz: no such file"):
        Npz(str(tmp_path / "none.npz")).train()
    with pytest.raises(UserError, match="not a file"):
        Npz(str(tmp_path)).train()
    with pytest.raises(UserError, match="no root given"):
        Npz().train()
