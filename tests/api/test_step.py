"""A step from Python: what it prints is told line by line, and a program of Hydra's own finds its settings again."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig

import nastk
from nastk.api.step import Lines, run_step
from nastk.events import heard


def overrides(config: Any) -> list[str]:
    """Returns the words that a job finds."""
    return list(HydraConfig.get().overrides.task)


def test_lines_are_told_whole_and_without_what_a_terminal_obeys() -> None:
    found: list[nastk.Event] = []
    with heard(found.append):
        lines = Lines()
        for text in ("one \x1b[31m", "line\n\n", "another\nhalf"):
            assert lines.write(text) == len(text)
    assert found == [nastk.Said(r"one \x1b[31mline"), nastk.Said("another")]


def test_a_step_within_a_step_and_within_hydra_leaves_the_outer_one_as_it_was() -> None:
    before = HydraConfig.instance().cfg

    def outer(config: Any) -> tuple[list[str], list[str], list[str]]:
        first = overrides(config)
        inner = run_step("transfer", lambda: ["run='inner'"], overrides, False, print)
        return first, inner, overrides(config)

    found = run_step("search", lambda: ["run='outer'", "seed=1"], outer, False, print)
    assert found == (["run='outer'", "seed=1"], ["run='inner'"], ["run='outer'", "seed=1"])
    assert HydraConfig.instance().cfg is before


@pytest.mark.parametrize("show", [True, False])
def test_a_bug_is_no_mistake_and_prints_are_given_back(show: bool, capsys: pytest.CaptureFixture[str]) -> None:
    streams = sys.stdout, sys.stderr

    def broken(config: Any) -> None:
        print("before \x1b")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_step("report", lambda: [], broken, show, lambda event: None)
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr().out == ("before \\x1b\n" if show else "")
