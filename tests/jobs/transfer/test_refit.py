"""The last training of a transfer: what ranks first learns from the held-out images too, and that is exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nastk.data.sources import ImageFolder
from nastk.deploy.manifest import sha256
from nastk.jobs.transfer.refit import has_held_out
from nastk.networks.stored import load_trained
from nastk.reports import final_table
from nastk.reports.table_text import table_notes
from nastk.runs.refit import to_export
from nastk.training.failure import TrainingFailed
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]

SEARCH = (
    *("+space=nasbench201", "trials=2", "evaluator.epochs=1", "data.subset=300", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.01"),
)
TRANSFER = (
    *("baselines=[]", "training.epochs=2", "training.batch=128", "training.threads=1"),
    *("transfer.top=2", "transfer.cells=1", "transfer.filters=4", "transfer.refit=true"),
)
EXPORT = ("export.seconds=0.01", "export.qat.epochs=1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search, its transfer of two networks, and their export with a tuning for int8."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    call("search", f"run={folder}", *SEARCH)
    call("transfer", f"run={folder}", *TRANSFER)
    call("export", f"run={folder}", *EXPORT)
    return folder


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def order(folder: Path) -> list[str]:
    return [entry["key"] for entry in read(folder / "transfer" / "ranking.json")["networks"]]


def test_the_first_of_the_ranking_is_trained_on_all_images_by_the_same_recipe(whole: Path) -> None:
    first, _ = order(whole)
    assert [path.name for path in (whole / "refit").iterdir()] == [first]
    ranked, again = (read(whole / name / first / "metrics.json") for name in ("transfer", "refit"))
    assert (
        ranked["train_images"] < again["train_images"] == ranked["train_images"] + ranked["validation_images"] == 1437
    )
    assert "validation_accuracy" not in again and again["epochs"] == ranked["epochs"] == 2
    before, after = (read(whole / name / first / "training.json") for name in ("transfer", "refit"))
    assert after["settings"] == {**before["settings"], "holdout": False} != before["settings"]
    assert after["genotype"] == before["genotype"] and after["network"] == before["network"]
    assert after["data"]["train_sha256"] != before["data"]["train_sha256"]


def test_its_weights_are_exported_and_tuned_and_those_of_the_others_as_they_were_ranked(whole: Path) -> None:
    first, second = order(whole)
    for key, name in ((first, "refit"), (second, "transfer")):
        model = whole / name / key
        assert to_export(whole / "transfer" / key) == model
        source = read(whole / "export" / key / "manifest.json")["source"]
        assert source["model.safetensors"]["sha256"] == sha256(model / "model.safetensors")
        assert (model / "qat" / "model.safetensors").is_file()
    states = [load_trained(whole / name / first).network.state_dict() for name in ("transfer", "refit")]
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_table_tells_what_ships_and_by_what_it_was_chosen(whole: Path) -> None:
    first, second = final_table(whole)
    ranked, again = (read(whole / name / first.key / "metrics.json") for name in ("transfer", "refit"))
    assert first.validation_accuracy == ranked["validation_accuracy"]
    assert first.balanced_accuracy == again["balanced_accuracy"]
    assert (first.refit_images, second.refit_images) == (1437, None)
    (said,) = (line for line in table_notes([first, second]) if "once more" in line)
    assert said.startswith(f"{first.key[:10]}: exported as trained once more on all 1,437 images")
    assert f"trained like the others it names {100 * ranked['accuracy']:.2f} % of the test images right" in said


def test_another_call_trains_nothing_and_one_that_is_cut_off_comes_to_the_same(
    whole: Path, tmp_path: Path, capsys: Capture
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "run"))
    place = copy / "refit" / order(copy)[0]
    files = ("model.safetensors", "genotype.json", "network.json", "training.json")
    before = {name: (place / name).read_bytes() for name in (*files, "metrics.json")}
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert again.code == 0 and "ranks first: trained once more" not in again.err
    assert {name: (place / name).read_bytes() for name in before} == before
    for name in ("model.safetensors", "genotype.json", "network.json", "metrics.json"):
        (place / name).unlink()  # as a kill leaves it that comes before the first checkpoint
    shutil.rmtree(place / "qat")
    early = run(capsys, "export", f"run={copy}", "export.seconds=0.01", "export.qat.epochs=0")
    assert early.code == 0 and early.err.count("the training on all images is not done; exported as it was ranked") == 1
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert again.code == 0 and "ranks first: trained once more, on all 1,437 images" in again.err
    assert {name: (place / name).read_bytes() for name in files} == {name: before[name] for name in files}


def test_its_card_is_of_all_images_and_timing_it_again_keeps_that(whole: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "run"))
    card = copy / "export" / order(copy)[0] / "MODEL_CARD.md"
    assert "`holdout=False`" in card.read_text()
    timed = run(capsys, "bench", f"run={copy}", "bench.seconds=0.01")
    assert timed.code == 0 and "MODEL_CARD.md" not in timed.err
    assert "`holdout=False`" in card.read_text()


def test_where_it_diverges_the_network_ships_as_it_was_ranked(
    whole: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("refit", "export")))
    called: list[Path] = []

    def diverges(*given: Any, **_: Any) -> None:
        place = next(one for one in given if isinstance(one, Path))
        place.mkdir(parents=True, exist_ok=True)
        called.append(place)
        raise TrainingFailed(place, "the loss is not finite after 3 steps")

    monkeypatch.setattr("nastk.jobs.transfer.own_teacher.train_final", diverges)
    for _ in range(2):
        ran = run(capsys, "transfer", f"run={copy}", *TRANSFER)
        assert ran.code == 0 and "ships as it was ranked: on all images its training failed: the loss" in ran.err
    first = order(copy)[0]
    assert called == [copy / "refit" / first]  # once: that it failed is remembered
    assert to_export(copy / "transfer" / first) == copy / "transfer" / first
    told = run(capsys, "export", f"run={copy}", "export.seconds=0.01", "export.qat.epochs=0")
    assert told.code == 0 and "is not done" not in told.err


def test_it_is_left_out_where_it_is_not_asked_for(whole: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("refit", "export")))
    assert run(capsys, "transfer", f"run={copy}", *TRANSFER[:-1]).code == 0
    assert not (copy / "refit").exists()
    assert to_export(copy / "transfer" / order(copy)[0]).parent.name == "transfer"
    refused = run(capsys, "transfer", f"run={copy}", *TRANSFER[:-1], "transfer.refit=maybe")
    assert "transfer.refit" in refused.line


def test_a_set_with_validation_images_of_its_own_has_nothing_to_add(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for place, name in enumerate(("dark", "light")):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(4):
                image = Image.new("L", (8, 8), 200 * place + number)
                image.save(tmp_path / part / name / f"{number}.png")
    assert not has_held_out(ImageFolder(str(tmp_path)))
    shutil.rmtree(tmp_path / "val")
    assert has_held_out(ImageFolder(str(tmp_path)))
