"""The door's limits: what is too large, too deep, too long, of another kind or in another encoding is one line."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nastk.config.build import load_yaml
from nastk.data.sources import Npz
from nastk.data.sources import folder as data_folder
from nastk.errors import UserError
from nastk.evaluators.tabular import read_arrays
from nastk.genotype import MAX_EDGES, Cell, Edge, Node
from nastk.jobs.predict import image_files
from nastk.outside import json_lines, parse_json, read_bytes, read_json, read_object
from nastk.outside import npz as outside_npz
from nastk.reports import write_report
from nastk.runs.contents import read_run
from nastk.runs.trials import read_trials
from nastk.training.checkpoint import LAST, find_checkpoint
from tests.data.files import write_npz
from tests.reports import folders


@pytest.mark.parametrize(
    "reader", [read_bytes, read_json, load_yaml, read_trials, lambda path: read_arrays(path, ["a"])]
)
def test_a_pipe_in_place_of_a_file_is_refused_at_once(reader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: a pipe, expected a regular file"):
        reader(tmp_path / "pipe")


def test_pipes_among_images_and_checkpoints_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / LAST)
    (tmp_path / "b.png").write_bytes(b"")
    assert image_files(tmp_path) == [tmp_path / "b.png"]
    with pytest.warns(UserWarning, match="cut short or damaged"):
        assert find_checkpoint(tmp_path) is None


def test_devices_folders_and_odd_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="/dev/zero: a device, expected a regular file"):
        read_bytes(Path("/dev/zero"))
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read_bytes(tmp_path)
    with pytest.raises(UserError, match="not a path"):
        read_bytes(Path("a\0b"))
    with pytest.raises(UserError, match="File name too long"):
        read_bytes(Path("a" * 300))


def test_a_size_is_bounded_also_where_the_system_does_not_tell_it(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 3000)
    assert len(read_bytes(tmp_path / "big", 3000)) == 3000
    with pytest.raises(UserError, match=r"big: 3000 bytes, expected at most 2048"):
        read_bytes(tmp_path / "big", 2048)
    with pytest.raises(UserError, match="over 10 bytes"):
        read_bytes(Path("/proc/self/status"), 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9" * 5000, "a whole number of 5000 digits, expected at most 40"),
        ("[" * 100 + "]" * 100, "nested deeper than 64"),
        ("[" * 100_000, "nested deeper than 64"),
        ('{"a": {"b": [1, NaN]}}', r"file: a\.b\[1\] nan, expected a finite number"),
        ('{"a": -1e999}', "file: a -inf, expected a finite number"),
        ("NaN", "file: nan, expected a finite number"),
        ("{", r"file: not JSON \("),
    ],
)
def test_json_is_bounded(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_json(text, "file")


def test_what_is_within_the_bounds_is_read() -> None:
    deep = json.loads("[" * 64 + "]" * 64)
    assert parse_json("[" * 64 + "]" * 64, "file") == deep
    assert parse_json("9" * 40, "file") == int("9" * 40)
    assert parse_json('{"a": 1, "a": 2}', "file") == {"a": 2}


def test_encodings_are_named_and_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"ä": 1}'.encode("utf-8-sig"))
    assert read_object(path) == {"ä": 1}
    path.write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(UserError, match="it looks like UTF-16"):
        read_json(path)
    path.write_bytes(b'{"a": 1}\n{"b": "\xff"}\n')
    with pytest.raises(UserError, match=r"a\.json: not UTF-8 text \(invalid start byte at byte 16\)"):
        list(json_lines(path))


@pytest.mark.parametrize("text", ["null", "3", "[]", '"x"'])
def test_an_object_is_expected_in_the_same_words_everywhere(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: .*, expected an object"):
        read_object(tmp_path / "a.json")


def damaged(path: Path, **flags: int) -> Path:
    """Marks the first member of an .npz file, in its own header and in the directory."""
    data = bytearray(path.read_bytes())
    for sign, offsets in ((b"PK\x03\x04", {"flag": 6, "method": 8}), (b"PK\x01\x02", {"flag": 8, "method": 10})):
        at = data.index(sign)
        for name, value in flags.items():
            struct.pack_into("<H", data, at + offsets[name], value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("flags", "message"),
    [({"flag": 1}, "x_train is encrypted"), ({"method": 99}, "x_train is packed by method 99")],
)
def test_members_that_numpy_does_not_write_are_named(flags: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        Npz(str(damaged(write_npz(tmp_path / "a.npz"), **flags))).train()


def test_junk_in_place_of_an_array_is_named(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", x_train=None)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x_train.npy", b"junk" * 30)
    with pytest.raises(UserError, match="x_train is cut short or damaged"):
        Npz(str(tmp_path / "a.npz")).train()


def test_a_header_is_not_believed(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", x_train=None)
    content = (tmp_path / "one.npy").open("wb")
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 12, 12)})
    content.close()
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x_train.npy", (tmp_path / "one.npy").read_bytes() + bytes(64))
    with pytest.raises(UserError, match=r"x_train says that it is uint8 \(1000000000000, 12, 12\), but has 64 bytes"):
        Npz(str(tmp_path / "a.npz")).train()


def test_an_archive_that_unpacks_to_more_than_memory_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside_npz, "free_memory", lambda: 1000 * 1024)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(2**21, np.uint8), b=np.ones(3))
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    assert read_arrays(tmp_path / "bomb.npz", ["b"])["b"].tolist() == [1, 1, 1]
    with pytest.raises(UserError, match=r"a would unpack to 2 MiB, 1000 KiB of memory are free"):
        read_arrays(tmp_path / "bomb.npz", ["a"])


def test_a_packed_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "MAX_BYTES", 2**20)
    (tmp_path / "images.gz").write_bytes(gzip.compress(bytes(2**20)))
    assert data_folder.read_bytes("digits", tmp_path / "images.gz") == bytes(2**20)
    (tmp_path / "images.gz").write_bytes(gzip.compress(bytes(2**20 + 1)))
    with pytest.raises(UserError, match="data digits: .*images.gz: unpacks to over 1 MiB"):
        data_folder.read_bytes("digits", tmp_path / "images.gz")


def test_a_node_has_a_bounded_number_of_edges() -> None:
    edge = Edge(0, "conv_3x3")
    Cell(2, (Node((edge,) * MAX_EDGES),), (2,))
    with pytest.raises(UserError, match=f"node 0 has 10000 edges, expected at most {MAX_EDGES}"):
        Cell(2, (Node((edge,) * 10_000),), (2,))


@pytest.mark.parametrize("text", ["null", "3", "NaN", "[]", "{"])
@pytest.mark.parametrize("name", ["transfer/abc/metrics.json", "bench.json", "best.json"])
def test_a_run_with_a_strange_file_is_one_line(name: str, text: str, tmp_path: Path) -> None:
    run = folders.write_run(tmp_path / "run", folders.rows(8))
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(text)
    with pytest.raises(UserError, match=rf"{Path(name).name}: .*(expected|not JSON)"):
        read_run(run)


@pytest.mark.parametrize("text", ["3", "- 1", "a: [1", "a: &x [*x]", "a: !!python/object:os.system {}"])
def test_a_run_with_a_strange_configuration_is_one_line(text: str, tmp_path: Path) -> None:
    run = folders.write_run(tmp_path / "run", folders.rows(8))
    (run / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml:\d+: not YAML"):
        write_report(run)
    with pytest.raises(UserError, match=r"config\.yaml: not a YAML configuration"):
        load_yaml(run / "config.yaml")


def test_a_folder_whose_name_is_no_text_has_a_report(tmp_path: Path) -> None:
    run = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folders.write_run(tmp_path / "run", folders.rows(8)).rename(run)
    assert r"caf\udce9" in write_report(run).read_text(encoding="utf-8")
