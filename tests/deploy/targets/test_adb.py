"""Files timed on a phone: over a real adb server, to a stand-in device process."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.runtimes.phone import PhoneLost
from nastk.deploy.runtimes.phone_timing import latencies_on_phone, quick_on_phone
from nastk.deploy.targets import AdbTarget, LitertTarget
from nastk.errors import UserError
from tests.commands import run
from tests.deploy.adbd import Adbd
from tests.deploy.digits import exported_digits
from tests.deploy.networks import genotype
from tests.deploy.phone import adb, make_phone, program, write
from tests.deploy.targets.test_remote import CONFIG


def target(folder: Path, **fields: Any) -> AdbTarget:
    return AdbTarget(**{"binary": program(folder), "of": "arm", "seconds": 0.02, **fields})


def left(phone: Adbd) -> list[Path]:
    return list((phone.home / "tmp").iterdir())


@pytest.mark.parametrize("of", ["litert", "executorch", "arm"])
def test_each_program_is_called_and_read_on_the_phone(phone: Adbd, tmp_path: Path, of: str) -> None:
    """The stand-ins take about 1.5 ms; benchmark_model's p90 is its p95, its p99 the slowest run."""
    how = target(tmp_path, of=of)._how
    (first, second), _ = latencies_on_phone(how, {"0.x": b"one", "1.x": b"two"}, 200, 0.02)
    assert first == second and first.runs == 201 and first.steady and (first.batch, first.threads) == (1, 1)
    expected = (1.5, 1.533, 1.64, 1.46) if of == "litert" else (1.505, 1.509, 1.509, 1.5)
    if of == "arm":  # the ten numbers come as 1500, 1501, ...: 201 runs of three repeats of 67
        expected = (pytest.approx(1.504, abs=0.002), 1.509, 1.509, 1.5)
    assert (first.p50_ms, first.p90_ms, first.p99_ms, first.min_ms) == expected
    assert quick_on_phone(how, "candidate.x", b"one", 0.02).p50_ms == pytest.approx(1.504, abs=0.005)
    assert set((phone.home / "masks").read_text().split()) == {"80"}, "all ran on the big core"
    assert left(phone) == []


def test_what_a_program_does_not_tell_is_in_the_note(phone: Adbd, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(LitertTarget, "facts", lambda self, folder: {"batch": 1, "note": "its own"})
    found = target(tmp_path, of="litert").facts(tmp_path)
    assert re.fullmatch("benchmark_model tells no p90 and p99: p90 is its p95, .*; its own", found["note"])
    assert found["batch"] == 1 and found["adb"]["tool"] == "benchmark_model"


def test_an_export_is_scored_here_timed_there_and_says_on_what(phone: Adbd, tmp_path: Path) -> None:
    export = exported_digits(tmp_path / "digits")
    mine = target(tmp_path)
    out = tmp_path / "out"
    manifest = export_model(export.parent / "transfer", out, Digits(), ExportSettings(seconds=0.0), [mine])
    found = manifest["targets"]["adb"]
    assert found["adb"]["tool"] == "onnxruntime_perf_test" and found["note"] is None
    assert all(one["latency_ms"]["p99"] == 1.509 and one["accuracy"] > 0.8 for one in found["precisions"].values())
    machine = found["timed"]["machine"]
    assert (machine["model"], machine["system"], machine["governor"]) == ("Pixel 8", "Android 14", "sched_pixel")
    assert (machine["pinned_cores"], machine["celsius"], machine["cores"]) == ([7], 41.0, 8)
    assert "1 thread(s) of Google Pixel 8 Tensor G3, Android 14" in (out / "MODEL_CARD.md").read_text()
    cost = mine.cost(genotype("nasbench201", 1), CONFIG)
    assert cost["latency_ms"] == pytest.approx(1.504, abs=0.005) and cost["latency_steady"] == 1
    json.dumps(mine.facts(out))
    assert left(phone) == []


def test_cores_that_may_not_clock_as_they_can_make_a_latency_doubtful(phone: Adbd, tmp_path: Path) -> None:
    write(phone, "sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq", 1_500_000)
    found = quick_on_phone(target(tmp_path)._how, "a.x", b"one", 0.02)
    assert found.doubt == "core 7 may clock 1500 of 2914 MHz: heat or saving power slows it down"


def test_a_phone_that_is_unplugged_in_the_middle_says_so_and_serves_again_when_back(
    phone: Adbd, tmp_path: Path
) -> None:
    how = target(tmp_path)._how
    phone.before = lambda command: phone.unplug() if "-m times" in command else None
    with pytest.raises(PhoneLost, match=f"adb {phone.serial}: .*was it unplugged.* goes on when it is back") as raised:
        quick_on_phone(how, "a.x", b"one", 0.02)
    assert "\n" not in str(raised.value)
    phone.before = lambda command: None
    phone.plug_in()
    adb("disconnect", phone.serial)
    adb("connect", phone.serial)
    assert quick_on_phone(how, "a.x", b"one", 0.02).p50_ms == pytest.approx(1.504, abs=0.005)


def test_a_phone_that_is_exchanged_for_another_one_is_not_taken_for_it(phone: Adbd, tmp_path: Path) -> None:
    mine, cell = target(tmp_path), genotype("nasbench201", 1)
    mine.check()
    phone.unplug()
    adb("disconnect", phone.serial)
    other = make_phone(tmp_path / "other")
    adb("connect", other.serial)
    try:
        with pytest.raises(UserError, match=re.escape(phone.serial)):
            mine.cost(cell, CONFIG)
        assert target(tmp_path).cost(cell, CONFIG)["latency_ms"] > 0, "a new target takes it"
        assert left(other) == []
    finally:
        adb("disconnect", other.serial)
        other.unplug()


def test_a_program_that_is_not_for_the_phone_is_refused_before_anything_is_done(phone: Adbd, tmp_path: Path) -> None:
    other = tmp_path / "other"
    content = bytearray((tmp_path / "phone/../" / Path(program(tmp_path)).name).read_bytes())
    content[18:20] = (40).to_bytes(2, "little")
    content[4] = 1
    other.write_bytes(content)
    with pytest.raises(UserError, match=r"other: built for armeabi-v7a, adb .* runs (x86_64|arm64-v8a)"):
        target(tmp_path, binary=str(other)).check()
    with pytest.raises(UserError, match="threads=9, adb .* has 8 cores"):
        target(tmp_path, threads=9).check()
    write(phone, "properties", f"ro.product.cpu.abilist=armeabi-v7a\n{(phone.home / 'properties').read_text()}")
    with pytest.raises(UserError, match=r"other cannot be executed there \(.*[Ee]xec format error"):
        target(tmp_path, binary=str(other)).check()
    assert left(phone) == []


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            "echo 'ERROR: Didn'\\''t find op for builtin opcode FLOOR version 9'; exit 1",
            "ended with exit code 1 .*opcode",
        ),
        ("echo hello", r"printed no times \(.*No such file.*\); expected a line for each run"),
        ("echo 'x,0.001,1,1,0' > result.csv", "printed no times"),
        ("exit 126", "cannot be executed there"),
    ],
)
def test_a_program_that_fails_is_told_in_one_line(phone: Adbd, tmp_path: Path, sample: str, message: str) -> None:
    write(phone, "sample", sample)
    with pytest.raises(UserError, match=message) as raised:
        quick_on_phone(target(tmp_path)._how, "a.x", b"one", 0.02)
    assert "\n" not in str(raised.value) and not isinstance(raised.value, PhoneLost)
    assert left(phone) == []


def test_a_program_that_hangs_is_ended_and_what_was_copied_removed(phone: Adbd, tmp_path: Path) -> None:
    write(phone, "sample", 'echo $$ > "$HOME/pid"; exec sleep 60')
    with pytest.raises(PhoneLost, match=r"no answer within 1 s; target\.timeout=SECONDS allows more"):
        quick_on_phone(target(tmp_path, timeout=1)._how, "a.x", b"one", 0.02)
    assert left(phone) == []
    pid = int((phone.home / "pid").read_text())
    assert subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False).returncode != 0


def test_an_emulator_gives_no_latency(phone: Adbd, tmp_path: Path) -> None:
    write(phone, "properties", f"ro.boot.qemu=1\n{(phone.home / 'properties').read_text()}")
    mine = target(tmp_path)
    assert "is an Android emulator; its times are those of no phone" in str(mine.cannot_time())
    with pytest.raises(UserError, match="Android emulator"):
        mine.cost(genotype("nasbench201", 1), CONFIG)


def test_a_search_ends_before_it_begins_where_there_is_no_phone(server, tmp_path: Path, capsys) -> None:
    words = ("search", "+space=nasnet", "run=x", f"runs={tmp_path / 'runs'}", "target=adb", "target.of=arm")
    for given, line in (
        ((), "nastk: target.binary: not given, expected target.binary=VALUE on the command line"),
        (("target.binary=nothing",), "binary=nothing is no file, expected onnxruntime_perf_test"),
        ((f"target.binary={program(tmp_path)}",), "adb: no phone is attached; plug one in"),
    ):
        ran = run(capsys, *words, *given)
        assert ran.code == 2 and line in ran.line and ran.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"of": "litrt"}, "unknown target in target.of 'litrt'; nearest is 'litert'"),
        ({"of": "tensorrt"}, "unknown target in target.of"),
        ({"precision": "fp16"}, "unknown precision of target"),
        ({"of": "litert", "batch": 2}, "batch=2, expected 1"),
        ({"serial": "a b"}, "serial='a b'"),
        ({"binary": ""}, "binary=''"),
        ({"threads": -1}, "threads=-1"),
        ({"celsius": 1000}, "celsius=1000"),
        ({"wait": -1}, "wait=-1"),
        ({"timeout": 0}, "timeout=0"),
    ],
)
def test_bad_settings(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        AdbTarget(**{"binary": "benchmark_model", "of": "arm", **fields})


@pytest.mark.slow
def test_a_search_whose_phone_is_unplugged_goes_on_when_it_is_back(phone: Adbd, tmp_path: Path, capsys) -> None:
    words = (
        *("search", "+space=nasnet", "space.blocks=2", "data=digits", "data.subset=320", "evaluator=zero_cost"),
        *("evaluator.network.filters=4", "evaluator.batch=16", "controller=random", "trials=3"),
        *("objective=pareto", "objective.maximize=[score]", "objective.minimize=[latency_ms]"),
        *("target=adb", "target.of=arm", f"target.binary={program(tmp_path)}", "target.seconds=0.02"),
        f"run={tmp_path / 'run'}",
    )
    timed: list[str] = []

    def before(command: str) -> None:
        timed.extend(["-m times"] if "-m times" in command else [])
        if len(timed) == 4:  # each candidate is timed twice: the second is under way
            phone.unplug()

    phone.before = before
    first = run(capsys, *words)
    assert first.code == 2 and "was it unplugged" in first.line, first.err
    done = (tmp_path / "run" / "trials.jsonl").read_text().splitlines()
    phone.before = lambda command: None
    phone.plug_in()
    adb("disconnect", phone.serial)
    adb("connect", phone.serial)
    again = run(capsys, *words)
    assert again.code == 0, again.err
    lines = (tmp_path / "run" / "trials.jsonl").read_text().splitlines()
    assert lines[: len(done)] == done
    assert [json.loads(line)["metrics"]["latency_ms"] > 0 for line in lines] == [True] * 3
