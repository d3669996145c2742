"""The site of docs/ builds without a warning: no broken link or anchor; its settings are those of the commands."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nastk.__main__ import COMMANDS
from nastk.cli.mistakes import setting_names
from nastk.config.build import register_spaces, shipped, shipped_spaces

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "Documentation built" in built.stderr  # where this is not told, warnings are not counted either
    return folder


def _text(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_each_command_has_a_page_with_every_setting_of_it(site: Path) -> None:
    register_spaces()
    for entry in ("wish", *COMMANDS):
        text = _text(site / "settings" / f"{entry}.html")
        if not (shipped("conf") / f"{entry}.yaml").exists():
            assert "runs=runs" in text
            continue
        for name in setting_names(entry, []):
            last = name.rpartition(".")[2]
            assert last == "_target_" or re.search(rf"\b{last}\b", text), f"{entry}: {name}"


def test_every_option_of_every_group_is_shown(site: Path) -> None:
    text = _text(site / "settings" / "groups.html")
    files = [path for path in shipped("conf").glob("*/*.yaml") if path.parent.name != "hydra"]
    assert len(files) > 60
    options = [(path.parent.name, path.stem) for path in files] + [("space", name) for name in shipped_spaces()]
    for group, option in options:
        assert f"{group}={option}" in text


def test_what_extends_nastk_is_shown_as_the_files_have_it(site: Path) -> None:
    text = _text(site / "extend.html")
    for path in sorted((ROOT / "docs" / "extend").glob("*.py")):
        assert path.read_text(encoding="utf-8").strip() in text
        assert (site / "extend" / path.name).is_file()
    assert "--8<--" not in text
