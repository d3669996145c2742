"""Worker processes: a death costs the candidate it hits, none outlives the search, and numbers are checked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import joblib
import pytest

from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.executors import Result, Task
from nastk.executors.processes import ProcessesExecutor
from tests.executors.scripted import Scripted, genotypes, made, run
from tests.faults.commands import alive
from tests.simulated import Simulated

CELLS = genotypes(4)
PRELOAD = ["tests.executors.scripted"]
ROOT = Path(__file__).resolve().parents[2]


def _silent(epoch: int, accuracy: float) -> None:
    pass


TASKS = [Task(cell, lambda: _silent) for cell in CELLS]


def _run(folder: Path, script: Mapping[str, str], parallel: int = 2) -> dict[int, Result]:
    with ProcessesExecutor(made(folder, script), parallel=parallel, preload=PRELOAD) as executor:
        return dict(run(executor, TASKS))


def _workers(folder: Path, key: str = "") -> list[int]:
    return sorted({int(path.name.split("-")[1]) for path in folder.glob(f"{key or '[0-9a-f]'}*-*")})


def _gone(pids: list[int]) -> bool:
    """Waits for processes to end; a zombie has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not any(map(alive, pids)):
            return True
        time.sleep(0.05)
    return False


def test_candidates_run_in_so_many_other_processes_which_are_gone_afterwards(tmp_path: Path) -> None:
    _run(tmp_path, {})
    pids = _workers(tmp_path)
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert _gone(pids)


def test_a_candidate_whose_process_dies_is_tried_again_in_another(tmp_path: Path) -> None:
    results = _run(tmp_path, {CELLS[0].key: "die once"})
    assert all(isinstance(result, dict) for result in results.values())
    assert len(results) == len(CELLS)
    assert len(_workers(tmp_path, CELLS[0].key)) == 2
    assert _gone(_workers(tmp_path))


def test_a_candidate_that_kills_twice_has_failed_and_says_how_and_the_others_go_on(tmp_path: Path) -> None:
    results = _run(tmp_path, {CELLS[1].key: "die"})
    assert isinstance(results[1], EvaluationFailed)
    assert results[1].reason == "its process died twice (SIGKILL, as when memory runs out)"
    assert [index for index, result in sorted(results.items()) if isinstance(result, dict)] == [0, 2, 3]
    assert len(_workers(tmp_path, CELLS[1].key)) == 2
    assert _gone(_workers(tmp_path))


def test_a_candidate_that_hangs_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    with ProcessesExecutor(
        made(tmp_path, {CELLS[0].key: "hang", CELLS[3].key: "die"}),
        parallel=2,
        preload=PRELOAD,
        retries=0,
        max_seconds=2.0,
    ) as executor:
        results = dict(run(executor, TASKS))
    assert isinstance(results[0], EvaluationFailed)
    assert results[0].reason == "took longer than executor.max_seconds=2"
    assert isinstance(results[3], EvaluationFailed)
    assert results[3].reason == "its process died (SIGKILL, as when memory runs out)"
    assert [index for index, result in sorted(results.items()) if isinstance(result, dict)] == [1, 2]
    assert len(_workers(tmp_path, CELLS[0].key)) == len(_workers(tmp_path, CELLS[3].key)) == 1
    assert _gone(_workers(tmp_path))


def test_a_worker_that_dies_while_it_has_nothing_to_do_is_replaced(tmp_path: Path) -> None:
    with ProcessesExecutor(made(tmp_path, {}), parallel=1, preload=PRELOAD) as executor:
        list(run(executor, TASKS[:1]))
        (first,) = _workers(tmp_path)
        os.kill(first, signal.SIGKILL)
        assert _gone([first])
        results = dict(run(executor, TASKS))
    assert len(results) == len(CELLS)
    assert all(isinstance(result, dict) for result in results.values())


def test_a_worker_that_dies_at_its_start_is_replaced_once(tmp_path: Path) -> None:
    with ProcessesExecutor(made(tmp_path, {"deaths at start": "1"}), parallel=1, preload=PRELOAD) as executor:
        executor.ready(1)
        assert len(list(run(executor, TASKS))) == len(CELLS)
    with (
        pytest.raises(UserError, match=r"executor.parallel=1: worker process 1 cannot be started \(.*exit code 7"),
        ProcessesExecutor(made(tmp_path, {"deaths at start": "9"}), parallel=1, preload=PRELOAD) as executor,
    ):
        executor.ready(1)


def test_the_report_begins_anew_with_the_second_attempt(tmp_path: Path) -> None:
    heard: list[list[int]] = []

    def begin() -> object:
        heard.append([])
        return lambda epoch, accuracy: heard[-1].append(epoch)

    with ProcessesExecutor(made(tmp_path, {CELLS[0].key: "die once"}), parallel=1, preload=PRELOAD) as executor:
        list(run(executor, [Task(CELLS[0], begin)]))  # type: ignore[arg-type]
    assert heard == [[1, 2, 3], [1, 2, 3]]


def test_leaving_in_the_middle_ends_candidates_under_way_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        ProcessesExecutor(made(tmp_path, {CELLS[0].key: "hang"}), parallel=2, preload=PRELOAD) as executor,
    ):
        for index, _ in run(executor, TASKS):
            if index == len(TASKS) - 1:
                raise KeyboardInterrupt
    assert time.monotonic() - start < 120
    assert _gone(_workers(tmp_path))


SEARCH = """
import sys
from pathlib import Path
from nastk.executors import Task
from nastk.executors.processes import ProcessesExecutor
from tests.executors.scripted import genotypes, made, run

cells = genotypes(2)
make = made(Path(sys.argv[1]), {cell.key: "hang" for cell in cells})
with ProcessesExecutor(make, parallel=2, preload=["tests.executors.scripted"]) as executor:
    list(run(executor, [Task(cell, lambda: lambda epoch, accuracy: None) for cell in cells]))
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_search_that_is_killed(tmp_path: Path, sign: signal.Signals) -> None:
    command = [sys.executable, "-c", SEARCH, str(tmp_path)]
    sockets = Path(tempfile.mkdtemp(dir="/tmp"))  # tmp_path may be too long for the name of a socket
    given = {"cwd": ROOT, "env": {**os.environ, "TMPDIR": str(sockets)}}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, **given) as process:
        deadline = time.monotonic() + 120
        while len(_workers(tmp_path)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(sign)
        process.wait()
        assert _gone(_workers(tmp_path))
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()  # closed only once the last process that holds it is gone
        deadline = time.monotonic() + 120
        while _alive(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert not list(sockets.glob("pymp-*"))
    shutil.rmtree(sockets)


WELL = """
import sys
from pathlib import Path
from nastk.executors import Task
from nastk.executors.processes import ProcessesExecutor
from tests.executors.scripted import genotypes, made, run

cells = genotypes(3)
make = made(Path(sys.argv[1]), {"semaphore": "yes"})
with ProcessesExecutor(make, parallel=2, preload=["tests.executors.scripted"]) as executor:
    assert len(list(run(executor, [Task(cell, lambda: lambda epoch, accuracy: None) for cell in cells]))) == 3
"""


def test_workers_give_back_what_the_system_lent_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WELL, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")  # Python names semaphores that are left


def test_ctrl_c_is_heard_while_the_workers_libraries_are_still_imported_and_ends_that_too(tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text(
        "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(600)\n"
    )
    code = SEARCH.replace('tests.executors.scripted"]', 'slow_library"]')
    command = [sys.executable, "-c", code, str(tmp_path)]
    paths = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    process = subprocess.Popen(command, cwd=tmp_path, env=paths, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "importing").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)  # to where it waits for a worker
    process.send_signal(signal.SIGINT)
    process.wait(120)
    deadline = time.monotonic() + 120
    while _alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_take_the_devices_in_turn(tmp_path: Path) -> None:
    executor = ProcessesExecutor(made(tmp_path, {}), parallel=3, devices=("a", "b"))
    devices = [executor._device(index) for index in range(3)]
    assert devices == ["a", "b", "a"]
    assert ProcessesExecutor(made(tmp_path, {}))._device(1) is None


@pytest.mark.parametrize(("threads", "expected"), [(None, joblib.cpu_count()), (10_000, 1)])
def test_as_many_as_there_are_cores_unless_a_number_is_given(
    tmp_path: Path, threads: int | None, expected: int
) -> None:
    evaluator = Scripted(tmp_path, {}, "cpu")
    evaluator.threads = threads
    assert ProcessesExecutor(lambda device: evaluator).parallel == expected
    assert ProcessesExecutor(lambda device: evaluator, parallel=3).parallel == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parallel": 0}, "executor.parallel=0: expected 1 to 256"),
        ({"parallel": 257}, "executor.parallel=257: expected 1 to 256"),
        ({"per_gpu": 0}, "executor.per_gpu=0: expected 1 to 256"),
        ({"devices": ()}, "expected at least one"),
        ({"retries": -1}, "executor.retries=-1: expected 0 to 100"),
        ({"max_seconds": 0.0}, "executor.max_seconds=0.0: expected 0.001 to 1e\\+09"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ProcessesExecutor(made(tmp_path, {}), **given)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device='cuda:99'"):
        _ = ProcessesExecutor(made(tmp_path, {}), parallel=2, devices=("cuda:99",)).parallel


def test_devices_for_an_evaluator_that_takes_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Simulated trains on no device"):
        _ = ProcessesExecutor(lambda device: Simulated(), devices=("cpu",)).parallel
