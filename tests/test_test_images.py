"""A search never opens the test images: files, folders, or those split off."""

import subprocess
import sys
from pathlib import Path

from nastk.data.sources import ImageFolder
from tests.data.files import write_fashion, write_image_folder

SEARCH = """
import os, sys
forbidden = set(open(sys.argv[1]).read().split("\\n"))
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
root = os.path.realpath(sys.argv[2])
sys.argv = ["search", f"data.root={root}", *sys.argv[3:]]
from nastk import search
search.main()
print("SEEN", sum(path.startswith(root + os.sep) for path in opened))
"""


def searched(tmp_path: Path, root: Path, forbidden: list[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a real search in a process that ends at once where it opens or lists what is forbidden."""
    listed = tmp_path / "forbidden.txt"
    listed.write_text("\n".join(str(path.resolve()) for path in forbidden))
    command = [sys.executable, "-c", SEARCH, str(listed), str(root), f"run={tmp_path / 'run'}", *arguments]
    command += ["+space=nasnet", "space.blocks=1", "trials=1", "evaluator.epochs=1", "evaluator.network.filters=4"]
    command += ["evaluator.threads=1", "evaluator.batch=8", "target.seconds=0.05", "controller=random"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def seen(done: subprocess.CompletedProcess[str]) -> int:
    """How many files and folders of the set were opened; the search went well."""
    assert done.returncode == 0, done.stderr
    assert "1 candidates trained" in done.stdout
    return int(done.stdout.rpartition("SEEN ")[2])


def test_of_an_image_folder_that_workers_decode(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "set", ("train", "test"), each=60)
    forbidden = [path for path in (root / "test").rglob("*") if path.is_file()]  # listed they may be
    for path in forbidden:
        path.write_bytes(b"no image: who opened it would fail")
    done = searched(tmp_path, root, forbidden, "data=image_folder", "data.memory_gb=1e-9", "data.workers=2")
    # What the workers open is not counted here, but a forbidden file would end them, and the search with them.
    assert "FORKED" in done.stderr and seen(done) > 4


def test_that_were_split_off_an_image_folder(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "set", ("",), each=12)
    test = ImageFolder(str(root)).test()
    split_off = [test.reader.listing.path(int(row)) for row in test.rows]  # type: ignore[attr-defined]
    for path in split_off:
        path.write_bytes(b"no image")
    assert len(split_off) == 6
    assert seen(searched(tmp_path, root, split_off, "data=image_folder")) >= 30


def test_of_idx_files(tmp_path: Path) -> None:
    root = write_fashion(tmp_path / "fashion", train=60)
    arguments = ("data=fashion_mnist", "data.validation=0.5")
    assert seen(searched(tmp_path, root, sorted(root.glob("t10k*")), *arguments)) == 2


def test_the_guard_ends_whoever_opens_what_is_forbidden(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "set", ("train", "test"), each=60)
    forbidden = [root / "train" / "cat" / "004.png"]
    done = searched(tmp_path, root, forbidden, "data=image_folder")
    assert done.returncode != 0 and f"OPENED {forbidden[0]}" in done.stderr
