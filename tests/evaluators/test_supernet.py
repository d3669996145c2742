"""Shared weights are trained once, a training that was cut goes on with them, and others than the run's are refused."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.evaluators.supernet import SupernetEvaluator
from nastk.genotype.stages import Stage, StageGenotype
from nastk.spaces import NasnetSpace, random_genotype
from nastk.supernet.progress import Shown
from nastk.supernet.stored import RECORD
from tests.supernet.small import evaluator, space


class Cut(BaseException):
    """As Ctrl-C or a kill would end a training."""


def never(epoch: int, accuracy: float) -> None:
    raise AssertionError("nothing is trained")


@pytest.fixture(scope="module")
def usual() -> SupernetEvaluator:
    return evaluator()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, usual: SupernetEvaluator) -> Path:
    folder = tmp_path_factory.mktemp("run") / "evaluator"
    usual.prepare(folder)
    return folder


def weights(of: SupernetEvaluator, folder: Path) -> list[torch.Tensor]:
    of.load(folder)
    return [weight.detach() for weight in vars(of)["_shared"].weights]


def test_a_candidate_is_judged_by_what_it_inherits_whatever_was_before(trained: Path) -> None:
    rng = random.Random(0)
    one, other = random_genotype(space(), rng), random_genotype(space(), rng)
    first = evaluator()
    first.load(trained)
    found = first.evaluate(one, never)
    assert 0 <= found["accuracy"] <= 1 and found["score_seconds"] < 2
    first.evaluate(other, never)
    again = evaluator()
    again.load(trained)
    assert again.evaluate(one, never) == found | {"score_seconds": pytest.approx(1, abs=1)}
    record = json.loads((trained / RECORD).read_text())
    assert record["finished"] and len(record["losses"]) == 2
    assert [path.name for path in trained.glob("*.safetensors")] == ["epoch-2.safetensors"]


def test_the_weights_learn(tmp_path: Path) -> None:
    of = evaluator(
        epochs=12,
        learning_rate=0.4,
        momentum=0.9,
        space=space(resolution=(8,), stages=[{"block": "rep_conv", "width": [8, 16]}]),
    )
    of.prepare(tmp_path / "evaluator")
    losses = json.loads((tmp_path / "evaluator" / RECORD).read_text())["losses"]
    of.load(tmp_path / "evaluator")
    accuracies = [of.evaluate(random_genotype(of.space, random.Random(seed)), never)["accuracy"] for seed in range(3)]
    assert losses[-1] < losses[0] - 0.5 and min(accuracies) > 0.5


def test_a_training_that_was_cut_goes_on_to_the_same_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: SupernetEvaluator
) -> None:
    def cut(self: Shown, losses: list[float]) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(Shown, "epoch", cut)
        with pytest.raises(Cut):
            evaluator().prepare(tmp_path / "evaluator")
    record = json.loads((tmp_path / "evaluator" / RECORD).read_text())
    assert len(record["losses"]) == 1 and not record["finished"]
    with pytest.raises(UserError, match="not trained to the end"):
        usual.load(tmp_path / "evaluator")
    evaluator().prepare(tmp_path / "evaluator")
    pairs = zip(weights(usual, tmp_path / "evaluator"), weights(usual, trained), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert (tmp_path / "evaluator" / RECORD).read_bytes() == (trained / RECORD).read_bytes()


def test_another_run_takes_over_what_is_trained_of_the_same(trained: Path, tmp_path: Path) -> None:
    evaluator(folder=str(trained), epochs=9).prepare(tmp_path / "evaluator")
    mine = weights(evaluator(folder=str(trained), epochs=9), tmp_path / "evaluator")
    assert all(torch.equal(one, other) for one, other in zip(mine, weights(evaluator(), trained), strict=True))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seed": 1}, "its shared weights are of another seed: 0 there, 1 here"),
        ({"space": space(resolution=(8,))}, "of another space"),
        ({"network": {"width_multiplier": 0.5}}, "of another network"),
        ({"data": evaluator().data.__class__(subset=300, validation=200)}, "of another data"),
        ({"data": evaluator().data.__class__(subset=320, validation=200, resize=16)}, "of another size: 8 there, 16"),
    ],
    ids=["seed", "space", "network", "data", "size"],
)
def test_weights_of_something_else_are_refused(given: dict[str, Any], told: str, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        evaluator(folder=str(trained), **given).prepare(tmp_path / "evaluator")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("epoch-2.safetensors", lambda data: data[:-9], "its SHA-256 is not the one in supernet.json"),
        ("epoch-2.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "its SHA-256 is not the one"),
        ("epoch-2.safetensors", None, "no such file"),
        (RECORD, lambda data: data[:100], RECORD),
        (RECORD, lambda data: data.replace(b'"schema": 1', b'"schema": 2', 1), "it is damaged"),
        (RECORD, lambda data: data.replace(b"epoch-2", b"../epoch-2", 1), "it is damaged"),
        (RECORD, lambda data: data.replace(b'"losses": [', b'"losses": ["x",', 1), "it is damaged"),
    ],
)
def test_damaged_files_are_refused(
    name: str, change: Any, told: str, trained: Path, tmp_path: Path, usual: SupernetEvaluator
) -> None:
    folder = tmp_path / "evaluator"
    shutil.copytree(trained, folder)
    if change is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(UserError, match=told):
        usual.load(folder)
    with pytest.raises(UserError, match=told):
        usual.prepare(folder)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"space": NasnetSpace(blocks=2)}, "shares weights in spaces of stages, such as .space=mobile; for cells give"),
        ({"epochs": 0}, "epochs=0, expected a whole number from 1"),
        ({"batch": 1}, "batch=1, expected a whole number from 2"),
        ({"batch": 321}, "batch=321, expected at most 320: that many images there are"),
        ({"drop_path": 0.2}, "evaluator.drop_path=0.2: shared weights are trained without"),
        ({"average": 0.1}, "evaluator.average=0.1: shared weights are trained without"),
        ({"precision": "bf16"}, "evaluator.precision=bf16: shared weights are trained without"),
        ({"recalibration": 1}, "evaluator.recalibration=1, expected a whole number from 2"),
        ({"checkpoint_minutes": -1.0}, "evaluator.checkpoint_minutes=-1"),
        ({"folder": "/nowhere"}, "evaluator.folder=/nowhere: no supernet.json there"),
        ({"network": {"size": 4}}, "network.size=4: follows from the data"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        evaluator(**given)


def test_a_candidate_that_the_weights_do_not_hold_fails_in_one_line(trained: Path, usual: SupernetEvaluator) -> None:
    usual.load(trained)
    with pytest.raises(EvaluationFailed, match="supernet: it does not hold"):
        usual.evaluate(StageGenotype((Stage("rep_conv", 24),), (Stage("conv", 8),)), never)


def test_a_rate_that_is_too_high_ends_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="supernet: diverged: the training loss is .*; give evaluator.learning_rate="):
        evaluator(learning_rate=1e30, clip=0.0).prepare(tmp_path / "evaluator")
