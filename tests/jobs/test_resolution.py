"""A search of stages whose networks choose their resolution: what is shipped sees what was trained and tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nastk.config.build import load_yaml
from nastk.errors import UserError
from nastk.jobs.choices import check_choices
from nastk.networks import NetworkConfig
from nastk.spaces import StageSpace
from tests.commands import run

Capture = pytest.CaptureFixture[str]
STAGES = "space.stages=[{block:conv,width:[8,16,24,32],stride:2}]"
QUICK = (
    *("+space=mobile", STAGES, "space.head=[]", "space.stem=[]", "controller=random", "controller.start_from=null"),
    *("evaluator.epochs=1", "evaluator.threads=1", "target.seconds=0.02", "trials=2"),
)
SIZES = ((41, 30), (30, 30), (26, 47))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy stripes of three directions, of several sizes and shapes."""
    root, rng = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0)
    for part, each in (("train", 14), ("test", 8)):
        for label, (down, right) in enumerate(((1, 0), (0, 1), (0.6, 0.6))):
            folder = root / part / "abc"[label]
            folder.mkdir(parents=True)
            for number in range(each):
                y, x = np.mgrid[: SIZES[number % 3][0], : SIZES[number % 3][1]]
                waves = np.sin((down * y + right * x) * rng.uniform(0.4, 0.7) + rng.uniform(0, 6))
                noisy = 128 + 50 * waves[..., None] + rng.normal(0, 40, (*y.shape, 3))
                Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return root


def done(capsys: Capture, entry: str, *given: str) -> str:
    told = run(capsys, entry, *given)
    assert told.code == 0, told.err
    return told.out


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_shipped_files_see_images_at_the_size_that_they_were_trained_and_tested_at(
    pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    data = ("data=image_folder", f"data.root={pictures}", "data.resize=32")
    done(capsys, "search", *QUICK, *data, "space.resolution=[0.75]", f"run={tmp_path / 'run'}")
    assert load_yaml(tmp_path / "run" / "config.yaml").space.resolution == [0.75]
    row = json.loads((tmp_path / "run" / "trials.jsonl").read_text().splitlines()[0])
    assert row["genotype"]["resolution"] == 24
    recipe = ("training.epochs=12", "training.batch=8", "training.threads=1", "baselines=[]")
    done(capsys, "transfer", f"run={tmp_path / 'run'}", *recipe)
    done(capsys, "export", f"run={tmp_path / 'run'}", "export.seconds=0.01")
    (model,) = (tmp_path / "run" / "export").iterdir()
    tested = read(tmp_path / "run" / "transfer" / model.name / "metrics.json")["accuracy"]
    manifest = read(model / "manifest.json")
    assert (manifest["preprocessing"]["height"], manifest["preprocessing"]["width"]) == (24, 24)
    assert manifest["preprocessing"]["resizing"] == "central square, then bilinear with antialiasing"
    assert manifest["precisions"]["fp32"]["accuracy"] == tested
    said = done(capsys, "predict", f"model={model}", f"images={pictures / 'test'}", "precision=fp32", "format=json")
    found = json.loads(said)["predictions"]
    assert np.mean([one["label"] == Path(one["image"]).parts[0] for one in found]) == pytest.approx(tested, abs=1e-9)
    assert tested > 0.5  # a third is chance
    done(capsys, "report", f"run={tmp_path / 'run'}")
    assert "images of 24x24 px" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_of_before_there_was_a_choice_goes_on_without(tmp_path: Path, capsys: Capture) -> None:
    given = (*QUICK, "data=digits", "data.resize=16", "data.subset=100", f"run={tmp_path / 'run'}")
    done(capsys, "search", *given, "space.resolution=[]")
    done(capsys, "search", *given, "trials=3")
    rows = [json.loads(line) for line in (tmp_path / "run" / "trials.jsonl").read_text().splitlines()]
    assert not any("resolution" in row["choices"] for row in rows)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("space.resolution=[17]", "space: resolution=17, expected at most 16 pixels a side, as the images have"),
        ("space.resolution=[3]", "space: resolution=3, expected at least 4"),
        ("space.resolution=[8.5]", "space: resolution=8.5, expected whole pixels a side, or a share"),
    ],
)
def test_a_resolution_that_cannot_be_is_said_before_there_is_a_run(
    given: str, message: str, tmp_path: Path, capsys: Capture
) -> None:
    told = run(capsys, "search", *QUICK, "data=digits", "data.resize=16", f"run={tmp_path / 'run'}", given)
    assert message in told.line
    assert not (tmp_path / "run").exists()


def test_what_a_space_says_of_resolutions_is_held_against_the_images() -> None:
    stages, images = [{"block": "conv", "width": 8}], NetworkConfig(size=32)
    check_choices(StageSpace(stages, resolution=[0.5, 1.0], size=32), images)
    check_choices(StageSpace(stages), images)
    with pytest.raises(UserError, match="the space is not told; give space.size=null"):
        check_choices(StageSpace(stages, resolution=[0.5, 1.0]), images)
    with pytest.raises(UserError, match="resolution=48, expected at most 32 pixels a side, as the images have"):
        check_choices(StageSpace(stages, resolution=[16, 48]), images)
