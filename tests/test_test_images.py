"""A search never opens the test images: files, folders, or those split off."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nastk.data.sources import ImageFolder
from tests.data.files import write_fashion, write_image_folder

QUICK = (
    *("+space=nasnet", "space.blocks=1", "trials=1", "evaluator.epochs=1", "evaluator.network.filters=4"),
    *("evaluator.threads=1", "evaluator.batch=8", "target.seconds=0.05", "controller=random"),
)
# Runs real searches, each in a process of its own that has everything imported already, and that ends at once where it
# opens or lists what is forbidden.
SEARCHES = """
import json, os, sys
import onnxruntime, sklearn.datasets, nastk.jobs.search, nastk.evaluators.training, nastk.data.sources
import nastk.deploy.targets, nastk.controllers
from nastk import search

def watched(root, forbidden):
    opened = []

    def watch(event, arguments):
        if event in ("open", "os.scandir", "os.listdir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            opened.append(path)
            if path in forbidden:
                os.write(2, f"OPENED {path}\\n".encode())
                os._exit(3)

    sys.addaudithook(watch)
    os.register_at_fork(after_in_child=lambda: os.write(2, b"FORKED\\n"))
    sys.argv = ["search", f"data.root={root}", *words]
    search.main()
    print("SEEN", sum(path.startswith(root + os.sep) for path in opened), flush=True)

for name, (root, forbidden, words) in json.loads(sys.stdin.read()).items():
    child = os.fork()
    if child == 0:
        for handle, end in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{end}", os.O_WRONLY | os.O_CREAT), handle)
        code = 1
        try:
            watched(root, set(forbidden))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Done(NamedTuple):
    """How a search ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def seen(self) -> int:
        """How many files and folders of the set were opened; the search went well."""
        assert self.code == 0, self.err
        assert "1 candidates trained" in self.out
        return int(self.out.rpartition("SEEN ")[2])


Case = tuple[Path, list[Path], tuple[str, ...]]


def decoded_by_workers(place: Path) -> Case:
    root = write_image_folder(place, ("train", "test"), each=60)
    forbidden = [path for path in (root / "test").rglob("*") if path.is_file()]  # listed they may be
    for path in forbidden:
        path.write_bytes(b"no image: who opened it would fail")
    return root, forbidden, ("data=image_folder", "data.memory_gb=1e-9", "data.workers=2")


def split_off(place: Path) -> Case:
    root = write_image_folder(place, ("",), each=12)
    test = ImageFolder(str(root)).test()
    forbidden = [test.reader.listing.path(int(row)) for row in test.rows]  # type: ignore[attr-defined]
    for path in forbidden:
        path.write_bytes(b"no image")
    assert len(forbidden) == 6
    return root, forbidden, ("data=image_folder",)


def idx_files(place: Path) -> Case:
    root = write_fashion(place, train=60)
    return root, sorted(root.glob("t10k*")), ("data=fashion_mnist", "data.validation=0.5")


def guarded(place: Path) -> Case:
    root = write_image_folder(place, ("train", "test"), each=60)
    return root, [root / "train" / "cat" / "004.png"], ("data=image_folder",)


CASES = (decoded_by_workers, split_off, idx_files, guarded)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets").resolve()


@pytest.fixture(scope="module")
def done(place: Path) -> dict[str, Done]:
    """What came of each case's search."""
    asked = {}
    for case in CASES:
        name = case.__name__
        root, forbidden, words = case(place / name)
        asked[name] = (str(root), [str(path) for path in forbidden], [f"run={place / 'run' / name}", *words, *QUICK])
    command, given = [sys.executable, "-c", SEARCHES], {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run(
        command, input=json.dumps(asked), cwd=place, env=given, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    codes = dict(line.split() for line in ran.stdout.splitlines())
    said = {name: [(place / f"{name}.{end}").read_text() for end in ("out", "err")] for name in codes}
    return {name: Done(int(code), *said[name]) for name, code in codes.items()}


def test_of_an_image_folder_that_workers_decode(done: dict[str, Done]) -> None:
    # What the workers open is not counted here, but a forbidden file would end them, and the search with them.
    found = done["decoded_by_workers"]
    assert "FORKED" in found.err and found.seen > 4


def test_that_were_split_off_an_image_folder(done: dict[str, Done]) -> None:
    assert done["split_off"].seen >= 30


def test_of_idx_files(done: dict[str, Done]) -> None:
    assert done["idx_files"].seen == 2


def test_the_guard_ends_whoever_opens_what_is_forbidden(done: dict[str, Done], place: Path) -> None:
    found = done["guarded"]
    assert found.code == 3 and f"OPENED {place / 'guarded' / 'train' / 'cat' / '004.png'}" in found.err
