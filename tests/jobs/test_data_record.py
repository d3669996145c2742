"""data.json says which images a search used, and a search goes on with these alone."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.normalisation import statistics
from nastk.data.resize import RESIZING
from nastk.data.sources import ImageFolder, Npz
from nastk.data.subsets import hold_out, split_indices, subset, subset_indices
from nastk.outside import read_json
from nastk.seeds import derive_seed
from tests.commands import run
from tests.data.files import labels, pictures, write_image_folder, write_npz

Capture = pytest.CaptureFixture[str]
SMALL = (
    *("+space=nasnet", "space.blocks=1", "trials=1", "evaluator.epochs=1", "evaluator.network.filters=4", "seed=3"),
    *("evaluator.threads=1", "evaluator.batch=8", "target.seconds=0.05", "controller=random", "data.resize=8"),
)


def search(capsys: Capture, folder: Path, *arguments: str) -> str:
    outcome = run(capsys, "search", f"run={folder}", *SMALL, *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.err


def sha256(values: torch.Tensor) -> str:
    return hashlib.sha256(np.array(values.tolist(), "<i8").tobytes()).hexdigest()


def test_the_record_can_be_made_again_from_the_images_and_the_seed(capsys: Capture, tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", x_train=pictures(90, 12, 3), y_train=labels(90, 3))
    search(capsys, tmp_path / "run", "data=npz", f"data.root={path}", "data.subset=31", "data.validation=0.3")
    record = read_json(tmp_path / "run" / "data.json")
    y = torch.from_numpy(labels(90, 3).astype(np.int64))
    kept, held = split_indices(y, 0.3, derive_seed(3, "validation"))
    chosen = kept[subset_indices(y[kept], 31, derive_seed(3, "subset"))]
    normal = statistics(Npz(str(path), resize=8).train().take(chosen))
    assert record["schema"] == 1 and record["name"] == "npz" and record["seed"] == 3
    assert (record["classes"], record["channels"], record["size"], record["skipped"]) == (3, 3, 8, 0)
    assert record["resizing"] == RESIZING
    assert record["train"]["images"] == 31 and sorted(record["train"]["per_class"]) == [10, 10, 11]
    assert record["validation"]["images"] == 27 and record["validation"]["per_class"] == [9, 9, 9]
    assert record["train"]["indices_sha256"] == sha256(chosen)
    assert record["validation"]["indices_sha256"] == sha256(held)
    assert (tuple(record["mean"]), tuple(record["std"])) == (normal.mean, normal.std)


def test_a_search_does_not_go_on_with_other_images(capsys: Capture, tmp_path: Path) -> None:
    path, folder = write_npz(tmp_path / "a.npz"), tmp_path / "run"
    arguments = ("data=npz", f"data.root={path}")
    search(capsys, folder, *arguments)
    before = (folder / "data.json").read_bytes()
    search(capsys, folder, *arguments)
    assert (folder / "data.json").read_bytes() == before
    write_npz(path, x_train=pictures(30, 12, 3, seed=9))
    line = run(capsys, "search", f"run={folder}", *SMALL, *arguments).line
    assert (
        "data.json: train.images_sha256 was " in line
        and "put the images back as they were, or give another run=" in line
    )
    (folder / "data.json").write_text("[]")
    assert "data.json: holds a list" in run(capsys, "search", f"run={folder}", *SMALL, *arguments).line


def test_a_folder_of_images_with_a_corrupt_one_is_refused_or_recorded(capsys: Capture, tmp_path: Path) -> None:
    root, folder = write_image_folder(tmp_path / "set", ("train", "val")), tmp_path / "run"
    where = ("data=image_folder", f"data.root={root}")
    (root / "train" / "cat" / "004.png").write_bytes(b"no image")
    (root / "val" / "dog" / "001.png").write_bytes(b"")
    message = (
        "cat/004.png: no image of JPEG, PNG, WEBP, BMP or TIFF; data.skip_corrupt=true goes on without such images"
    )
    assert message in run(capsys, "search", f"run={folder}", *SMALL, *where).line
    assert not folder.exists()
    err = search(capsys, folder, *where, "data.skip_corrupt=true")
    assert "cat/004.png: skipped (no image of JPEG" in err and "dog/001.png: skipped (" in err
    record = read_json(folder / "data.json")
    made = ImageFolder(str(root))
    assert record["skipped"] == 2
    assert record["train"]["images"] == len(made.train()) - 1
    assert record["validation"] | {"images_sha256": ""} == {
        "images": len(hold_out(made, 3)[1]) - 1,
        "per_class": [10, 10, 9],
        "indices_sha256": None,
        "images_sha256": "",
    }
    assert record["test"]["split_off"]["images"] == 6


def test_images_beyond_memory_are_searched_alike_and_skipped_ones_counted_at_the_end(
    capsys: Capture, tmp_path: Path
) -> None:
    root = write_image_folder(tmp_path / "set", ("",), each=14)
    where = ("data=image_folder", f"data.root={root}", "data.workers=2")
    results = []
    for name, memory in (("within", "1"), ("beyond", "1e-9")):
        search(capsys, tmp_path / name, *where, f"data.memory_gb={memory}")
        (row,) = (tmp_path / name / "trials.jsonl").read_text().splitlines()
        results.append(json.loads(row)["metrics"]["loss"])
    assert results[0] == results[1]
    for path in sorted((root / "cat").iterdir())[:3]:
        path.write_bytes(path.read_bytes()[:60])
    search(capsys, tmp_path / "skipping", *where, "data.memory_gb=1e-9", "data.skip_corrupt=true")
    in_test = {path.name for path in (root / "cat").iterdir()} - set(_trained_on(root))
    expected = 3 - len({path.name for path in sorted((root / "cat").iterdir())[:3]} & in_test)
    assert read_json(tmp_path / "skipping" / "data.json")["skipped"] == expected > 0


def test_network_and_export_say_how_images_were_made_and_score_those_on_disk_alike(
    capsys: Capture, tmp_path: Path
) -> None:
    root = write_image_folder(tmp_path / "set", ("train", "test"), each=16)
    (root / "test" / "dog" / "005.png").write_bytes(b"no image")
    folder, scores = tmp_path / "run", []
    where = ("data=image_folder", f"data.root={root}", "data.resize=8", "data.skip_corrupt=true", "data.workers=2")
    search(capsys, folder, *where)
    final = (
        *("baselines=[]", "training.epochs=2", "training.threads=1", "training.batch=16"),
        *("transfer.cells=1", "transfer.filters=8"),
    )
    for memory in ("1", "1e-9"):
        assert run(capsys, "transfer", f"run={folder}", *final, *where, f"data.memory_gb={memory}").code == 0
        (trained,) = (folder / "transfer").iterdir()
        assert (
            run(capsys, "export", f"run={folder}", *where, "export.seconds=0.01", f"data.memory_gb={memory}").code == 0
        )
        (manifest,) = (read_json(path) for path in (folder / "export").glob("*/manifest.json"))
        metrics, facts = read_json(trained / "metrics.json"), read_json(trained / "network.json")["data"]
        scores.append((metrics["accuracy"], metrics["loss"], manifest["precisions"]["fp32"]["accuracy"]))
        assert (facts["name"], facts["channels"], facts["size"], facts["skipped"]) == ("image_folder", 3, 8, 1)
        assert (facts["test"], facts["train_images"]) == ("test/", 48)
        assert manifest["preprocessing"]["resizing"] == facts["resizing"] == RESIZING
        assert manifest["data"]["test_images"] == 47
        assert metrics["accuracy"] == pytest.approx(manifest["precisions"]["fp32"]["accuracy"])
        for step in ("transfer", "export"):
            shutil.rmtree(folder / step)
    assert scores[0] == scores[1]


def _trained_on(root: Path) -> list[str]:
    images = ImageFolder(str(root), resize=8, skip_corrupt=True).train()
    rows = images.rows[images.y == 1].tolist()
    return [images.reader.where(row).rpartition("/")[2] for row in rows]


def test_subsets_of_one_seed_are_validated_on_the_same_images(tmp_path: Path) -> None:
    from nastk.data.subsets import draw_parts

    path = str(write_npz(tmp_path / "a.npz", x_train=pictures(90, 12, 3), y_train=labels(90, 3)))
    small, large = draw_parts(Npz(path, subset=12), 5), draw_parts(Npz(path, subset=0.9), 5)
    assert torch.equal(small.validation_indices, large.validation_indices)
    assert not set(small.train_indices.tolist()) & set(small.validation_indices.tolist())
    assert (len(small.train), len(large.train)) == (12, 65)
    whole = Npz(path).train()
    assert torch.equal(whole.take(large.train_indices).x, large.train.x)
    assert torch.equal(subset(hold_out(Npz(path), 5)[0], 12, derive_seed(5, "subset")).x, small.train.x)
