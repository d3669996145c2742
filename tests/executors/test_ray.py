"""Ray workers: a death, a hang or a greedy candidate costs itself alone, each is accounted for once, none is left."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from nastk.data.sources import Npz
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.evaluators.training import TrainingEvaluator
from nastk.executors import Result, Task
from nastk.executors.ray import RayExecutor
from nastk.spaces import NasnetSpace, random_genotype
from tests.commands import run
from tests.executors.scripted import genotypes, made
from tests.executors.scripted import run as run_tasks
from tests.executors.test_processes import _gone, _workers

CELLS = genotypes(4)
pytestmark = pytest.mark.usefixtures("in_ray")


def _silent(epoch: int, accuracy: float) -> None:
    pass


TASKS = [Task(cell, lambda: _silent) for cell in CELLS]


def _run(folder: Path, script: Mapping[str, str], **given: object) -> dict[int, Result]:
    """Runs the tasks on two workers; fails where a task has more than one result, or none."""
    with RayExecutor(made(folder, script), **{"parallel": 2, "cpus": 0.1, **given}) as executor:  # type: ignore[arg-type]
        results = list(run_tasks(executor, TASKS))
    assert sorted(index for index, _ in results) == list(range(len(TASKS)))
    assert _gone(_workers(folder))
    return dict(results)


def test_the_secret_of_a_ray_of_its_own_is_in_no_file_of_the_home_folder(in_ray: Path) -> None:
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert not list(in_ray.rglob("*"))


def test_a_worker_killed_in_the_middle_is_replaced_and_its_candidate_trained_again(tmp_path: Path) -> None:
    def kill() -> None:
        while not _workers(tmp_path, CELLS[0].key):
            time.sleep(0.02)
        os.kill(_workers(tmp_path, CELLS[0].key)[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    results = _run(tmp_path, {CELLS[0].key: "hang once"})
    killer.join()
    assert all(isinstance(result, dict) for result in results.values())
    assert len(_workers(tmp_path, CELLS[0].key)) == 2
    assert all(len(_workers(tmp_path, cell.key)) == 1 for cell in CELLS[1:])


def test_what_hangs_is_killed_and_what_crashes_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    start = time.monotonic()
    results = _run(tmp_path, {CELLS[0].key: "hang", CELLS[1].key: "segfault"}, max_seconds=3.0, retries=1)
    assert time.monotonic() - start < 300
    assert isinstance(results[0], EvaluationFailed)
    assert results[0].reason == "took longer than executor.max_seconds=3"
    assert isinstance(results[1], EvaluationFailed)
    assert results[1].reason == "its worker died twice (its process was killed, or crashed)"
    assert [index for index, result in sorted(results.items()) if isinstance(result, dict)] == [2, 3]
    assert (len(_workers(tmp_path, CELLS[0].key)), len(_workers(tmp_path, CELLS[1].key))) == (1, 2)


@pytest.mark.slow
def test_what_takes_more_memory_than_it_may_has_failed_and_says_so(tmp_path: Path) -> None:
    results = _run(tmp_path, {CELLS[2].key: "eat"}, memory_gb=0.5, retries=3)
    assert isinstance(results[2], EvaluationFailed)
    assert results[2].reason.startswith("out of memory: took 0.")
    assert results[2].reason.endswith("more than executor.memory_gb=0.5")
    assert [index for index, result in sorted(results.items()) if isinstance(result, dict)] == [0, 1, 3]
    assert len(_workers(tmp_path, CELLS[2].key)) == 1


@pytest.mark.slow
def test_workers_that_die_when_they_start_end_the_search(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 workers died when they started"):
        _run(tmp_path, {"deaths at start": "9"})


def test_leaving_in_the_middle_ends_candidates_under_way_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        RayExecutor(made(tmp_path, {CELLS[0].key: "hang"}), parallel=2, cpus=0.1) as executor,
    ):
        for index, _ in run_tasks(executor, TASKS):
            if index == len(TASKS) - 1:
                raise KeyboardInterrupt
    assert time.monotonic() - start < 300
    assert _gone(_workers(tmp_path))


def test_images_go_along_to_where_their_files_are_not_and_the_results_are_those_of_this_process(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (64, 8, 8), dtype=np.uint8), np.arange(64) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    evaluator = TrainingEvaluator(
        data=Npz(str(path), validation=0.25), network={"cells": 1, "filters": 4}, epochs=1, batch=16, threads=1
    )
    cells = [random_genotype(NasnetSpace(blocks=1), random.Random(seed)) for seed in range(2)]
    expected = [evaluator.evaluate(cell, _silent)["loss"] for cell in cells]
    path.unlink()
    with RayExecutor(lambda device: evaluator, parallel=1, cpus=0.1) as executor:
        results = dict(run_tasks(executor, [Task(cell, lambda: _silent) for cell in cells]))
    assert [results[index]["loss"] for index in range(2)] == expected  # type: ignore[index]


def test_a_wrong_value_on_the_command_line_is_one_line_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for given, message in (
        ("executor.gpus=2", "executor.gpus=2: there are 0 GPUs on 1 machine(s)"),
        ("executor.parallel=500", "executor.parallel=500 with executor.cpus=1: there are"),
        ("executor.address=127.0.0.1:1", "executor.address=127.0.0.1:1: nothing answers there"),
        ("executor.cpu=2", "nearest is 'executor.cpus'"),
    ):
        outcome = run(capsys, "search", "+space=nasnet", "executor=ray", f"run={tmp_path / 'run'}", given)
        assert message in outcome.line
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_candidates_are_handed_over_one_by_one_and_more_is_asked_for_when_one_has_ended(tmp_path: Path) -> None:
    with RayExecutor(made(tmp_path, {}), parallel=2, cpus=0.1, rounds=False) as executor:
        assert not executor.rounds
        left, ended, under_way = list(TASKS), [0], []

        def more() -> Task | None:
            under_way.append(len(TASKS) - len(left) - ended[0])
            return left.pop(0) if left else None

        executor.ready(2)  # returns with the first that is ready
        assert executor._workers is not None
        executor._workers.wait(2)
        for _ in executor.stream(more):
            ended[0] += 1
    assert ended == [len(TASKS)]
    assert max(under_way) == 1  # beside the one that is asked for


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parallel": 0}, "executor.parallel=0: expected 1 to 1024"),
        ({"parallel": 1025}, "executor.parallel=1025: expected 1 to 1024"),
        ({"cpus": 0.0}, "executor.cpus=0.0: expected 0.001 to 1024"),
        ({"gpus": -1.0}, "executor.gpus=-1.0: expected 0 to 64"),
        ({"gpus": 1.5}, "executor.gpus=1.5: expected a share of one GPU"),
        ({"memory_gb": 0.0}, "executor.memory_gb=0.0: expected 0.1 to 10000"),
        ({"retries": -1}, "executor.retries=-1: expected 0 to 100"),
        ({"max_seconds": 0.0}, "executor.max_seconds=0.0: expected 0.001 to"),
        ({"max_seconds": float("nan")}, "executor.max_seconds=nan: expected"),
        ({"address": "somewhere"}, "executor.address=somewhere: expected auto, HOST:PORT"),
        ({"address": "http://host:x"}, "executor.address=http://host:x: expected auto, HOST:PORT"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        RayExecutor(made(tmp_path, {}), **given)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gpus": 3.0}, "executor.gpus=3: there are 0 GPUs on 1 machine(s)"),
        ({"cpus": 999.0}, "executor.cpus=999: there are"),
        ({"memory_gb": 9999.0}, "executor.memory_gb=9999: there are"),
        ({"parallel": 900, "cpus": 0.5}, "executor.parallel=900 with executor.cpus=0.5: there are"),
    ],
)
def test_more_than_there_is_is_refused_and_says_how_much_there_is(
    tmp_path: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught, RayExecutor(made(tmp_path, {}), **given):  # type: ignore[arg-type]
        pass
    assert message in str(caught.value)


def test_a_gpu_for_the_evaluator_and_none_for_the_worker_is_refused(tmp_path: Path) -> None:
    make: Callable[[str | None], object] = lambda device: made(tmp_path, {})("cuda:1")  # noqa: E731
    with (
        pytest.raises(UserError, match=r"evaluator.device=cuda:1 with executor.gpus=0"),
        RayExecutor(make, parallel=1, cpus=0.1) as executor,  # type: ignore[arg-type]
    ):
        executor.ready(1)
