"""What the README and the pages under docs/ tell a reader to run does run, and what they point to is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra.errors import HydraException

from nastk.__main__ import COMMANDS
from nastk.config.build import shipped
from nastk.errors import UserError
from tests.documented import PAGES, ROOT, commands, compose, make_place

README = "\n".join(page.read_text() for page in PAGES)


def test_the_plain_optuna_example_runs_and_finds_the_best_choices() -> None:
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "import optuna" in one)
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "{'oven': 'stone', 'heat': 300}"


@pytest.mark.parametrize("line", sorted(set(re.findall(r"python -m nastk\.[^`\n]+", README))))
def test_every_command_names_an_entry_point_and_groups_that_there_are(line: str) -> None:
    words = shlex.split(line, comments=True)
    entry = words[2].removeprefix("nastk.")
    assert (ROOT / "nastk" / f"{entry}.py").exists() or (ROOT / "nastk" / entry / "__main__.py").exists()
    for word in words[3:]:
        name, _, value = word.lstrip("+").partition("=")
        folder = ROOT / "search_spaces" if name == "space" else shipped("conf") / name
        if value and folder.is_dir() and re.fullmatch(r"[\w,]+", value):
            for option in value.split(","):
                launcher = name == "hydra/launcher" and find_spec(f"hydra_plugins.hydra_{option}_launcher")
                assert (folder / f"{option}.yaml").exists() or launcher, word


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=lambda page: page.stem)
def test_every_command_of_a_bash_block_composes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_place(tmp_path)
    for words in commands(page):
        assert compose(words), words


@pytest.mark.parametrize(
    "words", ["search trails=3", "images=photos data.colour=1", "search controller=rnd", "predict a=1"]
)
def test_a_command_with_a_setting_that_there_is_not_does_not(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_place(tmp_path)
    with pytest.raises((HydraException, UserError)):
        compose(words.split())


def test_every_command_of_the_program_is_one() -> None:
    found = set(re.findall(r"(?:^|`)nastk ([\w.=-]+)", README, flags=re.MULTILINE)) - {"searches", "tells"}
    assert {"images=FOLDER", "doctor", "search"} <= found
    assert {word for word in found if "=" not in word} <= {*COMMANDS, "help"}


def test_every_file_it_points_to_is_there() -> None:
    for path in re.findall(r"`((?:nastk|scripts|search_spaces|conf|tests)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(PAGES[0].read_text().splitlines()) < 200
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
