"""A study behind Optuna's gRPC proxy, which a real PostgreSQL stands behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run

pytest.importorskip("grpc")

Capture = pytest.CaptureFixture[str]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_search_through_the_proxy_has_the_trials_of_a_journal_and_needs_no_password(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], proxy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    there = ("storage=grpc", f"storage.port={proxy}")
    assert run(capsys, "search", *searched, "run=here").code == 0
    assert run(capsys, "search", *searched, *there, "run=there", "trials=5").code == 0
    again = run(capsys, "search", *searched, *there, "run=there")
    assert again.code == 0, again.err
    assert "going on after" in again.err
    assert _rows(tmp_path / "runs" / "there") == _rows(tmp_path / "runs" / "here")
    other = run(capsys, "search", *searched, *there, "storage.study=there", "run=other", "objective=pareto")
    assert "storage.study='there': a study with objective" in other.line


@pytest.mark.parametrize("listens", [False, True])
def test_a_proxy_that_is_not_there_is_one_line_soon(
    capsys: Capture, tmp_path: Path, searched: tuple[str, ...], silent_port: int
) -> None:
    start = time.monotonic()
    line = run(capsys, "search", *searched, "storage=grpc", f"storage.port={silent_port}").line
    assert time.monotonic() - start < 60  # and no minutes, as by default
    assert "no answer within" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("setting", "expected"), [("port=0", "expected 1 to 65535"), ("host=", "expected the name of a machine")]
)
def test_an_address_that_is_none_is_refused(
    capsys: Capture, searched: tuple[str, ...], setting: str, expected: str
) -> None:
    assert expected in run(capsys, "search", *searched, "storage=grpc", f"storage.{setting}").line
