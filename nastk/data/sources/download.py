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

from nastk.errors import UserError
from nastk.files import FULL, cannot_write, umask
from nastk.progress import Count

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
    try:
        _check(file, path)
    except OSError as error:
        raise UserError(f"data {name}: {path}: cannot be read ({error.strerror})") from None
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
    try:
        with target.open("wb") as out:
            for chunk in _chunks(url, file):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise cannot_write(target, error) from None
    _check(file, target)


def _chunks(url: str, file: Published) -> Iterator[bytes]:
    """Yields what an address gives, little more than `file.size` bytes of it; raises _FetchError where it fails.

    `torch.hub.download_url_to_file` would wait for ever, and take in whatever a server sends.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "nastk"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            announced = answer.headers.get("Content-Length")
            if announced is not None and announced != str(file.size):
                raise _FetchError(f"{announced} bytes, expected {file.size}")
            print(f"downloading {url} ({file.size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
            with Count("download", file.size, "byte") as count:
                while count.done <= file.size and (chunk := answer.read(CHUNK)):
                    count.add(len(chunk))
                    yield chunk
    except urllib.error.HTTPError as error:
        raise _FetchError(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
        reason = getattr(error, "reason", error)
        raise _FetchError(getattr(reason, "strerror", None) or str(reason) or type(error).__name__) from None


def _check(file: Published, path: Path) -> None:
    """Raises _FetchError where `path` has another size or checksum than was published."""
    size = path.stat().st_size
    if size != file.size:
        raise _FetchError(f"{size} bytes, expected {file.size}")
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        md5 = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
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
                if hasattr(tarfile, "data_filter"):  # Python has it from 3.11.4 on
                    archive.extraction_filter = tarfile.data_filter
                archive.extractall(scratch, members)
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise cannot_write(folder, error) from None
            raise UserError(f"data {name}: {path}: cannot be unpacked ({error})") from None
        top = scratch / tops.pop()
        for unpacked in top.iterdir():
            with unpacked.open("rb") as content:
                os.fsync(content.fileno())
            unpacked.chmod(0o666 & ~umask())
        top.chmod(0o777 & ~umask())
        _place(top, folder / top.name)


def _place(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was faster, with the same bytes
            raise cannot_write(target, error) from None
