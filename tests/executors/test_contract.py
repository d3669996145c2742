"""What every executor promises, run over all there are: results, failures, bugs and early stops come back alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nastk.evaluators import EvaluationFailed, Pruned, Report
from nastk.executors import Executor, Make, Result, Task
from nastk.executors.inline import InlineExecutor
from nastk.executors.processes import ProcessesExecutor
from nastk.executors.ray import RayExecutor
from nastk.genotype import Genotype
from tests.evaluators.preparing import Preparing
from tests.executors.scripted import Scripted, genotypes, made, run

EXECUTORS: dict[str, Callable[[Make], Executor]] = {
    "inline": InlineExecutor,
    "processes": lambda make: ProcessesExecutor(make, parallel=2, preload=["tests.executors.scripted"]),
    "ray": lambda make: RayExecutor(make, parallel=2, cpus=0.1),
}
CELLS = genotypes(5)
pytestmark = pytest.mark.parametrize("kind", EXECUTORS)


@pytest.fixture(autouse=True)
def _in_ray(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "ray":
        request.getfixturevalue("in_ray")


def _heard(heard: list[tuple[int, float]]) -> Report:
    return lambda epoch, accuracy: heard.append((epoch, accuracy))


def _run(kind: str, folder: Path, script: Mapping[str, str], cells: list[Genotype]) -> dict[int, Result]:
    with EXECUTORS[kind](made(folder, script)) as executor:
        return dict(run(executor, [Task(cell, lambda: _heard([])) for cell in cells]))


def test_each_task_gets_its_own_result_and_is_evaluated_once(kind: str, tmp_path: Path) -> None:
    expected = [Scripted(tmp_path / "..", {}, None).evaluate(cell, _heard([])) for cell in CELLS]
    results = _run(kind, tmp_path, {}, CELLS)
    assert [results[index] for index in range(len(CELLS))] == expected
    assert sorted(path.name.split("-")[0] for path in tmp_path.glob("[0-9a-f]*-*")) == sorted(
        cell.key for cell in CELLS
    )


def test_epochs_are_reported_in_order_to_the_one_who_asked(kind: str, tmp_path: Path) -> None:
    heard: list[list[tuple[int, float]]] = [[] for _ in CELLS]
    with EXECUTORS[kind](made(tmp_path, {})) as executor:
        for _ in run(executor, [Task(cell, lambda i=i: _heard(heard[i])) for i, cell in enumerate(CELLS)]):  # type: ignore[misc]
            pass
    assert heard == [[(1, 0.1), (2, 0.2), (3, 0.3)]] * len(CELLS)


def test_a_failure_is_a_result_and_the_others_go_on(kind: str, tmp_path: Path) -> None:
    results = _run(kind, tmp_path, {CELLS[1].key: "fail"}, CELLS)
    assert isinstance(results[1], EvaluationFailed)
    assert results[1].reason == "diverged: the loss is nan in epoch 3"
    assert sum(isinstance(result, dict) for result in results.values()) == 4


def test_a_report_that_says_stop_stops_and_its_reason_is_kept(kind: str, tmp_path: Path) -> None:
    heard: list[int] = []

    def stop(epoch: int, accuracy: float) -> None:
        heard.append(epoch)
        if epoch == 2:
            raise Pruned("not worth it")

    with EXECUTORS[kind](made(tmp_path, {})) as executor:
        results = dict(run(executor, [Task(CELLS[0], lambda: stop), Task(CELLS[1], lambda: _heard([]))]))
    assert heard == [1, 2]
    assert isinstance(results[0], Pruned)
    assert str(results[0]) == "not worth it"
    assert isinstance(results[1], dict)


def test_a_bug_is_raised_with_the_line_it_came_from(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug") as caught:
        _run(kind, tmp_path, {CELLS[0].key: "bug"}, CELLS[:1])
    trace = str(caught.value.__cause__) if kind != "inline" else str(caught.traceback[-1])
    assert "scripted.py" in trace


def test_an_error_in_a_report_reaches_the_one_who_asked(kind: str, tmp_path: Path) -> None:
    def full(epoch: int, accuracy: float) -> None:
        raise OSError(28, "No space left on device")

    with EXECUTORS[kind](made(tmp_path, {})) as executor, pytest.raises(OSError, match="No space left"):
        list(run(executor, [Task(CELLS[0], lambda: full)]))


def test_an_executor_runs_one_round_after_another(kind: str, tmp_path: Path) -> None:
    with EXECUTORS[kind](made(tmp_path, {})) as executor:
        executor.ready(2)
        first = dict(run(executor, [Task(cell, lambda: _heard([])) for cell in CELLS[:2]]))
        second = dict(run(executor, [Task(cell, lambda: _heard([])) for cell in CELLS[:2]]))
        assert first == second
        assert list(run(executor, [])) == []


def test_what_is_prepared_once_is_loaded_wherever_candidates_are_evaluated(kind: str, tmp_path: Path) -> None:
    with EXECUTORS[kind](_preparing) as executor:
        executor.prepare(tmp_path / "evaluator")
        results = dict(run(executor, [Task(cell, lambda: _heard([])) for cell in CELLS]))
    assert results == {index: {"accuracy": 0.75} for index in range(len(CELLS))}
    assert (tmp_path / "evaluator" / "calls").read_text().count("prepared") == 1


def _preparing(device: str | None) -> Preparing:
    return Preparing("none")
