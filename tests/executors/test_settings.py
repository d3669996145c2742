"""`executor=` on the command line: wrong values give one line, and what is left open stays as it was."""

from __future__ import annotations

from pathlib import Path

import joblib
import pytest
from omegaconf import OmegaConf

from tests.commands import run

SEARCH = (
    *("+space=nasnet", "space.blocks=2", "evaluator.epochs=1", "data.subset=300", "evaluator.network.filters=4"),
    *("target.seconds=0.05", "controller=random", "executor=processes"),
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("executor.parallel=0", "executor.parallel=0: expected 1 to 256"),
        ("executor.parallel=300", "executor.parallel=300: expected 1 to 256"),
        ("executor.parallel=x", "executor.parallel='x': str, expected int | None"),
        ("executor.per_gpu=0", "executor.per_gpu=0: expected 1 to 256"),
        ("executor.devices=[cuda:99]", "device='cuda:99', expected auto or one of: cpu"),
        ("executor.devices=cuda:0", "executor.devices='cuda:0'"),
        ("executor.retries=-1", "executor.retries=-1: expected 0 to 100"),
        ("executor.paralel=2", "nearest is 'executor.parallel'"),
        ("executor=proceses", "unknown executor 'proceses'; nearest is 'processes'"),
        ("executor._target_=nastk.spaces.NasnetSpace", "expected nastk.executors.Executor; nothing was run"),
    ],
)
def test_a_wrong_value_is_one_line_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, given: str, message: str
) -> None:
    assert message in run(capsys, "search", *SEARCH, f"run={tmp_path / 'run'}", given).line
    assert not (tmp_path / "run").exists()


def test_a_number_left_open_stays_what_it_was_on_another_machine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = (*SEARCH, f"run={tmp_path / 'run'}")
    assert run(capsys, "search", *given, "trials=1", "executor.parallel=1").code == 0
    config = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert config.executor.parallel == 1
    went_on = run(capsys, "search", *given, "trials=2")
    assert went_on.code == 0
    assert "executor" not in went_on.err
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").executor.parallel == 1
    assert run(capsys, "search", *given, "trials=1", "run=" + str(tmp_path / "other")).code == 0
    assert OmegaConf.load(tmp_path / "other" / "config.yaml").executor.parallel == joblib.cpu_count()
