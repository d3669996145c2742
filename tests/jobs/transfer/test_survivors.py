"""A network of a transfer that diverges is left out, once and for all, and the others go on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from nastk.errors import UserError
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer import trainings
from nastk.jobs.transfer.survivors import trained_to_the_end
from nastk.jobs.transfer.trainings import Sized
from nastk.networks import NetworkConfig
from nastk.reports import final_table
from nastk.runs.failed import FAILED, read_failures
from nastk.runs.ranking import read_ranking
from nastk.training.failure import TrainingFailed
from nastk.training.rungs import Rung
from nastk.training.transfer import TransferSettings, train_rung
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]


class Scripted:
    """Trains networks as if: the width of the first stage is their accuracy, in percent, unless they are to fail."""

    epochs = 20

    def __init__(self, at_the_end: Collection[int] = (), at_once: Collection[int] = ()) -> None:
        self.at_the_end, self.at_once, self.asked = set(at_the_end), set(at_once), list[tuple[int, int]]()

    def rung(self, one: Sized, epochs: int) -> Rung:
        return Rung(epochs, self._trained(one, epochs, self.at_once)["accuracy"], 1.0)

    def full(self, one: Sized) -> dict[str, Any]:
        return self._trained(one, self.epochs, self.at_once | self.at_the_end)

    def _trained(self, one: Sized, epochs: int, failing: set[int]) -> dict[str, Any]:
        self.asked.append((width(one), epochs))
        if width(one) in failing:
            raise TrainingFailed(one.place, "diverged: the training loss is nan in epoch 3")
        return {"accuracy": width(one) / 100}


def width(one: Sized) -> int:
    assert isinstance(one.genotype, StageGenotype)
    return int(one.genotype.body[0].width)


def sized(folder: Path, *widths: int, baseline: int | None = None) -> list[Sized]:
    """Returns networks in folders that are there, those of the search first."""
    found = []
    for channels in (*widths, *([baseline] if baseline else [])):
        genotype = StageGenotype((Stage("conv", channels),))
        place = folder / "transfer" / genotype.key
        place.mkdir(parents=True)
        name = "resnet18" if channels == baseline else None
        found.append(Sized(genotype, NetworkConfig(classes=10, channels=1, size=8), place, name))
    return found


def widths(networks: list[Sized]) -> list[int]:
    return [width(one) for one in networks]


def test_who_fails_on_the_way_or_at_the_end_makes_room_for_the_next_best(tmp_path: Path, capsys: Capture) -> None:
    networks = sized(tmp_path, 90, 80, 70, 60, baseline=50)
    script = Scripted(at_once={90}, at_the_end={80})
    left, metrics = trained_to_the_end(networks, 1, True, script)
    assert widths(left) == [70, 50] and [one["accuracy"] for one in metrics] == [0.7, 0.5]
    assert len(script.asked) == len(set(script.asked))  # nothing was trained twice
    said = capsys.readouterr().err
    assert f"left out: {networks[0].told} because its training failed: diverged" in said
    assert f"delete {networks[1].place / FAILED} to train it again" in said
    assert list(read_failures(tmp_path)) == sorted(one.place.name for one in networks[:2])
    # Resumed, with nothing that would fail again: who failed is not trained, and the same ones are left.
    again = Scripted()
    assert widths(trained_to_the_end(networks, 1, True, again)[0]) == [70, 50]
    assert not {90, 80} & {channels for channels, _ in again.asked}
    assert "left out" in capsys.readouterr().err


def test_a_baseline_that_fails_and_candidates_that_all_fail_are_left_out(tmp_path: Path) -> None:
    networks = sized(tmp_path, 90, 80, baseline=50)
    assert widths(trained_to_the_end(networks[1:], 1, False, Scripted(at_the_end={50}))[0]) == [80]
    networks[-1].place.joinpath(FAILED).unlink()
    assert widths(trained_to_the_end(networks, 1, True, Scripted(at_once={90, 80}))[0]) == [50]


def test_where_all_fail_it_is_said_and_all_are_trained_again_the_next_time(tmp_path: Path) -> None:
    networks = sized(tmp_path, 90, baseline=50)
    with pytest.raises(UserError, match="none of 2 networks gave a result; .*: diverged"):
        trained_to_the_end(networks, 1, False, Scripted(at_once={90, 50}))
    assert not read_failures(tmp_path)
    with pytest.raises(TrainingFailed, match=f"^transfer {networks[0].place}: diverged"):
        trained_to_the_end(networks[:1], 1, False, Scripted(at_once={90}))
    assert widths(trained_to_the_end(networks, 1, False, Scripted())[0]) == [90, 50]


def test_what_is_no_failure_of_a_training_ends_the_command(tmp_path: Path) -> None:
    networks = sized(tmp_path, 90, 80)
    (networks[0].place / FAILED).write_text('{"schema": 1, "reason": 3}')
    with pytest.raises(UserError, match=f"{FAILED}: reason 3"):
        trained_to_the_end(networks, 1, True, Scripted())


SEARCH = (
    *("+space=nasbench201", "trials=3", "evaluator.epochs=1", "data.subset=300", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.05"),
    "objective.maximize=[balanced_accuracy]",
)
WORDS = (
    *("baselines=[]", "training.epochs=4", "training.threads=1", "transfer.cells=1", "transfer.filters=4"),
    *("transfer.entrants=3", "training.batch=128"),
)


def test_a_transfer_goes_on_without_a_network_that_diverges_and_says_so_in_ranking_and_report(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    call("search", f"run={folder}", *SEARCH)
    bad: list[str] = []

    def wild(genotype: Any, network: Any, data: Any, settings: TransferSettings, *given: Any, **more: Any) -> Rung:
        bad.append(genotype.key)
        if genotype.key == bad[0]:
            settings = dataclasses.replace(settings, learning_rate=1e30, clip=0.0, optimizer="sgd")
        return train_rung(genotype, network, data, settings, *given, **more)

    monkeypatch.setattr(trainings, "train_rung", wild)
    ran = run(capsys, "transfer", f"run={folder}", *WORDS)
    assert ran.code == 0, ran.err
    assert f"left out: {bad[0][:8]} because its training failed: diverged: " in ran.err
    monkeypatch.undo()
    assert "Ranked by balanced accuracy on held-out training images" in ran.err
    before = {path: path.read_bytes() for path in folder.glob("transfer/*/*")}
    again = run(capsys, "transfer", f"run={folder}", *WORDS)
    assert again.code == 0 and {path: path.read_bytes() for path in folder.glob("transfer/*/*")} == before
    (ranked,) = read_ranking(folder)
    assert ranked.held_out == final_table(folder)[0].validation_accuracy != ranked.validation_accuracy
    (left_out,) = json.loads((folder / "transfer" / "ranking.json").read_text())["left_out"]
    assert left_out["key"] == bad[0] and left_out["reason"].startswith("diverged: ")
    assert run(capsys, "report", f"run={folder}").code == 0
    said = f"Left out: the searched network {bad[0][:8]}, because its training failed: diverged: "
    assert said in (folder / "report.html").read_text()
    # Without the record it is trained as the others are.
    shutil.rmtree(folder / "transfer" / bad[0])
    assert run(capsys, "transfer", f"run={folder}", *WORDS).code == 0
    assert json.loads((folder / "transfer" / bad[0] / "rungs.json").read_text())["rungs"]
