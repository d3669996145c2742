"""Fetches published files over HTTP: into a temporary name, checked against their checksums, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from nastk.errors import UserError
from nastk.files import cannot_write, umask

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18
MAX_UNPACKED = 1 << 30


@dataclass(frozen=True)
class Published:
    """A file as its authors publish it.

    Attributes:
        name: of the file; .tar.gz is unpacked.
        size: in bytes.
        md5: as the authors print it.
        sha256: of the same bytes.
        urls: the authors' addresses, tried in order.
        gives: files any of which makes fetching it needless.
    """

    name: str
    size: int
    md5: str
    sha256: str
    urls: tuple[str, ...]
    gives: tuple[str, ...]

    def is_in(self, folder: Path) -> bool:
        """Says whether what it gives is in `folder`."""
        return any((folder / name).is_file() for name in self.gives)

    @property
    def is_archive(self) -> bool:
        """Whether it is to be unpacked."""
        return self.name.endswith(".tar.gz")


class _FetchError(Exception):
    """Why one address did not give the file."""


def fetch(name: str, file: Published, folder: Path) -> None:
    """Downloads `file` into `folder`, unpacked where it is an archive; shows a bar on a terminal, else a line.

    Args:
        name: of the data source, for messages.
        file: what to fetch.
        folder: where to; made where it is missing.

    Raises:
        UserError: no address gave the file with its checksum, or it cannot be written; `folder` is as it was.
    """
    reasons = []
    with _scratch(folder) as scratch:
        for url in file.urls:
            try:
                _receive(url, file, scratch / file.name)
            except _FetchError as error:
                reasons.append(f"{url}: {error}")
                continue
            if file.is_archive:
                _unpack(name, scratch / file.name, folder)
            else:
                _place(scratch / file.name, folder / file.name)
            return
    raise UserError(f"data {name}: {file.name} was not downloaded ({'; '.join(reasons)}); nothing of it was kept")


def unpack(name: str, file: Published, folder: Path) -> None:
    """Unpacks the archive `file` that lies in `folder`, once its checksums are right.

    Raises:
        UserError: they are not, or nothing can be written there.
    """
    path = folder / file.name
    digests = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    try:
        with path.open("rb") as archive:
            while chunk := archive.read(CHUNK):
                for digest in digests:
                    digest.update(chunk)
    except OSError as error:
        raise UserError(f"data {name}: {path}: cannot be read ({error.strerror})") from None
    try:
        _check(file, path.stat().st_size, *(digest.hexdigest() for digest in digests))
    except _FetchError as error:
        raise UserError(f"data {name}: {path}: {error}; it was not unpacked") from None
    _unpack(name, path, folder)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Gives a folder inside `folder` that is gone afterwards, so that renaming out of it is at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder, prefix=".download-"))
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _receive(url: str, file: Published, target: Path) -> None:
    digests = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    received = 0
    request = urllib.request.Request(url, headers={"User-Agent": "nastk"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, _writing(target) as out:
            announced = answer.headers.get("Content-Length")
            if announced is not None and announced != str(file.size):
                raise _FetchError(f"{announced} bytes, expected {file.size}")
            terminal = sys.stderr.isatty()
            if not terminal:
                print(f"downloading {url} ({file.size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
            with tqdm(total=file.size, desc=file.name, unit="B", unit_scale=True, disable=not terminal) as bar:
                while received <= file.size and (chunk := answer.read(CHUNK)):
                    _write(out, chunk, target)
                    for digest in digests:
                        digest.update(chunk)
                    received += len(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        raise _FetchError(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
        reason = getattr(error, "reason", error)
        raise _FetchError(getattr(reason, "strerror", None) or str(reason) or type(error).__name__) from None
    _check(file, received, *(digest.hexdigest() for digest in digests))


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[BinaryIO]:
    """Opens `target`; its bytes are on the disk when the block ends."""
    try:
        out = target.open("wb")
    except OSError as error:
        raise cannot_write(target, error) from None
    try:
        yield out
        try:
            out.flush()
            os.fsync(out.fileno())
        except OSError as error:
            raise cannot_write(target, error) from None
    finally:
        with contextlib.suppress(OSError):  # a full disk was said already
            out.close()


def _write(out: BinaryIO, chunk: bytes, target: Path) -> None:
    try:
        out.write(chunk)
    except OSError as error:  # of the disk, not of the network
        raise cannot_write(target, error) from None


def _check(file: Published, size: int, md5: str, sha256: str) -> None:
    if size != file.size:
        raise _FetchError(f"{size} bytes, expected {file.size}")
    if (md5, sha256) != (file.md5, file.sha256):
        raise _FetchError(f"SHA-256 {sha256} (MD5 {md5}), expected {file.sha256} (MD5 {file.md5})")


def _unpack(name: str, path: Path, folder: Path) -> None:
    """Unpacks the plain files of an archive's one folder; the folder appears in `folder` at once."""
    with _scratch(folder) as scratch:
        try:
            with tarfile.open(path, "r:gz") as archive:
                members = [member for member in archive if member.isfile()]
                parts = [Path(member.name).parts for member in members]
                tops = {part[0] for part in parts}
                total = sum(member.size for member in members)
                if len(tops) != 1 or any(len(part) != 2 or ".." in part for part in parts) or total > MAX_UNPACKED:
                    raise UserError(f"data {name}: {path}: expected an archive of one folder of files; not unpacked")
                for member, part in zip(members, parts, strict=True):
                    content = archive.extractfile(member)
                    assert content is not None  # plain files only
                    with _writing(scratch / part[1]) as out, content:
                        while chunk := content.read(CHUNK):
                            _write(out, chunk, scratch / part[1])
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise UserError(f"data {name}: {path}: cannot be unpacked ({error})") from None
        scratch.chmod(0o777 & ~umask())
        _place(scratch, folder / tops.pop())


def _place(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was faster, with the same bytes
            raise cannot_write(target, error) from None
