"""What optuna-dashboard shows of a run: its trials, the drawings of its cells, its report."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from nastk.runs.folder import held
from nastk.storages.journal_file import open_journal
from tests.commands import run
from tests.marks import mostly_slow

Capture = pytest.CaptureFixture[str]
SMALL = (
    *("+space=nasnet", "space.blocks=2", "trials=2", "evaluator.epochs=1", "data.subset=64"),
    *("evaluator.network.filters=2", "run=a"),
)


def ask(app: Any, path: str) -> tuple[str, dict[str, str], bytes]:
    """Asks a WSGI application for a path; returns status, headers and body."""
    environment: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO()}
    setup_testing_defaults(environment)
    said: list[Any] = []
    body = b"".join(app(environment, lambda status, headers, error=None: said.extend((status, dict(headers)))))
    return said[0], said[1], body


@pytest.mark.parametrize("controller", mostly_slow(["random", "predictor", "ppo"], ["ppo"]))
def test_the_dashboard_shows_trials_drawings_and_report(capsys: Capture, tmp_path: Path, controller: str) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    from optuna.artifacts import FileSystemArtifactStore

    words = (f"runs={tmp_path / 'runs'}", *SMALL, f"controller={controller}")
    assert run(capsys, "search", *words).code == 0
    assert run(capsys, "report", words[0], "run=a").code == 0
    folder = tmp_path / "runs" / "a"
    app = dashboard.wsgi(open_journal(folder), artifact_store=FileSystemArtifactStore(folder / "artifacts"))
    study = json.loads(ask(app, "/api/studies")[2])["study_summaries"][0]
    assert study["study_name"] == "search"
    detail = json.loads(ask(app, f"/api/studies/{study['study_id']}")[2])
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert [trial["number"] for trial in detail["trials"]] == [row["number"] for row in rows]
    assert {artifact["filename"] for artifact in detail["artifacts"]} == {"report.html", "pareto.png"}
    for trial in detail["trials"]:
        if rows[trial["number"]]["state"] != "complete":
            continue
        assert {artifact["filename"] for artifact in trial["artifacts"]} == {"normal.svg", "reduction.svg"}
        for artifact in trial["artifacts"]:
            place = f"/artifacts/{study['study_id']}/{trial['trial_id']}/{artifact['artifact_id']}"
            status, headers, body = ask(app, place)
            assert (status, headers["Content-Type"]) == ("200 OK", "image/svg+xml")
            assert f"trial {trial['number']}: ".encode() in body
    for artifact in detail["artifacts"]:
        status, _, body = ask(app, f"/artifacts/{study['study_id']}/{artifact['artifact_id']}")
        assert status == "200 OK"
        assert body == (folder / artifact["filename"]).read_bytes()


def test_a_second_report_adds_nothing_and_the_search_goes_on(capsys: Capture, tmp_path: Path) -> None:
    words = (f"runs={tmp_path / 'runs'}", *SMALL, "controller=random")
    assert run(capsys, "search", *words).code == 0
    assert run(capsys, "report", words[0], "run=a").code == 0
    folder = tmp_path / "runs" / "a"
    before = (folder / "study.journal").read_bytes()
    files = sorted((folder / "artifacts").iterdir())
    assert len(files) >= 6
    assert run(capsys, "report", words[0], "run=a").code == 0
    assert (folder / "study.journal").read_bytes() == before
    assert sorted((folder / "artifacts").iterdir()) == files
    assert run(capsys, "search", *(word for word in words if not word.startswith("trials")), "trials=3").code == 0
    with held(folder):  # as by a search at work
        before = (folder / "study.journal").read_bytes()
        assert run(capsys, "report", words[0], "run=a").code == 0
        assert (folder / "study.journal").read_bytes() == before
