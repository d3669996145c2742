"""What the README and the pages under docs/ tell a reader to run does run, and what they point to is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from nastk.__main__ import COMMANDS
from nastk.config.build import shipped

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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
