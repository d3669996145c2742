"""A release is the commit that the tag v<version> stands on: a tag that says another version is refused."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "release.py"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _git(root: Path, *words: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
    subprocess.run(["git", "-C", root, *own, *words], check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose only commit may be released as 1.2.0."""
    (tmp_path / "nastk").mkdir()
    (tmp_path / "nastk" / "version.py").write_text('"""..."""\n\n__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n")
    _git(tmp_path, "init")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "Release 1.2.0")
    return tmp_path


def test_a_commit_that_says_its_version_may_be_tagged_with_it(release: ModuleType, root: Path) -> None:
    assert list(release.problems(root)) == []
    _git(root, "tag", "-a", "-m", "nastk 1.2.0", "v1.2.0")
    assert release.wrong_tags(root) == []


def test_a_tag_of_another_version_is_wrong(release: ModuleType, root: Path) -> None:
    _git(root, "tag", "v1.3.0")
    assert release.wrong_tags(root) == ["v1.3.0"]


def test_what_keeps_a_commit_from_being_released_is_told(release: ModuleType, root: Path) -> None:
    _git(root, "tag", "v1.2.0")
    (root / "CHANGELOG.md").write_text("## [Unreleased]\n")
    told = list(release.problems(root))
    assert told == [
        "CHANGELOG.md: no section [1.2.0]",
        "there are changes that are not committed",
        "the tag v1.2.0 is there already",
    ]
    (root / "nastk" / "version.py").write_text('__version__ = "1.2"\n')
    assert "nastk/version.py: 1.2, expected X.Y.Z or X.Y.ZrcN" in list(release.problems(root))
