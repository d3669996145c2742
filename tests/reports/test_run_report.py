"""A run's page: one safe file, complete, the same each time, and made of whatever is there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.reports import write_report
from nastk.reports.sections import run_argument
from nastk.runs.bench import Bench, write_bench
from nastk.runs.contents import read_run
from nastk.spaces import NasBench201Space
from tests.reports import folders


class Page(HTMLParser):
    """Collects elements, texts and everything that could be fetched or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[str] = []
        self.text = ""
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = self._hidden or tag == "template"  # drawings that show beside a point
        if self._hidden:
            return
        self.tags.append(tag)
        for name, value in attrs:
            if tag == "img" and name == "src":
                self.pictures.append(value or "")
            elif name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = self._hidden and tag != "template"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "run", folders.rows(40))


def finished(run: Path) -> Path:
    """Adds transfer, export and bench."""
    key = json.loads((run / "best.json").read_text())["key"]
    folders.transfer(run, key)
    folders.export(run, key)
    entry = {"precision": "int8", "batch": 1, "threads": 1, "p50_ms": 0.5441, "runs": 300}
    write_bench(run, Bench([entry], {"processor": "Xeon 8481C"}, {}))
    return run


def test_the_page_has_what_a_user_asks_for(run: Path) -> None:
    path = write_report(finished(run))
    assert path == run / "report.html"
    page = Page(path.read_text())
    best = json.loads((run / "best.json").read_text())
    for text in (
        best["key"][:10],
        "97.89 %",
        "0.544 ms",
        "model.int8.onnx",
        "498.0 kB",
        "What became of the trials",
        "the loss is not a number in epoch 2",
        "Linux x86_64, 2 cores",
        "Xeon 8481C",
        "0.5441",
        "_target_: nastk.spaces.NasnetSpace",
        f"python -m nastk.report run={run}",
    ):
        assert text in page.text, text
    assert page.tags.count("svg") == 2 + 6  # two charts; normal and reduction cell of three networks
    front = [candidate.key for candidate in read_run(run).front][:3]
    assert sorted(file.name for file in (run / "cells").iterdir()) == sorted(
        f"{key}-{cell}.svg" for key in front for cell in ("normal", "reduction")
    )
    assert (run / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_counts_of_states_are_those_of_the_trials(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    html = write_report(run).read_text()
    for state in ("complete", "duplicate", "rejected", "failed"):
        times = sum(row["state"] == state for row in rows)
        assert f'<td class="left">{state}</td><td>{times}</td>' in html
    assert html.count("is over 1.2<") == 1, "reasons that differ in numbers only are one line"


def test_nothing_is_fetched_and_nothing_runs_but_what_the_policy_names(run: Path) -> None:
    html = write_report(finished(run)).read_text()
    page = Page(html)
    assert all(link.startswith("#") for link in page.links)
    assert page.handlers == []
    assert {"iframe", "object", "embed", "link", "img", "form"} & set(page.tags) == set()
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'\"" in html
    assert not re.search(r"@import|url\((?!#)", html)


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    rows = folders.rows(20)
    rows[0].update(state="failed", reason=attack + '"onload="x')
    space = rows[1]["genotype"]
    space["cells"]["normal"]["nodes"][0]["edges"][0][1] = attack
    rows[1].update(state="complete", metrics={"accuracy": 0.999, "latency_ms": 0.2})
    run = folders.write_run(tmp_path / "<script>alert(2)<" / "a<img src=x onerror=alert(3)>", rows)
    (run / "config.yaml").write_text(f"seed: 0\ncontroller: '{attack}'\nmade_by: {{'{attack}': '{attack}'}}\n")
    key = json.loads((run / "best.json").read_text())["key"]
    folders.export(run, key)
    manifest = run / "export" / key / "manifest.json"
    folders.write(manifest, {**json.loads(manifest.read_text()), "reason": attack, "warnings": [attack]})
    write_bench(run, Bench([{attack: attack}], {attack: attack}, {}))
    folders.audit(run, attack)
    html = write_report(run).read_text()
    page = Page(html)
    assert page.text.count(attack) >= 8
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert page.handlers == []


def test_no_id_is_there_twice_and_every_reference_has_its_target(run: Path) -> None:
    page = Page(write_report(run).read_text())
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    def made() -> dict[str, bytes]:
        write_report(run)
        return {
            path.name: path.read_bytes() for path in [run / "report.html", run / "pareto.png", *run.glob("cells/*")]
        }

    assert made() == made()


def test_trials_alone_are_enough(run: Path) -> None:
    for name in ("pareto.json", "best.json", "config.yaml"):
        (run / name).unlink()
    page = Page(write_report(run).read_text())
    assert "What became of the trials" in page.text
    assert page.tags.count("svg") == 2 + 6


@pytest.mark.parametrize("states", [[], ["rejected"], ["failed", "rejected"], ["complete"], ["pruned", "complete"]])
def test_a_search_that_found_little_has_a_page_too(tmp_path: Path, states: list[str]) -> None:
    rows = folders.rows(len(states))
    for row, state in zip(rows, states, strict=True):
        row["state"] = state
        if state in ("complete", "pruned"):
            row["metrics"]["accuracy"] = 0.5
    html = write_report(folders.write_run(tmp_path / "run", rows)).read_text()
    assert ("No candidate has been trained yet" in html) == ("complete" not in states)


def test_costs_of_several_magnitudes_and_no_cost_at_all_can_be_drawn(tmp_path: Path) -> None:
    rows = folders.rows(12, space=NasBench201Space())
    for index, row in enumerate(rows):
        row.update(state="complete", metrics={"accuracy": 0.9 + index / 1000, "latency_ms": 0.01 * 3.0**index})
    assert "latency p50" in write_report(folders.write_run(tmp_path / "far", rows)).read_text()
    for row in rows:
        row["metrics"] = {"accuracy": 0.9, "simulated_seconds": 3600.0}
    html = write_report(folders.write_run(tmp_path / "none", rows)).read_text()
    assert "12.0 h of simulated training time" in html
    assert "Accuracy and cost" not in html
    assert (tmp_path / "none" / "pareto.png").exists()


def test_drawings_of_cells_that_are_no_longer_best_are_removed(run: Path) -> None:
    (run / "cells").mkdir()
    (run / "cells" / "0ld-normal.svg").write_text("<svg/>")
    write_report(run)
    assert not (run / "cells" / "0ld-normal.svg").exists()


def test_a_malformed_run_leaves_the_last_report_as_it_was(run: Path) -> None:
    write_report(run)
    before = {path: path.read_bytes() for path in [run / "report.html", run / "pareto.png"]}
    (run / "config.yaml").write_text("seed: 0\nobjective: {maximize: [\n")
    with pytest.raises(UserError, match=r"config.yaml:\d+: not YAML"):
        write_report(run)
    assert {path: path.read_bytes() for path in before} == before


def test_the_run_argument_means_the_same_folder_to_the_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nastk.runs.folder import named_run

    monkeypatch.chdir(tmp_path)
    for folder in (Path("runs/first"), Path("other/first"), Path("first"), tmp_path / "runs" / "first"):
        assert named_run(run_argument(folder), "runs").resolve() == folder.resolve()


def test_reports_are_made_without_torch(run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nastk.reports import write_report; "
        f"write_report(Path({str(run)!r})); "
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'onnx', 'lightning', 'pytorch_lightning')] "
        "+ [m for m in sys.modules if m == 'matplotlib.pyplot']; sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_broken_budget_is_at_the_top_and_doubtful_latencies_are_marked_wherever_they_stand(run: Path) -> None:
    key = json.loads((run / "best.json").read_text())["key"]
    finished(run)
    path = run / "export" / key / "manifest.json"
    manifest = json.loads(path.read_text())
    late = "model.int8.onnx takes 9.8 ms (p50, not trustworthy: it was busy), max_latency_ms is 3"
    manifest["precisions"]["int8"]["latency_ms"] |= {"p50": 9.8, "doubt": "it was busy", "steady": False}
    folders.write(path, {**manifest, "warnings": [late, "int8 is slow"], "budget": {"limits": {}, "broken": [late]}})
    text = Page(write_report(run).read_text()).text
    top = text.index("Result")
    assert top < text.index(f"Over its budget: {late}.") < text.index("test accuracy, int8")
    assert "p50, int8: not trustworthy: it was busy" in text and "9.800 ?" in text
    assert "the latency in int8 is not trustworthy: it was busy" in text
    assert text.count(late) == 2, "at the top and beside the table, but not once more as a warning"


def test_trials_whose_timing_cannot_be_trusted_are_counted(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    assert "not trustworthy" not in Page(write_report(run).read_text()).text
    for line in lines[:3]:
        line["metrics"]["latency_steady"] = 0.0
    (run / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "latencies of 3 of 40 trials are not trustworthy" in Page(write_report(run).read_text()).text


def test_measurements_of_files_that_are_no_more_are_left_out(run: Path) -> None:
    key = json.loads((run / "best.json").read_text())["key"]
    finished(run)
    path = run / "export" / key / "manifest.json"
    manifest = json.loads(path.read_text())
    folders.write(path, {**manifest, "files": {"model.onnx": {"sha256": "new"}}})
    entry = {"file": f"export/{key}/model.onnx", "sha256": "new", "p50_ms": 1.25, "steady": True, "doubt": None}
    older = {**entry, "sha256": "old", "p50_ms": 77.5}
    before = {"file": "of a bench of before", "p50_ms": 9.75, "min_ms": 1.72, "spread": 0.01, "steady": True}
    write_bench(run, Bench([entry, older, before], {}, {}))
    text = Page(write_report(run).read_text()).text
    assert "1.25" in text and "77.5" not in text and "1 measurements are of files that have been exported anew" in text
    assert "p50 is 5.7 times the quickest run" in text
