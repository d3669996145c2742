"""Two runs beside each other: what differs, whether it is more than chance, and what makes it no comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nastk.errors import UserError
from nastk.reports.compare import write_comparison
from nastk.runs.shown import Answers, Shown, write_shown
from tests.commands import run as called
from tests.reports import folders
from tests.reports.test_run_report import Page, finished


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    made = [folders.write_run(tmp_path / name, folders.rows(14, seed), seed=seed) for seed, name in enumerate("ab")]
    return made[0], made[1]


def answered(run: Path, right: list[bool]) -> None:
    labels = np.zeros(len(right), np.int64)
    predicted = np.where(right, 0, 1)
    answers = Answers("model.onnx", labels, predicted, np.full(len(right), 0.9, np.float32), len(right))
    write_shown(run, Shown({}, ("cat", "dog"), (5, 5), (5, 5), answers))


def test_what_each_has_and_which_settings_differ_stand_beside_each_other(pair: tuple[Path, Path]) -> None:
    first, second = pair
    finished(second)
    page = write_comparison(first, second)
    assert page == first / "compare-b.html"
    text = Page(page.read_text()).text
    best = json.loads((first / "best.json").read_text())
    assert best["key"][:10] in text and "model.int8.onnx" in text and "97.89" in text
    assert "a has, not exported yet, the searched network" in text and "b ships the searched network" in text
    html = page.read_text()
    assert '<td class="left">seed</td><td class="left">0</td><td class="left">1</td>' in html
    assert "Whether they differ beyond chance is not known: a report of each run prepares" in text


@pytest.mark.parametrize(
    ("only", "verdict"), [(12, "b is better (exact McNemar test, p 0.00049)"), (3, "the difference may be chance")]
)
def test_a_difference_counts_where_chance_does_not_explain_it(pair: tuple[Path, Path], only: int, verdict: str) -> None:
    first, second = pair
    answered(first, [False] * only + [True] * 20)
    answered(second, [True] * (only + 20))
    text = Page(write_comparison(first, second).read_text()).text
    assert f"a alone names 0 of {only + 20} test images right, b alone {only}: {verdict}" in text


def test_other_images_are_no_comparison_and_are_told_so(pair: tuple[Path, Path]) -> None:
    first, second = pair
    answered(first, [True] * 8)
    answered(second, [True] * 9)
    for run, name in zip(pair, ("digits", "<b>mine</b>"), strict=True):
        folders.write(run / "data.json", {"schema": 1, "name": name, "size": 8, "channels": 1, "classes": 2})
    html = write_comparison(first, second).read_text()
    text = Page(html).text
    assert "They are of other images: name digits and <b>mine</b>; accuracies are no comparison." in text
    assert "they were asked for other test images" in text and "<b>mine" not in html


def test_runs_with_little_in_them_have_a_page_and_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    rows = folders.rows(2)
    for row in rows:
        row.update(state="failed", metrics={})
    empty, other = folders.write_run(tmp_path / "e", rows), folders.write_run(tmp_path / "o", [])
    assert "e: no candidate has been trained yet." in Page(write_comparison(empty, other).read_text()).text
    with pytest.raises(UserError, match="is the same folder as run"):
        write_comparison(empty, tmp_path / "." / "e")


def test_the_command_takes_two_runs_and_no_sweep_with_them(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pair
    out = called(capsys, "report", f"run={first}", f"run2={second}").out
    assert out == f"Report: {first / 'compare-b.html'}\n"
    assert "run2='b'" in called(capsys, "report", "run2=b", f"sweep={first.parent}").line
    assert "report.images='x'" in called(capsys, "report", f"run={first}", "report.images=x").line
