"""What a user's value has to be is said in one wording, and neither a truth value nor NaN passes for a number."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from nastk.checks import (
    check_flag,
    check_name,
    check_names,
    check_number,
    check_path,
    check_probability,
    check_whole,
    is_number,
    is_whole,
)
from nastk.errors import UserError

OPS = ("conv_3x3", "max_pool_3x3")


def said(check: Callable[..., Any], *given: Any, **how: Any) -> str:
    with pytest.raises(UserError) as caught:
        check(*given, **how)
    return str(caught.value)


@pytest.mark.parametrize("value", [True, False, 2.0, "2", None, [2], math.nan, np.int64(2)])
def test_only_a_python_integer_is_a_whole_number(value: object) -> None:
    assert not is_whole(value)
    assert said(check_whole, "epochs", value, 1).endswith(", expected a whole number of at least 1")


@pytest.mark.parametrize("value", [True, "1.5", None, math.nan, math.inf, -math.inf, 10**400, 1j])
def test_a_number_is_finite_and_no_truth_value(value: object) -> None:
    assert not is_number(value)
    assert "expected a number" in said(check_number, "rate", value)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float64(0.5), 2**64])
def test_whole_and_other_numbers_are_given_back(value: float) -> None:
    assert check_number("rate", value) is value


@pytest.mark.parametrize(
    ("least", "most", "inside", "outside", "expected"),
    [
        (None, None, (-5, 10**40), (), ""),
        (1, None, (1, 2), (0, -1), " of at least 1"),
        (None, 8, (-3, 8), (9,), " of at most 8"),
        (1, 64, (1, 64), (0, 65), " from 1 to 64"),
    ],
)
def test_whole_numbers_end_where_the_message_says(
    least: int | None, most: int | None, inside: tuple[int, ...], outside: tuple[int, ...], expected: str
) -> None:
    assert [check_whole("n", value, least, most) for value in inside] == list(inside)
    for value in outside:
        assert said(check_whole, "n", value, least, most) == f"n={value}, expected a whole number{expected}"


@pytest.mark.parametrize(
    ("how", "inside", "outside", "expected"),
    [
        ({"least": 0}, (0, 1e300), (-1e-9,), "of at least 0"),
        ({"least": 0, "above": True}, (1e-9,), (0, 0.0), "above 0"),
        ({"least": 0, "most": 1}, (0, 0.5, 1), (-0.1, 1.1), "from 0 to 1"),
        ({"least": 0, "most": 1, "below": True}, (0, 0.99), (1, 1.0), "from 0 to below 1"),
        ({"least": 50, "most": 100, "above": True}, (50.1, 100), (50, 100.1), "above 50, at most 100"),
        ({"least": 0, "most": 0.5, "above": True, "below": True}, (0.25,), (0, 0.5), "above 0, below 0.5"),
    ],
)
def test_numbers_end_where_the_message_says(
    how: dict[str, Any], inside: tuple[float, ...], outside: tuple[float, ...], expected: str
) -> None:
    assert [check_number("x", value, **how) for value in inside] == list(inside)
    for value in outside:
        assert said(check_number, "x", value, **how) == f"x={value}, expected a number {expected}"


def test_a_probability_and_a_share_are_called_so() -> None:
    assert check_probability("p", 1) == 1
    assert said(check_probability, "p", 1.0, below=True) == "p=1.0, expected a probability from 0 to below 1"
    assert said(check_number, "part", 2, 0, 1, kind="a share") == "part=2, expected a share from 0 to 1"


@pytest.mark.parametrize("value", [0, 1, "true", None, "auto"])
def test_only_true_and_false_are_truth_values(value: object) -> None:
    check_flag("flip", True)
    check_flag("flip", False)
    assert said(check_flag, "flip", value) == f"flip={value!r}, expected true or false"


def test_a_truth_value_may_have_other_words_beside_it() -> None:
    check_flag("graph", "auto", "auto")
    check_flag("grey", None, None)
    assert said(check_flag, "graph", "on", "auto") == "graph='on', expected auto, true or false"
    assert said(check_flag, "grey", 1, None) == "grey=1, expected null, true or false"


@pytest.mark.parametrize("value", ["conv_3x4", 7, None, ["conv_3x3"]])
def test_a_name_of_no_table_names_the_nearest(value: object) -> None:
    assert check_name("op", "conv_3x3", OPS) == "conv_3x3"
    assert said(check_name, "op", value, OPS).startswith(f"unknown op {value!r}; nearest is ")


def test_lists_of_names_come_back_as_tuples() -> None:
    assert check_names("ops", OmegaConf.create(list(OPS)), "op", OPS) == OPS
    assert check_names("classes", []) == ()


@pytest.mark.parametrize(
    ("names", "valid", "expected"),
    [
        ("conv_3x3", OPS, "ops='conv_3x3', expected a list of names"),
        (b"conv_3x3", OPS, "expected a list of names"),
        ({"conv_3x3": 1}, OPS, "expected a list of names"),
        (None, OPS, "ops=None, expected a list of names"),
        (["a", 7], None, "expected a list of names"),
        ([], OPS, "ops=[], expected at least one of conv_3x3, max_pool_3x3"),
        (["conv_3x3", "conv_3x3"], OPS, "ops: 'conv_3x3' is there twice, expected every name once"),
        (["conv_3x4"], OPS, "unknown op in ops 'conv_3x4'; nearest is 'conv_3x3'"),
        ([["conv_3x3"]], OPS, "unknown op in ops"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names: object, valid: tuple[str, ...] | None, expected: str) -> None:
    assert expected in said(check_names, "ops", names, "op", valid)


def test_a_path_is_text_or_a_path() -> None:
    assert check_path("root", Path("a") / "b") == check_path("root", "a/b") == "a/b"
    for value in (7, True, "", None, b"a"):
        assert said(check_path, "root", value) == f"root={value!r}, expected a path"


def test_a_long_value_is_cut() -> None:
    assert said(check_whole, "n", "9" * 500) == f"n='{'9' * 56}..., expected a whole number"
