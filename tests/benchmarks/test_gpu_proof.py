"""What a CPU can tell of the proof on a GPU: its commands are understood, and its parts are kept, ended, skipped."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from nastk.deploy.targets import CpuTarget, CudaTarget
from nastk.networks import NetworkConfig, build_network
from nastk.networks.stored import save_trained
from nastk.training.run_settings import RunSettings
from tests.benchmarks.scripts import script
from tests.deploy.networks import genotype
from tests.documented import ROOT, compose

NONE = "no NVIDIA GPU: made up"
PARTS = script("gpu_parts").PARTS


@pytest.fixture
def place(tmp_path: Path) -> object:
    for name in ("work", "reports"):
        (tmp_path / name).mkdir()
    return script("gpu_parts").Place(tmp_path / "work", tmp_path, tmp_path / "reports", "2026-01-02")


def run(monkeypatch: pytest.MonkeyPatch, module: str, *words: str) -> int:
    """Returns the exit code of a script that is called with these words."""
    monkeypatch.setattr("sys.argv", [f"{module}.py", *words])
    try:
        script(module).main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize("name", PARTS)
def test_each_command_is_understood_by_what_it_calls(name: str, place: object) -> None:
    for command in PARTS[name].commands(place):
        if command[0] == "sh":
            assert command[1].endswith("build_engine.sh")
        elif command[1] == "-m" and command[2] == "pytest":
            assert all((ROOT / word).exists() for word in command if word.endswith(".py"))
        elif command[1] == "-m":
            assert compose([command[2].removeprefix("nastk."), *command[3:]])
        else:
            script(Path(command[1]).stem).options().parse_args(command[2:])


def test_a_list_and_a_dry_run_need_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(script("gpu_proof"), "missing_gpu", lambda: NONE)
    where = ("--work", str(tmp_path / "work"), "--data", str(tmp_path))
    assert run(monkeypatch, "gpu_proof", "--list", *where) == 0
    told = capsys.readouterr().out
    assert all(f"\n{name} " in told for name in PARTS) and f"cannot: {NONE}" in told
    assert f"cannot: {tmp_path}/cifar10 is not there; --data DIR" in told
    assert run(monkeypatch, "gpu_proof", "--dry-run", "--parts", "ddp", "many", *where) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["ddp", "many"]
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "module, asks, words",
    [
        ("gpu_proof", "missing_gpu", ()),
        ("gpu_ddp", "missing_gpu", ("--work", "none")),
        ("training", "missing_gpu", ("--gpu",)),
        ("precision", "missing_gpu", ("--data", "none", "--work", "none", "--parts", "train", "--device", "cuda")),
        ("tensorrt_engines", "missing_tensorrt", ("--model", "none", "--data", "cifar10")),
        ("tensorrt_engines", "missing_runtime", ("--model", "none", "--data", "cifar10", "--without-tensorrt")),
    ],
)
def test_without_a_gpu_it_says_so_in_one_line(
    module: str, asks: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(script(module), asks, lambda: NONE)
    assert run(monkeypatch, module, *words) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.endswith(f": {NONE}\n") and told.err.count("\n") == 1
    assert not Path("none").exists()


@pytest.mark.parametrize("words", [("--minutes", "0"), ("--minutes", "nan"), ("--parts", "mani")])
def test_a_wrong_word_is_refused(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "gpu_proof", *words) == 2


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_is_done_is_kept_what_is_not_goes_on(
    place: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    proof, part = script("gpu_proof"), script("gpu_parts").Part
    report = place.report("good")
    parts = {
        "good": part("writes", lambda place: [python(f"open({report!r}, 'a').write('x')")]),
        "bad": part("fails", lambda place: [python("raise SystemExit(3)")]),
        "next": part("follows", lambda place: [python("")], after=("bad",)),
        "slow": part("sleeps", lambda place: [python("import time; time.sleep(60)")]),
    }
    monkeypatch.setattr(proof, "PARTS", parts)
    monkeypatch.setattr(proof, "missing_gpu", lambda: None)
    words = ("--work", str(tmp_path / "work"), "--reports", str(tmp_path / "reports"), "--parts")
    for _ in range(2):
        assert run(monkeypatch, "gpu_proof", *words, "good", "bad", "next") == 1
    told = capsys.readouterr()
    assert told.out.count("good: done in") == 1 and told.out.count("next: skipped: after bad, which is not done") == 2
    assert told.err.count("bad: exit code 3; ") == 2
    begun = time.monotonic()
    assert run(monkeypatch, "gpu_proof", *words, "slow", "--minutes", "0.005") == 1
    assert time.monotonic() - begun < 30
    assert capsys.readouterr().err.startswith("slow: not finished in 0.005 minutes, goes on next time; ")
    fact = json.loads((tmp_path / "work" / "good.done.json").read_text())
    assert fact["reports"] == ["2026-01-02-good.md"] and Path(report).read_text() == "x"
    (summary,) = (tmp_path / "reports").glob("*-gpu-proof.md")
    assert "| good | writes |" in summary.read_text() and "| bad |" not in summary.read_text()
    assert f" | not told | {fact['commit']} | " in summary.read_text()


def test_a_part_of_another_gpu_is_told_with_it(place: object, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = script("gpu_proof")
    monkeypatch.setattr(proof, "gpus", lambda: ["NVIDIA A10, 23028 MiB, 550.54"])
    fact = {"date": "2026-01-01", "gpus": ["Tesla T4, 15360 MiB, 550.54"], "seconds": 7, "reports": ["a.md"]}
    for name, more in (("many", {"commit": "abc1234"}), ("ddp", {})):
        (place.work / f"{name}.done.json").write_text(json.dumps(fact | more))
    told = proof.summary(place)
    assert f"| many | {PARTS['many'].says} | 2026-01-01 | Tesla T4, 15360 MiB, 550.54 | abc1234 | 7 | a.md |" in told
    assert "| Tesla T4, 15360 MiB, 550.54 | not told | 7 | a.md |" in told and "- gpus: NVIDIA A10" in told


def test_what_is_measured_again_takes_no_rows_of_before(place: object, monkeypatch: pytest.MonkeyPatch) -> None:
    proof, part = script("gpu_proof"), script("gpu_parts").Part
    rows = place.work / "good" / "rows.jsonl"
    rows.parent.mkdir()
    code = f"import pathlib; p = pathlib.Path({str(rows)!r}); print(p.exists()); p.write_text('x')"
    monkeypatch.setattr(proof, "PARTS", {"good": part("writes", lambda place: [python(code)])})
    monkeypatch.setattr(proof, "missing_gpu", lambda: None)
    words = ("--work", str(place.work), "--reports", str(place.reports), "--parts", "good")
    rows.write_text("of a sitting that was ended")
    assert run(monkeypatch, "gpu_proof", *words) == 0
    assert run(monkeypatch, "gpu_proof", *words, "--again") == 0
    log = (place.work / "good.log").read_text().splitlines()
    assert [line for line in log if line in ("True", "False")] == ["True", "False"]


def test_files_of_target_cuda_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = NetworkConfig(cells=1, filters=4, classes=10, channels=1, size=8)
    facts = {"normalisation": {"mean": [0.3], "std": [0.4]}, "classes": [*"0123456789"], "data": {"name": "digits"}}
    save_trained(tmp_path, build_network(genotype(), config).eval(), config, genotype(), facts)
    on_cpu = CpuTarget()
    monkeypatch.setattr(CudaTarget, "measure", lambda target, paths, *, seconds: on_cpu.measure(paths, seconds=seconds))
    told = script("tensorrt_engines").run_cuda(tmp_path, "digits", [1, 4], 0.01)
    assert "| batch | fp32 | fp16 |" in told and "\n| 4 | 0." in told and "\n| fp16 | 0." in told


def test_a_training_of_several_epochs_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ddp = script("gpu_ddp")
    monkeypatch.setattr(ddp, "CELLS", 1)
    monkeypatch.setattr(ddp, "FILTERS", 4)
    monkeypatch.setattr("torch.cuda.nccl.version", lambda: (2, 0))
    given = ddp.options().parse_args(["--data", "digits", "--work", str(tmp_path), "--batch", "128", "--epochs", "2"])
    devices, strategy, rate, accuracy = ddp.measured(RunSettings(), given, device="cpu")
    assert (devices, strategy) == (1, "auto") and rate > 0 and 0 < float(accuracy) <= 1
    told = ddp.report([[1, "auto", 100.0, "0.5"], [2, "auto", 190.0, "0.5"]], given)
    assert "| 2 | auto | 190 | 1.90 | 0.5 |" in told and "N = 1, F = 4, 128 images a step and GPU, 2 epochs" in told


def test_a_training_that_was_ended_goes_on_and_one_that_is_done_is_timed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddp = script("gpu_ddp")
    monkeypatch.setattr(ddp, "CELLS", 1)
    monkeypatch.setattr(ddp, "FILTERS", 4)
    words = ["--data", "digits", "--work", str(tmp_path), "--batch", "512", "--epochs", "4"]
    given, real, begun = ddp.options().parse_args(words), ddp.train_final, []

    def train(genotype, config, data, recipe, folder, progress, run):  # type: ignore[no-untyped-def]
        begun.append(sorted(path.name for path in folder.glob("*")) if folder.exists() else None)
        done: list[int] = []

        def told(*epoch: object) -> None:
            done.append(1)
            progress(*epoch)
            if len(begun) == 1 and len(done) == 2:
                raise KeyboardInterrupt

        try:
            return real(genotype, config, data, recipe, folder, told, run)
        finally:
            epochs.append(len(done))

    epochs: list[int] = []
    monkeypatch.setattr(ddp, "train_final", train)
    with pytest.raises(KeyboardInterrupt):
        ddp.measured(RunSettings(), given, device="cpu")
    for _ in range(2):
        assert ddp.measured(RunSettings(), given, device="cpu")[2] > 0
    assert epochs[0] == 2 and 2 <= epochs[1] < 4, "what was left"
    assert epochs[2:] == [0, 4] and begun[3] is None, "nothing was left, so it began anew"
