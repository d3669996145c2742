"""Fashion-MNIST's IDX files: what is read, and what is said of files that are not right."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.sources import FashionMnist
from nastk.errors import UserError
from tests.data.files import idx, labels, pictures, write_fashion

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


@pytest.mark.parametrize("packed", [False, True])
def test_pixels_and_labels_are_those_of_the_files(tmp_path: Path, packed: bool) -> None:
    train = FashionMnist(str(write_fashion(tmp_path, packed))).train()
    assert np.array_equal(train.x[:, 0].numpy(), pictures(40, 28, 1)[..., 0])
    assert np.array_equal(train.y.numpy(), labels(40))


def test_the_test_files_are_opened_by_test_alone(tmp_path: Path) -> None:
    root = write_fashion(tmp_path)
    for path in root.glob("t10k-*"):
        path.unlink()
    source = FashionMnist(str(root))
    assert len(source.train()) == 40
    with pytest.raises(UserError, match="t10k-images-idx3-ubyte"):
        source.test()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"", "begins with nothing"),
        (IMAGES, idx(labels(40)), "begins with 00000801, expected 00000803"),
        (IMAGES, idx(pictures(40, 28, 1)[..., 0])[:10], "header of 16; the file is cut short"),
        (
            IMAGES,
            idx(pictures(40, 28, 1)[..., 0])[:-1],
            "31375 bytes, expected 31376 by its header; the file is cut short",
        ),
        (IMAGES, idx(pictures(40, 28, 1)[..., 0]) + b"\0", "too long"),
        (IMAGES, idx(pictures(39, 28, 1)[..., 0]), "39 images and 40 labels"),
        (IMAGES, idx(pictures(40, 28, 1)[:, :20, :, 0]), "20x28 pixels, expected square"),
        (IMAGES, idx(pictures(40, 8, 1)[..., 0]), r"shape \(1, 8, 8\), expected \(1, 28, 28\)"),
        (LABELS, idx(labels(40, 12)), "label 11, expected 0 to 9"),
        (LABELS, idx(labels(40, 9)), "class 9 of 10 has no image"),
    ],
)
def test_a_file_that_is_not_right_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    root = write_fashion(tmp_path)
    (root / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        FashionMnist(str(root)).train()
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("keep", [5, 300, -4])
def test_a_cut_gzip_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_fashion(tmp_path, packed=True) / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a whole gzip file"):
        FashionMnist(str(tmp_path)).train()


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = write_fashion(tmp_path, packed=True) / f"{IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="cut short or damaged"):
        FashionMnist(str(tmp_path)).train()


@pytest.mark.skipif("NASTK_DATA" not in os.environ, reason="NASTK_DATA is not set: no real Fashion-MNIST here")
def test_the_real_files_hold_60000_and_10000_images_in_equal_classes() -> None:
    source = FashionMnist(str(Path(os.environ["NASTK_DATA"]) / "fashion-mnist"))
    train, test = source.train(), source.test()
    assert train.y.bincount().tolist() == [6000] * 10
    assert test.y.bincount().tolist() == [1000] * 10
    # The published mean and deviation of the training images.
    scaled = train.x.double() / 255
    assert float(scaled.mean()) == pytest.approx(0.2860, abs=5e-5)
    assert float(scaled.std()) == pytest.approx(0.3530, abs=5e-5)


def test_gz_and_plain_files_give_the_same(tmp_path: Path) -> None:
    plain = FashionMnist(str(write_fashion(tmp_path / "plain"))).test()
    packed = FashionMnist(str(write_fashion(tmp_path / "packed", packed=True))).test()
    assert torch.equal(plain.x, packed.x)
    assert gzip.decompress((tmp_path / "packed" / f"{LABELS}.gz").read_bytes())[:4] == bytes((0, 0, 8, 1))
