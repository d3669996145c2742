"""Loggers: TensorBoard and Weights & Biases hold what the run folder holds; switched off, none is even loaded."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import run

Capture = pytest.CaptureFixture[str]
SMALL = (
    *("+space=nasbench201", "evaluator.epochs=1", "data.subset=64", "controller=random", "run=a"),
    "evaluator.network.filters=2",
)
TRANSFER = (
    *("run=a", "baselines=[]", "training.epochs=2", "training.batch=128", "transfer.cells=1", "transfer.filters=2"),
)


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Returns TensorBoard's values by name and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: {event.step: event.value for event in events.Scalars(name)} for name in events.Tags()["scalars"]}


def test_tensorboard_has_each_candidate_and_each_epoch_and_goes_on(capsys: Capture, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    words = (f"runs={tmp_path}", "logger=tensorboard")
    assert run(capsys, "search", *words, *SMALL, "trials=2").code == 0
    assert run(capsys, "search", *words, *SMALL, "trials=3").code == 0
    rows = [json.loads(line) for line in (tmp_path / "a" / "trials.jsonl").read_text().splitlines()]
    found = scalars(tmp_path / "a" / "logs" / "search")
    trained = [row["metrics"] for row in rows if row["state"] == "complete"]
    for name in ("accuracy", "latency_ms", "params"):
        expected = {step: pytest.approx(metrics[name], rel=1e-6) for step, metrics in enumerate(trained, start=1)}
        assert found[f"search/{name}"] == expected
    transfer = run(capsys, "transfer", *words, *TRANSFER)
    assert transfer.code == 0, transfer.err
    (folder,) = (tmp_path / "a" / "logs").glob("transfer-*")
    found = scalars(folder)
    assert sorted(found["transfer/train_loss"]) == [1, 2]
    (metrics,) = (tmp_path / "a" / "transfer").glob("*/metrics.json")
    assert found["transfer/accuracy"] == {2: pytest.approx(json.loads(metrics.read_text())["accuracy"], rel=1e-6)}
    assert "logger" not in (tmp_path / "a" / "config.yaml").read_text()


def test_weights_and_biases_stays_in_the_run_folder_offline(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb"))
    words = (f"runs={tmp_path}", "logger=wandb", "logger.offline=true")
    outcome = run(capsys, "search", *words, *SMALL, "trials=2")
    assert outcome.code == 0, outcome.err
    (record,) = tmp_path.rglob("run-*.wandb")
    end = time.monotonic() + 120  # a process of wandb's own writes it
    while b"search/accuracy" not in record.read_bytes():
        assert time.monotonic() < end, record.stat().st_size
        time.sleep(0.1)
    assert "wandb" not in outcome.err


def test_what_weights_and_biases_refuses_is_one_line(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")

    def refuse(**given: object) -> None:
        raise ValueError("1 validation error for Settings\nmode\n  Input should be 'online'.")  # as for WANDB_MODE=x

    monkeypatch.setattr(wandb, "init", refuse)
    line = run(capsys, "search", f"runs={tmp_path}", "logger=wandb", *SMALL, "trials=2").line
    assert line.endswith(
        "logger=wandb: 1 validation error for Settings mode Input should be 'online'; "
        "wandb login, or logger.offline=true"
    )


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_names_its_extra(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted, *more: None if wanted == name else find(wanted))
    outcome = run(capsys, "search", f"runs={tmp_path}", *SMALL, f"logger={name}")
    assert f"logger={name}: needs {name}, not installed; pip install 'nastk[{name}]'" in outcome.line
    assert list(tmp_path.iterdir()) == []


def test_without_a_logger_none_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, nastk.search\nnastk.search.main()\n"
        "print([name for name in ('tensorboard', 'wandb', 'pytorch_lightning.loggers.wandb') if name in sys.modules])"
    )
    words = (f"runs={tmp_path}", *SMALL, "trials=1")
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=False
    )
    loaded = done.stdout.splitlines()[-1]
    assert "'tensorboard'" not in loaded, done
    assert "'wandb'" not in loaded
    assert not (tmp_path / "a" / "logs").exists()
