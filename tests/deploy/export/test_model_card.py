"""The model card says what manifest.json says, in words and tables that a reader can trust."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from nastk.data.sources import Digits
from nastk.deploy.export.export import export_model
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.export.model_card import model_card
from nastk.deploy.manifest import sha256
from nastk.stats.interval import wilson
from tests.deploy.digits import exported_digits


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def manifest(export: Path) -> dict:
    return json.loads((export / "manifest.json").read_text())


def rows(card: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in card.splitlines() if line[:1] == "|"]


def test_every_file_is_there_with_accuracy_interval_latency_size_and_hash(export: Path, manifest: dict) -> None:
    card = (export / "MODEL_CARD.md").read_text()
    table = {row[0]: row for row in rows(card) if len(row) == 9}
    hashes = {row[0]: row[1] for row in rows(card) if len(row) == 2}
    for precision, entry in manifest["precisions"].items():
        row = table[f"`{entry['file']}`"]
        low, high = wilson(entry["accuracy"], 360)
        assert row[1:4] == ["cpu", precision, f"{(export / entry['file']).stat().st_size:,}"]
        assert row[4] == f"{100 * entry['accuracy']:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
        assert row[5] == f"{100 * entry['agreement']:.2f} %"
        assert [float(cell.split()[0]) for cell in row[6:]] == pytest.approx(
            [entry["latency_ms"][name] for name in ("p50", "p90", "p99")], rel=1e-3
        )
    for name in ("model.onnx", "model.int8.onnx", "labels.json", "predict.py"):
        assert hashes[f"`{name}`"] == f"`{sha256(export / name)}`"
    for part in ("360 test images", "1,437 training images", "32,258 parameters", "CC BY 4.0", manifest["commit"]):
        assert part in card
    assert "Weights: not stated; whoever publishes them decides." in card


def test_the_recipe_is_told_where_it_was_recorded(manifest: dict, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"epochs": 30, "seconds": 61.25}')
    (tmp_path / "training.json").write_text('{"settings": {"optimizer": "sgd", "learning_rate": 0.1}}')
    card = model_card(manifest, tmp_path, "CC-BY-4.0")
    assert "Trained for 30 epochs in 61.25 s" in card
    assert "`optimizer=sgd`, `learning_rate=0.1`" in card
    assert "Weights: CC-BY-4.0." in card


def test_what_was_not_run_or_timed_is_said_and_not_invented(manifest: dict, tmp_path: Path) -> None:
    other = copy.deepcopy(manifest["targets"]["cpu"])
    for entry in other["precisions"].values():
        entry.update(accuracy=None, agreement=None, latency_ms=None, file="model.plan")
    manifest["targets"]["board"] = {**other, "not_run": "target board: no such board here", "not_timed": None}
    card = model_card(manifest, tmp_path, None)
    row = next(row for row in rows(card) if row[0] == "`model.plan`")
    assert row[4:] == ["not run here"] * 2 + ["not timed here"] * 3
    assert "board: no such board here." in card


def test_names_from_folders_cannot_break_out_of_the_text(manifest: dict, tmp_path: Path) -> None:
    manifest["classes"] = ["a|b", "`<script>`\n# Title", *map(str, range(60))]
    card = model_card(manifest, tmp_path, "[x](javascript:y)")
    assert "\n# Title" not in card and "```<script>" not in card and "`a?b`" in card and "<script>" not in card
    assert "<code>?&lt;script&gt;??# Title</code>".replace("#", "\\#") in card
    assert "\\[x\\](javascript:y)" in card and "and 12 more" in card


def test_an_export_without_a_card_or_script_is_made_anew_and_an_edited_card_is_kept(export: Path, tmp_path) -> None:
    def again() -> None:
        export_model(export.parent / "transfer", out, Digits(), ExportSettings(seconds=0.0))

    out = tmp_path / "out"
    again()
    (out / "MODEL_CARD.md").write_text("edited")
    again()
    assert (out / "MODEL_CARD.md").read_text() == "edited"
    for name in ("MODEL_CARD.md", "predict.py"):
        (out / name).unlink()
        again()
        assert (out / name).is_file()
