"""The report's section on the fidelity audit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nastk.reports import write_report
from nastk.reports.audit_section import audit_chart, audit_section
from nastk.runs.contents import read_run
from tests.reports import folders

SENTENCE = "The search's setting ranks these cells the wrong way round: tau -1.00."


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "run", folders.rows(24))


def test_the_page_has_the_sentence_every_cell_and_a_dot_for_each_result(run: Path) -> None:
    folders.audit(run, SENTENCE)
    found = read_run(run).audit
    assert found is not None
    html = write_report(run).read_text()
    section = html[html.index("Does the search rank cells, or noise?") :]
    section = section[: section.index("</section>")]
    assert SENTENCE.replace("'", "&#x27;") in section
    for cell in found.cells:
        assert f'<td class="left">{cell.key[:10]}</td><td>{cell.rank + 1} of {len(found.cells)}</td>' in section
        assert (f"{cell.key[:10]}</title>" in section) == (cell.key not in found.failed)
    assert section.count("<td>failed</td>") == 1
    assert "longer: 16 epochs in place of 4; again: the search&#x27;s own setting with another seed" in section


def test_the_dots_stand_where_the_accuracies_are(run: Path) -> None:
    folders.audit(run, SENTENCE)
    found = read_run(run).audit
    assert found is not None
    dots = [line.get_xydata()[0].tolist() for line in audit_chart(found).axes.lines]
    expected = [[100 * cell.accuracy, 100 * (cell.mean("longer") or 0)] for cell in found.trained]
    assert np.asarray(dots) == pytest.approx(np.asarray(expected))


def test_an_unfinished_audit_says_so(run: Path) -> None:
    folders.audit(run, SENTENCE, finished=False)
    html = write_report(run).read_text()
    assert re.search(r"The audit is not finished: (\d+) of \d+ cells are trained longer", html)
    assert "again (%)" not in html


def test_without_an_audit_there_is_no_section_but_the_command(run: Path) -> None:
    assert audit_section(None) == ""
    html = write_report(run).read_text()
    assert "Does the search rank cells, or noise?</h2>" not in html
    assert f"python -m nastk.audit run={run}" in html


def test_many_cells_are_told_in_a_short_table(tmp_path: Path) -> None:
    run = folders.write_run(tmp_path / "run", folders.rows(80))
    folders.audit(run, SENTENCE)
    found = read_run(run).audit
    assert found is not None and len(found.cells) > 24
    html = audit_section(found)
    assert html.count(" of ") >= 24
    assert f"and {len(found.cells) - 24} more cells in audit.json" in html
