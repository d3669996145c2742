"""The bench of exported files: whose target, at which settings, and what it says where there is nothing to time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.export.model_card import model_card
from nastk.deploy.export.timings import timed_now
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import machine_facts
from nastk.jobs.bench import as_text
from nastk.jobs.bench_record import refresh_bench, shown_entry, taken_over
from tests.commands import run
from tests.deploy.digits import exported_digits

Capture = pytest.CaptureFixture[str]
QUICK = "bench.seconds=0.02"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def searched(tmp_path: Path, exported: Path) -> Path:
    """A run folder that says no more than the bench needs: which target was searched for, two threads."""
    folder = tmp_path / "runs" / "a"
    shutil.copytree(exported, folder / "export" / exported.name)
    target = "{_target_: nastk.deploy.targets.cpu.CpuTarget, batch: 1}"
    (folder / "config.yaml").write_text(f"seed: 0\nevaluator: {{}}\ntarget: {target}\n")
    return folder


def test_the_runs_own_target_is_timed_at_every_batch_and_number_of_threads(capsys: Capture, searched: Path):
    ran = run(capsys, "bench", f"run={searched}", QUICK, "bench.batch=[1,2]", "bench.threads=[1,2]")
    assert ran.code == 0, ran.err
    found = json.loads((searched / "bench.json").read_text())
    grid = {(entry["precision"], entry["batch"], entry["threads"]) for entry in found["measurements"]}
    assert grid == {(name, batch, count) for name in ("fp32", "int8") for batch in (1, 2) for count in (1, 2)}
    assert {entry["target"] for entry in found["measurements"]} == {"cpu"}
    assert {"processor", "governor", "clock_mhz", "load"} <= set(found["machine"])
    assert "onnxruntime" in found["versions"]


def test_an_export_in_a_run_has_the_runs_target_too(capsys: Capture, searched: Path):
    config = searched / "config.yaml"
    config.write_text(config.read_text().replace("cpu.CpuTarget", "arm.ArmTarget"))
    model = next((searched / "export").iterdir())
    line = run(capsys, "bench", f"model={model}", QUICK).line
    assert "nothing was measured" in line or "no files for target arm" in line


def test_a_target_that_nothing_is_exported_for_or_that_is_not_here_is_one_line(
    capsys: Capture, exported: Path, tmp_path: Path
):
    copy = shutil.copytree(exported, tmp_path / "copy")
    elsewhere = run(capsys, "bench", f"model={copy}", "target=arm", QUICK).line
    assert "nothing was measured: target arm: this machine is" in elsewhere
    missing = run(capsys, "bench", f"model={copy}", "target=litert", QUICK).line
    assert "has no files for target litert (model.tflite" in missing
    assert "python -m nastk.export" in missing
    assert not (copy / "bench.json").exists()


def test_a_bench_is_compared_with_an_earlier_one_and_says_what_differs(capsys: Capture, searched: Path, tmp_path: Path):
    first = run(capsys, "bench", f"run={searched}", QUICK)
    assert first.code == 0, first.err
    earlier = tmp_path / "earlier.json"
    before = json.loads((searched / "bench.json").read_text())
    for one in before["measurements"]:
        one |= {"p50_ms": 1000.0, "steady": True, "spread": 0.01}
    before["versions"]["onnxruntime"], before["machine"]["features"] = "1.2.3", "avx2 none_such"
    earlier.write_text(json.dumps(before))
    ran = run(capsys, "bench", f"run={searched}", QUICK, f"against={earlier}")
    assert ran.code == 0, ran.err
    assert "differs: ONNX Runtime: 1.2.3, now " in ran.out and "differs: features: -none_such" in ran.out
    assert ran.out.count("1000.0000") == 2
    told = run(capsys, "bench", f"run={searched}", QUICK, f"against={earlier}", "format=json")
    assert {one["ratio"] < 0.1 for one in json.loads(told.out)["files"]} == {True}
    for one in before["measurements"]:
        one["key"] = "f" * 32
    earlier.write_text(json.dumps(before))
    was = (searched / "bench.json").read_text()
    assert (
        "is of other files: networks ffffffff, here are"
        in run(capsys, "bench", f"run={searched}", QUICK, f"against={earlier}").line
    )
    more = run(capsys, "bench", f"run={searched}", f"against={searched}", "bench.batch=[7]").line
    assert "give bench.batch=[1] bench.threads=[1]" in more
    assert "ops and against: each is a job" in run(capsys, "bench", "ops=true", f"against={searched}").line
    assert (searched / "bench.json").read_text() == was, "nothing is measured for naught"


def spoilt(searched: Path, doubt: str | None) -> tuple[Path, dict[str, Any]]:
    """Gives the export the latencies of another time."""
    export = next((searched / "export").iterdir())
    manifest = json.loads((export / "manifest.json").read_text())
    for entry in (*manifest["precisions"].values(), *manifest["targets"]["cpu"]["precisions"].values()):
        entry["latency_ms"] |= {"p50": 9800.0, "p90": 9900.0, "doubt": doubt, "steady": doubt is None}
    (export / "manifest.json").write_text(json.dumps(manifest))
    (export / "MODEL_CARD.md").write_text(model_card(manifest, export, None))
    return export, manifest


def test_bench_manifest_and_card_have_one_latency_of_a_file(capsys: Capture, searched: Path):
    export, _ = spoilt(searched, "p50 is 5.7 times the quickest run")
    ran = run(capsys, "bench", f"run={searched}", QUICK, "bench.batch=[1,2]")
    assert ran.code == 0, ran.err
    manifest = json.loads((export / "manifest.json").read_text())
    entries = json.loads((searched / "bench.json").read_text())["measurements"]
    assert [entry["batch"] for entry in entries] == [1, 1, 2, 2]
    card = (export / "MODEL_CARD.md").read_text()
    for entry in entries[:2]:
        shown = manifest["precisions"][entry["precision"]]["latency_ms"]
        for name in ("p50", "p90", "p99", "min"):
            assert shown[name] == entry[f"{name}_ms"] < 9800
        assert (shown["doubt"], shown["steady"]) == (entry["doubt"], entry["steady"])
        assert entry["sha256"] == manifest["files"][Path(entry["file"]).name]["sha256"]
        assert f"| {shown['p50']:.4g} " in card
        assert (f"not trustworthy: {entry['doubt']}" in ran.out) is not entry["steady"]
    assert "9800" not in card and manifest["targets"]["cpu"]["timed"]["at"] == entries[0]["at"]


def test_an_older_latency_that_can_be_trusted_is_shown_everywhere_in_place_of_one_in_doubt(
    capsys: Capture, searched: Path
):
    export, manifest = spoilt(searched, None)
    busy = Latency(9990, 9990, 9990, 1.0, 200, 0.0, False, 1, 1, "it was busy")
    paths = {export / "model.onnx": busy, export / "model.int8.onnx": busy}
    now = taken_over(export, manifest, "cpu", paths, timed_now())
    assert {entry["latency_ms"]["p50"] for entry in now["precisions"].values()} == {9800}
    entry = {"file": f"export/{export.name}/model.onnx", "target": "cpu", **busy.to_dict()}
    assert shown_entry(entry, now, busy)["p50_ms"] == 9800 and shown_entry(entry, now, busy)["steady"]
    assert "9990 ms is not trustworthy: it was busy; the machine was busy; 9800 ms" in capsys.readouterr().err
    for condition in ({"batch": 2}, {"streams": 4}):
        other = {**entry, **condition}
        assert shown_entry(other, now, busy) == other


def test_an_export_brings_the_bench_to_what_it_times_now(searched: Path):
    export, manifest = spoilt(searched, None)
    mine, other = (
        {"file": f"export/{export.name}/model.onnx", "target": "cpu", "batch": b, "threads": 1} for b in (1, 2)
    )
    found = {"schema": 1, "measurements": [mine, other], "machine": machine_facts(), "versions": {}}
    (searched / "bench.json").write_text(json.dumps(found))
    refresh_bench(searched, export, manifest)
    first, second = json.loads((searched / "bench.json").read_text())["measurements"]
    assert first["p50_ms"] == 9800 and first["sha256"] == manifest["files"]["model.onnx"]["sha256"] and second == other
    found["machine"]["processor"] = "another"
    (searched / "bench.json").write_text(json.dumps(found))
    refresh_bench(searched, export, manifest)
    assert json.loads((searched / "bench.json").read_text()) == found, "of another machine"


@pytest.mark.parametrize("text", ["null", "{}", '{"machine": 3}', "{"])
def test_a_damaged_bench_does_not_end_an_export(capsys: Capture, searched: Path, text: str):
    export, manifest = spoilt(searched, None)
    (searched / "bench.json").write_text(text)
    refresh_bench(searched, export, manifest)
    assert "is damaged; python -m nastk.bench writes it anew" in capsys.readouterr().err


def test_the_table_tells_streams_where_there_are_several() -> None:
    latency = Latency(2.0, 2.1, 2.2, 1.9, 201, 0.01, True, 1, 4).to_dict()
    one, four = ({**latency, "file": "x/model.onnx", "streams": streams} for streams in (1, 4))
    head, first, second = as_text([one, four]).splitlines()
    assert head.split()[:5] == ["file", "batch", "threads", "streams", "p50"]
    assert (first.split()[:5], second.split()[3]) == (["x/model.onnx", "1", "4", "1", "2.0000"], "4")
    del one["streams"]  # as in records of before
    head, first = as_text([one]).splitlines()
    assert "streams" not in head and first.split()[:4] == ["x/model.onnx", "1", "4", "2.0000"]
