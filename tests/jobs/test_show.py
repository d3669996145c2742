"""Networks of runs, files and of nastk's own are drawn; what cannot be is said in one line and leaves no file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import run
from tests.reports import folders

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    return folders.write_run(tmp_path / "runs" / "mine", folders.rows(6))


def test_the_best_of_a_run_is_drawn_or_the_one_that_a_key_begins(
    searched: Path, tmp_path: Path, capsys: Capture
) -> None:
    best = json.loads((searched / "best.json").read_text())["key"]
    picture = tmp_path / "best.svg"
    assert run(capsys, "show", f"run={searched}", f"picture={picture}").out == f"Drawing: {picture}\n"
    assert best[:10] in picture.read_text() and "reduction cell" in picture.read_text()
    lines = [json.loads(line) for line in (searched / "trials.jsonl").read_text().splitlines()]
    other = next(one["key"] for one in lines if one["state"] == "complete" and one["key"] != best)
    assert run(capsys, "show", f"run={searched}", f"key={other[:9]}", f"picture={picture}").code == 0
    assert other[:10] in picture.read_text() and best[:10] not in picture.read_text()


def test_a_png_shows_what_the_svg_does(searched: Path, tmp_path: Path, capsys: Capture) -> None:
    for name, coloured in (("resnet18", (0x9A, 0xD0, 0xF5)), (str(searched / "best.json"), None)):
        picture = tmp_path / "net.png"
        assert run(capsys, "show", f"genotype={name}", f"picture={picture}").code == 0
        pixels = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
        assert pixels.shape[1] > 400 and (pixels[0, 0] == 255).all()
        dark = (pixels < 100).all(2).sum()
        assert dark > 200, "letters and lines"
        if coloured is not None:
            assert (pixels == coloured).all(2).sum() > 500, "blocks of the stem's family"


def test_without_a_picture_it_is_named_after_the_network(tmp_path: Path, monkeypatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "show", "genotype=mobilenet_v2").out == "Drawing: mobilenet_v2.svg\n"
    assert "mobilenet_v2" in (tmp_path / "mobilenet_v2.svg").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "run, genotype: neither given"),
        (("genotype=resnet18", "run={run}"), "run, genotype: both given"),
        (("genotype=resnet81",), "'resnet81'; nearest is 'resnet18'"),
        (("genotype={run}/nope.json",), "nope.json"),
        (("genotype={run}/data.json",), "data.json"),
        (("genotype=resnet18", "picture=net.gif"), "picture='net.gif': expected a name that ends in .svg or .png"),
        (("genotype=resnet18", "picture=/nowhere/net.svg"), "in a folder that is there"),
        (("genotype=resnet18", "key=ab"), "key='ab': is of a run's network"),
        (("run={run}", "key=zzz"), "key='zzz': expected the beginning of one key"),
        (("run=nope",), "run='nope'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    words: tuple[str, ...], message: str, searched: Path, tmp_path: Path, monkeypatch, capsys: Capture
) -> None:
    folders.write(searched / "data.json", {"schema": 1})
    monkeypatch.chdir(tmp_path)
    assert message in run(capsys, "show", *(word.format(run=searched) for word in words)).line
    assert not list(tmp_path.glob("*.svg"))


def test_a_run_without_a_trained_candidate_has_nothing_to_draw(tmp_path: Path, capsys: Capture) -> None:
    rows = folders.rows(2)
    for row in rows:
        row.update(state="failed", metrics={})
    empty = folders.write_run(tmp_path / "runs" / "none", rows)
    assert "has no trained candidate to draw yet" in run(capsys, "show", f"run={empty}").line
