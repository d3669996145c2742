"""The list of networks to measure on a new device, the answers, and the predictor that a search takes."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import hydra
import onnx
import pytest

from nastk.bench import bench
from nastk.config.build import shipped
from nastk.deploy.cost.few import fit_few
from nastk.deploy.cost.learned import read_learned
from nastk.deploy.cost.op_rows import ops_of
from nastk.deploy.cost.workload import WORK, graph_terms, total
from nastk.errors import UserError
from nastk.jobs.few_list import FewList, read_answers, read_list
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]
CELLS = ("+space=nasbench201", "network.cells=1", "network.filters=4", "network.size=8", "few_pool=24")
STAGES = ("+space=mobile", "network.size=8", "network.channels=1", "few_pool=12")
SEARCH = (
    *("+space=mobile", "data=digits", "data.subset=64", "evaluator=zero_cost", "evaluator.batch=16", "trials=2"),
    *("controller=random", "latency=learned", "latency.device=mine"),
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a list of cells, unanswered."""
    folder = tmp_path_factory.mktemp("few") / "cells"
    call("bench", "few=8", *CELLS, f"out={folder}")
    return folder


@pytest.fixture
def copied(cells: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cells, tmp_path / "cells"))


def files(folder: Path) -> dict[str, onnx.ModelProto]:
    return {path.stem: onnx.load(path) for path in sorted(folder.glob("*.onnx"))}


def answer(folder: Path, latencies: dict[str, Any]) -> Path:
    path = folder / "answers.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("network", "latency_ms"), *latencies.items()])
    return path


def work(model: onnx.ModelProto) -> float:
    return 1 + 1000 * total(graph_terms(model), WORK)


def test_the_list_has_files_and_a_line_to_fill_for_each_network(cells: Path):
    wanted = read_list(cells / "networks.json")
    assert list(wanted.networks) == list(files(cells))
    assert len({genotype.key for genotype in wanted.networks.values()}) == 8
    rows = (cells / "answers.csv").read_text().splitlines()
    assert rows == ["network,latency_ms", *(f"{name}," for name in wanted.networks)]


def test_answers_of_a_device_that_computes_give_its_latencies(capsys: Capture, copied: Path):
    latencies = {name: work(model) for name, model in files(copied).items()}
    ran = run(capsys, "bench", f"answers={answer(copied, latencies)}", "device=New")
    assert ran.code == 0, ran.err
    predictor = read_learned(copied / "latency-predictor.json")
    assert (predictor.device["name"], predictor.device["precision"]) == ("New", "fp32")
    for name, genotype in read_list(copied / "networks.json").networks.items():
        assert predictor.predict(genotype) == pytest.approx(latencies[name], rel=0.1)


def test_answers_as_json_and_some_left_out(copied: Path, capsys: Capture):
    latencies = {name: work(model) for name, model in list(files(copied).items())[:6]}
    path = copied / "answers.json"
    path.write_text(json.dumps(latencies))
    ran = run(capsys, "bench", f"answers={path}", "device=New")
    assert ran.code == 0, ran.err
    assert "2 of 8 networks have no latency_ms" in ran.err


def test_a_search_takes_the_predictor_of_stages_that_the_target_measured(capsys: Capture, tmp_path: Path):
    folder = tmp_path / "list"
    ran = run(capsys, "bench", "few=5", *STAGES, "target=cpu", "target.seconds=0.01", "device=mine", f"out={folder}")
    assert ran.code == 0, ran.err
    predictor = read_learned(folder / "latency-predictor.json")
    assert predictor.reads_graph
    assert (predictor.device["name"], predictor.device["precision"]) == ("mine", "fp32")
    measured = read_answers(folder / "answers.csv", read_list(folder / "networks.json"))
    where = (f"latency.path={folder / 'latency-predictor.json'}", f"runs={tmp_path}", "run=a")
    ran = run(capsys, "search", *SEARCH, *where)
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (tmp_path / "a" / "trials.jsonl").read_text().splitlines()]
    assert all(row["metrics"]["latency_ms"] >= min(measured.values()) / 2 for row in rows)


def wrong(names: list[str], **changed: Any) -> dict[str, Any]:
    return {**{name: 1.0 + place for place, name in enumerate(names)}, **changed}


def test_answers_that_cannot_be_are_one_line(capsys: Capture, copied: Path):
    wanted: FewList = read_list(copied / "networks.json")
    names = list(wanted.networks)
    cases = {
        "has latency_ms=nan, expected milliseconds above 0": wrong(names, **{names[2]: "nan"}),
        "has latency_ms=-1.0, expected milliseconds above 0": wrong(names, **{names[2]: -1}),
        "has latency_ms='fast'": wrong(names, **{names[2]: "fast"}),
        "network in": wrong(names, **{"09-00000000": 1.0}),
        "4 of 8 networks have a latency_ms, expected at least 5": wrong(names[:4]),
        "all 8 latencies are 2.0 ms": dict.fromkeys(names, 2.0),
    }
    for message, latencies in cases.items():
        path = answer(copied, latencies)
        with pytest.raises(UserError, match=message.replace("(", r"\(")):
            found = read_answers(path, wanted)
            fit_few(wanted.priors, wanted.measured, list(found.values()))
    assert "expected network,latency_ms" in _line(capsys, copied, "name;ms\n")
    lines = "network,latency_ms\r" + "".join(f"{name},1\r" for name in names)
    for text in (lines, f"network,latency_ms\n{'9' * 140_000},1\n"):
        assert re.match(rf"nastk: {copied / 'answers.csv'}: no CSV \(.*\), expected", _line(capsys, copied, text))
    assert f"{names[0]} is there twice" in _line(capsys, copied, f"network,latency_ms\n{names[0]},1\n{names[0]},2\n")
    assert not (copied / "latency-predictor.json").exists()


def _line(capsys: Capture, folder: Path, text: str) -> str:
    (folder / "answers.csv").write_text(text, newline="")
    return run(capsys, "bench", f"answers={folder}", "device=X").line


def test_a_list_that_was_changed_by_hand_is_refused(capsys: Capture, copied: Path):
    path = copied / "networks.json"
    path.write_text(path.read_text().replace("conv_3x3", "conv_1x1", 1))
    assert "was changed or is damaged" in run(capsys, "bench", f"answers={copied}", "device=X").line


def test_a_device_that_was_learned_joins_the_library_of_its_space_alone(capsys: Capture, copied: Path, tmp_path: Path):
    latencies = {name: work(model) for name, model in files(copied).items()}
    assert run(capsys, "bench", f"answers={answer(copied, latencies)}", "device=Old").code == 0
    known = f"library=[{copied / 'latency-predictor.json'}]"
    ran = run(capsys, "bench", "few=5", *CELLS[:-1], "few_pool=10", known, f"out={tmp_path / 'next'}")
    assert ran.code == 0, ran.err
    assert read_list(tmp_path / "next" / "networks.json").library == ["Old"]
    for setting, value in (("network.size", 16), ("network.filters", 8)):
        asked = (*CELLS[:-1], f"{setting}={value}", "few_pool=10", known, f"out={tmp_path / 'other'}")
        line = run(capsys, "bench", "few=5", *asked).line
        assert "library: Old does not know this space" in line and f"this search's have {setting[8:]}={value}" in line
    other = ("+space=nasnet", "space.blocks=1", *CELLS[1:-1], "few_pool=10", f"out={tmp_path / 'other'}")
    assert "library: Old does not know this space" in run(capsys, "bench", "few=5", *other, known).line
    assert not (tmp_path / "other").exists()


def test_nothing_that_is_there_is_overwritten(capsys: Capture, cells: Path):
    before = (cells / "networks.json").read_bytes()
    assert "is there already" in run(capsys, "bench", "few=8", *CELLS, f"out={cells}").line
    assert (cells / "networks.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("few=4",), "few=4, expected a whole number from 5 to 1000"),
        (("few=10", "few_pool=15"), "few_pool=15, expected a whole number from 20"),
        (("few=10",), "no search space"),
        (("few=10", "+space=nasnet"), "out is not given"),
        (("few=10", "+space=nasnet", "out=/nowhere/list"), "/nowhere is no folder"),
        (("few=10", "+space=nasnet", "out=new", "library=none.json"), "expected a list of files"),
        (("few=10", "+space=nasnet", "out=new", "library=[none.json]"), "no such file"),
        (("few=10", "+space=nasnet", "out=new", "target=cpu", "device=[a]"), "device=['a'], expected the name"),
        (("few=10", "answers=x"), "give one"),
        (("answers=x",), "device is not given"),
        (("answers=none/answers.csv", "device=X"), "no such file"),
    ],
)
def test_what_cannot_be_is_one_line(capsys: Capture, arguments: tuple[str, ...], message: str):
    assert message in run(capsys, "bench", *arguments).line
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("few=10", "+space=nasnet", "out=[a]"), r"^out=\['a'\], expected a path$"),
        (("answers=3", "device=X"), "^answers=3, expected a path$"),
        (("answers=x", "device=X", "out=3"), "^out=3, expected a path$"),
    ],
)
def test_a_path_of_a_configuration_that_is_none_is_named(arguments: tuple[str, ...], message: str):
    """On a command line whatever is given for a path is text."""
    with hydra.initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = hydra.compose("bench", list(arguments))
    with pytest.raises(UserError, match=message):
        bench(config)


def test_the_work_of_a_graph_is_that_of_its_operations(cells: Path):
    for model in files(cells).values():
        terms = graph_terms(model)
        assert total(terms, "ops") == sum(ops_of(model).values())
