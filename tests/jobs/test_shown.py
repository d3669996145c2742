"""What a page shows of the images is made once of the data and the shipped file, and made anew when either changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from nastk.data.images import Images
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.jobs.shown import prepare_shown
from nastk.reports import write_report
from nastk.runs.shown import ARRAYS, FOLDER, RECORD, read_shown
from tests.deploy.digits import exported_digits
from tests.reports import folders

NOTHING: DictConfig = OmegaConf.create({})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits with a real export."""
    folder = tmp_path_factory.mktemp("shown")
    run = folders.write_run(folder / "run", folders.rows(8))
    key = json.loads((run / "best.json").read_text())["key"]
    exported_digits(folder / "made")
    shutil.copytree(folder / "made" / "export", run / "export" / key)
    folders.transfer(run, key)
    with (run / "config.yaml").open("a") as file:
        file.write("data: {_target_: nastk.data.sources.Digits}\n")
    folders.write(run / "data.json", {"schema": 1, "name": "digits", "classes": 10, "size": 8, "channels": 1})
    return run


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "run"))


def test_answers_are_those_of_the_shipped_file_and_pictures_those_of_the_test_images(run: Path) -> None:
    assert prepare_shown(run, NOTHING, pictures=True) is None
    shown = read_shown(run)
    assert shown is not None and shown.answers is not None and shown.wrong_at is not None and shown.wrong is not None
    (manifest,) = (json.loads(path.read_text()) for path in run.glob("export/*/manifest.json"))
    answers, test = shown.answers, Digits().test()
    entry = next(one for one in manifest["precisions"].values() if one["file"] == manifest["recommended"])
    assert answers.file == manifest["recommended"]
    assert (answers.predicted == answers.labels).mean() == entry["accuracy"]
    assert answers.labels.tolist() == test.y.tolist() and answers.of == 360
    assert shown.wrong[..., 0].tolist() == test.x[shown.wrong_at, 0].tolist()
    assert all(answers.predicted[place] != answers.labels[place] for place in shown.wrong_at)
    wrong = answers.predicted != answers.labels
    assert answers.confidence[shown.wrong_at].tolist() == sorted(answers.confidence[wrong], reverse=True)[:24]
    assert sum(shown.train) == 1437 and sum(shown.test) == 360


def test_it_is_made_once_and_anew_where_pictures_or_the_file_change(run: Path) -> None:
    prepare_shown(run, NOTHING, pictures=True)
    record = run / FOLDER / RECORD
    before = record.stat().st_mtime_ns
    prepare_shown(run, NOTHING, pictures=True)
    assert record.stat().st_mtime_ns == before
    prepare_shown(run, NOTHING, pictures=False)
    shown = read_shown(run)
    assert shown is not None and shown.wrong is None and shown.examples is None and shown.answers is not None
    assert "<img" not in write_report(run).read_text()
    (run / FOLDER / ARRAYS).write_bytes(b"PK")
    with pytest.raises(UserError, match="is not the file that"):
        read_shown(run)
    prepare_shown(run, NOTHING, pictures=True)
    assert read_shown(run) is not None and "<img" in write_report(run).read_text()


def test_what_is_missing_is_said_and_the_page_is_made(run: Path) -> None:
    (run / "data.json").rename(run / "moved.json")
    assert prepare_shown(run, NOTHING, pictures=True) == "the search was trained on no images"
    (run / "moved.json").rename(run / "data.json")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("sources.Digits", "sources.ImageFolder, root: /nowhere"))
    why = prepare_shown(run, NOTHING, pictures=True)
    assert why is not None and "/nowhere" in why
    assert f"Not shown: {why}." in write_report(run, why).read_text()


def test_pictures_leave_the_page_and_the_folder_though_the_images_are_gone(run: Path) -> None:
    prepare_shown(run, NOTHING, pictures=True)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("sources.Digits", "sources.ImageFolder, root: /nowhere"))
    assert prepare_shown(run, NOTHING, pictures=False) is None
    shown = read_shown(run)
    assert shown is not None and shown.answers is not None and shown.examples is None and shown.wrong is None
    (manifest,) = run.glob("export/*/manifest.json")
    found = json.loads(manifest.read_text())
    for entry in found["files"].values():
        entry["sha256"] = "0" * 64
    folders.write(manifest, found)
    assert prepare_shown(run, NOTHING, pictures=False) is not None
    assert read_shown(run) is None, "the answers are of a file that is no more"


def test_arrays_that_do_not_fit_their_record_are_refused(run: Path) -> None:
    prepare_shown(run, NOTHING, pictures=True)
    record = run / FOLDER / RECORD
    found = json.loads(record.read_text())
    for name, value in (("classes", ["a"] * 9), ("classes", None), ("train", [1] * 9)):
        folders.write(record, {**found, name: value})
        with pytest.raises(UserError, match="shown.json"):
            read_shown(run)


def test_of_many_images_some_are_drawn_and_that_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nastk.jobs.shown._most", lambda _: 100)
    prepare_shown(run, NOTHING, pictures=True)
    shown = read_shown(run)
    assert shown is not None and shown.answers is not None and shown.answers.of == 360
    assert np.bincount(shown.answers.labels).sum() == 100
    assert "of 100 test images drawn from 360 wrong" in write_report(run).read_text()


def test_an_image_that_cannot_be_decoded_is_left_out_and_the_others_keep_their_answers(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_shown(run, NOTHING, pictures=True)
    whole = read_shown(run)
    batches = Images.batches

    def without_the_first(images: Images, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        kept = images.take(torch.arange(1, len(images)))
        return batches(kept, batch)

    monkeypatch.setattr(Images, "batches", without_the_first)
    shutil.rmtree(run / FOLDER)
    prepare_shown(run, NOTHING, pictures=True)
    shown = read_shown(run)
    assert whole is not None and whole.answers is not None and shown is not None and shown.answers is not None
    assert shown.answers.predicted.tolist() == whole.answers.predicted[1:].tolist()
    assert shown.answers.labels.tolist() == whole.answers.labels[1:].tolist()
    assert shown.wrong is not None and shown.wrong_at is not None
    assert shown.wrong[..., 0].tolist() == Digits().test().x[shown.wrong_at + 1, 0].tolist()
