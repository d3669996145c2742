"""A manifest vouches for its files, and says which one is wrong."""

import json
from pathlib import Path

import pytest

from nastk.deploy.manifest import describe_files, load_manifest
from nastk.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export as far as its manifest is concerned."""
    for name in ("model.onnx", "labels.json"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    manifest = {
        "schema": 1,
        "key": "abc",
        "files": describe_files(tmp_path, ("model.onnx", "labels.json")),
        "source": {},
        "preprocessing": {},
        "classes": ["a", "b"],
        "precisions": {"fp32": {"file": "model.onnx"}},
        "recommended": "model.onnx",
        "warnings": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def change(folder: Path, edit) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_hashes_are_sha256(folder: Path) -> None:
    (folder / "abc").write_bytes(b"abc")
    assert describe_files(folder, ["abc"]) == {
        "abc": {"sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "size_bytes": 3}
    }


def test_a_whole_export_is_read(folder: Path) -> None:
    assert load_manifest(folder)["recommended"] == "model.onnx"


def test_a_changed_file_is_named(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[500] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(UserError, match=r"model\.onnx: its SHA-256 is not the manifest's"):
        load_manifest(folder)
    assert load_manifest(folder, verify=False)["key"] == "abc"


def test_a_file_cut_short_is_named(folder: Path) -> None:
    (folder / "labels.json").write_bytes(b"x")
    with pytest.raises(UserError, match=r"labels\.json: 1 bytes, the manifest says 1100"):
        load_manifest(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "labels.json").unlink()
    with pytest.raises(UserError, match=r"labels\.json: missing"):
        load_manifest(folder)


def test_a_link_is_no_file_of_the_export(folder: Path, tmp_path_factory) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "model.onnx"
    (folder / "model.onnx").rename(target)
    (folder / "model.onnx").symlink_to(target)
    with pytest.raises(UserError, match="not a plain file"):
        load_manifest(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/b", "..", "", "c:\\x", "a\0b"])
def test_names_that_lead_out_of_the_folder(folder: Path, name: str) -> None:
    change(folder, lambda manifest: manifest["files"].update({name: manifest["files"]["model.onnx"]}))
    for verify in (True, False):
        with pytest.raises(UserError, match="expected the name of a file beside the manifest"):
            load_manifest(folder, verify)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda manifest: manifest.update(schema=2), "schema 1"),
        (lambda manifest: manifest.pop("files"), "files is 'None', malformed"),
        (lambda manifest: manifest.update(classes="ab"), "classes is 'ab', malformed"),
        (lambda manifest: manifest["files"].update({"x": {}}), "'x' has no sha256"),
        (lambda manifest: manifest["files"].update({"x": {"sha256": 1, "size_bytes": 2}}), "'x' has no sha256"),
        (lambda manifest: manifest["precisions"].update(int8={"file": "gone"}), "'int8' names no file"),
        (lambda manifest: manifest["precisions"].update(int8={"file": ["x"]}), "'int8' names no file"),
        (lambda manifest: manifest["precisions"].update(int8=3), "'int8' names no file"),
        (lambda manifest: manifest.update(recommended="gone"), "recommended 'gone'"),
    ],
)
def test_a_malformed_manifest(folder: Path, edit, message: str) -> None:
    change(folder, edit)
    with pytest.raises(UserError, match=message):
        load_manifest(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\xff"])
def test_what_is_no_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"manifest\.json"):
        load_manifest(folder)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no manifest\.json in it"):
        load_manifest(tmp_path)
    with pytest.raises(UserError, match=r"no manifest\.json in it"):
        load_manifest(tmp_path / "missing")
