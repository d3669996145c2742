"""The parts of one's own that docs/extend.md shows are short, and run: loaded as a user loads them, in its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from nastk.own_modules import import_allowed
from tests.commands import Outcome

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "extend"
QUICK = ("data.subset=100", "evaluator.epochs=1", "target.seconds=0.01")


def _run(command: str, *words: str) -> Outcome:
    """Runs `nastk COMMAND WORDS` in a process of its own: what modules enter stays in tables."""
    # As the program does it, with no folder of the user's on the path.
    code = "import sys; sys.path.pop(0); from nastk.__main__ import main; main()"
    run = [sys.executable, "-c", code, command, *words]
    done = subprocess.run(run, cwd=FOLDER, env=dict(os.environ), capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def ghosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the block, the space, the controller and the data set, and a transfer of it."""
    run = tmp_path_factory.mktemp("runs") / "ghosts"
    mine = ("--config-dir", "conf", "+space=ghosts", "data=bars", "data.images=40", "controller=annealing")
    allowed = "allow_targets=[own_block,own_controller,own_data]"
    outcome = _run("search", *mine, "controller.start=2", "trials=4", allowed, *QUICK, f"run={run}")
    assert outcome.code == 0, outcome.err
    outcome = _run("transfer", f"run={run}", "training.epochs=1", "baselines=[]", allowed)
    assert outcome.code == 0, outcome.err
    return run


def _rows(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]


def test_each_file_is_short() -> None:
    files = [*FOLDER.glob("*.py"), *FOLDER.glob("conf/*/*.yaml")]
    assert len(files) >= 9
    assert all(len(path.read_text().splitlines()) <= 40 for path in files)


def test_an_operation_is_searched_and_exported(tmp_path: Path) -> None:
    run, allowed = tmp_path / "run", "allow_targets=[own_op]"
    space = ("+space=nasbench201", "space.ops=[zero,gated_conv_3x3]", "evaluator.network.filters=4", "trials=1")
    assert "unknown op in space: ops 'gated_conv_3x3'" in _run("search", *space, *QUICK, f"run={run}").line
    outcome = _run("search", *space, *QUICK, f"run={run}", allowed)
    assert outcome.code == 0, outcome.err
    assert "gated_conv_3x3" in (run / "best.json").read_text()
    outcome = _run("transfer", f"run={run}", "training.epochs=1", allowed)
    assert outcome.code == 0, outcome.err


def test_a_block_a_space_a_controller_and_a_data_set_are_searched(ghosts: Path) -> None:
    rows = _rows(ghosts)
    assert sum(row["state"] == "complete" for row in rows) == 4
    assert any("ghost" in json.dumps(row["genotype"]) for row in rows)
    data = json.loads((ghosts / "data.json").read_text())
    assert (data["name"], data["classes"]) == ("bars", ["flat", "rising", "upright", "falling"])
    first, second = ({**rows[index]["choices"]} for index in (2, 3))  # type: ignore[dict-item]
    parents = [row["choices"] for row in rows[:2]]
    assert any(sum(first[name] != parent[name] for name in first) == 1 for parent in parents)  # type: ignore[index]
    assert second != first


def test_a_target_is_exported_for(ghosts: Path) -> None:
    allowed = "allow_targets=[own_block,own_data,own_target]"
    words = ("--config-dir", "conf", f"run={ghosts}", "target=npu", "export.seconds=0.01", allowed)
    outcome = _run("export", *words)
    assert outcome.code == 0, outcome.err
    (folder,) = (ghosts / "export").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["targets"]["npu"]["not_timed"] == "target npu: no /dev/npu0 here"
    int8 = onnx.load(folder / "model.npu.int8.onnx")
    assert {node.op_type for node in int8.graph.node} >= {"Conv", "QuantizeLinear"}
    assert onnx.TensorProto.UINT8 not in {tensor.data_type for tensor in int8.graph.initializer}


def test_a_module_that_there_is_not_is_one_line(tmp_path: Path) -> None:
    words = ("+space=nasbench201", "space.ops=[mine]", "trials=1", *QUICK, f"run={tmp_path / 'run'}")
    refused = _run("search", *words, "allow_targets=[own_opp]").line
    assert "allow_targets: 'own_opp': No module named 'own_opp'" in refused
    assert not (tmp_path / "run").exists()


def test_what_is_allowed_and_is_a_class_or_no_module_of_ours_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASTK_ALLOW_TARGETS", "hydra.launcher,json.decoder.JSONDecoder")
    import_allowed()
