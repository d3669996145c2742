"""A folder a class: which files are taken, how they are split, and what is wrong with a folder."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nastk.data.images import Images
from nastk.data.normalisation import statistics
from nastk.data.sources import ImageFolder
from nastk.data.stored import StoredImages
from nastk.data.subsets import hold_out, search_parts
from nastk.errors import UserError
from tests.data.files import pictures, write_image_folder

CPU = torch.device("cpu")


def paths(images: StoredImages) -> list[str]:
    return [images.reader.listing.relative(int(row)) for row in images.rows]  # type: ignore[attr-defined]


def source(root: Path, **fields: object) -> ImageFolder:
    return ImageFolder(str(root), **fields)  # type: ignore[arg-type]


def test_classes_are_the_folders_sorted_and_images_are_sorted_by_name(tmp_path: Path) -> None:
    made = source(write_image_folder(tmp_path))
    assert made.classes == ("bird", "cat", "dog")
    assert (made.size, made.channels) == (12, 3)
    train = made.train()
    assert train.y.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert paths(train)[:2] + paths(train)[-1:] == ["bird/000.png", "bird/001.png", "dog/009.png"]
    assert len(made.test()) == 30
    loaded = train.to(CPU)
    assert isinstance(loaded, Images)
    for index in (0, 17):
        with Image.open(tmp_path / "train" / paths(train)[index]) as image:
            assert np.array_equal(loaded.x[index].permute(1, 2, 0).numpy(), np.asarray(image))


@pytest.mark.parametrize("parts", [("train",), ("",), ("train", "val")])
def test_without_test_a_share_of_each_class_is_split_off(tmp_path: Path, parts: tuple[str, ...]) -> None:
    made = source(write_image_folder(tmp_path, parts))
    train, test = paths(made.train()), paths(made.test())
    assert sorted(train + test) == [f"{name}/{i:03d}.png" for name in ("bird", "cat", "dog") for i in range(10)]
    assert [sum(path.startswith(name) for path in test) for name in ("bird", "cat", "dog")] == [2, 2, 2]
    assert paths(source(tmp_path).test()) == test
    assert paths(source(tmp_path, split_seed=1).test()) != test
    assert len(source(tmp_path, test_share=0.5).test()) == 15
    assert len(source(tmp_path, test_share=0.999).train()) == 3, "an image of each class is left to train on"
    split = made.facts()["test"]["split_off"]
    assert (split["share"], split["seed"], split["images"]) == (0.2, 0, 6)


def test_the_split_is_a_function_of_the_names_that_a_new_file_hardly_changes(tmp_path: Path) -> None:
    """Golden: the SHA-256 of "0/CLASS/NAME", by sha256sum; the two smallest of ten are the test part."""
    made = source(write_image_folder(tmp_path / "a", ("",)))
    command = 'for f in "$@"; do printf %s "0/$f" | sha256sum | cut -c1-64 | tr "\\n" " "; echo "$f"; done | sort'
    names = [f"cat/{index:03d}.png" for index in range(10)]
    listed = subprocess.run(["bash", "-c", command, "-", *names], check=True, capture_output=True, text=True).stdout
    smallest = sorted(line.split()[1] for line in listed.splitlines()[:2])
    test = paths(made.test())
    assert [path for path in test if path.startswith("cat")] == smallest
    moved = Path(shutil.copytree(tmp_path / "a", tmp_path / "elsewhere"))
    shutil.copy(moved / "dog" / "000.png", moved / "dog" / "new.png")
    assert len(set(paths(source(moved).test())) ^ set(test)) <= 2


def test_search_validates_on_val_where_there_is_one(tmp_path: Path) -> None:
    made = source(write_image_folder(tmp_path, ("train", "val", "test"), each=6), subset=9)
    train, held = search_parts(made, 0)
    assert len(train) == 9 and len(held) == 18
    assert str(held.reader.where(0)).endswith("val/bird/000.png")  # type: ignore[attr-defined]
    assert len(hold_out(made, 0)[0]) == len(made.train()) == 18
    without = source(write_image_folder(tmp_path / "b", ("train", "test")))
    assert [len(part) for part in search_parts(without, 0)] == [24, 6]


def test_memory_decides_where_images_are_and_nothing_else(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path, each=60)
    within, beyond = source(root), source(root, memory_gb=1e-6, workers=2)
    kept, left = within.train().to(CPU), beyond.train().to(CPU)
    assert isinstance(kept, Images) and isinstance(left, StoredImages)
    assert torch.equal(torch.cat([x for x, _ in left.batches(50)]), kept.x)
    assert statistics(left) == statistics(kept)


def test_images_of_mixed_modes_and_sizes_become_one_kind(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path, each=3, size=10)
    Image.fromarray(pictures(1, 40, 4)[0], "RGBA").save(root / "train" / "cat" / "alpha.PNG")
    Image.fromarray(pictures(1, 30, 1)[0, ..., 0]).save(root / "train" / "cat" / "grey.jpeg")
    Image.fromarray(np.full((9, 50), 9000, np.uint16)).save(root / "train" / "dog" / "sixteen.png")
    Image.new("CMYK", (5, 80)).save(root / "train" / "dog" / "print.jpg")
    made = source(root)
    assert (made.size, made.channels) == (10, 3), "the median of the shorter sides"
    assert made.train().to(CPU).pixels(torch.arange(13)).shape == (13, 3, 10, 10)
    assert source(root, grey=True, resize=7).train().to(CPU).pixels(torch.arange(13)).shape == (13, 1, 7, 7)


def test_grey_images_make_a_grey_set_and_large_ones_are_brought_down(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(3):
            Image.new("L", (500, 300), 40 * index).save(tmp_path / name / f"{index}.bmp")
    made = source(tmp_path)
    assert (made.size, made.channels) == (224, 1)
    assert source(tmp_path, grey=False).channels == 3


def test_what_is_no_image_of_the_class_is_ignored_and_counted(tmp_path: Path, capsys) -> None:
    root, outside = write_image_folder(tmp_path / "set"), write_image_folder(tmp_path / "outside")
    cat = root / "train" / "cat"
    (cat / "notes.txt").write_text("x")
    (cat / "moving.gif").write_bytes(b"GIF89a")
    (cat / "still.GIF").write_bytes(b"GIF89a")
    (cat / ".hidden.png").write_bytes(b"")
    (cat / "more").mkdir()
    shutil.copy(cat / "000.png", cat / "more" / "000.png")
    (cat / "escape.png").symlink_to(outside / "train" / "cat" / "000.png")
    (cat / "within.png").symlink_to(root / "train" / "dog" / "000.png")
    (cat / "broken.png").symlink_to(root / "nothing.png")
    os.mkfifo(cat / "pipe.png")
    (root / "train" / "escape").symlink_to(outside / "train" / "cat")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "README.md").write_text("x")
    made = source(root)
    assert made.classes == ("bird", "cat", "dog")
    assert [path for path in paths(made.train()) if "cat" in path][-2:] == ["cat/009.png", "cat/within.png"]
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and line.startswith(f"nastk: data image_folder: {root / 'train'}: ignored ")
    expected = ["2 files .gif", "1 files .txt", "1 folders within a class", "1 symbolic links out of the folder"]
    assert all(part in line for part in [*expected, "2 entries that are no files"])
    made.train()
    assert capsys.readouterr().err == "", "told once"
    assert made.facts()["ignored"]["files .gif"] == 2


def damage_missing(root: Path) -> None:
    shutil.rmtree(root)


def one_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "bird")
    shutil.rmtree(root / "train" / "cat")


def empty_class(root: Path) -> None:
    for path in (root / "train" / "cat").iterdir():
        path.rename(path.with_suffix(".gif"))


def loose_images(root: Path) -> None:
    for name in ("bird", "cat", "dog"):
        for path in (root / "train" / name).iterdir():
            path.rename(root / "train" / f"{name}{path.name}")
        (root / "train" / name).rmdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_missing, "no such folder"),
        (lambda root: shutil.rmtree(root / "train"), "has test/ but no train/, expected train/CLASS/"),
        (one_class, "train: one class folder only, 'dog', expected at least 2"),
        (
            empty_class,
            r"train/cat: no image in it \(.jpg, .*, .tiff\); 10 other files in it are ignored",
        ),
        (loose_images, "train: no class folder, expected at least 2.*; 30 images lie beside it without a class"),
        (lambda root: (root / "test" / "cat").rename(root / "test" / "cats"), "test/cats: no class.*nearest is 'cat'"),
        (lambda root: [path.unlink() for path in root.glob("test/*/*")], "test: no image in any of its class folders"),
        (
            lambda root: [shutil.rmtree(path) for path in root.glob("test/*")],
            "test: no class folder, expected at least 1",
        ),
    ],
)
def test_a_folder_that_cannot_be_a_set_is_told_in_one_line(tmp_path: Path, damage, message: str) -> None:
    root = write_image_folder(tmp_path / "set")
    damage(root)
    with pytest.raises(UserError, match=f"^data image_folder: .*{message}") as caught:
        made = source(root)
        made.train()
        made.test()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("folder", ["missing", "empty", "of other files", "outside"])
def test_another_part_may_lack_a_class(tmp_path: Path, part: str, folder: str) -> None:
    root = write_image_folder(tmp_path / "set", ("train", "val", "test"), each=4)
    cat = root / part / "cat"
    shutil.move(cat, tmp_path / "moved")
    if folder == "outside":
        cat.symlink_to(tmp_path / "moved")
    elif folder != "missing":
        cat.mkdir()
    if folder == "of other files":
        (cat / "notes.txt").write_text("x")
    made = source(root)
    images = made.test() if part == "test" else made.validation_images()
    assert images is not None and images.y.tolist() == [0] * 4 + [2] * 4
    assert paths(images)[4] == "dog/000.png"
    assert made.classes == ("bird", "cat", "dog")
    assert made.test_labels().tolist() == made.test().y.tolist()
    assert images.to(CPU).fingerprint() == images.to(CPU).fingerprint()


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    write_image_folder(tmp_path, ("",), each=2)
    (tmp_path / "cat" / "000.png").unlink()
    with pytest.raises(UserError, match="cat: 1 image, expected at least 2, for there is no test part"):
        source(tmp_path).train()


@pytest.mark.parametrize("memory_gb", [1.0, 1e-9])
def test_a_corrupt_image_is_named_or_skipped_and_counted(tmp_path: Path, memory_gb: float, capsys) -> None:
    root = write_image_folder(tmp_path)
    path = root / "train" / "cat" / "003.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"cat/003\.png: .*; data\.skip_corrupt=true goes on without such images$"):
        list(source(root, memory_gb=memory_gb).train().to(CPU).batches(9))
    made = source(root, memory_gb=memory_gb, skip_corrupt=True)
    assert sum(len(y) for _, y in made.train().to(CPU).batches(9)) == 29
    assert list(made.skipped.found) == [f"data image_folder: {path}"]
    assert capsys.readouterr().err.count("cat/003.png: skipped (") == 1


def test_a_folder_of_nothing_but_corrupt_images_has_no_size(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path)
    for path in root.rglob("*.png"):
        path.write_bytes(b"?")
    with pytest.raises(UserError, match=r"bird/000\.png: no image of .*; nor can another of 30 images be read"):
        source(root).train()


@pytest.mark.parametrize(
    "fields", [{"test_share": 0.0}, {"test_share": 1}, {"split_seed": 0.5}, {"grey": "yes"}, {"skip_corrupt": 1}]
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    ((name, value),) = fields.items()
    with pytest.raises(UserError, match=f"data image_folder: {name}={value!r}, expected"):
        source(tmp_path, **fields)


def test_the_fingerprint_follows_names_and_sizes_of_the_files(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path)
    before = source(root).train().fingerprint()
    assert source(root).train().fingerprint() == before
    assert source(root, resize=9).train().fingerprint() != before
    path = root / "train" / "cat" / "000.png"
    path.write_bytes(path.read_bytes() + b" ")
    assert source(root).train().fingerprint() != before


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path, each=4)
    strange = os.fsencode(root / "train" / "cat") + b"/caf\xe9 \n.png"
    shutil.copy(os.fsencode(root / "train" / "cat" / "000.png"), strange)
    assert len(source(root).train().to(CPU)) == 13


STARTS = """
import resource, sys, time
import torch
from nastk.data.sources import ImageFolder
from nastk.data.subsets import search_parts
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
train, held = search_parts(ImageFolder(sys.argv[1], memory_gb=1e-9), 0)
print(len(train), len(held), time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_twenty_thousand_files_start_at_once_in_little_memory(tmp_path: Path) -> None:
    first = write_image_folder(tmp_path / "set", ("train",), each=1) / "train"
    for name in ("bird", "cat", "dog"):
        for index in range(1, 7000):
            os.link(first / name / "000.png", first / name / f"{index:06d}.png")
    command = [sys.executable, "-c", STARTS, str(tmp_path / "set")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert [int(count) for count in output[:2]] == [13440, 3360]
    assert float(output[2]) < 5
    assert int(output[3]) < 60_000, "kilobytes"


def test_a_source_is_one_value_and_can_be_changed(tmp_path: Path) -> None:
    made = source(write_image_folder(tmp_path))
    made.train()
    assert dataclasses.replace(made, resize=5).size == 5
