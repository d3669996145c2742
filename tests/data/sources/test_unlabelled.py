"""Images without labels: found in nested folders, brought to the data's form, and what is none of them is one line."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nastk.data.decode import decode
from nastk.data.sized import data_at
from nastk.data.sources import Digits, ImageFolder
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.data.subsets import draw_parts
from nastk.data.summary import data_lines
from nastk.errors import UserError
from tests.data.files import pictures, write_image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in nested folders, of several sizes, one of a single pixel; and what is to be left aside."""
    place = tmp_path / "more"
    for number, (name, size) in enumerate({"z.png": 30, "a/b/c.jpg": 17, "a/one.bmp": 1}.items()):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures(1, size, 3, number)[0]).save(place / name)
    (place / "notes.txt").write_text("none")
    (place / "__MACOSX").mkdir()
    (place / "__MACOSX" / "z.png").write_bytes(b"")
    (place / ".hidden.png").write_bytes(b"")
    outside = tmp_path / "outside.png"
    Image.fromarray(pictures(1, 8, 3)[0]).save(outside)
    (place / "link.png").symlink_to(outside)
    (place / "round").symlink_to(place)
    return place


def test_files_of_nested_folders_are_found_and_brought_to_the_datas_form(folder: Path, capsys: Any) -> None:
    data = Digits(unlabelled=str(folder))
    found = unlabelled_images(data, tell=True)
    assert found is not None
    order = ["z.png", "a/one.bmp", "a/b/c.jpg"]
    expected = torch.from_numpy(np.stack([decode(folder / name, 1, 8) for name in order]))
    assert torch.equal(found.pixels(torch.arange(3)), expected)
    said = capsys.readouterr().err
    assert "2 symbolic links out of the folder" in said and "1 files .txt" in said
    larger = unlabelled_images(data_at(data, 16))
    assert larger is not None and larger.size == 16
    assert data_lines(data, draw_parts(data, 0), flip=False)[0].endswith(", 3 without labels for a teacher's students")
    before = found.fingerprint()
    Image.fromarray(pictures(1, 9, 3)[0]).save(folder / "new.png")
    changed = unlabelled_images(data)
    assert changed is not None and changed.fingerprint() != before
    assert unlabelled_images(Digits()) is None


def test_a_damaged_file_is_an_error_or_left_out_like_those_with_labels(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "broken.png").write_bytes((folder / "z.png").read_bytes()[:100])
    cpu = torch.device("cpu")
    for source, way in ((Digits(), "move it away"), (_own(tmp_path), "data.skip_corrupt=true goes on without")):
        found = unlabelled_images(dataclasses.replace(source, unlabelled=str(folder)))
        assert found is not None
        with pytest.raises(UserError, match=f"^data.unlabelled: .*broken.png: .*; {way}"):
            found.to(cpu)
    skipping = dataclasses.replace(_own(tmp_path), unlabelled=str(folder), skip_corrupt=True)
    found = unlabelled_images(skipping)
    assert found is not None and len(found.to(cpu)) == 3
    assert len(skipping.skipped.found) == 1


def _own(place: Path) -> ImageFolder:
    return ImageFolder(str(place / "own" if (place / "own").exists() else write_image_folder(place / "own")))


def test_an_array_is_brought_to_the_datas_size(tmp_path: Path) -> None:
    path = tmp_path / "more.npz"
    np.savez(path, x=pictures(5, 8, 1))
    found = unlabelled_images(Digits(unlabelled=str(path)))
    assert found is not None
    assert torch.equal(found.pixels(torch.arange(5)), torch.from_numpy(pictures(5, 8, 1).reshape(5, 1, 8, 8)))
    larger = unlabelled_images(Digits(unlabelled=str(path), resize=16))
    assert larger is not None and (larger.size, len(larger)) == (16, 5)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"y": np.zeros(3)}, "no array x in it, there are: y"),
        ({"x": np.zeros((2, 8, 8))}, "images of type float64, expected uint8"),
        ({"x": pictures(2, 8, 3)}, r"expected images of 1 channel\(s\) as the data's"),
        ({"x": np.zeros((0, 8, 8), np.uint8)}, r"of shape \(0, 8, 8, 1\), expected images"),
        ({"x": np.array([{}], object)}, "not an .npz file, cut short or damaged"),
        (None, "not an .npz file, cut short or damaged"),
    ],
)
def test_an_array_of_something_else_is_one_line(tmp_path: Path, arrays: dict[str, Any] | None, line: str) -> None:
    path = tmp_path / "more.npz"
    if arrays is None:
        path.write_bytes(b"PK no archive")
    else:
        np.savez(path, **arrays)
    with pytest.raises(UserError, match=f"^data.unlabelled: .*{line}"):
        unlabelled_images(Digits(unlabelled=str(path)))


def test_what_is_no_folder_of_other_images_is_one_line(tmp_path: Path) -> None:
    own = _own(tmp_path)
    (tmp_path / "empty").mkdir()
    cases = {
        "nowhere": "no such folder, expected a folder of images, or an .npz file with x",
        "empty": "no image in it",
        ".": "holds images of data.root=",
        "own": "holds images of data.root=",
        "own/test": "holds images of data.root=",
        "own/test/cat": "holds images of data.root=",
    }
    for place, line in cases.items():
        with pytest.raises(UserError, match=f"^data.unlabelled: .*{line}"):
            unlabelled_images(dataclasses.replace(own, unlabelled=str(tmp_path / place)))
    for value in ("", 3):
        with pytest.raises(UserError, match="^data digits: unlabelled="):
            Digits(unlabelled=value)  # type: ignore[arg-type]
