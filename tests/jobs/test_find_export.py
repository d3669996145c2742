"""A run with one export, or the folder of one, is found; where there are more or none, what to write is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.jobs.find_export import find_export
from tests.commands import run
from tests.deploy.digits import digit_files, exported_digits


def made(runs: Path, name: str, *keys: str) -> Path:
    """Makes the folder of a run with these exports, which are empty but for a manifest."""
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    for key in keys:
        (folder / "export" / key).mkdir(parents=True)
        (folder / "export" / key / "manifest.json").touch()
    return folder


def test_every_way_to_name_the_only_export_finds_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    only = made(Path("runs"), "one", "ab12") / "export" / "ab12"
    made(Path("runs"), "two", "ab12", "cd34")
    made(Path("elsewhere"), "three", "ef56", ".gh78.x.partial")
    for model in ("runs/one", "runs/one/", "runs/one/export", "runs/one/export/ab12", str(tmp_path / "runs" / "one")):
        assert find_export(model, None, "runs").resolve() == only.resolve()
    for name in ("one", "runs/one", str(tmp_path / "runs" / "one")):
        assert find_export(None, name, "runs").resolve() == only.resolve()
    assert find_export(None, "three", "elsewhere") == Path("elsewhere/three/export/ef56")
    assert find_export("runs/two/export/cd34", None, "runs") == Path("runs/two/export/cd34")


def test_of_several_that_a_ranking_orders_the_first_is_meant(tmp_path: Path) -> None:
    folder = made(tmp_path, "ranked", "ab12", "cd34", "ef56")
    (folder / "transfer").mkdir()
    networks = [{"key": key, "rank": rank} for rank, key in enumerate(("cd34", "ab12", "ef56"), start=1)]
    (folder / "transfer" / "ranking.json").write_text(json.dumps({"schema": 1, "networks": networks}))
    assert find_export(None, "ranked", str(tmp_path)) == folder / "export" / "cd34"
    shutil.rmtree(folder / "export" / "cd34")
    with pytest.raises(UserError, match="has 2 exports, choose one"):
        find_export(None, "ranked", str(tmp_path))


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (None, None, r"model: not given, expected model=<folder of an export> or run=<name of a run>"),
        ("runs/one", "one", r"model: given as 'runs/one', and run as 'one', expected"),
        (None, "on", r"run='on': runs/on: no such folder; nearest is 'one'"),
        ("runs/noe", None, r"model='runs/noe': runs/noe: no such folder; nearest is 'one'"),
        ("elsewhere", None, r"model='elsewhere': elsewhere: no such folder$"),
        (None, "two", r"run='two': has 2 exports, choose one: model=runs/two/export/ab12, model=runs/two/export/cd34"),
        (None, "fresh", r"run='fresh': has no export yet; python -m nastk.export run=runs/fresh"),
        ("runs", None, r"model='runs': no manifest.json in it, expected the folder of an export, or of a run"),
    ],
)
def test_what_is_not_exactly_one_export_is_a_line_that_says_what_to_write(
    tmp_path: Path, monkeypatch, model: str | None, name: str | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("runs"), "one", "ab12")
    made(Path("runs"), "two", "ab12", "cd34")
    made(Path("runs"), "fresh")
    with pytest.raises(UserError, match=message):
        find_export(model, name, "runs")


def test_a_run_predicts_as_its_export_does(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    folder = made(Path("runs"), "demo")
    shutil.copytree(exported_digits(tmp_path / "digits"), folder / "export" / "ab12")
    digit_files(Path("images"), 2)
    answers = [
        json.loads(run(capsys, "predict", word, "images=images", "format=json").out)
        for word in ("model=runs/demo/export/ab12", "model=runs/demo", "run=demo")
    ]
    assert answers[0] == answers[1] == answers[2] and len(answers[0]["predictions"]) == 2
    assert answers[0]["model"] == "runs/demo/export/ab12"
