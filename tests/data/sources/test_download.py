"""Files come from a web server on this machine: whole and checked, or not at all and in one line."""

import hashlib
import io
import resource
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nastk.data.sources import download
from nastk.data.sources.download import Published, fetch, unpack
from nastk.errors import UserError
from nastk.files import umask
from tests.data.server import Site, serving

CONTENT = np.random.default_rng(0).bytes(700_000)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


def published(content: bytes, *urls: str, name: str = "a.gz") -> Published:
    digests = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    return Published(name, len(content), *digests, urls, (name,))


def packed(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content), kind, link
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_there_and_whole(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.files["/a.gz"] = CONTENT
    folder = tmp_path / "new" / "folder"
    fetch("x", published(CONTENT, f"{site.address}/a.gz"), folder)
    assert (folder / "a.gz").read_bytes() == CONTENT
    assert left_in(folder) == ["a.gz"]
    assert capsys.readouterr().err == f"downloading {site.address}/a.gz (0.7 MB)\n"


def test_the_next_address_is_tried(site: Site, tmp_path: Path) -> None:
    site.files = {"/wrong.gz": CONTENT[::-1], "/right.gz": CONTENT}
    site.moved = {"/moved.gz": "/right.gz"}
    names = ("absent", "wrong", "moved", "never")
    fetch("x", published(CONTENT, *(f"{site.address}/{name}.gz" for name in names)), tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert site.asked == ["/absent.gz", "/wrong.gz", "/moved.gz", "/right.gz"]


def test_a_wrong_checksum_keeps_nothing_and_says_both(site: Site, tmp_path: Path) -> None:
    site.files["/a.gz"] = CONTENT[::-1]
    file = published(CONTENT, f"{site.address}/a.gz")
    with pytest.raises(
        UserError, match=rf"x: a\.gz was not downloaded .*SHA-256 \w+ .*expected {file.sha256}"
    ) as caught:
        fetch("x", file, tmp_path)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path) == []


def test_a_wrong_md5_alone_is_wrong(site: Site, tmp_path: Path) -> None:
    site.files["/a.gz"] = CONTENT
    file = published(CONTENT, f"{site.address}/a.gz")
    with pytest.raises(UserError, match="expected .*MD5 00"):
        fetch("x", Published("a.gz", file.size, "00", file.sha256, file.urls, ("a.gz",)), tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(CONTENT + b"x", "700001 bytes, expected 700000"), (b"<html>", "6 bytes, expected 700000")],
)
def test_another_length_is_not_even_downloaded(site: Site, tmp_path: Path, content: bytes, message: str) -> None:
    site.files["/a.gz"] = content
    with pytest.raises(UserError, match=message):
        fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("after", [0, 1, 699_999])
def test_a_cut_connection_keeps_nothing(site: Site, tmp_path: Path, after: int) -> None:
    site.files["/a.gz"] = CONTENT
    site.cut["/a.gz"] = after
    (tmp_path / "a.gz").write_bytes(b"older")
    with pytest.raises(UserError, match=rf"{after} (bytes read|bytes), |expected 700000"):
        fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == b"older"
    assert left_in(tmp_path) == ["a.gz"]


def test_a_missing_page_is_said(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"/a\.gz: HTTP 404 Not Found"):
        fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)
    assert left_in(tmp_path) == []


def test_a_server_that_never_answers_is_given_up(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    site.silent.add("/a.gz")
    with pytest.raises(UserError, match=r"/a\.gz: timed out"):
        fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)


def test_no_server_is_said(tmp_path: Path) -> None:
    with serving() as gone:
        address = gone.address
    with pytest.raises(UserError, match=r"/a\.gz: Connection refused"):
        fetch("x", published(CONTENT, f"{address}/a.gz"), tmp_path)


def test_a_full_disk_is_said_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files["/a.gz"] = CONTENT
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"a\.gz: cannot be written \(File too large\)"):
            fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_in(tmp_path) == []


def test_two_at_a_time_both_find_it(site: Site, tmp_path: Path) -> None:
    content = packed(("set/a", CONTENT), ("set/b", b"b"))
    site.files["/set.tar.gz"] = content
    file = published(content, f"{site.address}/set.tar.gz", name="set.tar.gz")
    threads = [threading.Thread(target=fetch, args=("x", file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left_in(tmp_path) == ["set"]
    assert (tmp_path / "set" / "a").read_bytes() == CONTENT


def test_an_archive_that_was_put_there_is_unpacked_and_kept(tmp_path: Path) -> None:
    content = packed(("set/a", CONTENT))
    (tmp_path / "set.tar.gz").write_bytes(content)
    unpack("x", published(content, name="set.tar.gz"), tmp_path)
    assert left_in(tmp_path) == ["set", "set.tar.gz"]
    assert (tmp_path / "set").stat().st_mode & 0o777 == 0o777 & ~umask()
    assert (tmp_path / "set" / "a").stat().st_mode & 0o777 == 0o666 & ~umask()


def test_an_archive_for_which_the_disk_is_too_small_leaves_nothing(tmp_path: Path) -> None:
    content = packed(("set/a", bytes(700_000)))
    (tmp_path / "set.tar.gz").write_bytes(content)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(UserError, match="File too large"):
            unpack("x", published(content, name="set.tar.gz"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_in(tmp_path) == ["set.tar.gz"]


def test_what_a_server_sends_without_end_is_left(site: Site, tmp_path: Path) -> None:
    site.files["/a.gz"] = CONTENT * 20
    site.unannounced.add("/a.gz")
    with pytest.raises(UserError, match=r"/a\.gz: \d+ bytes, expected 700000") as caught:
        fetch("x", published(CONTENT, f"{site.address}/a.gz"), tmp_path)
    received = int(str(caught.value).split(" bytes")[0].split()[-1])
    assert len(CONTENT) < received <= len(CONTENT) + download.CHUNK
    assert left_in(tmp_path) == []


def test_an_archive_of_other_bytes_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz").write_bytes(packed(("set/a", b"other")))
    with pytest.raises(UserError, match=r"set\.tar\.gz: \d+ bytes, expected \d+; it was not unpacked"):
        unpack("x", published(packed(("set/a", CONTENT)), name="set.tar.gz"), tmp_path)
    assert left_in(tmp_path) == ["set.tar.gz"]


@pytest.mark.parametrize(
    "content",
    [
        packed(("../a", b"x")),
        packed(("set/../../a", b"x")),
        packed(("/tmp/nastk-a", b"x")),
        packed(("set/deep/a", b"x")),
        packed(("set/a", b"x"), ("other/a", b"x")),
        packed(("set/a", b""), kind=tarfile.SYMTYPE, link="/etc/passwd"),
        packed(("set/a", b"x"))[:40],
        b"no archive",
    ],
    # Archives tell the time, and names that differ from process to process cannot be shared out among several.
    ids=["up", "up_from_within", "absolute", "too_deep", "two_folders", "link", "cut", "none"],
)
def test_an_archive_that_leads_elsewhere_or_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "set.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"set\.tar\.gz: (expected an archive of one folder|cannot be unpacked)"):
        unpack("x", published(content, name="set.tar.gz"), folder)
    assert left_in(folder) == ["set.tar.gz"]
    assert left_in(tmp_path) == ["in"]
