"""What docs/python.md and the notebook tell a reader to write is there, and the notebook runs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nastk
from nastk.api.settings import setting_words, whole_words

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), flags=re.DOTALL)
CELLS = [
    "".join(cell["source"])
    for cell in json.loads((DOCS / "quick_start.ipynb").read_text())["cells"]
    if cell["cell_type"] == "code"
]
OWNERS = {"nastk": nastk, "run": nastk.Run, "net": nastk.Loaded}
STEPS = ("search", "transfer", "export", "bench", "pipeline", "job", "audit", "describe", "backbone")
OWN = ("images", "overrides")  # of a step, and no settings; the whole job has images for one


def attributes(code: str) -> Iterator[tuple[str, str]]:
    """Yields owner and name of each attribute of what `OWNERS` has."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OWNERS:
            yield node.value.id, node.attr


def given(code: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields each step that is called with its settings and its overrides; what is no literal counts as 1."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STEPS:
            values = {str(word.arg): _literal(word.value) for word in node.keywords}
            yield node.func.attr, {k: v for k, v in values.items() if k not in OWN}, values.get("overrides", "")


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return 1


@pytest.mark.parametrize("code", [*PAGE, *CELLS])
def test_every_name_and_every_setting_is_one(code: str) -> None:
    for owner, name in attributes(code):
        known = hasattr(OWNERS[owner], name) or (owner == "run" and name == "said")
        assert known, f"{owner}.{name}"
    for step, settings, overrides in given(code):
        if step == "job":
            words = whole_words({"images": "digits", **settings}, overrides, None, ())
        else:
            words = setting_words(step, settings, overrides, None)
        assert len(words) >= len(settings)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs cell by cell as Jupyter does, which shows the value of a cell's last line; it is no dependency of ours."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in CELLS:
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "<cell>", "eval"), names))
    run, rows, figure, genotype, facts, loss, said, predictions, page = shown
    assert "<svg" in run._repr_html_() and "<svg" in genotype._repr_html_()
    assert sum(state == "complete" for state, *_ in rows) == 4 and all(params <= 60_000 for *_, params in rows)
    assert facts == (run.best.metrics["params"], run.best.metrics["macs"])
    assert len(figure.axes) == 1 and loss[1] == 4
    assert any(line.startswith("ship") for line in said) and len(predictions) == 5
    assert page.is_file()
