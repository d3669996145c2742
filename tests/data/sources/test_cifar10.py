"""CIFAR-10's binary batches: what is read, and what is said of files that are not right."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.images import Images
from nastk.data.sources import Cifar10
from nastk.data.subsets import split
from nastk.errors import UserError
from tests.data.files import labels, pictures, write_cifar, write_cifar_python
from tests.data.python2 import python2_pickle


def test_planes_become_channels_in_the_order_of_the_batches(tmp_path: Path) -> None:
    train = Cifar10(str(write_cifar(tmp_path))).train()
    assert train.x.shape == (100, 3, 32, 32)
    assert np.array_equal(train.x[20:40].numpy(), pictures(20, 32, 3, 1).transpose(0, 3, 1, 2))


def test_the_folder_may_be_the_inner_one(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    assert len(Cifar10(str(tmp_path / "cifar-10-batches-bin")).test()) == 20


def test_the_test_file_is_opened_by_test_alone(tmp_path: Path) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    (source.folder / "test_batch.bin").unlink()
    assert len(source.train()) == 100
    with pytest.raises(UserError, match=r"test_batch\.bin"):
        source.test()


def test_class_names_come_from_the_meta_file_where_there_is_one(tmp_path: Path) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    assert source.classes[3] == "cat"
    names = [f"kind {number}" for number in range(10)]
    (source.folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert Cifar10(str(tmp_path)).classes == tuple(names)


def test_a_meta_file_of_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    (source.folder / "batches.meta.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match="2 class names, expected 10"):
        _ = source.classes


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"\0" * (3073 * 20 - 1)])
def test_a_cut_short_batch_is_named(tmp_path: Path, content: bytes) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    (source.folder / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"data_batch_2\.bin: \d+ bytes, expected a multiple of 3073"):
        source.train()


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    (source.folder / "data_batch_5.bin").unlink()
    with pytest.raises(UserError, match=r"no file data_batch_5\.bin"):
        source.train()


def test_a_label_out_of_range_is_named(tmp_path: Path) -> None:
    source = Cifar10(str(write_cifar(tmp_path)))
    path = source.folder / "data_batch_1.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(UserError, match="label 10, expected 0 to 9"):
        source.train()


def test_the_python_version_gives_what_the_binary_version_gives(tmp_path: Path) -> None:
    binary = Cifar10(root=str(write_cifar(tmp_path / "binary")))
    python = Cifar10(root=str(write_cifar_python(tmp_path / "python")))
    for one, other in ((binary.train(), python.train()), (binary.test(), python.test())):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)
    assert python.classes == binary.classes


def test_the_binary_version_is_read_where_both_are(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    inner = write_cifar_python(tmp_path) / "cifar-10-batches-py"
    assert Cifar10(root=str(tmp_path)).folder == tmp_path / "cifar-10-batches-bin"
    assert Cifar10(root=str(inner)).folder == inner


def test_a_search_holds_out_5000_of_the_50000_as_the_paper_does() -> None:
    everything = Images(torch.zeros(50_000, 1, 1, 1, dtype=torch.uint8), torch.arange(50_000) % 10)
    train, held = split(everything, Cifar10().validation, seed=0)
    assert (len(train), len(held)) == (45_000, 5_000)
    assert held.y.bincount().tolist() == [500] * 10


def test_the_pickled_test_file_is_opened_by_test_alone(tmp_path: Path) -> None:
    source = Cifar10(root=str(write_cifar_python(tmp_path)))
    (source.folder / "test_batch").write_bytes(b"")
    assert len(source.train()) == 100
    with pytest.raises(UserError, match="test_batch: cut short"):
        source.test()


def batch(**changes: object) -> dict[str, object]:
    content: dict[str, object] = {"labels": labels(20).tolist(), "data": np.zeros((20, 3072), np.uint8)}
    content.update(changes)
    return {key: value for key, value in content.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (batch(data=None), r"data is of type NoneType, expected \(n, 3072\) bytes"),
        (batch(data=np.zeros((20, 3071), np.uint8)), r"data is \(20, 3071\), expected"),
        (batch(data="text"), "data is of type bytes"),
        (batch(labels=None), "labels is missing or no list of labels, there are: data"),
        (batch(labels=["a"] * 20), "labels is missing or no list of labels"),
        (batch(labels=[-1] * 20), "labels is missing or no list of labels"),
        (batch(labels=[10] * 20), "label 10, expected 0 to 9"),
        (batch(labels=[0] * 19), "20 images and 19 labels"),
    ],
)
def test_a_pickled_batch_that_is_not_right_is_named(tmp_path: Path, content: dict[str, object], message: str) -> None:
    source = Cifar10(root=str(write_cifar_python(tmp_path)))
    (source.folder / "data_batch_3").write_bytes(python2_pickle(content))
    with pytest.raises(UserError, match=message):
        source.train()


def test_a_malicious_batch_is_refused(tmp_path: Path) -> None:
    source = Cifar10(root=str(write_cifar_python(tmp_path)))
    command = f"touch {tmp_path / 'ran'}".encode()
    (source.folder / "batches.meta").write_bytes(b"cos\nsystem\n(S'" + command + b"'\ntR.")
    with pytest.raises(UserError, match=r"batches\.meta: refused.*os\.system"):
        source.train()
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@pytest.mark.skipif("NASTK_DATA" not in os.environ, reason="NASTK_DATA is not set: no real CIFAR-10 here")
def test_the_real_part_holds_18000_and_4500_images_in_equal_classes(tmp_path: Path) -> None:
    folder = Path(os.environ["NASTK_DATA"]) / "cifar10"
    subprocess.run([sys.executable, folder / "unpack.py", folder / "cifar10_18k4k5_webp.npz", tmp_path], check=True)
    source = Cifar10(str(tmp_path))
    assert source.train().y.bincount().tolist() == [1800] * 10
    assert source.test().y.bincount().tolist() == [450] * 10
