"""Where the standard sets are looked for, when they are downloaded, and what is said where they cannot be."""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nastk.data.sources import Cifar10, Cifar100, FashionMnist
from nastk.data.sources.standard import StandardSource
from nastk.errors import UserError
from tests.commands import run
from tests.data.files import write_cifar, write_cifar100, write_fashion
from tests.data.server import Site, serving

SETS: list[type[StandardSource]] = [FashionMnist, Cifar10, Cifar100]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that downloads go into; the real one is out of reach."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NASTK_DATA", raising=False)
    return tmp_path / "home" / ".cache" / "nastk" / "data"


@pytest.fixture
def site(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of small sets, whose addresses and checksums take the place of the published ones."""
    originals = tmp_path / "originals"
    write_fashion(originals, packed=True)
    for write, folder, archive in (
        (write_cifar, "cifar-10-batches-bin", "cifar-10-binary"),
        (write_cifar100, "cifar-100-binary", "cifar-100-binary"),
    ):
        write(originals)
        with tarfile.open(originals / f"{archive}.tar.gz", "w:gz") as out:
            out.add(originals / folder, folder)
    with serving() as made:
        for source in SETS:
            files = []
            for file in source.published:
                content = (originals / file.name).read_bytes()
                made.files[f"/{file.name}"] = content
                digests = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
                files.append(replace(file, size=len(content), urls=(f"{made.address}/{file.name}",), **digests))
            monkeypatch.setattr(source, "published", tuple(files))
        yield made


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Every address is one where nobody listens."""
    for source in SETS:
        files = tuple(replace(file, urls=(f"http://127.0.0.1:9/{file.name}",)) for file in source.published)
        monkeypatch.setattr(source, "published", files)


@pytest.mark.parametrize("source", SETS)
def test_a_set_without_root_is_downloaded_once(source: type[StandardSource], site: Site, home: Path) -> None:
    made = source()
    count = len(made.train())
    assert len(made.test()) > 0
    asked = len(site.asked)
    assert asked == len(source.published)
    assert len(source().train()) == count
    assert len(site.asked) == asked
    assert [path.name for path in home.iterdir()] == [source.name]
    assert not list(home.rglob("*.tar.gz"))


@pytest.mark.parametrize("source", SETS)
def test_download_true_fills_a_given_root(source: type[StandardSource], site: Site, tmp_path: Path) -> None:
    made = source(root=str(tmp_path / "own"), download=True)
    assert len(made.train()) > 0
    assert len(made.test()) > 0
    assert len(source(root=str(tmp_path / "own")).train()) > 0


@pytest.mark.parametrize("source", SETS)
def test_a_given_root_is_not_filled_unasked(source: type[StandardSource], site: Site, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "readme").write_text("x")
    with pytest.raises(UserError, match=r"none of its files is in it; put .* from .* or let data\.download=true fetch"):
        source(root=str(tmp_path / "own")).train()
    assert site.asked == []


@pytest.mark.parametrize("source", SETS)
def test_download_false_never_downloads(source: type[StandardSource], site: Site, home: Path) -> None:
    with pytest.raises(UserError, match=rf"not found in {home}.*or give data\.root"):
        source(download=False).train()
    assert site.asked == []


def test_what_a_download_left_out_is_fetched_by_the_next(site: Site, home: Path) -> None:
    absent = "t10k-images-idx3-ubyte.gz"
    content = site.files.pop(f"/{absent}")
    with pytest.raises(UserError, match=rf"{absent} was not downloaded .*HTTP 404.*put {absent}, t10k-labels"):
        FashionMnist().train()
    site.files[f"/{absent}"] = content
    assert len(FashionMnist().test()) == 20
    assert site.asked.count("/train-images-idx3-ubyte.gz") == 1


def test_a_changed_file_is_refused_and_not_kept(site: Site, home: Path) -> None:
    site.files["/cifar-10-binary.tar.gz"] = site.files["/cifar-10-binary.tar.gz"][:-1] + b"x"
    with pytest.raises(UserError, match=r"SHA-256 .*expected .*nothing of it was kept"):
        Cifar10().train()
    assert list((home / "cifar10").iterdir()) == []


@pytest.mark.parametrize("source", SETS)
def test_without_a_network_a_line_says_which_files_go_where(
    source: type[StandardSource], offline: None, home: Path
) -> None:
    with pytest.raises(UserError) as caught:
        source().train()
    line = str(caught.value)
    assert "Connection refused" in line
    assert f"into {home / source.name}, or give data.root=FOLDER" in line
    assert all(file.name in line for file in source.published)
    assert "\n" not in line


def test_the_command_ends_with_that_line(
    offline: None, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(capsys, "search", "+space=nasnet", "data=cifar100", f"runs={tmp_path}")
    assert outcome.line.startswith("nastk: data cifar100: cifar-100-binary.tar.gz was not downloaded")


@pytest.mark.parametrize("folder", ["fashion_mnist", "fashion-mnist", "."])
def test_the_shared_folder_is_looked_into_first(
    site: Site, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fashion(tmp_path / "shared" / folder, train=50)
    monkeypatch.setenv("NASTK_DATA", str(tmp_path / "shared"))
    assert len(FashionMnist().train()) == 50
    assert site.asked == []


def test_a_shared_folder_without_the_set_is_passed_over(
    site: Site, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fashion(tmp_path / "shared" / "fashion-mnist")
    monkeypatch.setenv("NASTK_DATA", str(tmp_path / "shared"))
    assert len(Cifar10().train()) == 100
    assert Cifar10().folder.is_relative_to(home)


def test_a_shared_folder_is_never_written_to(
    site: Site, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = write_fashion(tmp_path / "shared" / "fashion-mnist")
    (shared / "t10k-labels-idx1-ubyte").unlink()
    monkeypatch.setenv("NASTK_DATA", str(tmp_path / "shared"))
    with pytest.raises(UserError, match="no file t10k-labels-idx1-ubyte"):
        FashionMnist().test()
    assert site.asked == []


def test_an_archive_in_the_root_is_unpacked_without_a_network(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(tmp_path / "originals" / "cifar-100-binary.tar.gz", own)
    assert len(Cifar100(root=str(own)).train()) == 200
    assert site.asked == []


def test_download_takes_true_false_or_null() -> None:
    with pytest.raises(UserError, match="download='yes', expected null, true or false"):
        FashionMnist(download="yes")  # type: ignore[arg-type]


@pytest.mark.skipif("NASTK_DATA" not in os.environ, reason="NASTK_DATA is not set: no published files here")
def test_the_checksums_are_those_of_the_published_files() -> None:
    for file in FashionMnist.published:
        content = (Path(os.environ["NASTK_DATA"]) / "fashion-mnist" / file.name).read_bytes()
        assert len(content) == file.size
        assert hashlib.md5(content).hexdigest() == file.md5
        assert hashlib.sha256(content).hexdigest() == file.sha256
