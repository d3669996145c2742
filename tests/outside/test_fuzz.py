"""Whatever stands in a file from outside, its public reader returns or raises UserError, and nothing else."""

from __future__ import annotations

import io
import json
import math
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nastk.config.build import load_yaml, plain
from nastk.data.sources import Npz
from nastk.deploy.cost import learned, table
from nastk.deploy.cost.learned import read_learned
from nastk.deploy.cost.table import read_table
from nastk.deploy.export.classifier import open_classifier
from nastk.deploy.manifest import load_manifest
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.wire import refuse_programs
from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.errors import UserError
from nastk.evaluators.tabular import read_arrays
from nastk.genotype import Genotype
from nastk.networks.stored import load_trained
from nastk.outside import parse_json, read_json
from nastk.reports.run_config import parse_config
from nastk.runs.checksummed import write_checksummed
from nastk.runs.schema import read_object
from nastk.runs.trials import read_trials
from nastk.spaces import NasnetSpace, random_genotype
from tests.data.files import write_npz
from tests.deploy.networks import small
from tests.reports.folders import rows

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Reader = Callable[[Path], Any]
GENOTYPE = random_genotype(NasnetSpace(), random.Random(0))
ROWS = "".join(json.dumps(row) + "\n" for row in rows(4))
CONFIG = "seed: 3\nobjective: {max_latency_ms: 1.5}\nspace: &s {a: [1, 2.5, true, null]}\nother: *s\nname: '${seed}'\n"
VALUES = (
    "null",
    "3",
    "-1",
    "NaN",
    "1e999",
    '"x"',
    "[]",
    "{}",
    "9" * 5000,
    "[" * 2000,
    '"\\ud800"',
    "*s",
    "&a",
    "!!python/x",
)
MODEL = serialise(quick_model(small(), (1, 3, 8, 8)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part, max_size=4),
    max_leaves=12,
)


def npz() -> bytes:
    target = io.BytesIO()
    np.savez_compressed(target, a=np.arange(12.0).reshape(3, 4), b=np.array(["x", "yy"]))
    return target.getvalue()


def config_of(path: Path) -> Any:
    return plain(load_yaml(path))


def report_config_of(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return parse_config(text, path)


def genotype_of(path: Path) -> Any:
    return Genotype.from_dict(read_json(path))


TEXTS: dict[str, tuple[bytes, tuple[Reader, ...]]] = {
    "genotype": (GENOTYPE.to_json().encode(), (genotype_of, read_object)),
    "trials": (ROWS.encode(), (read_trials,)),
    "config": (CONFIG.encode(), (config_of, report_config_of)),
}
BINARY: dict[str, tuple[bytes, tuple[Reader, ...]]] = {
    "npz": (npz(), (lambda path: read_arrays(path, ["a", "b"]), lambda path: Npz(str(path)).train())),
    "onnx": (
        serialise(quick_model(small(), (1, 3, 8, 8))),
        (validate_model, lambda path: refuse_programs(path.read_bytes())),
    ),
}
ALL = TEXTS | BINARY


def read(path: Path, data: bytes, readers: tuple[Reader, ...]) -> None:
    """Reads the bytes with each; anything but UserError fails the test, and so does a message of several lines."""
    path.write_bytes(data)
    for reader in readers:
        try:
            reader(path)
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ALL)
def test_the_file_itself_is_read(kind: str, tmp_path: Path) -> None:
    data, readers = ALL[kind]
    (tmp_path / "file").write_bytes(data)
    assert readers[0](tmp_path / "file") is not None


@pytest.mark.parametrize("kind", ALL)
@EXAMPLES
@given(data=st.binary(max_size=200))
def test_any_bytes(kind: str, data: bytes, tmp_path: Path) -> None:
    read(tmp_path / "file", data, ALL[kind][1])


@pytest.mark.parametrize("kind", ALL)
@EXAMPLES
@given(data=st.data())
def test_bytes_changed_and_cut(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    whole, readers = ALL[kind]
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(tmp_path / "file", bytes(changed[: data.draw(st.integers(0, len(whole)))]), readers)
    read(tmp_path / "file", bytes(changed), readers)


@pytest.mark.parametrize("kind", TEXTS)
@EXAMPLES
@given(data=st.data())
def test_values_replaced(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """Puts a strange value in place of a number, a word or a bracket."""
    whole, readers = TEXTS[kind]
    text = whole.decode()
    at = data.draw(st.sampled_from([place for place, sign in enumerate(text) if sign in '0123456789[{":']))
    read(tmp_path / "file", (text[:at] + data.draw(st.sampled_from(VALUES)) + text[at + 1 :]).encode(), readers)


@EXAMPLES
@given(found=JSON)
def test_what_is_not_strange_comes_back_as_it_was(found: Any) -> None:
    text = json.dumps(found)
    try:
        read_back = parse_json(text, "file")
    except UserError as error:
        strange = ("expected a finite number", "expected at most 40")
        assert any(words in str(error) for words in strange)
        assert "NaN" in text or "Infinity" in text or any(sign.isdigit() for sign in text)
        return
    assert read_back == found
    assert not any(isinstance(part, float) and not math.isfinite(part) for part in [read_back])


@pytest.mark.parametrize("name", ["manifest.json", "network.json", "genotype.json"])
@EXAMPLES
@given(content=JSON, field=st.sampled_from(["files", "precisions", "preprocessing", "config", "cells", "schema", ""]))
def test_an_export_and_a_trained_network_of_any_content(name: str, content: Any, field: str, tmp_path: Path) -> None:
    (tmp_path / "genotype.json").write_text(GENOTYPE.to_json())
    (tmp_path / "model.safetensors").write_bytes(b"")
    whole = {"schema": 1, "key": "k", "files": {}, "source": {}, "preprocessing": {}, "classes": [], "precisions": {}}
    whole |= {"recommended": "x", "warnings": [], "config": {}, "normalisation": {}, "data": {}}
    data = json.dumps({**whole, field: content} if field else content).encode()
    folders: tuple[Reader, ...] = tuple(
        lambda path, reader=reader: reader(path.parent) for reader in (load_manifest, open_classifier, load_trained)
    )
    read(tmp_path / name, data, folders)


@EXAMPLES
@given(data=st.data())
def test_members_of_an_npz_file_that_are_no_arrays(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_npz(path.with_suffix(".npz"))
    with zipfile.ZipFile(path.with_suffix(".npz")) as good, zipfile.ZipFile(path, "w") as bad:
        for member in good.namelist():
            content = bytearray(good.read(member))
            place = data.draw(st.integers(0, 140))
            content[place : place + 1] = data.draw(st.binary(max_size=3))
            bad.writestr(member, bytes(content))
    read(path, path.read_bytes(), (lambda path: Npz(str(path)).train(),))


@EXAMPLES
@given(data=st.data())
def test_onnx_models_with_odd_attributes(data: st.DataObject, tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(BINARY["onnx"][0])
    node = data.draw(st.sampled_from(list(model.graph.node)))
    node.op_type = data.draw(st.sampled_from(["Loop", "Expand", "Tile", "Reshape", "MatMul", "Pad", node.op_type]))
    for attribute in node.attribute:
        attribute.ints[:] = data.draw(st.lists(st.integers(-3, 2**62), max_size=5)) or list(attribute.ints)
    read(tmp_path / "file", model.SerializeToString(), (validate_model,))


LEARNED: dict[str, Any] = {
    **{"skeleton": "nasnet", "reading": "every", "base_ms": 1.0, "least_ms": 0.5, "costs_ms": {"conv": 0.1}},
    **{"pairs": 20, "device": {"name": "a phone"}, "network": {}},
}
ROW = {
    **{"kind": "Conv", "window": "3x3", "inputs": [[1, 3, 8, 8]], "output": [1, 4, 8, 8], "after": ""},
    **{"ms": 0.1, "profiled_ms": 0.1, "places": 2},
}
TIMED: dict[str, Any] = {
    **{"precision": "fp32", "threads": 1, "batch": 1, "rows": [ROW], "base_ms": 0.1, "networks": 10},
    **{"device": {"processor": "one"}, "versions": {"nastk": "1"}, "date": "2026-01-01"},
}


@pytest.mark.parametrize(
    ("reader", "kind", "whole"), [(read_learned, learned.KIND, LEARNED), (read_table, table.KIND, TIMED)]
)
@EXAMPLES
@given(content=JSON, data=st.data())
def test_a_predictor_of_any_content_with_its_right_hash(
    reader: Reader, kind: str, whole: dict[str, Any], content: Any, data: st.DataObject, tmp_path: Path
) -> None:
    name = data.draw(st.sampled_from([*whole, *(f"rows.{part}" for part in ROW)]))
    outer, _, inner = name.partition(".")
    changed = {**whole, outer: [{**ROW, inner: content}] if inner else content}
    try:
        write_checksummed(tmp_path / "checksummed", kind, changed)
    except ValueError:
        return  # NaN, which no writer writes
    read(tmp_path / "file", (tmp_path / "checksummed").read_bytes(), (reader,))
    write_checksummed(tmp_path / "checksummed", kind, whole)
    assert reader(tmp_path / "checksummed") is not None
