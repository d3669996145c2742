"""The parts of one's own that docs/extend.md shows are short, and run: loaded as a user loads them, in its folder."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from nastk.blocks.register import _BUILDERS
from nastk.errors import UserError
from nastk.genotype.blocks import BLOCKS
from nastk.genotype.ops import OP_FACTS
from nastk.ops import OPS
from nastk.own_modules import VARIABLE, import_allowed
from tests.commands import Outcome, call, run

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "extend"
QUICK = ("data.subset=100", "evaluator.epochs=1", "target.seconds=0.01")
TABLES: tuple[dict[str, Any], ...] = (OPS, OP_FACTS, BLOCKS, _BUILDERS)
OWN_OP = ("+space=nasbench201", "space.ops=[zero,gated_conv_3x3]", "evaluator.network.filters=4", "trials=1", *QUICK)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def at_place() -> Iterator[None]:
    """Works in the folder, and takes what its modules enter out of the tables again."""
    for facts in BLOCKS.values():  # what a test imports first would be taken out, and not be entered again
        importlib.import_module(facts.module)
    before, path, tables = Path.cwd(), list(sys.path), [dict(table) for table in TABLES]
    os.chdir(FOLDER)
    yield
    os.chdir(before)
    sys.path[:] = path
    os.environ.pop(VARIABLE, None)
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    for table, entries in zip(TABLES, tables, strict=True):
        table.clear()
        table.update(entries)


@pytest.fixture(autouse=True)
def allowed_anew() -> None:
    """Takes back what an earlier test's command line allowed."""
    os.environ.pop(VARIABLE, None)


@pytest.fixture(scope="module")
def ghosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the block, the space, the controller and the data set, and a transfer of it."""
    folder = tmp_path_factory.mktemp("runs") / "ghosts"
    mine = ("--config-dir", "conf", "+space=ghosts", "data=bars", "data.images=40", "controller=annealing")
    allowed = "allow_targets=[own_block,own_controller,own_data]"
    call("search", *mine, "controller.start=2", "trials=4", allowed, *QUICK, f"run={folder}")
    call("transfer", f"run={folder}", "training.epochs=1", "baselines=[]", allowed)
    return folder


def test_each_file_is_short() -> None:
    files = [*FOLDER.glob("*.py"), *FOLDER.glob("conf/*/*.yaml")]
    assert len(files) >= 9
    assert all(len(path.read_text().splitlines()) <= 40 for path in files)


def test_the_program_finds_an_operation_in_the_folder_that_it_is_called_in(tmp_path: Path) -> None:
    """In a process of its own, with no folder of the user's on the path, as the program has it."""
    code = "import sys; sys.path.pop(0); from nastk.__main__ import main; main()"
    words = ("search", *OWN_OP, f"run={tmp_path / 'run'}", "allow_targets=[own_op]")
    command = [sys.executable, "-c", code, *words]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "gated_conv_3x3" in (tmp_path / "run" / "best.json").read_text()


def test_an_operation_is_refused_searched_and_transferred(tmp_path: Path, capsys: Capture) -> None:
    folder, allowed = tmp_path / "run", "allow_targets=[own_op]"
    assert "unknown op in space: ops 'gated_conv_3x3'" in run(capsys, "search", *OWN_OP, f"run={folder}").line
    _succeeds(run(capsys, "search", *OWN_OP, f"run={folder}", allowed))
    _succeeds(run(capsys, "transfer", f"run={folder}", "training.epochs=1", "baselines=[]", allowed))
    assert any("gated_conv_3x3" in path.read_text() for path in folder.glob("transfer/*/genotype.json"))


def test_an_operation_that_passes_its_input_on_has_one_key_in_every_process(tmp_path: Path) -> None:
    """In processes of their own: where the genotype is read, nothing has imported the module yet."""
    facts = 'OpFacts("my_skip", "identity", passes=True)'
    (tmp_path / "own_skip.py").write_text(f"from nastk.genotype.ops import OpFacts, enter_op\n\nenter_op({facts})\n")
    edges = [[[0, "my_skip"]], [[0, "conv_3x3"], [1, "my_skip"]]]
    nodes = [{"combine": "add", "edges": edge} for edge in edges]
    cell = {"inputs": 1, "nodes": nodes, "output": [2]}
    text = json.dumps({"schema": 1, "skeleton": "nasbench201", "cells": {"normal": cell}})
    read = "import json, sys; from nastk.genotype.cell_genotype import CellGenotype; "
    key = "print(CellGenotype.from_dict(json.loads(sys.argv[1])).key, 'torch' in sys.modules)"
    same = text.replace("my_skip", "skip_connect")
    environment = {**os.environ, VARIABLE: "own_skip", "PYTHONPATH": str(tmp_path)}
    found = [
        subprocess.check_output([sys.executable, "-c", code, words], env=environment, text=True, cwd=tmp_path)
        for code, words in ((read + key, text), ("import own_skip; " + read + key, text), (read + key, same))
    ]
    assert found[0] == found[1] == found[2] and found[0].endswith(" False\n")


def test_a_block_a_space_a_controller_and_a_data_set_are_searched(ghosts: Path) -> None:
    rows = [json.loads(line) for line in (ghosts / "trials.jsonl").read_text().splitlines()]
    assert sum(row["state"] == "complete" for row in rows) == 4
    assert any("ghost" in json.dumps(row["genotype"]) for row in rows)
    data = json.loads((ghosts / "data.json").read_text())
    assert (data["name"], data["classes"]) == ("bars", 4)
    parents = [row["choices"] for row in rows[:2]]
    changed = [sum(rows[2]["choices"][name] != value for name, value in parent.items()) for parent in parents]
    assert 1 in changed


def test_a_target_is_exported_for(ghosts: Path, capsys: Capture) -> None:
    allowed = "allow_targets=[own_block,own_data,own_target]"
    words = ("--config-dir", "conf", f"run={ghosts}", "target=npu", "export.seconds=0.01", allowed)
    _succeeds(run(capsys, "export", *words))
    (folder,) = (ghosts / "export").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["targets"]["npu"]["not_timed"] == "target npu: no /dev/npu0 here"
    int8 = onnx.load(folder / "model.npu.int8.onnx")
    assert {node.op_type for node in int8.graph.node} >= {"Conv", "QuantizeLinear"}
    assert onnx.TensorProto.UINT8 not in {tensor.data_type for tensor in int8.graph.initializer}


def test_a_module_that_there_is_not_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    words = ("+space=nasbench201", "space.ops=[mine]", "trials=1", *QUICK, f"run={tmp_path / 'run'}")
    refused = run(capsys, "search", *words, "allow_targets=[own_opp]").line
    assert "allow_targets: 'own_opp': No module named 'own_opp'" in refused
    assert not (tmp_path / "run").exists()


def test_a_setting_that_a_group_of_ones_own_has_not_is_one_line(capsys: Capture) -> None:
    words = ("--config-dir", "conf", "+space=ghosts", "data=bars", "data.nose=1", "allow_targets=[own_data]")
    assert "unknown setting 'data.nose'; nearest is 'data.noise'" in run(capsys, "search", *words).line


def test_what_is_allowed_and_is_a_class_or_no_module_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hydra.launcher,json.decoder.JSONDecoder,json.decoder.JSONDecoder.Inner")
    import_allowed()
    monkeypatch.setenv(VARIABLE, "own_opp.Outer.Inner")
    with pytest.raises(UserError, match="'own_opp.Outer.Inner': No module named 'own_opp'"):
        import_allowed()


def _succeeds(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err
