"""The ranking: by held-out images, never by the test set, written and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.runs.ranking import (
    Ranked,
    ranked,
    ranked_entry,
    ranking_table,
    read_ranking,
    read_ranks,
    standing,
    write_ranking,
)


def entry(key: str, validation: float, test: float, params: int = 100) -> Ranked:
    return Ranked(key, validation, test, params, 0.5, f"transfer/{key}")


def test_the_order_is_that_of_the_held_out_images_whatever_the_test_images_say() -> None:
    for tests in ((0.9, 0.1, 0.5), (0.1, 0.9, 0.5)):
        order = ranked([entry("a", 0.7, tests[0]), entry("b", 0.9, tests[1]), entry("c", 0.8, tests[2])])
        assert [one.key for one in order] == ["b", "c", "a"]


def test_of_equals_the_smaller_is_first() -> None:
    order = ranked([entry("a", 0.9, 0.9, 300), entry("b", 0.9, 0.8, 200), entry("c", 0.9, 0.7, 200)])
    assert [one.key for one in order] == ["b", "c", "a"]


def test_of_equals_the_surest_is_first_however_large_it_is(tmp_path: Path) -> None:
    metrics = {"validation_accuracy": 0.9, "accuracy": 0.8, "params": 100, "validation_loss": 0.5}
    small = ranked_entry(tmp_path, tmp_path / "transfer" / "small", metrics, {})
    large = ranked_entry(tmp_path, tmp_path / "transfer" / "large", {**metrics, "params": 300}, {})
    surest = replace(large, key="surest", validation_loss=0.4, baseline="resnet18")
    order = ranked([large, small, surest])
    assert [one.key for one in order] == ["surest", "small", "large"]
    assert "the baseline resnet18 is surer than the searched network small, and both name 90.00%" in standing(
        order, "surest"
    )
    (tmp_path / "transfer").mkdir()
    write_ranking(tmp_path, order)
    assert read_ranking(tmp_path) == order


def test_a_search_for_balanced_accuracy_is_ranked_by_it_where_it_is_known_of_all(tmp_path: Path) -> None:
    def made(key: str, accuracy: float, **more: float) -> Ranked:
        metrics = {"validation_accuracy": accuracy, "accuracy": 0.8, "params": 100, **more}
        return ranked_entry(tmp_path, tmp_path / "transfer" / key, metrics, {}, balanced=True)

    one = made("a" * 12, 0.9, validation_balanced_accuracy=0.5)
    other = replace(made("b" * 12, 0.8, validation_balanced_accuracy=0.6), baseline="resnet18")
    order = ranked([one, other])
    assert [entry.key[0] for entry in order] == ["b", "a"] and order[0].metric == "balanced accuracy"
    assert "balanced" in ranking_table(order).splitlines()[0] and "60.00%" in ranking_table(order).splitlines()[1]
    assert standing(order, order[0].key) == (
        "the baseline resnet18 is better than the searched network aaaaaaaa on held-out images, 60.00% to 50.00% in "
        "the mean over the classes"
    )
    (tmp_path / "transfer").mkdir()
    write_ranking(tmp_path, order)
    assert read_ranking(tmp_path) == order
    before = ranked([one, other, made("c" * 12, 0.7)])  # trained by a version that did not tell it
    assert [entry.key[0] for entry in before] == ["a", "b", "c"] and before[0].metric == "accuracy"


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


def test_baselines_have_their_names_and_their_training_time_in_the_table_and_in_the_file(tmp_path: Path) -> None:
    order = [
        replace(entry("b" * 12, 0.9, 0.8), baseline="resnet18", seconds=12.34),
        replace(entry("a" * 12, 0.7, 0.9), seconds=3.0),
    ]
    lines = ranking_table(order).splitlines()
    assert lines[0].endswith("training (s)  baseline")
    assert lines[1].split()[-2:] == ["12.3", "resnet18"] and lines[2].split()[-1] == "3.0"
    (tmp_path / "transfer").mkdir()
    write_ranking(tmp_path, order)
    assert read_ranking(tmp_path) == order
    networks = json.loads((tmp_path / "transfer" / "ranking.json").read_text())["networks"]
    assert networks[0]["baseline"] == "resnet18" and "baseline" not in networks[1]


@pytest.mark.parametrize("network", [{"key": "a", "rank": 1}, {"key": "a", "rank": 1, "validation_accuracy": "good"}])
def test_a_ranking_without_its_numbers_is_named(network: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "transfer").mkdir()
    text = json.dumps({"schema": 1, "networks": [network]})
    (tmp_path / "transfer" / "ranking.json").write_text(text)
    with pytest.raises(UserError, match=r"ranking\.json: a network without its numbers"):
        read_ranking(tmp_path)


def test_where_a_network_stands_among_baselines_is_said_and_without_any_nothing_is() -> None:
    searched, known = entry("a" * 12, 0.9, 0.9), replace(entry("b" * 12, 0.8, 0.9), baseline="resnet18")
    assert standing([searched, known], searched.key) == (
        "the searched network aaaaaaaa is better than the baseline resnet18 on held-out images, 90.00% to 80.00%"
    )
    assert standing([searched, known], known.key) == (
        "the baseline resnet18 is 2 of 2 by held-out images, of which it names 80.00% right; "
        "first is the searched network aaaaaaaa with 90.00%"
    )
    level = replace(known, validation_accuracy=0.9, params=50)
    assert standing(ranked([searched, level]), known.key) == (
        "the baseline resnet18 is smaller than the searched network aaaaaaaa, and both name 90.00% of the held-out "
        "images right"
    )
    assert standing([searched, entry("c", 0.1, 0.1)], searched.key) == standing([], "a") == ""
    assert standing([searched, known], "another") == ""
