"""The genotype: JSON there and back, and one line for everything that is not one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nastk.errors import UserError
from nastk.genotype import MAX_NODES, Cell, CellGenotype, Edge, Genotype, Node
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace, Space, random_genotype

SPACES: tuple[Space, ...] = (NasnetSpace(), DartsSpace(), NasBench201Space())


def small() -> Genotype:
    cell = Cell(2, (Node((Edge(0, "conv_3x3"), Edge(1, "identity"))), Node((Edge(2, "zero"),), "concat")), (1, 3))
    return CellGenotype("nasnet", (("normal", cell), ("reduction", cell)))


@given(space=st.sampled_from(SPACES), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_json_gives_back_an_equal_genotype(space: Space, seed: int) -> None:
    genotype = random_genotype(space, Random(seed))
    again = Genotype.from_json(genotype.to_json())
    assert again == genotype
    assert hash(again) == hash(genotype)
    assert again.key == genotype.key


def test_stem_and_first_cells_are_part_of_it_where_they_are_chosen() -> None:
    plain = small()
    assert isinstance(plain, CellGenotype)
    made = [plain, replace(plain, stem="cifar"), replace(plain, stem="stride2"), replace(plain, first_cells=0)]
    made.append(replace(plain, stem="stride2", first_cells=0))
    assert len({one.key for one in made}) == len({tuple(one.encoding()) for one in made}) == len(made)
    assert len({len(one.encoding()) for one in made}) == 1
    for one in made:
        assert Genotype.from_json(one.to_json()) == one
    assert json.loads(made[-1].to_json())["first_cells"] == 0
    assert made[-1].lines()[:2] == ["stem stride2", "first cells 0"]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"stem": "strid2"}, "unknown stem 'strid2'; nearest is 'stride2'"),
        ({"stem": 2}, "unknown stem 2"),
        ({"stem": ["stride2"]}, "unknown stem"),
        ({"first_cells": -1}, "first_cells=-1, expected 0 to 1000"),
        ({"first_cells": "0"}, "first_cells='0', expected 0 to 1000"),
        ({"first_cell": 0}, "first_cell"),
    ],
)
def test_a_stem_or_first_stack_that_cannot_be_is_named(own: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Genotype.from_dict({**small().to_dict(), **own})


def test_json_has_the_documented_form() -> None:
    cell = {
        "inputs": 2,
        "nodes": [
            {"combine": "add", "edges": [[0, "conv_3x3"], [1, "identity"]]},
            {"combine": "concat", "edges": [[2, "zero"]]},
        ],
        "output": [1, 3],
    }
    expected = {"schema": 1, "skeleton": "nasnet", "cells": {"normal": cell, "reduction": cell}}
    assert json.loads(small().to_json()) == expected


def test_order_of_cells_in_the_json_does_not_matter() -> None:
    data = small().to_dict()
    data["cells"] = dict(reversed(data["cells"].items()))
    assert Genotype.from_dict(data) == small()


def test_genotype_is_frozen_and_answers_for_its_parts() -> None:
    genotype = small()
    with pytest.raises(FrozenInstanceError):
        genotype.skeleton = "darts"  # type: ignore[misc]
    assert genotype["reduction"] == genotype["normal"]
    assert genotype.ops == {"conv_3x3", "identity", "zero"}
    assert genotype["normal"].unused == (3,)


def at(*path: str | int) -> Callable[[Any, Any], None]:
    """Returns a function that puts a value at a place of the JSON form."""

    def put(data: Any, value: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return put


NORMAL = ("cells", "normal")
NODE = (*NORMAL, "nodes", 0)
EDGE = (*NODE, "edges", 0)

MALFORMED: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("schema",), 2, "schema 2, expected 1"),
    (("schema",), "1", "schema '1', expected 1"),
    (("skeleton",), "nasnett", "unknown skeleton 'nasnett'; nearest is 'nasnet'"),
    (("skeleton",), 3, "skeleton 3, expected a name"),
    (("skeleton",), None, "skeleton None, expected a name"),
    (("skeleton",), [], "expected a name"),
    (("skeleton",), "nasbench201", "expected ['normal']"),
    (("cells",), [], "cells: [], expected an object"),
    (("cells",), {}, "cells [], expected ['normal', 'reduction']"),
    (("cell",), {}, "unknown field in genotype 'cell'; nearest is 'cells'"),
    (("cells", "normall"), {}, "cell 'normall'"),
    (NORMAL, [], "cell 'normal': [], expected an object"),
    (NORMAL, {"inputs": 2, "nodes": []}, "no 'output', expected the fields inputs, nodes, output"),
    ((*NORMAL, "input"), 2, "unknown field in genotype: cell 'normal' 'input'; nearest is 'inputs'"),
    ((*NORMAL, "inputs"), 0, "inputs=0, expected at least 1"),
    ((*NORMAL, "inputs"), 1, "reads state 1, expected 0 to 0"),
    ((*NORMAL, "inputs"), 3, "cell 'normal' has 3 inputs, expected 2"),
    ((*NORMAL, "inputs"), 2.0, "2.0, expected a whole number"),
    ((*NORMAL, "inputs"), True, "True, expected a whole number"),
    ((*NORMAL, "nodes"), {}, "nodes: {}, expected a list"),
    ((*NORMAL, "nodes"), [], "0 nodes, expected 1 to 32"),
    ((*NORMAL, "nodes"), [{"combine": "add", "edges": [[0, "zero"]]}] * (MAX_NODES + 1), "33 nodes, expected 1 to 32"),
    (NODE, None, "node 0: None, expected an object"),
    (NODE, {"edges": []}, "no 'combine'"),
    ((*NODE, "op"), 1, "unknown field in genotype: cell 'normal': node 0 'op'"),
    ((*NODE, "combine"), "concatenate", "'concatenate'; nearest is 'concat'"),
    ((*NODE, "combine"), ["add"], "unknown way to combine in node 0"),
    ((*NODE, "edges"), "conv", "edges: 'conv', expected a list"),
    ((*NODE, "edges"), [], "node 0 has no edges"),
    (EDGE, [0], "edge [0], expected [state, op]"),
    (EDGE, [0, "identity", 1], "expected [state, op]"),
    (EDGE, "0i", "edge '0i', expected [state, op]"),
    (EDGE, [0, 1], "edge [0, 1], expected [state, op]"),
    (EDGE, ["0", "identity"], "'0', expected a whole number"),
    (EDGE, [-1, "identity"], "node 0 reads state -1, expected 0 to 1"),
    (EDGE, [2, "identity"], "node 0 reads state 2, expected 0 to 1"),
    ((*NORMAL, "output"), 3, "output: 3, expected a list"),
    ((*NORMAL, "output"), [], "output [], expected distinct states, at least one"),
    ((*NORMAL, "output"), [3, 3], "output [3, 3], expected distinct states"),
    ((*NORMAL, "output"), [4], "output names state 4, expected 0 to 3"),
    ((*NORMAL, "output"), [-1], "output names state -1"),
    ((*NORMAL, "output"), ["3"], "'3', expected a whole number"),
]


@pytest.mark.parametrize(("path", "value", "message"), MALFORMED)
def test_malformed_json_is_refused_in_one_line(path: tuple[str | int, ...], value: Any, message: str) -> None:
    data = json.loads(small().to_json())
    at(*path)(data, value)
    with pytest.raises(UserError) as caught:
        Genotype.from_json(json.dumps(data))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("field", ["schema", "skeleton", "cells"])
def test_missing_field_is_named(field: str) -> None:
    data = small().to_dict()
    del data[field]
    with pytest.raises(UserError, match=f"no '{field}'"):
        Genotype.from_dict(data)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "3", '"nasnet"', "NaN", "[" * 100_000, '{"schema": 1}\n}'])
def test_text_that_is_no_genotype_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Genotype.from_json(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("genotype: ")


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(
    VALUES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3), max_leaves=6
)


@given(JSON)
@settings(max_examples=50, deadline=None)
def test_nothing_but_a_user_error_comes_of_arbitrary_values(data: Any) -> None:
    for path in (("skeleton",), ("cells",), NORMAL, NODE, EDGE, (*NORMAL, "output")):
        whole = json.loads(small().to_json())
        at(*path)(whole, data)
        with suppress(UserError):
            assert Genotype.from_dict(whole).to_dict() == whole
