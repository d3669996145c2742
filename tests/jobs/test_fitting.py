"""What a search chooses by itself for a folder of images, what it keeps when it goes on, and what it says of it."""

from __future__ import annotations

import random
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from nastk.config.build import load_yaml, register_spaces, shipped
from nastk.jobs.fitting import fitted_search
from nastk.jobs.search_parts import search_parts
from tests.commands import run

Capture = pytest.CaptureFixture[str]
QUICK = ("+space=nasbench201", "controller=random", "evaluator.network.filters=4", "target.seconds=0.02")
CHOSEN = ("data.resize", "evaluator.network.stem", "evaluator.batch", "evaluator.epochs", "evaluator.learning_rate")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures of noise in four classes, 150x120 pixels, of which nothing can be learnt."""
    folder, rng = tmp_path_factory.mktemp("noise"), random.Random(0)
    for label in "abcd":
        (folder / label).mkdir()
        for number in range(12):
            picture = Image.frombytes("RGB", (15, 12), rng.randbytes(15 * 12 * 3))
            picture.resize((150, 120), Image.Resampling.NEAREST).save(folder / label / f"{number}.png")
    return folder


def composed(*overrides: str) -> DictConfig:
    register_spaces()
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        return hydra.compose("search", [*QUICK, *overrides])


def fitted(config: DictConfig, folder: Path | None = None) -> DictConfig:
    path = None if folder is None else folder / "config.yaml"
    recorded = load_yaml(path) if path is not None and path.exists() else None
    return fitted_search(config, search_parts(config), recorded)


def chosen(config: DictConfig) -> list[object]:
    return [OmegaConf.select(config, name) for name in CHOSEN]


def test_everything_follows_from_the_images_and_is_recorded(noise: Path, tmp_path: Path, capsys: Capture) -> None:
    given = ("data=image_folder", f"data.root={noise}", f"run={tmp_path / 'run'}", "evaluator.epochs=1")
    told = run(capsys, "search", *QUICK, *given, "trials=2")
    assert told.code == 0, told.err
    assert chosen(load_yaml(tmp_path / "run" / "config.yaml")) == [120, "stride4", 8, 1, pytest.approx(0.05 / 8**0.5)]
    assert "search: 32 images of 4 classes to train on, 8 to score on; 120x120 pixels, stem stride4" in told.err
    assert "batch 8, 1 epochs of 4 steps; cpu, about" in told.err
    assert "none is better than guessing" in told.out
    assert "evaluator.epochs=4, now 1" in told.out
    assert "Next:" not in told.out
    again = run(capsys, "search", *QUICK, *given, "trials=3")
    assert again.code == 0, again.err
    assert "3 candidates trained" in again.out


def test_a_run_that_was_begun_keeps_what_it_has_and_so_does_one_of_before_there_was_a_choice(
    noise: Path, tmp_path: Path
) -> None:
    config = composed("data=image_folder", f"data.root={noise}")
    old = OmegaConf.merge(
        config, {"evaluator": {"network": {"stem": "cifar"}, "epochs": 4, "batch": 32, "learning_rate": 0.2}}
    )
    OmegaConf.save(old, tmp_path / "config.yaml")
    assert chosen(fitted(config, tmp_path)) == [None, "cifar", 32, 4, 0.2]
    assert chosen(fitted(config, tmp_path / "new")) == [120, "stride4", 8, 80, pytest.approx(0.05 / 8**0.5)]


def test_the_digits_are_trained_as_ever_and_what_is_given_stays() -> None:
    assert chosen(fitted(composed())) == [None, "cifar", 64, 4, 0.05]
    given = (
        "evaluator.batch=32",
        "evaluator.epochs=2",
        "evaluator.network.stem=stride2",
        "evaluator.learning_rate=0.5",
    )
    assert chosen(fitted(composed(*given))) == [None, "stride2", 32, 2, 0.5]
    assert chosen(fitted(composed("evaluator.batch=32")))[2:] == [32, 4, 0.05]


def test_a_limit_that_most_candidates_would_break_takes_smaller_images(noise: Path) -> None:
    config = composed("data=image_folder", f"data.root={noise}", "objective.max_macs=60000")
    size, stem, *_ = chosen(fitted(config))
    assert (size, stem) != (120, "stride4")
    roomy = composed("data=image_folder", f"data.root={noise}", "objective.max_macs=1e9")
    assert chosen(fitted(roomy))[:2] == [120, "stride4"]


def test_what_needs_more_memory_than_is_free_is_refused_before_there_is_a_run(tmp_path: Path, capsys: Capture) -> None:
    size = ("evaluator.batch=1100", "evaluator.network.cells=20", "evaluator.network.filters=2048")
    told = run(capsys, "search", "+space=nasbench201", *size, f"run={tmp_path / 'run'}", "evaluator.network.stem=cifar")
    assert "search: a step of 1100 images of 8x8 pixels takes about" in told.line
    assert "give evaluator.batch=550" in told.line
    assert not (tmp_path / "run").exists()
