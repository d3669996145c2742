"""The whole job: its plan before anything runs, the file to ship at its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from nastk.errors import UserError
from nastk.jobs.parts import make_data
from nastk.jobs.wish import check_limits, guess_lines, next_lines, plan_lines, shipped_lines
from nastk.reports import final_table
from nastk.reports.final_table import FinalRow
from nastk.runs.contents import read_run
from tests.commands import run
from tests.data.files import write_image_folder
from tests.reports import folders

Capture = pytest.CaptureFixture[str]


def plan(tmp_path: Path, data: dict[str, object], **limits: float) -> list[str]:
    config: DictConfig = OmegaConf.create(
        {
            "data": data,
            "objective": {"_target_": "nastk.objective.Objective", **limits},
            "target": {"_target_": "nastk.deploy.targets.cpu.CpuTarget"},
            "evaluator": {"device": "cpu"},
            **{"trials": 7, "run": None, "runs": str(tmp_path / "runs"), "baselines": ["resnet18"]},
        }
    )
    return plan_lines(config, make_data(config), ["+space=mobile"])


def test_the_plan_says_what_the_images_are_and_why_they_have_their_size(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "mine", ("",), each=5)
    folder = {"_target_": "nastk.data.sources.ImageFolder", "root": str(root)}
    images, size, space, limit, *_ = plan(tmp_path, folder, max_latency_ms=3.0, max_params=2e5)
    assert images == (
        f"images {root}: 12 to search and train on, 3 to test the final networks on; 3 classes (bird, cat, dog), colour"
    )
    assert size.startswith(
        "size 12x12 pixels: the shorter sides of up to 256 images are all of 12, at most 224; fewer where"
    )
    assert (
        space == "space mobile: 7 candidates are trained briefly; then the best and resnet18 of the same budget in full"
    )
    assert limit == "limit 3 ms, 200 k parameters; target cpu"
    assert plan(tmp_path, {**folder, "resize": 8})[1] == "size 8x8 pixels, as set"
    assert not (tmp_path / "runs").exists()


def test_a_known_set_keeps_its_size_and_no_limit_is_said(tmp_path: Path) -> None:
    images, size, _, limit, *_ = plan(tmp_path, {"_target_": "nastk.data.sources.Digits"})
    assert "10 classes (0, 1, 2, 3, 4, 5 more), grey" in images
    assert size.startswith("size 8x8 pixels, as the images are")
    assert limit.startswith("limit none (max_latency_ms=3 sets one)")


@pytest.fixture
def rows(tmp_path: Path) -> list[FinalRow]:
    """The table of a run whose baseline won."""
    place = folders.write_run(tmp_path / "run", folders.rows(40))
    best, second = [one.key for one in read_run(place).front][:2]
    for key in (best, second):
        folders.transfer(place, key)
        folders.export(place, key)
    folders.baseline(place, second, "resnet18")
    folders.ranking(place, {"key": second}, {"key": best})
    return final_table(place)


def test_the_end_names_the_file_and_the_best_of_the_other_kind(rows: list[FinalRow], tmp_path: Path) -> None:
    ship, first, other = shipped_lines(rows, None)
    assert ship == f"Ship: {tmp_path / 'run' / 'export' / rows[0].key / 'model.int8.onnx'}"
    assert first == "  the baseline resnet18: int8, 97.89 % of the test images right, 0.544 ms, 498.0 kB"
    assert other.startswith(f"  the searched network {rows[1].key[:10]}, best of its kind: int8, 97.89 %")
    assert shipped_lines([], None) == ["Nothing was exported"]


def test_the_file_is_weighed_against_its_limit(rows: list[FinalRow]) -> None:
    assert shipped_lines(rows, 498)[-1] == "  keeps max_model_kb=498"
    over = shipped_lines(rows, 400)[-1]
    assert over == "  Over its budget: 498.0 kB, max_model_kb=400; give max_model_kb=321 in another run="


def test_a_network_that_may_be_guessing_is_said_to(rows: list[FinalRow]) -> None:
    assert guess_lines(rows, [30, 30, 30]) == []  # 97.89 % of them
    (line,) = guess_lines(rows, [90, 1])
    assert line.startswith("  not better than guessing: on 91 test images guesses reach 100.00 %")


def test_a_run_goes_on_within_its_own_limits_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nastk.jobs.given.sweeping", lambda: False)  # Hydra remembers the sweep of a test before
    objective = {"_target_": "nastk.objective.Objective", "max_latency_ms": 3.0}
    OmegaConf.save(OmegaConf.create({"objective": objective}), tmp_path / "config.yaml")
    config: DictConfig = OmegaConf.create({"run": str(tmp_path), "runs": "runs", "objective": objective})
    check_limits(config)
    config.objective.max_latency_ms = 2.0
    with pytest.raises(UserError, match=r"holds a run with the limits 3 ms, this command has 2 ms; leave them out"):
        check_limits(config)
    config.objective.max_latency_ms = None
    with pytest.raises(UserError, match=r"holds a run with the limits 3 ms, this command has none; leave them out"):
        check_limits(config)


def test_it_says_how_to_try_the_file_and_to_search_on(rows: list[FinalRow], tmp_path: Path) -> None:
    tried, on = next_lines(tmp_path / "run", rows, str(tmp_path), 16)
    assert tried == f"Next: python -m nastk.predict model={tmp_path}/run/export/{rows[0].key} images={tmp_path}"
    assert on.startswith(f"      python -m nastk run={tmp_path}/run trials=32")
    assert next_lines(tmp_path / "run", rows, "digits", 16)[0].endswith("images=FOLDER")


@pytest.mark.slow
def test_a_folder_of_images_becomes_a_file_by_one_command(capsys: Capture, tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "mine", ("",), each=20, size=16)
    words = ("evaluator.epochs=2", "training.epochs=3", "transfer.entrants=1", "baselines=[resnet18]", "trials=2")
    done = run(capsys, "wish", f"images={root}", "max_latency_ms=0.5", f"run={tmp_path / 'run'}", *words)
    assert done.code == 0, done.err
    (shipped,) = [line.removeprefix("Ship: ") for line in done.out.splitlines() if line.startswith("Ship: ")]
    assert Path(shipped).is_file()
    again = run(capsys, "wish", f"run={tmp_path / 'run'}", *words)
    assert f"run folder {tmp_path / 'run'}, goes on" in again.err
    assert f"Ship: {shipped}" in again.out
