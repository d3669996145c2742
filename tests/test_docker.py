"""The Dockerfiles, which are not built here, name only what is in the repository, and are written with care."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "Dockerfile.gpu")


def _instructions(name: str) -> list[str]:
    """Returns the instructions, continued lines joined and comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / name).read_text()).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _sent() -> list[str]:
    """Returns what .dockerignore lets through to the builder."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return [line[1:] for line in lines if line.startswith("!")]


@pytest.mark.parametrize("name", FILES)
def test_what_it_copies_is_there_and_is_sent_to_the_builder(name: str) -> None:
    copied = [path for one in _instructions(name) if one.startswith("COPY ") for path in one.split()[1:-1]]
    copied += re.findall(r"type=bind,source=([\w.]+)", "\n".join(_instructions(name)))
    assert {"pyproject.toml", "nastk", "conf", "search_spaces", "constraints.txt"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists() and any(fnmatch.fnmatch(path, sent) for sent in _sent()), path


@pytest.mark.parametrize("name", FILES)
def test_its_bases_and_torch_are_pinned_and_it_runs_as_no_root(name: str) -> None:
    instructions = _instructions(name)
    for base in (one.split()[1] for one in instructions if one.startswith("FROM ")):
        assert re.fullmatch(r"[\w/]+:\d+\.\d+\.\d+-[\w-]+", base), base
    (torch,) = re.findall(r"torch==([\d.]+)", "\n".join(instructions))
    assert f"torch=={torch}\n" in (ROOT / "constraints.txt").read_text()
    assert f"torch=={torch}\n" in (ROOT / "scripts" / "install").read_text()
    assert [one for one in instructions if one.startswith("USER ")][-1] == "USER nastk"
    assert instructions[-2:] == ['ENTRYPOINT ["nastk"]', 'CMD ["help"]']
    assert not re.search(r"(?i)password|secret|token|latest", (ROOT / name).read_text())


@pytest.mark.parametrize("name", FILES)
def test_it_says_that_it_was_not_built(name: str) -> None:
    assert "Not built here" in "\n".join((ROOT / name).read_text().splitlines()[:4])
