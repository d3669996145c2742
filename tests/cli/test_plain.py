"""Settings read without Hydra: the same words and errors as with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from nastk.cli.plain import launch_without_hydra, parsed
from nastk.errors import UserError


@dataclass(frozen=True)
class Settings:
    path: str = field(metadata={"help": "a file"})
    kind: str | None = field(default=None, metadata={"help": "of what kind"})
    count: int = field(default=3, metadata={"help": "how many"})


def test_words_become_settings_of_their_types() -> None:
    assert parsed(Settings, ["path=a=b [1] 'x'", "count=7"]) == Settings("a=b [1] 'x'", None, 7)
    assert parsed(Settings, ["path=x", "kind=7"]) == Settings("x", "7")
    assert parsed(Settings, ["path=null", "kind=null"]) == Settings("null", None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"path: not given, expected path=VALUE \(a file\)"),
        (["path"], "'path': not understood, expected name=value"),
        (["path=x", "coutn=1"], "unknown setting 'coutn'; nearest is 'count'"),
        (["path=x", "count=many"], "count='many': expected a whole number"),
        (["path=x", "count="], "count='': expected a whole number"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parsed(Settings, words)


def launched(monkeypatch: pytest.MonkeyPatch, job, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["x", *words])
    with pytest.raises(SystemExit) as stop:
        launch_without_hydra(Settings, job, "Does a thing.", ["x path=a"])
    return int(stop.value.code)


def test_the_exit_code_is_the_jobs_and_two_on_a_mistake(monkeypatch, capsys) -> None:
    assert launched(monkeypatch, lambda settings: settings.count, "path=x") == 3
    assert launched(monkeypatch, lambda settings: 0) == 2
    assert capsys.readouterr().err == "nastk: path: not given, expected path=VALUE (a file)\n"


def test_help_lists_settings_with_defaults_and_examples(monkeypatch, capsys) -> None:
    assert launched(monkeypatch, lambda settings: 9, "--help") == 0
    printed = capsys.readouterr().out
    for part in ("Does a thing.", "path=???", "kind=null", "count=3", "how many", "x path=a"):
        assert part in printed
