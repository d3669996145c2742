"""The precision of a transfer's networks: timed once, kept for every seed, and that a training goes on in its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.jobs.transfer.fitting import fitted_recipe
from nastk.jobs.transfer.precision import in_own_precision
from nastk.jobs.transfer.trainings import Sized, Start, _own_recipe
from nastk.networks import NetworkConfig
from nastk.training.initial import Initial
from nastk.training.precision import StepTimes
from nastk.training.transfer import TransferSettings
from tests.jobs.transfer.test_fitting import planned
from tests.networks.named import drawn

GENOTYPE, NETWORK = drawn("nasnet", 0), NetworkConfig(cells=1, filters=4, size=8)
IMAGES = 10_000
OPEN = TransferSettings(device="cpu", threads=1, precision="timed")


@pytest.fixture(autouse=True)
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batches of what was timed; bfloat16 is twice as fast at the first time, and half as fast later."""
    asked: list[int] = []

    def times(_: object, __: object, recipe: TransferSettings) -> StepTimes:
        asked.append(recipe.batch)
        return StepTimes(2.0, 1.0) if len(asked) == 1 else StepTimes(1.0, 2.0)

    monkeypatch.setattr("nastk.jobs.transfer.precision.step_times", times)
    monkeypatch.setattr("nastk.processor.bf16_sets", lambda system: ["AVX512_BF16"])
    return asked


def chosen(place: Path, recipe: TransferSettings = OPEN, images: int = IMAGES) -> str:
    return in_own_precision(recipe, images, GENOTYPE, NETWORK, place).precision


def test_all_seeds_of_a_network_have_the_precision_that_was_timed_once(tmp_path: Path, timed: list[int]) -> None:
    seeds = [dataclasses.replace(OPEN, seed=seed) for seed in range(3)]
    assert [chosen(tmp_path / f"seed{one.seed}", one) for one in seeds] == ["bf16"] * 3
    assert timed == [64]
    assert chosen(tmp_path / "other", dataclasses.replace(OPEN, batch=32)) == "fp32"
    entry, _ = json.loads((tmp_path / "precision.json").read_text())["networks"].values()
    assert entry.items() >= {"precision": "bf16", "fp32_ms": 2000, "bf16_ms": 1000, "batch": 64, "size": 8}.items()


def test_what_was_said_short_trainings_and_students_are_not_timed(tmp_path: Path, timed: list[int]) -> None:
    for said in ("fp32", "bf16", "auto"):
        assert chosen(tmp_path / "a", dataclasses.replace(OPEN, precision=said)) == said
    assert chosen(tmp_path / "a", images=100) == "timed"
    assert chosen(tmp_path / "a", dataclasses.replace(OPEN, teacher="runs/a")) == "timed"
    assert timed == []
    assert not (tmp_path / "precision.json").exists()


def test_a_training_goes_on_in_the_precision_that_it_began_with(tmp_path: Path, timed: list[int]) -> None:
    plan = planned("training.device=cpu", "training.precision=timed")
    for before in ("fp32", "bf16", "timed"):
        place = tmp_path / before
        place.mkdir()
        begun = {"optimizer": "muon", "batch": 64, "epochs": 20, "learning_rate": 0.1, "precision": before}
        (place / "training.json").write_text(json.dumps({"settings": begun}))
        assert fitted_recipe(plan, plan.recipe, GENOTYPE, NETWORK, place).precision == before
    assert timed == []
    assert fitted_recipe(plan, plan.recipe, GENOTYPE, NETWORK, tmp_path / "new").precision == "bf16"


def test_a_network_that_its_wide_one_teaches_is_not_timed(tmp_path: Path, timed: list[int]) -> None:
    plan = planned("training.device=cpu", "training.precision=timed")
    alone = Sized(GENOTYPE, NETWORK, tmp_path / "alone")
    start = Start(Initial({}, "0" * 64), teacher=tmp_path / "wide")
    taught = _own_recipe(plan, plan.recipe, Sized(GENOTYPE, NETWORK, tmp_path / "taught", start=start))
    assert (taught.precision, taught.teacher, timed) == ("timed", str(tmp_path / "wide"), [])
    assert _own_recipe(plan, plan.recipe, alone).precision == "bf16"


@pytest.mark.parametrize("text", ['{"networks": []}', '{"networks": {"a": {"precision": "fp16"}}}', "{}"])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "precision.json").write_text(text)
    with pytest.raises(UserError, match=r"precision\.json: expected networks, each with precision fp32 or bf16"):
        chosen(tmp_path / "a")
