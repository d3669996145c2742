"""The ranking: by held-out images, never by the test set, written and read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.runs.ranking import Ranked, ranked, ranked_entry, ranking_table, read_ranks, write_ranking


def entry(key: str, validation: float, test: float, params: int = 100) -> Ranked:
    return Ranked(key, validation, test, params, 0.5, f"transfer/{key}")


def test_the_order_is_that_of_the_held_out_images_whatever_the_test_images_say() -> None:
    for tests in ((0.9, 0.1, 0.5), (0.1, 0.9, 0.5)):
        order = ranked([entry("a", 0.7, tests[0]), entry("b", 0.9, tests[1]), entry("c", 0.8, tests[2])])
        assert [one.key for one in order] == ["b", "c", "a"]


def test_of_equals_the_smaller_is_first() -> None:
    order = ranked([entry("a", 0.9, 0.9, 300), entry("b", 0.9, 0.8, 200), entry("c", 0.9, 0.7, 200)])
    assert [one.key for one in order] == ["b", "c", "a"]


def test_what_is_written_is_documented_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "transfer").mkdir()
    assert read_ranks(tmp_path) == {}
    write_ranking(tmp_path, [entry("b", 0.9, 0.8), entry("a", 0.7, 0.9)])
    data = json.loads((tmp_path / "transfer" / "ranking.json").read_text())
    assert data["schema"] == 1
    assert data["networks"][0] == {
        "rank": 1,
        "key": "b",
        "validation_accuracy": 0.9,
        "accuracy": 0.8,
        "params": 100,
        "latency_ms": 0.5,
        "folder": "transfer/b",
    }
    assert read_ranks(tmp_path) == {"b": 1, "a": 2}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 2}', '{"schema": 1, "networks": [{"key": "a"}]}'])
def test_a_damaged_ranking_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "transfer").mkdir()
    (tmp_path / "transfer" / "ranking.json").write_text(text)
    with pytest.raises(UserError, match=r"ranking\.json: "):
        read_ranks(tmp_path)


def test_a_training_that_held_nothing_out_cannot_be_ranked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"metrics\.json: validation_accuracy"):
        ranked_entry(tmp_path, tmp_path / "transfer" / "a", {"accuracy": 0.9, "params": 3}, None)


def test_the_table_has_a_line_a_network() -> None:
    lines = ranking_table([entry("0123456789ab", 0.912, 0.9), entry("b" * 12, 0.5, 0.6)]).splitlines()
    assert lines[1].split() == ["1", "0123456789", "91.20%", "90.00%", "100", "0.500"]
    assert len({len(line) for line in lines}) == 1
