"""Successive halving of a transfer's candidates: who goes on, when, and that nothing is trained twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.jobs.transfer.halving import Stop, begun_without, halved, stops
from nastk.training.rungs import RUNGS, Rung, known_rung, write_rung
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("entrants", "top", "epochs", "expected"),
    [
        (8, 1, 40, [(20, 4), (26, 2), (33, 1)]),
        (8, 2, 30, [(15, 4), (22, 2)]),
        (6, 2, 20, [(10, 3), (15, 2)]),
        (8, 1, 4, [(2, 2), (3, 1)]),
        (8, 1, 3, [(2, 1)]),
        (8, 1, 2, [(1, 1)]),
        (8, 1, 1, []),
        (2, 2, 20, []),
        (1, 3, 20, []),
    ],
)
def test_half_go_on_after_half_of_the_training_and_equal_stretches_of_it(
    entrants: int, top: int, epochs: int, expected: list[tuple[int, int]]
) -> None:
    assert stops(entrants, top, epochs) == [Stop(*one) for one in expected]


def test_the_better_half_goes_on_and_the_surer_one_of_equals(capsys: Capture) -> None:
    asked: list[tuple[str, int]] = []
    # By epochs: "slow" overtakes; "a" and "b" are equal but for their loss.
    scores = {
        10: {"a": (0.8, 0.5), "b": (0.8, 0.4), "slow": (0.85, 0.6), "bad": (0.3, 2.0)},
        15: {"b": (0.82, 0.4), "slow": (0.9, 0.3)},
    }

    def train(name: str, epochs: int) -> Rung:
        asked.append((name, epochs))
        return Rung(epochs, *scores[epochs][name])

    assert halved(["a", "b", "slow", "bad"], 1, 20, train, str) == ["slow"]
    assert asked == [("a", 10), ("b", 10), ("slow", 10), ("bad", 10), ("b", 15), ("slow", 15)]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "transfer: after 10 epochs 2 of 4 go on: slow 0.8500, b 0.8000, a 0.8000, bad 0.3000"


def test_they_are_compared_by_balanced_accuracy_where_that_is_wanted_and_known_of_all(capsys: Capture) -> None:
    scores = {"a": Rung(1, 0.9, 0.5, 0.4), "b": Rung(1, 0.8, 0.5, 0.6)}
    given = (["a", "b"], 1, 2, lambda name, _: scores[name], str)
    assert halved(*given) == ["a"]
    assert halved(*given, balanced=True) == ["b"]
    assert "b 0.6000, a 0.4000" in capsys.readouterr().err
    scores["b"] = Rung(1, 0.8, 0.5)  # of a version of before
    assert halved(*given, balanced=True) == ["a"]


def test_scores_are_kept_by_epochs_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_rung(tmp_path, Rung(10, 0.75, 1.0))
    write_rung(tmp_path, Rung(5, 0.5, 1.5))
    write_rung(tmp_path, Rung(6, 0.5, 1.5, 0.25))
    assert known_rung(tmp_path, 6) == Rung(6, 0.5, 1.5, 0.25)
    assert known_rung(tmp_path, 5) == Rung(5, 0.5, 1.5)
    assert known_rung(tmp_path, 7) is None
    (tmp_path / "metrics.json").write_text('{"validation_accuracy": 0.9, "validation_loss": 0.5}')
    assert known_rung(tmp_path, 10) == Rung(10, 0.75, 1.0)
    assert known_rung(tmp_path, 7) == Rung(7, 0.9, 0.5)
    whole = {"validation_accuracy": 0.9, "validation_loss": 0.5, "validation_balanced_accuracy": 0.8}
    (tmp_path / "metrics.json").write_text(json.dumps(whole))
    assert known_rung(tmp_path, 7) == Rung(7, 0.9, 0.5, 0.8)
    (tmp_path / "metrics.json").write_text('{"accuracy": 0.9}')
    with pytest.raises(UserError, match="it was trained on all images"):
        known_rung(tmp_path, 7)
    for damaged in ('{"rungs": [{"epochs": 5}]}', '{"schema": 1}', '{"rungs": 3}', "[]", "{"):
        (tmp_path / RUNGS).write_text(damaged)
        with pytest.raises(UserError, match=RUNGS):
            known_rung(tmp_path, 5)


SEARCH = (
    *("+space=nasbench201", "trials=4", "evaluator.epochs=1", "data.subset=300", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.05"),
)
WORDS = (
    *("baselines=[]", "training.epochs=6", "training.threads=1", "transfer.cells=1", "transfer.filters=4"),
    *("transfer.entrants=4", "training.batch=128"),
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched") / "run"
    call("search", f"run={folder}", *SEARCH)
    return folder


def test_four_begin_and_one_is_trained_to_the_end_also_after_it_was_stopped(searched: Path, capsys: Capture) -> None:
    folder, words = searched, WORDS
    ran = run(capsys, "transfer", f"run={folder}", *words)
    assert ran.code == 0, ran.err
    assert "after 3 epochs 2 of 4 go on" in ran.err and "after 4 epochs 1 of 2 go on" in ran.err
    (winner,) = (path.parent for path in folder.glob("transfer/*/metrics.json"))
    rungs = {path.parent: json.loads(path.read_text())["rungs"] for path in folder.glob(f"transfer/*/{RUNGS}")}
    assert sorted(len(found) for found in rungs.values()) == [1, 1, 2, 2]
    whole = json.loads((winner / "metrics.json").read_text())
    assert whole["epochs"] == 6 and not begun_without(folder)
    before = {path: path.read_bytes() for path in folder.glob("transfer/*/*")}
    again = run(capsys, "transfer", f"run={folder}", *words)
    assert again.code == 0 and {path: path.read_bytes() for path in folder.glob("transfer/*/*")} == before
    # Trained to the end with no stop on the way, it ends with the same numbers.
    shutil.rmtree(folder / "transfer")
    assert run(capsys, "transfer", f"run={folder}", *words, "transfer.entrants=auto", "transfer.top=4").code == 0
    assert begun_without(folder)
    alone = json.loads((winner / "metrics.json").read_text())
    assert {**alone, "seconds": 0} == {**whole, "seconds": 0}


@pytest.mark.parametrize("value", ["0", "many", "1001", "2.5"])
def test_a_number_of_entrants_that_cannot_be_is_one_line(value: str, searched: Path, capsys: Capture) -> None:
    shutil.rmtree(searched / "transfer", ignore_errors=True)
    refused = run(capsys, "transfer", f"run={searched}", f"transfer.entrants={value}")
    assert refused.code == 2 and "transfer.entrants" in refused.line and not (searched / "transfer").exists()
