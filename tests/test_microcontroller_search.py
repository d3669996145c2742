"""Limits on a microcontroller's RAM and flash: met before a candidate is trained, kept by what is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.conclusions import Budget, concluded
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.targets import MicrocontrollerTarget
from tests.commands import run
from tests.deploy.digits import trained_digits

Capture = pytest.CaptureFixture[str]
TARGET = ("target=microcontroller", "target.seconds=0.02")
SEARCH = ("evaluator.epochs=1", "trials=1", "max_rejections=6", "controller=random", "seed=3", *TARGET)


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_candidates_over_the_limit_are_rejected_untrained_and_the_others_measured(capsys: Capture, tmp_path: Path):
    words = ("+space=nasbench201", "evaluator.network.filters=4", f"runs={tmp_path}", "run=a", *SEARCH)
    ran = run(capsys, "search", *words, "objective.max_ram_kb=0.7", "objective.max_flash_kb=20")
    assert ran.code == 0, ran.err
    found = rows(tmp_path / "a")
    assert {"complete", "rejected"} == {row["state"] for row in found}
    for row in found:
        ram, flash = row["metrics"]["ram_kb"], row["metrics"]["flash_kb"]
        assert (row["state"] == "rejected") is (ram > 0.7 or flash > 20)
        assert row["state"] == "complete" or "is over" in row["reason"]


def test_another_target_says_who_measures_them(capsys: Capture, tmp_path: Path):
    words = ("+space=nasbench201", f"runs={tmp_path}", "objective.max_ram_kb=2", "target=cpu", *SEARCH[:5])
    assert "do not measure ram_kb" in run(capsys, "search", *words).err
    wrong = run(capsys, "search", *words[:2], "objective.max_flash_kb=-1", *SEARCH)
    assert "objective.max_flash_kb=-1: expected a number above 0" in wrong.line


@pytest.mark.slow
def test_stages_are_brought_to_the_memory_that_there_is(capsys: Capture, tmp_path: Path):
    words = ("+space=mobile", "space.resolution=[1.0]", f"runs={tmp_path}", "run=a", *SEARCH)
    ran = run(capsys, "search", *words, "objective.max_ram_kb=4", "objective.max_flash_kb=60")
    assert ran.code == 0, ran.err
    (row,) = [row for row in rows(tmp_path / "a") if row["state"] == "complete"]
    assert row["metrics"]["ram_kb"] <= 4 and row["metrics"]["flash_kb"] <= 60
    assert row["metrics"]["ram_kb"] > 2 or row["metrics"]["flash_kb"] > 30, "one of them is used"


def test_an_export_tells_the_memory_and_which_limit_it_breaks(tmp_path: Path):
    trained = trained_digits(tmp_path / "transfer")
    out = tmp_path / "export"
    manifest = export_model(trained, out, Digits(), ExportSettings(seconds=0.0), [MicrocontrollerTarget(seconds=0.02)])
    memory = manifest["targets"]["microcontroller"]["memory"]["model.micro.int8.tflite"]
    assert 0 < memory["in_place_bytes"] <= memory["peak_bytes"] <= memory["arena_bytes"]
    int8 = manifest["precisions"]["int8"]
    assert int8["agreement"] > 0.97
    header = (out / "model_int8.h").read_text()
    assert f"#define MODEL_INT8_ACTIVATION_BYTES {memory['arena_bytes']}\n" in header
    assert manifest["files"]["model.micro.int8.tflite"]["sha256"] in header
    assert "says nothing of a microcontroller's" in (out / "MODEL_CARD.md").read_text()
    shipped = manifest["recommended"]
    assert shipped == "model.micro.int8.tflite", "whatever LiteRT takes on this machine"
    assert manifest["reason"].startswith("int8 is what runs there, and it ")
    flash = manifest["files"][shipped]["size_bytes"] / 1000
    again = concluded(manifest, 0.005, Budget({"ram_kb": 0.5, "flash_kb": flash + 1}))
    assert [line.split(", ")[1] for line in again["budget"]["broken"]] == ["max_ram_kb is 0.5"]


def test_the_float32_file_ships_to_a_microcontroller_only_where_int8_loses_too_much(tmp_path: Path):
    out = tmp_path / "export"
    target = MicrocontrollerTarget(seconds=0.02)
    manifest = export_model(trained_digits(tmp_path / "transfer"), out, Digits(), ExportSettings(seconds=0.0), [target])
    for entry, p50 in zip(manifest["targets"]["microcontroller"]["precisions"].values(), (0.25, 0.51), strict=True):
        entry["latency_ms"] |= {"p50": p50, "min": p50}
    slower = concluded(manifest, 0.005, Budget({"latency_ms": 0.3}))
    assert slower["recommended"] == "model.micro.int8.tflite" and not slower["budget"]["broken"]
    assert any("max_latency_ms=0.3 is not known: times of this machine" in line for line in slower["warnings"])
    manifest["targets"]["microcontroller"]["precisions"]["int8"]["accuracy"] -= 0.5
    worse = concluded(manifest, 0.005, Budget())
    assert worse["recommended"] == "model.tflite" and "points of accuracy" in worse["reason"]
