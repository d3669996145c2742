"""A phone that is attached to an adb server, for the tests of all that reaches one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nastk.deploy.runtimes import farm_member
from tests.deploy.adbd import Adbd
from tests.deploy.phone import adb, adb_server, make_phone


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[None]:
    """A real adb server of our own."""
    pytest.importorskip("adbutils", reason="adbutils is not installed: pip install 'nastk[adb]'")
    with adb_server(tmp_path_factory.mktemp("adb")):
        yield


@pytest.fixture
def phone(server, tmp_path: Path) -> Iterator[Adbd]:
    made = make_phone(tmp_path / "phone")
    adb("connect", made.serial)
    yield made
    adb("disconnect", made.serial)
    made.unplug()


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the locks of devices lie in a test: not where those of this machine's user do."""
    folder = tmp_path / "locks"
    monkeypatch.setattr(farm_member, "LOCKS", folder)
    return folder
