"""Newer latencies of an export: when they count, what follows from them, and that a person's words in the card stay."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nastk.deploy.export.conclusions import Budget, recorded_budget
from nastk.deploy.export.model_card import model_card
from nastk.deploy.export.renewal import Timed, card_note, renewable, renewed, updated
from nastk.deploy.export.timings import fits, latency_entry, retimed, stored_latency, timed_now
from nastk.deploy.manifest import load_manifest
from nastk.deploy.runtimes.latency import Latency
from tests.deploy.digits import exported_digits

NAMES = ("model.onnx", "model.int8.onnx")


def timing(p50: float, doubt: str | None = None) -> Latency:
    return Latency(p50, p50, p50, p50, 200, 0.01, doubt is None, 1, 1, doubt)


def timings(fp32: float, int8: float, doubt: str | None = None) -> dict[str, Latency]:
    return dict(zip(NAMES, (timing(fp32, doubt), timing(int8, doubt)), strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return exported_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def export(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "key"))


def renew(export: Path, found: dict[str, Latency], budget: Budget | None = None, **machine: Any) -> dict[str, Any]:
    at = timed_now()
    at["machine"] |= machine
    manifest = load_manifest(export)
    return renewed(export, manifest, {"cpu": Timed(found, at)}, budget or Budget(), export.parent / "transfer")


def p50s(manifest: dict[str, Any]) -> list[float]:
    return [entry["latency_ms"]["p50"] for entry in manifest["precisions"].values()]


def test_every_page_shows_the_newer_latency_and_the_file_to_ship_follows_from_it(export: Path) -> None:
    renew(export, timings(4.0, 2.0))
    slow = renew(export, timings(1.5, 1.75))
    assert slow == load_manifest(export) and p50s(slow) == [1.5, 1.75]
    assert slow["targets"]["cpu"]["precisions"] == slow["precisions"]
    assert slow["recommended"] == "model.onnx" and "int8 takes 1.75 ms, fp32 1.5 ms" in slow["reason"]
    quick = renew(export, timings(1.5, 0.75))
    card = (export / "MODEL_CARD.md").read_text()
    assert quick["recommended"] == "model.int8.onnx" and "Ship `model.int8.onnx`: int8 takes 0.75 ms" in card
    assert card == model_card(quick, export.parent / "transfer", None) and card_note(export, quick) is None
    assert [path.name for path in export.parent.iterdir()] == ["key"]


def test_a_timing_in_doubt_counts_only_where_there_is_no_better_one(export: Path) -> None:
    renew(export, timings(1.5, 0.75))
    kept = renew(export, timings(9.8, 9.9, "p50 is 5.7 times the quickest run"))
    assert p50s(kept) == [1.5, 0.75] and not any("trustworthy" in line for line in kept["warnings"])
    elsewhere = renew(export, timings(9.8, 9.9, "p50 is 5.7 times the quickest run"), processor="another")
    assert p50s(elsewhere) == [9.8, 9.9]
    assert renew(export, timings(8.0, 6.0, "it was busy"), processor="another") == load_manifest(export)
    busy = load_manifest(export)
    assert p50s(busy) == [8.0, 6.0], "of two in doubt the newer"
    assert "decided by timings that are not trustworthy" in busy["reason"]
    assert sum("not trustworthy" in line and "it was busy" in line for line in busy["warnings"]) == 2
    card = (export / "MODEL_CARD.md").read_text()
    assert card.count("8 (not trustworthy)") == 3 and "is not trustworthy: it was busy" in card
    assert p50s(renew(export, timings(1.5, 0.75), processor="another")) == [1.5, 0.75]


def test_a_broken_budget_is_first_among_the_warnings_and_at_the_top_of_the_card(export: Path) -> None:
    budget = Budget({"latency_ms": 1.0, "params": 10.0})
    manifest = renew(export, timings(4.0, 2.0), budget)
    late, large = manifest["budget"]["broken"]
    assert late.startswith("model.int8.onnx takes 2 ms (p50), max_latency_ms is 1") and "max_params is 10" in large
    assert manifest["warnings"][:2] == [late, large]
    card = (export / "MODEL_CARD.md").read_text()
    assert 0 < card.index("**Over its budget:** model.int8.onnx takes 2 ms") < card.index("Ship ") < card.index("## F")
    met = renew(export, timings(1.0, 0.5), Budget({"latency_ms": 1.0}))
    assert met["budget"]["broken"] == [] and "Over its budget" not in (export / "MODEL_CARD.md").read_text()


def test_other_batches_and_other_files_are_not_the_exports_latency(export: Path) -> None:
    target = load_manifest(export)["targets"]["cpu"]
    one = timings(1.0, 1.0)
    assert fits(target, {}, one)
    assert not fits(target, {}, {name: replace(latency, batch=8) for name, latency in one.items()})
    assert not fits(target, {}, {name: replace(latency, threads=2) for name, latency in one.items()})
    assert not fits(target, {}, {name: replace(latency, streams=4) for name, latency in one.items()})
    assert not fits(target, {}, {NAMES[0]: one[NAMES[0]]})
    for entry in target["precisions"].values():
        entry["latency_ms"] = None  # it was not timed where it was exported
    assert fits(target, {"batch": 1, "threads": 0}, one) and not fits(target, {"batch": 4}, one)
    assert not fits(target, {"streams": 4}, one)
    timed = retimed({**target, "not_timed": "no board here"}, one, timed_now(), {})
    assert timed["not_timed"] is None and timed["precisions"]["int8"]["latency_ms"]["p50"] == 1.0


def test_a_latency_of_before_doubts_were_written_down_is_judged_by_its_numbers() -> None:
    entry = latency_entry(replace(timing(9.8), min_ms=1.72))
    assert entry is not None
    del entry["doubt"], entry["steady"]
    found = stored_latency(entry)
    assert found is not None and not found.steady and "5.7 times" in str(found.doubt)


def test_what_a_person_has_written_into_the_card_stays(export: Path) -> None:
    card = export / "MODEL_CARD.md"
    renew(export, timings(4.0, 2.0))
    first = "Bought by the zoo.\n\n" + card.read_text().replace("## Data", "Ask Ada.\n\n## Data")
    card.write_text(first)
    manifest = renew(export, timings(1.5, 0.75))
    text = card.read_text()
    assert text.startswith("Bought by the zoo.\n") and "Ask Ada.\n\n## Data" in text
    assert "| 0.75 | 0.75 | 0.75 |" in text and "| 2 | 2 | 2 |" not in text
    assert text != first and card_note(export, manifest) is None
    card.write_text("My own words.")
    again = renew(export, timings(3.5, 1.25))
    assert card.read_text() == "My own words."
    assert "does not show the newest latencies" in str(card_note(export, again))


def test_lines_that_are_alike_are_told_apart_by_those_before_them() -> None:
    before, after = "a\n\nx\nb\nx\nc\n", "a\n\nx\nb\ny\nc\n"
    assert updated("mine\n" + before, before, after) == "mine\n" + after
    assert updated(before, before, "a\n\nnew\nx\nb\nx\nc\n") == "a\n\nnew\nx\nb\nx\nc\n"
    assert updated("max\nchanged\n", "x\n", "y\n") == "max\nchanged\n"


def test_a_manifest_that_lacks_what_is_needed_is_not_renewed(export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    assert renewable(manifest)
    for spoil in ({"targets": None}, {"targets": {"cpu": {}}}, {"params": "x"}, {"machine": 3}, {"target": "arm"}):
        assert not renewable({**manifest, **spoil})
    manifest["precisions"]["int8"]["latency_ms"]["p50"] = manifest["targets"]["cpu"]["precisions"]["int8"][
        "latency_ms"
    ]["p50"] = "fast"
    assert not renewable(manifest)


def test_settings_that_make_no_sense_are_taken_for_none(export: Path) -> None:
    manifest = load_manifest(export)
    for source in ({"settings": 3, "targets": []}, {"settings": {"max_accuracy_drop": "x"}, "targets": {"cpu": 1}}):
        now = timed_now()
        new = renewed(export, {**manifest, "source": source}, {"cpu": Timed(timings(4.0, 2.0), now)}, Budget(), export)
        assert p50s(new) == [4.0, 2.0]
    assert recorded_budget({"budget": {"limits": {"params": "x", "macs": 3}, "memory_mb": "y"}}) == Budget(
        {"macs": 3.0}
    )
    assert recorded_budget({}) is None and recorded_budget({"budget": 3}) is None
