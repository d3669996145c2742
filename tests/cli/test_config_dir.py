"""A file of one's own for --config-dir that is mistyped or made to take all memory is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import run

LEVELS = [f"a{step + 1}: &a{step + 1} [{', '.join([f'*a{step}'] * 9)}]" for step in range(9)]
LAUGHS = "\n".join(["a0: &a0 [x, x]", *LEVELS])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"_target_: [1", "best.yaml:2: not a YAML configuration (did not find expected"),
        ("a: 1".encode("utf-16"), "best.yaml: not UTF-8 text (it looks like UTF-16)"),
        (b"a: 1\nb: !!python/object/apply:os.system [id]", "best.yaml:2: not a YAML configuration (the tag"),
        (b"a: &x [*x]", "best.yaml:1: not a YAML configuration (the alias *x"),
        (LAUGHS.encode(), "over 20000 values, aliases replaced"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "nested deeper than 32"),
        (b"a: " + b"1" * 5000, "a whole number of 5000 digits, expected at most 40"),
        (b"a: " + b"${b}" * 30, "too many references"),
        (b"_target_: ${", "best.yaml: not a YAML configuration (no viable alternative"),
        (b"? [a]\n: 1", "best.yaml: not a YAML configuration (while constructing a mapping"),
        (b"a: 1\na: 2", "found duplicate key a"),
        (b"defaults: 3", "defaults must be a list"),
        (b"- 1", "best.yaml:1: not a YAML configuration (a list, expected settings"),
        (b"3", "best.yaml:1: not a YAML configuration ('3', expected settings"),
        (b"a: 1" + b" " * 2**20, "1048580 bytes, expected at most 1048576"),
    ],
)
def test_a_file_is_checked_before_hydra_reads_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, message: str
) -> None:
    folder = tmp_path / "conf" / "controller"
    folder.mkdir(parents=True)
    (folder / "best.yaml").write_bytes(content)
    (folder / "other.yaml").write_text("not: [read, because: nothing chooses it")
    words = ("--config-dir", str(folder.parent), "+space=nasbench201", "controller=best", f"runs={tmp_path / 'runs'}")
    assert message in run(capsys, "search", *words).line
    assert not (tmp_path / "runs").exists()
