"""Checks that a commit may be released, and that a tag says what the code says; tags it and builds wheel and sdist.

    python scripts/release.py check    # part of .ci/run: a tag v... on this commit names nastk's version
    python scripts/release.py          # tags this commit v<version> and builds dist/

The version stands in nastk/version.py alone, so that a checkout, an archive without .git and an installed wheel all
know it; the tag is held to it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def version(root: Path) -> str:
    """Returns nastk's version."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "nastk" / "version.py").read_text(), flags=re.MULTILINE)
    if found is None:
        sys.exit(f"{root / 'nastk' / 'version.py'}: no __version__")
    return found[1]


def wrong_tags(root: Path) -> list[str]:
    """Returns the tags v... of the commit that is checked out which do not name its version."""
    return [tag for tag in _git(root, "tag", "--points-at", "HEAD", "v*").split() if tag != f"v{version(root)}"]


def problems(root: Path) -> Iterator[str]:
    """Yields what keeps the commit that is checked out from being released as `version`."""
    wanted = version(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", wanted):
        yield f"nastk/version.py: {wanted}, expected X.Y.Z or X.Y.ZrcN"
    if f"## [{wanted}]" not in (root / "CHANGELOG.md").read_text():
        yield f"CHANGELOG.md: no section [{wanted}]"
    if _git(root, "status", "--porcelain"):
        yield "there are changes that are not committed"
    if _git(root, "tag", "--list", f"v{wanted}"):
        yield f"the tag v{wanted} is there already"
    yield from (f"the tag {tag} is on this commit" for tag in wrong_tags(root))


def main(words: list[str]) -> None:
    """Checks, or releases; exits with 2 and a line for each problem."""
    if words == ["check"]:
        if not (ROOT / ".git").exists():
            return  # an archive has no tags
        found = [f"the tag {tag} is on this commit, its version is {version(ROOT)}" for tag in wrong_tags(ROOT)]
    else:
        found = [f"{word}: expected check, or nothing" for word in words] or list(problems(ROOT))
    for line in found:
        print(f"release: {line}", file=sys.stderr)
    if found:
        sys.exit(2)
    if not words:
        _git(ROOT, "tag", "--annotate", "--message", f"nastk {version(ROOT)}", f"v{version(ROOT)}")
        subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", "dist"], cwd=ROOT, check=True)
        print(f"tagged v{version(ROOT)}, built dist/; next: git push origin v{version(ROOT)}")


def _git(root: Path, *words: str) -> str:
    run = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return run.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:])
