"""Networks that were trained in full stand on the chart beside the candidates, baselines by markers of their own."""

from __future__ import annotations

from pathlib import Path

from nastk.reports.answer import answer
from nastk.reports.charts import pareto_chart
from nastk.reports.final_table import final_table
from nastk.reports.table_text import table_columns, table_notes
from nastk.reports.trained_points import TrainedPoint, trained_points
from nastk.runs.contents import read_run
from tests.reports import folders

KEYS = {"a" * 32: None, "b" * 32: "resnet18", "c" * 32: "mobilenet_v2"}
HELD_OUT = (0.93, 0.97, 0.91)


def made(folder: Path) -> Path:
    """Makes a run with a searched network and two baselines, of which one is better and one worse."""
    run = folders.write_run(folder / "run", folders.rows(12))
    entries = []
    for (key, name), held_out in zip(KEYS.items(), HELD_OUT, strict=True):
        folders.transfer(run, key)
        own = {"key": key, "validation_accuracy": held_out, "latency_ms": held_out / 2}
        if name is not None:
            folders.baseline(run, key, name)
        entries.append({**own, "baseline": name} if name else own)
        path = run / "transfer" / key / "metrics.json"
        folders.write(path, {"schema": 1, "accuracy": 0.9, "validation_accuracy": held_out, "seconds": 12.34})
    folders.ranking(run, *sorted(entries, key=lambda entry: -entry["validation_accuracy"]))
    return run


def test_each_point_has_its_cost_and_its_accuracy_on_held_out_images(tmp_path: Path) -> None:
    run = read_run(made(tmp_path))
    assert trained_points(run, "latency_ms") == [
        TrainedPoint("resnet18", True, 0.485, 0.97, "b" * 32, ships=True),
        TrainedPoint("aaaaaaaa", False, 0.465, 0.93, "a" * 32),
        TrainedPoint("mobilenet_v2", True, 0.455, 0.91, "c" * 32),
    ]
    assert [point.cost for point in trained_points(run, "params")] == [400_000] * 3
    assert trained_points(run, "macs") == []  # which only exports know


def test_the_chart_names_every_baseline_and_no_two_share_a_marker(tmp_path: Path) -> None:
    axes = pareto_chart(read_run(made(tmp_path)), {}).axes
    markers = {str(line.get_label()): line.get_marker() for line in axes.get_lines()}
    of = [markers[name] for name in ("baseline resnet18", "baseline mobilenet_v2", "searched, trained in full")]
    assert len({*of, markers["trained candidate"]}) == 4
    (line,) = [line for line in axes.get_lines() if line.get_label() == "baseline resnet18"]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0.485], [97.0])
    assert axes.get_ylim()[1] > 97 and axes.get_ylabel() == "accuracy on validation images (%)"


def test_without_baselines_the_chart_is_the_searchs_alone(tmp_path: Path) -> None:
    run = folders.write_run(tmp_path / "run", folders.rows(12))
    folders.transfer(run, "a" * 32)
    axes = pareto_chart(read_run(run), {}).axes
    assert axes.get_ylabel() == "accuracy in the search (%)"
    assert not any("baseline" in str(line.get_label()) for line in axes.get_lines())


def test_the_table_marks_baselines_and_says_first_that_one_is_shipped(tmp_path: Path) -> None:
    rows = final_table(made(tmp_path))
    assert [row.baseline for row in rows] == ["resnet18", None, "mobilenet_v2"]
    assert table_notes(rows)[0] == (
        "The baseline resnet18 is the one to ship, not a network that the search found: 97.00 % to 93.00 % on held-out "
        "images against aaaaaaaaaa."
    )
    columns = {column.name: column.cells for column in table_columns(rows)}
    assert columns["network"][0] == "bbbbbbbbbb (baseline resnet18)" and columns["training (s)"] == ("12.3",) * 3
    assert not any("to ship" in note for note in table_notes(rows[1:]))


def test_the_result_tells_the_best_of_the_other_kind_beside_it(tmp_path: Path) -> None:
    folder = made(tmp_path)
    run, rows = read_run(folder), final_table(folder)
    assert "Best searched network</span><b>aaaaaaaaaa</b><span>90.00 %, fp32" in answer(run, {}, rows)
    assert "Best baseline</span><b>mobilenet_v2</b>" in answer(run, {}, rows[1:])
    assert "no known network was trained beside it" in answer(run, {}, rows[1:2])


def test_what_ships_has_a_ring_and_the_searchs_own_best_is_no_longer_called_chosen(tmp_path: Path) -> None:
    lines = {str(line.get_label()): line for line in pareto_chart(read_run(made(tmp_path)), {}).axes.get_lines()}
    ring = lines["the one to ship"]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([0.485], [97.0])
    assert any(name.startswith("best of the search") for name in lines)
