"""The whole job, audit, describe and backbone from Python are the commands of these names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nastk
from nastk.api.settings import whole_words
from nastk.runs.folder import space_name
from tests.api.conftest import Made
from tests.api.test_run import copied
from tests.commands import run as command
from tests.dense.small import write_set
from tests.jobs.test_backbone import write_trained


def test_the_whole_job_goes_on_and_ends_with_the_file_to_ship(made: Made, tmp_path: Path) -> None:
    run = copied(made, tmp_path / "run")
    small = {"training": {"epochs": 2, "threads": 1}, "transfer": {"cells": 1, "filters": 4}, "baselines": []}
    last = {"export": {"seconds": 0.01, "calibration": 32}, "bench": {"seconds": 0.0, "runs": 200}}
    assert run.job(trials=2, **small, **last) is run
    said = "\n".join(run.said)
    assert "plan: images digits" in said and "[5/5 report]" in said
    file = run.folder / "export" / run.best.key / run.load().file.name
    assert f"Ship: {file}" in said and f"Report: {run.folder / 'report.html'}" in said


def test_the_whole_job_asks_for_images_and_keeps_no_folder_of_what_it_refuses(tmp_path: Path) -> None:
    run = nastk.Run("new", tmp_path)
    with pytest.raises(nastk.UserError, match="images: not given"):
        run.job(max_latency_ms=3)
    pixels, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    with pytest.raises(nastk.UserError, match="max_latency_ms=-1.0, expected a number above 0"):
        run.job(images=(pixels, labels), max_latency_ms=-1)
    with pytest.raises(nastk.UserError, match="images='digts': no such folder; .*nearest is 'digits'"):
        run.job(images="digts")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"images": "digits", "max_latency_ms": 3}, ["+space=mobile", "data=digits", "objective.max_latency_ms=3.0"]),
        ({"images": "digits", "space": "nasnet", "size": 16}, ["data=digits", "data.resize=16", "space=nasnet"]),
        ({"images": "digits", "max_model_kb": 500, "trials": 4}, ["max_model_kb=500", "trials=4"]),
    ],
)
def test_the_words_of_the_whole_job_are_those_of_the_command(given: dict[str, Any], expected: list[str]) -> None:
    found = whole_words(given, "seed=1", None, ["runs=there"])
    assert space_name(found) == given.get("space", "mobile")
    assert set(expected) <= {word.replace("'", "") for word in found} and found[-2:] == ["seed=1", "runs=there"]


def test_an_audit_tells_what_the_file_tells(made: Made, tmp_path: Path) -> None:
    run = copied(made, tmp_path / "run")
    with pytest.raises(nastk.UserError, match="trained 2 cells, expected 3 at least"):
        run.audit()
    found = run.search(trials=3).audit(cells=3, epochs=2, noise=False)
    written = json.loads((run.folder / "audit.json").read_text())
    assert found.sentence == written["sentence"] and len(found.cells) == 3 and found.finished


def test_a_description_is_that_of_the_command(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = (f"genotype={made.run.folder / 'best.json'}", "network.cells=2", "measure=false", "format=json")
    told = json.loads(command(capsys, "describe", *words).out)
    assert made.run.describe(network={"cells": 2}, measure=False) == told and told["key"] == made.run.best.key
    known = nastk.Run().describe(network="resnet18", measure=False, layers="none")
    assert known["params"] == 11_689_512 and "layers" not in known
    with pytest.raises(nastk.UserError, match="run: has no folder yet"):
        nastk.Run().describe()


def test_a_backbone_is_the_runs_or_a_known_network(tmp_path: Path) -> None:
    trained = write_trained(tmp_path / "mine" / "transfer" / "key")
    small = {"task": "segmentation", "data": write_set(tmp_path / "shapes.npz"), "epochs": 1, "threads": 1}
    folder = nastk.Run(trained).backbone(out=tmp_path / "own", **small)
    assert folder == tmp_path / "own" and json.loads((folder / "metrics.json").read_text())["weights"] == "trained"
    with pytest.raises(nastk.UserError, match="run: has no folder yet"):
        nastk.Run(None, tmp_path).backbone(**small)
    with pytest.raises(nastk.UserError, match="unknown task 'segmentaton'; nearest is 'segmentation'"):
        nastk.Run().backbone(**{**small, "task": "segmentaton"}, network="mobilenet_v2")
