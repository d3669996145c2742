"""`nastk` and its commands: the same as `python -m nastk.<command>`, and at once where nothing is to be done."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import nastk
from nastk.__main__ import COMMANDS, main
from tests.commands import Outcome, run

ROOT = Path(__file__).resolve().parent.parent
Capture = pytest.CaptureFixture[str]


def called(capsys: Capture, *words: str) -> Outcome:
    return run(capsys, "__main__", *words)


def test_every_entry_point_is_a_command_and_every_command_one() -> None:
    texts = {path.stem: path.read_text() for path in (ROOT / "nastk").glob("*.py")}
    entries = {name for name, text in texts.items() if "def main() -> None" in text} - {"__main__", "wish"}
    assert entries == set(COMMANDS)
    assert all(find_spec(f"nastk.{name}") for name in COMMANDS)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"nastk": f"{main.__module__}:{main.__name__}"}


@pytest.mark.parametrize("words", [(), ("help",), ("help", "help")])
def test_alone_it_lists_the_commands_and_the_one_for_all(capsys: Capture, words: tuple[str, ...]) -> None:
    out = called(capsys, *words).out
    assert "nastk images=FOLDER max_latency_ms=3" in out
    assert all(f"nastk {name} " in out for name in COMMANDS)


def test_neither_version_nor_list_loads_a_library() -> None:
    code = "import sys; from nastk.__main__ import main; main(); print(*sys.modules)"
    for words in (["--version"], []):
        ran = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True)
        *printed, loaded = ran.stdout.splitlines()
        assert printed[0].startswith(f"nastk {nastk.__version__}")
        assert not {"torch", "numpy", "hydra", "yaml", "omegaconf"} & set(loaded.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serach", "+space=nasnet"), "unknown command 'serach'; nearest is 'search'"),
        (("help", "exprot"), "unknown command 'exprot'; nearest is 'export'"),
        ((str(ROOT),), f"images are given as images={ROOT}"),
        (("digits",), "'digits' is no command; images are given as images=digits"),
        (("images", "photos"), "unknown command 'images'"),
    ],
)
def test_an_unknown_command_is_one_line(capsys: Capture, words: tuple[str, ...], message: str) -> None:
    assert message in called(capsys, *words).line


def test_a_command_does_what_its_module_does(capsys: Capture, tmp_path: Path) -> None:
    assert called(capsys, "search", "--help").out == run(capsys, "search", "--help").out
    assert called(capsys, "help", "predict").out == run(capsys, "predict", "--help").out
    words = ("transfer", f"runs={tmp_path}", "run=nope")
    assert called(capsys, *words) == run(capsys, *words)


def test_a_shell_completes_the_settings_of_the_command_on_its_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line, expected in (
        ("nastk doc", "doctor"),
        ("nastk max_la", "max_latency_ms="),
        ("nastk search controller=ra", "controller=random"),
        ("nastk predict ima", ""),
    ):
        monkeypatch.setenv("COMP_LINE", line)
        assert called(capsys, "-sc", "query=bash").out.strip() == expected
