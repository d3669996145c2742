"""Which candidates of a search a transfer trains: the front's, or the most accurate where all use the limits."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nastk.files import append_line
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.transfer.candidates import transfer_candidates
from nastk.jobs.transfer.plan import one_goal
from nastk.objective import Objective
from nastk.runs.front import write_choice
from nastk.runs.trials import TRIALS, Row

# Accuracy and latency: the last is quickest and far behind, the second and third are as good as the first.
FOUND = ((0.73, 0.099), (0.72, 0.0995), (0.725, 0.0992), (0.58, 0.092))


def written(folder: Path, losses: tuple[float, ...] = ()) -> list[str]:
    """Writes the candidates as a search does, all equally accurate where losses are given; returns their keys."""
    rows = []
    for number, (accuracy, latency) in enumerate(FOUND):
        genotype = StageGenotype((Stage("conv", 8 * (number + 1)),))
        metrics = {"accuracy": accuracy, "latency_ms": latency}
        metrics |= {"accuracy": 0.7, "latency_ms": 0.09, "loss": losses[number]} if losses else {}
        rows.append(Row(number, "complete", genotype.key, genotype.to_dict(), metrics, 1.0, ""))
        append_line(folder / TRIALS, json.dumps(rows[-1].to_dict()))
    write_choice(folder, rows, Objective(max_latency_ms=0.1))
    return [row.key for row in rows]


def test_accuracy_alone_chooses_where_all_candidates_use_the_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, third, second, quickest = written(tmp_path)
    assert [key for key, _ in transfer_candidates(tmp_path, 2)] == [best, quickest]
    assert [key for key, _ in transfer_candidates(tmp_path, 3)] == [best, quickest, second]
    assert "the Pareto front has 2 candidate(s), not 3; filled up with the 1 next best" in capsys.readouterr().err
    alone = [key for key, _ in transfer_candidates(tmp_path, 4, accuracy_alone=True)]
    assert alone == [best, second, third, quickest]
    assert [key for key, _ in transfer_candidates(tmp_path, 2, accuracy_alone=True)] == alone[:2]
    assert capsys.readouterr().err == ""
    assert len(transfer_candidates(tmp_path, 5, accuracy_alone=True)) == 4
    assert capsys.readouterr().err == "transfer: the search has no more than 4\n"


def test_of_equally_accurate_candidates_the_surest_come_first(tmp_path: Path) -> None:
    first, second, third, last = written(tmp_path, (0.8, 0.6, 0.7, 0.6))
    alone = [key for key, _ in transfer_candidates(tmp_path, 4, accuracy_alone=True)]
    assert alone == [second, last, third, first]


def test_the_best_others_are_the_best_in_what_the_search_maximized(tmp_path: Path) -> None:
    first, second, third, last = written(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / TRIALS).read_text().splitlines()]
    (tmp_path / TRIALS).unlink()
    for row, balanced in zip(rows, (0.5, 0.4, 0.6, 0.7), strict=True):
        row["metrics"]["balanced_accuracy"] = balanced
        append_line(tmp_path / TRIALS, json.dumps(row))
    objective = Objective(("balanced_accuracy",))
    write_choice(tmp_path, [Row(**{name: row[name] for name in row if name != "schema"}) for row in rows], objective)
    alone = [key for key, _ in transfer_candidates(tmp_path, 4, True, objective)]
    assert alone == [last, third, first, second]


@pytest.mark.parametrize(("minimize", "one"), [([], True), (["latency_ms"], False)])
def test_a_search_for_two_goals_has_more_than_one(minimize: list[str], one: bool) -> None:
    assert one_goal(OmegaConf.create({"objective": {"minimize": minimize}})) is one
