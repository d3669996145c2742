"""Sets of the `datasets` library, built and saved here by the library itself."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from nastk.data.decode import decode
from nastk.data.sources import HuggingFace
from nastk.data.subsets import search_parts
from nastk.errors import UserError

NAMES = ["bird", "cat", "dog"]
MODES = ["RGB", "L", "RGBA", "P", "CMYK", "1", "I;16"]


def picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(generator.integers(0, 65536, (height, width)).astype(np.uint16))
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def mixed(count: int, seed: int = 0) -> list[Image.Image]:
    """Images of seven modes and many sizes."""
    return [picture(MODES[n % 7], 12 + n % 9, 14 + n % 5, seed + n) for n in range(count)]


def part(count: int = 21, seed: int = 0, **columns: Any) -> datasets.Dataset:
    """A part with an image and a label column; `columns` replace (values, feature) or, as None, leave out."""
    given: dict[str, Any] = {
        "image": (mixed(count, seed), datasets.Image()),
        "label": ([n % 3 for n in range(count)], datasets.ClassLabel(names=NAMES)),
    }
    given.update(columns)
    given = {name: value for name, value in given.items() if value is not None}
    features = datasets.Features({name: feature for name, (_, feature) in given.items()})
    return datasets.Dataset.from_dict({name: values for name, (values, _) in given.items()}, features=features)


def saved(folder: Path, **parts: datasets.Dataset) -> str:
    """Saves parts, or as it is the one called `only`."""
    made = parts["only"] if "only" in parts else datasets.DatasetDict(parts)
    made.save_to_disk(str(folder / "set"))
    return str(folder / "set")


@pytest.fixture(autouse=True)
def no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.disable_progress_bars()


def test_images_of_every_mode_and_size_are_those_of_the_set(tmp_path: Path) -> None:
    images = mixed(21)
    path = saved(tmp_path, train=part(), test=part(9, 100))
    source = HuggingFace(path=path, resize=10)
    train, test = source.train(), source.test()
    assert (source.classes, source.channels, len(train), len(test)) == (tuple(NAMES), 3, 21, 9)
    assert train.y.tolist() == [n % 3 for n in range(21)]
    for row in range(21):
        images[row].save(tmp_path / "one", "TIFF")
        assert np.array_equal(train.pixels(torch.tensor([row]))[0].numpy(), decode(tmp_path / "one", 3, 10))


def test_grey_sets_are_grey_and_of_their_own_size(tmp_path: Path) -> None:
    images = [picture("L", 9, 11, n) for n in range(12)]
    path = saved(tmp_path, train=part(12, image=(images, datasets.Image())))
    source = HuggingFace(path=path)
    assert (source.channels, source.size) == (1, 9)
    assert HuggingFace(path=path, grey=False).channels == 3


def test_without_a_test_part_a_share_of_each_class_is_split_off_and_recorded(tmp_path: Path) -> None:
    path = saved(tmp_path, only=part(60))
    source, again = HuggingFace(path=path, resize=8), HuggingFace(path=path, resize=8)
    train, test = source.train(), source.test()
    assert train.y.bincount().tolist() == [16] * 3
    assert test.y.bincount().tolist() == [4] * 3
    assert sorted([*train.rows.tolist(), *test.rows.tolist()]) == list(range(60))
    assert torch.equal(again.test().rows, test.rows)
    assert not torch.equal(dataclasses.replace(source, split_seed=1).test().rows, test.rows)
    split = source.facts()["test"]["split_off"]
    assert (split["share"], split["seed"], split["images"], len(split["sha256"])) == (0.2, 0, 12, 64)
    assert again.facts() == source.facts()


def test_the_test_part_is_not_opened_by_a_search(tmp_path: Path) -> None:
    path = saved(tmp_path, train=part(), test=part(9))
    for file in (Path(path) / "test").iterdir():
        file.unlink()
    train, held = search_parts(HuggingFace(path=path, resize=8, validation=6), seed=0)
    assert (len(train), len(held)) == (15, 6)
    with pytest.raises(UserError, match="data huggingface: .*"):
        HuggingFace(path=path, resize=8).test()


def test_a_folder_of_images_and_one_of_parquet_are_read(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "images" / "train" / name).mkdir(parents=True)
        for number in range(4):
            picture("RGB", 9, 9, number).save(tmp_path / "images" / "train" / name / f"{number}.png")
    (tmp_path / "parquet").mkdir()
    part().to_parquet(str(tmp_path / "parquet" / "train-00000-of-00001.parquet"))
    part(9).to_parquet(str(tmp_path / "parquet" / "test-00000-of-00001.parquet"))
    images = HuggingFace(path=str(tmp_path / "images"), root=str(tmp_path / "cache"))
    parquet = HuggingFace(path=str(tmp_path / "parquet"), root=str(tmp_path / "cache"), resize=8)
    assert (images.classes, images.size, len(images.train()), len(images.test())) == (tuple(NAMES), 9, 9, 3)
    assert images.train().pixels(torch.arange(9)).shape == (9, 3, 9, 9)
    assert (parquet.classes, len(parquet.train()), len(parquet.test())) == (tuple(NAMES), 21, 9)
    assert (tmp_path / "cache").is_dir()


def test_labels_may_be_numbers_or_names(tmp_path: Path) -> None:
    numbers = ([n % 3 for n in range(21)], datasets.Value("int64"))
    names = ([NAMES[::-1][n % 3] for n in range(21)], datasets.Value("string"))
    of_numbers = HuggingFace(path=saved(tmp_path / "a", train=part(label=numbers)), resize=8)
    of_names = HuggingFace(path=saved(tmp_path / "b", train=part(label=names)), resize=8)
    assert of_numbers.classes == ("0", "1", "2")
    assert of_names.classes == tuple(NAMES)
    assert of_names.train().y[:3].tolist() == [2 - of_numbers.train().y[n] for n in range(3)]


def test_columns_and_splits_may_be_named(tmp_path: Path) -> None:
    coarse = ([n % 2 for n in range(21)], datasets.ClassLabel(names=["x", "y"]))
    second = ([picture("L", 5, 5, n) for n in range(21)], datasets.Image())
    path = saved(tmp_path, fit=part(coarse=coarse, mask=second), check=part(coarse=coarse, mask=second))
    source = HuggingFace(path=path, train_split="fit", test_split="check", image="mask", label="coarse")
    assert (source.classes, source.channels, source.size, len(source.test())) == (("x", "y"), 1, 5, 21)
    for fields, message in (
        ({"label": "coarse"}, r"which column holds the image\? several .*image, mask; give data\.image=COLUMN"),
        ({"image": "mask"}, r"which column holds the label\? several .*label, coarse; give data\.label=COLUMN"),
        ({"image": "mask", "label": "corse"}, "unknown column .*'corse'; nearest is 'coarse'"),
        ({"image": "label", "label": "coarse"}, "column 'label' is not of type Image, there are: image .Image., "),
    ):
        with pytest.raises(UserError, match=message):
            HuggingFace(path=path, train_split="fit", test_split="check", **fields).train()
    for fields, message in (
        ({}, "unknown split of .* 'train'; nearest is 'fit'"),
        ({"train_split": "fit", "test_split": "chek"}, "'chek'; nearest is 'check'"),
        ({"train_split": "fit", "test_split": "fit"}, "is the training part too"),
    ):
        with pytest.raises(UserError, match=message):
            HuggingFace(path=path, image="mask", label="coarse", **fields).train()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": None}, r"which column holds the label\? none among image .Image.; give data\.label"),
        ({"image": None}, r"which column holds the image\? none among label .ClassLabel."),
        ({"label": ([0] * 21, datasets.ClassLabel(names=["a"]))}, r"1 class\(es\), expected 2"),
        ({"label": ([0, 1, 3] * 7, datasets.Value("int64"))}, "class '2' has no image"),
        ({"label": ([0, 1, 1] * 7, datasets.ClassLabel(names=NAMES))}, "class 'dog' has no image"),
        ({"label": ([-1, 0, 1] * 7, datasets.Value("int64"))}, "label -1, expected 0 or more; has this part labels?"),
        ({"label": ([0, 1, None] * 7, datasets.Value("int64"))}, "some are missing, expected"),
        (
            {"label": ([0.0, 1.0, 0.5] * 7, datasets.Value("float32"))},
            "type float64.*expected a whole number or a name",
        ),
        ({"label": ([0] * 20 + [1], datasets.Value("int64"))}, "class '1': 1 image, expected at least 2"),
    ],
)
def test_columns_that_are_not_right_are_named(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        HuggingFace(path=saved(tmp_path, train=part(**columns)), resize=8).train()
    assert "\n" not in str(caught.value)


def test_a_class_that_only_the_test_part_has_is_named(tmp_path: Path) -> None:
    train = ([["a", "b"][n % 2] for n in range(21)], datasets.Value("string"))
    test = ([["a", "c"][n % 2] for n in range(21)], datasets.Value("string"))
    source = HuggingFace(path=saved(tmp_path, train=part(label=train), test=part(label=test)), resize=8)
    source.train()
    with pytest.raises(UserError, match="unknown class in .* test 'c'"):
        source.test()


def test_a_corrupt_image_is_named_or_skipped(tmp_path: Path) -> None:
    cells = part().cast_column("image", datasets.Image(decode=False))["image"][:]
    cells[4] = {"bytes": b"no image", "path": None}
    cells[5] = None
    cells[6] = {"bytes": cells[6]["bytes"][:60], "path": None}
    path = saved(tmp_path, train=part(image=(cells, datasets.Image())), test=part(9))
    with pytest.raises(UserError, match=r"set train\[4\]: no image of .*; data\.skip_corrupt=true"):
        HuggingFace(path=path, resize=8).train().to(torch.device("cpu"))
    assert HuggingFace(path=path, resize=8).channels == 3
    source = HuggingFace(path=path, resize=8, skip_corrupt=True)
    assert len(source.train().to(torch.device("cpu"))) == 18
    assert len(source.skipped.found) == 3


def test_a_cut_file_is_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path, train=part())
    for file in (Path(path) / "train").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match="data huggingface: .*set") as caught:
        HuggingFace(path=path, resize=8).train()
    assert "\n" not in str(caught.value)


def test_a_set_with_a_script_is_refused_and_the_script_not_run(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="data huggingface: .*set"):
        HuggingFace(path=str(tmp_path / "set"), root=str(tmp_path / "cache")).train()
    assert not (tmp_path / "ran").exists()


def test_a_missing_folder_and_no_path_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder, expected a saved set, or a name on the hub"):
        HuggingFace(path=str(tmp_path / "nowhere")).train()
    with pytest.raises(UserError, match=r"no path given, expected a name on the hub or a folder \(data\.path=NAME\)"):
        HuggingFace().train()


def test_the_hub_out_of_reach_is_one_line(tmp_path: Path) -> None:
    line = in_a_new_process("HuggingFace(path='user/nothing').train()", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert line.startswith("data huggingface: user/nothing: ")


def test_the_missing_library_names_the_extra(tmp_path: Path) -> None:
    line = in_a_new_process(f"sys.modules['datasets'] = None; HuggingFace(path={str(tmp_path)!r}).train()")
    assert line == "data huggingface: needs the library datasets: pip install 'nastk[huggingface]'"


def in_a_new_process(code: str, **environment: str) -> str:
    """Runs code that ends in a UserError; returns its line."""
    program = f"""
import sys
from nastk.errors import UserError
from nastk.data.sources import HuggingFace
assert "datasets" not in sys.modules
try:
    {code}
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | environment, check=True
    )
    return done.stdout.rstrip("\n")


def test_the_images_hash_tells_sets_apart_and_needs_no_decoding(tmp_path: Path) -> None:
    one = HuggingFace(path=saved(tmp_path / "a", train=part(), test=part(9)), resize=8).train()
    same = HuggingFace(path=saved(tmp_path / "b", train=part(), test=part(9)), resize=8).train()
    other = HuggingFace(path=saved(tmp_path / "c", train=part(seed=50), test=part(9)), resize=8).train()
    rows = one.rows.numpy()
    assert one.reader.fingerprint(rows) == same.reader.fingerprint(rows) != other.reader.fingerprint(rows)
