"""An export's folder is replaced at once, and where a file system cannot do that, what a kill left is put right."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nastk.deploy.export import export_folder
from nastk.deploy.export.export_folder import clear_left_over, partial_folder, put_in_place


def _exports(folder: Path) -> tuple[Path, Path]:
    out = folder / "key"
    out.mkdir()
    (out / "name").write_text("old")
    partial = partial_folder(out)
    (partial / "name").write_text("new")
    return out, partial


def _cannot(first: Path, second: Path) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def test_the_new_one_takes_the_name_and_the_old_one_goes(tmp_path: Path) -> None:
    out, partial = _exports(tmp_path)
    put_in_place(partial, out)
    assert (out / "name").read_text() == "new"
    assert (partial / "name").read_text() == "old"  # never away in between
    clear_left_over(out)
    assert list(tmp_path.iterdir()) == [out]


def test_without_an_exchange_a_kill_between_the_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_folder, "exchange", _cannot)
    out, partial = _exports(tmp_path)
    rename = Path.rename

    def killed_at_the_second(path: Path, target: Path) -> Path:
        if path == partial:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        put_in_place(partial, out)
    assert not out.exists()
    monkeypatch.setattr(Path, "rename", rename)
    clear_left_over(out)
    assert (out / "name").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_the_folder_is_as_open_as_the_user_lets_it_be(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        out, partial = _exports(tmp_path)
        put_in_place(partial, out)
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o750
