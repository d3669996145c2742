"""The int8 objective: candidates are measured and scored as the quantized files that would ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nastk.data.sources import Digits, Npz
from nastk.deploy.emittable import emittable
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import CpuTarget
from nastk.errors import UserError
from nastk.evaluators import training
from nastk.evaluators.int8 import int8_accuracy
from nastk.evaluators.training import TrainingEvaluator
from nastk.networks import NetworkConfig, build_network
from tests.commands import run
from tests.data.files import write_npz
from tests.deploy.networks import genotype

QUICK = ("evaluator.epochs=1", "evaluator.network.filters=4", "data.subset=200", "trials=2", "controller=random")


def test_it_is_the_accuracy_of_the_file_that_the_target_writes(tmp_path: Path) -> None:
    config = NetworkConfig(cells=1, filters=4, classes=3, channels=1, size=8, auxiliary=True, drop_path=0.2)
    torch.manual_seed(0)
    network = build_network(genotype(seed=4), config).train()
    images, labels = torch.randn(90, 1, 8, 8), torch.arange(90) % 3
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = int8_accuracy(
        network, config, "key", calibration=images[:20], images=images, labels=labels, target=CpuTarget()
    )
    assert network.training and all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    source = emittable(network.eval(), config, "key", images[:20].numpy())
    CpuTarget().emit(source, tmp_path)
    answers = predict(open_session((tmp_path / "model.int8.onnx").read_bytes()), images.numpy()).argmax(1)
    assert found == float(np.mean(answers == labels.numpy()))
    assert 0 < found < 1


def test_a_search_by_int8_records_the_int8_file_s_latency_size_and_accuracy(capsys, tmp_path) -> None:
    asked = ("objective=int8", "objective.maximize=[int8_accuracy]", "objective.minimize=[latency_ms]")
    common = ("+space=nasnet", f"runs={tmp_path}", *QUICK)
    assert run(capsys, "search", "run=int8", *common, *asked).code == 0
    assert run(capsys, "search", "run=fp32", *common).code == 0

    def rows(name: str) -> dict[str, dict[str, float]]:
        lines = (tmp_path / name / "trials.jsonl").read_text().splitlines()
        return {row["key"]: row["metrics"] for row in map(json.loads, lines)}

    int8, fp32 = rows("int8"), rows("fp32")
    assert int8.keys() == fp32.keys() and len(int8) == 2
    for key, metrics in int8.items():
        assert metrics["accuracy"] == fp32[key]["accuracy"] and "int8_accuracy" not in fp32[key]
        assert 0.05 < metrics["int8_accuracy"] <= 1
        assert metrics["size_mb"] != fp32[key]["size_mb"]  # of another file; with weights this small it may be larger
        assert metrics["latency_ms"] != fp32[key]["latency_ms"]


def test_a_target_without_int8_is_refused_before_anything_is_trained(capsys, tmp_path) -> None:
    class Float(CpuTarget):
        files = {"fp32": "model.onnx"}  # noqa: RUF012

    with pytest.raises(UserError, match=r"int8_accuracy, 'int8'; nearest is 'fp32'"):
        TrainingEvaluator(data=Digits(), int8_target=Float())
    line = run(capsys, "search", "+space=nasnet", f"runs={tmp_path}", "objective=int8", "objective.precision=int4").line
    assert "int4" in line and "int8" in line and not list(tmp_path.iterdir())


def test_a_candidate_s_ranges_are_taken_from_images_of_all_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.repeat(np.arange(4), 40)  # class by class, as a folder's images lie
    pixels = np.broadcast_to((60 * labels).astype(np.uint8)[:, None, None], (160, 8, 8)).copy()
    arrays = {"x_train": pixels, "y_train": labels, "x_test": pixels[::10], "y_test": labels[::10]}
    path = write_npz(tmp_path / "flat.npz", **arrays)
    seen: list[torch.Tensor] = []

    def kept(*_: object, calibration: torch.Tensor, **__: object) -> float:
        seen.append(calibration)
        return 0.5

    monkeypatch.setattr(training, "int8_accuracy", kept)
    network = {"cells": 1, "filters": 4}
    how = {"network": network, "epochs": 1, "batch": 32, "device": "cpu", "threads": 1, "int8_images": 8}
    evaluator = TrainingEvaluator(data=Npz(str(path)), int8_target=CpuTarget(), **how)
    assert evaluator.evaluate(genotype(seed=4), lambda *_: None)["int8_accuracy"] == 0.5
    assert seen[0].shape == (8, 1, 8, 8)
    assert seen[0][:, 0, 0, 0].unique(return_counts=True)[1].tolist() == [2, 2, 2, 2]
