"""A whole pipeline that sizes, trains and ranks three networks, and what a second call makes of its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nastk.reports import final_table
from nastk.runs.folder import named_run
from nastk.training.teacher import trained_teacher
from tests.commands import call, run

Capture = pytest.CaptureFixture[str]

SEARCH = (
    *("+space=nasbench201", "trials=3", "evaluator.epochs=1", "data.subset=300", "controller=random"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.05", "objective.max_params=30000"),
)
QUICK = ("training.epochs=1", "training.batch=128", "training.threads=1")
TRANSFER = ("baselines=[]", *QUICK, "transfer.top=3", "transfer.cells=1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline run with a limit on the parameters and three networks."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    call("pipeline", f"run={folder}", *SEARCH, *TRANSFER, "export.seconds=0.01", "bench.seconds=0.01")
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def ranking(folder: Path) -> list[dict[str, Any]]:
    networks: list[dict[str, Any]] = json.loads((folder / "transfer" / "ranking.json").read_text())["networks"]
    return networks


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_every_network_is_as_large_as_the_searchs_limit_allows(whole: Path) -> None:
    shapes = [json.loads(path.read_text()) for path in whole.glob("transfer/*/shape.json")]
    assert len(shapes) == 3
    for shape in shapes:
        assert shape["limits"] == {"max_params": 30_000.0}
        assert (shape["cells"], shape["given"]) == (1, {"cells": 1, "filters": None})
        metrics = json.loads((whole / "transfer" / shape["key"] / "metrics.json").read_text())
        assert shape["cost"]["params"] == metrics["params"] <= 30_000
        larger = [entry["cost"]["params"] for entry in shape["measured"] if entry["filters"] > shape["filters"]]
        assert min(larger) > 30_000


def test_images_are_held_out_of_every_training_and_the_ranking_is_by_them(whole: Path) -> None:
    networks = ranking(whole)
    assert [network["rank"] for network in networks] == [1, 2, 3]
    accuracies = [network["validation_accuracy"] for network in networks]
    assert accuracies == sorted(accuracies, reverse=True)
    for network in networks:
        metrics = json.loads((whole / network["folder"] / "metrics.json").read_text())
        assert metrics["validation_accuracy"] == network["validation_accuracy"]
        assert metrics["train_images"] + metrics["validation_images"] == 1437
        assert network["latency_ms"] > 0


def test_the_final_table_and_the_exports_come_in_the_order_of_the_ranking(
    whole: Path, copy: Path, capsys: Capture
) -> None:
    order = [network["key"] for network in ranking(whole)]
    assert [row.key for row in final_table(whole)] == order
    assert {(row.size.numbers["cells"], row.size.limits["params"]) for row in final_table(whole)} == {(1, 30_000)}
    reversed_order = order[::-1]
    networks = [{**entry, "rank": rank} for rank, entry in enumerate(ranking(whole)[::-1], start=1)]
    change(copy / "transfer" / "ranking.json", networks=networks)
    done = run(capsys, "export", f"run={copy}")
    assert done.code == 0 and [line[:5] for line in done.err.splitlines() if line.startswith("ship ")] == ["ship "]
    assert [row.key for row in final_table(copy)] == reversed_order
    said = done.err
    assert [said.index(f"export {key[:8]}") for key in reversed_order] == sorted(
        said.index(f"export {key[:8]}") for key in order
    )


def test_the_test_accuracy_has_no_part_in_the_ranking(copy: Path, capsys: Capture) -> None:
    order = [network["key"] for network in ranking(copy)]
    for place, key in enumerate(order):
        change(copy / "transfer" / key / "metrics.json", accuracy=0.1 + 0.4 * place)
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert again.code == 0
    assert [network["key"] for network in ranking(copy)] == order
    assert [network["accuracy"] for network in ranking(copy)] == [0.1, 0.5, 0.9]
    for place, key in enumerate(order):
        change(copy / "transfer" / key / "metrics.json", validation_accuracy=0.1 + 0.4 * place)
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert [network["key"] for network in ranking(copy)] == order[::-1]
    first = copy / "transfer" / order[-1]
    assert f"Trained network: {first}" in again.out.splitlines()[0]
    assert f"Next: python -m nastk.export model={first}" in again.out


def test_one_teacher_teaches_the_searched_network_and_the_baseline(copy: Path, capsys: Capture) -> None:
    shutil.rmtree(copy / "transfer")
    words = (*QUICK, "transfer.cells=1", "baselines=[mobilenet_v2]", "transfer.max_params=40000")
    ran = run(capsys, "transfer", f"run={copy}", *words, "training.teacher=auto")
    assert ran.code == 0, ran.err
    (teacher,) = copy.glob("teacher/*")
    records = {path.parent.name: json.loads(path.read_text()) for path in copy.glob("transfer/*/training.json")}
    assert len(records) == 2 and teacher.name in records, ran.err
    assert {record["teacher"]["sha256"] for record in records.values()} == {trained_teacher(teacher).sha256}
    own = json.loads((teacher / "training.json").read_text())
    student = records[teacher.name]
    assert own["network"]["filters"] == 2 * student["network"]["filters"]
    assert own["data"] == student["data"] and own["settings"] == student["settings"] and "teacher" not in own
    before = {path: path.read_bytes() for path in copy.glob("t*/*/*")}
    again = run(capsys, "transfer", f"run={copy}", *words, "training.teacher=auto")
    assert again.err.count("(trained before)") == 3
    assert {path: path.read_bytes() for path in copy.glob("t*/*/*")} == before
    assert not list(copy.glob("transfer/.answers"))
    for name, line in ((copy / "nowhere", "no such folder"), (copy / "transfer", "no image in it")):
        refused = run(capsys, "transfer", f"run={copy}", *words, "training.teacher=auto", f"data.unlabelled={name}")
        assert refused.line.startswith(f"nastk: data.unlabelled: {name}: {line}")
    untaught = run(capsys, "transfer", f"run={copy}", *words, f"data.unlabelled={copy}")
    assert untaught.line.startswith(f"nastk: data.unlabelled={copy}: expected training.teacher too")
    refused = run(capsys, "transfer", f"run={copy}", *words, "training.teacher=nowhere")
    assert refused.line.startswith("nastk: teacher nowhere: not there, expected the folder of a trained network")
    without = run(capsys, "transfer", f"run={copy}", *words)
    assert "holds another training (with a teacher)" in without.line


def test_a_second_call_measures_and_trains_nothing(copy: Path, capsys: Capture) -> None:
    before = {path: path.read_bytes() for path in copy.glob("transfer/*/*")}
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert again.code == 0
    assert again.err.count("(trained before)") == 3
    assert "sizes measured" not in again.err
    assert {path: path.read_bytes() for path in copy.glob("transfer/*/*")} == before


def test_a_front_that_is_too_small_is_filled_up_with_the_next_best(copy: Path, capsys: Capture) -> None:
    change(copy / "pareto.json", candidates=json.loads((copy / "pareto.json").read_text())["candidates"][:1])
    again = run(capsys, "transfer", f"run={copy}", *TRANSFER)
    assert "the Pareto front has 1 candidate(s), not 3; filled up with the 2 next best" in again.err
    assert len(ranking(copy)) == 3
    more = run(capsys, "transfer", f"run={copy}", *TRANSFER, "transfer.top=5")
    assert "the search has no more than 3" in more.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transfer.top=0",), "transfer.top=0: expected at least 1"),
        (("transfer.top=two",), "transfer.top='two'"),
        (("transfer.max_params=0",), "transfer.max_params=0: expected a number above 0"),
        (("transfer.max_latency_ms=-1.5",), "transfer.max_latency_ms=-1.5: expected a number above 0"),
        (("transfer.max_macs=nan",), "transfer.max_macs=nan: expected a number above 0"),
        (("transfer.max_memory_mb=much",), "transfer.max_memory_mb='much'"),
        (("transfer.max_parms=3",), "nearest is 'transfer.max_params'"),
        (("transfer.filters=0",), "filters=0"),
        (("transfer.max_params=30",), "transfer.max_params=30: "),
        (("transfer.max_params=3000", "transfer.filters=32"), "the given size, N=1, F=32, has params"),
    ],
)
def test_a_limit_that_cannot_be_is_one_line_and_nothing_is_trained(
    copy: Path, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    shutil.rmtree(copy / "transfer")
    assert message in run(capsys, "transfer", f"run={copy}", *TRANSFER, *arguments).line
    assert not (copy / "transfer").exists()


def test_without_a_limit_the_size_is_that_of_before(copy: Path, capsys: Capture) -> None:
    config = named_run(str(copy), "runs") / "config.yaml"
    config.write_text(config.read_text().replace("max_params: 30000", "max_params: null"))
    shutil.rmtree(copy / "transfer")
    outcome = run(capsys, "transfer", f"run={copy}", "baselines=[]", *QUICK)
    assert outcome.code == 0, outcome.err
    (network,) = copy.glob("transfer/*/network.json")
    made = json.loads(network.read_text())["config"]
    assert (made["cells"], made["filters"]) == (2, 16)
    assert not (network.parent / "shape.json").exists()
    assert not (copy / "transfer" / "ranking.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("space", ["darts", "nasnet"])
def test_a_pipeline_keeps_the_searchs_latency_in_the_network_that_ships(
    space: str, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "run"
    search = [argument for argument in SEARCH if "space" not in argument and "max_params" not in argument]
    limit = ("objective.max_latency_ms=0.5", "training.epochs=1", "baselines=[]")
    outcome = run(capsys, "pipeline", f"run={folder}", f"+space={space}", *search, *limit)
    assert outcome.code == 0, outcome.err
    (shape,) = [json.loads(path.read_text()) for path in folder.glob("transfer/*/shape.json")]
    assert shape["cost"]["latency_ms"] <= 0.5
    assert "0.5 ms" in outcome.out


def test_a_transfer_begins_with_the_weights_that_fit_and_says_of_the_others_why_not(
    whole: Path, copy: Path, tmp_path: Path, capsys: Capture
) -> None:
    first, *others = (network["key"] for network in ranking(whole))
    shutil.rmtree(copy / "transfer")
    init = f"transfer.init={whole / 'transfer' / first}"
    refused = run(capsys, "transfer", f"run={copy}", *TRANSFER, "transfer.filters=64", "transfer.max_params=1e9", init)
    assert "does not fit" in refused.line and "expected at least half of its parameters" in refused.line
    assert "64 here (transfer.filters=" in refused.line
    shutil.rmtree(copy / "transfer", ignore_errors=True)
    said = run(capsys, "transfer", f"run={copy}", *TRANSFER, init).err
    assert f"transfer {first[:8]}: begins with {whole / 'transfer' / first}: " in said
    assert "tensors, 100% of the parameters" in said
    weights = json.loads((whole / "transfer" / first / "network.json").read_text())["weights_sha256"]
    for key in (first, *others):
        begun = f"transfer {key[:8]}: begins with" in said
        assert begun != (f"transfer {key[:8]}: from scratch: " in said)
        record = json.loads((copy / "transfer" / key / "training.json").read_text())
        assert record.get("initial_sha256") == (weights if begun else None)
    line = run(capsys, "transfer", f"run={copy}", *TRANSFER).line
    assert "other weights to begin with, transfer.init" in line
