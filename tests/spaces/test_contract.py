"""What holds for every search space, the shipped ones as their YAML files say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.spaces import (
    DARTS_OPS,
    KNOWN_OPS,
    NASBENCH201_OPS,
    NASNET_OPS,
    DartsSpace,
    NasBench201Space,
    NasnetSpace,
    Space,
    Value,
    random_genotype,
    replay,
)

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "search_spaces").glob("*.yaml"))
CELL_SPACES = ("darts", "nasbench201", "nasnet", "nasnet_paper")
CHOICES = {"darts": 22, "nasbench201": 6, "nasnet": 50, "nasnet_paper": 50}


def shipped(name: str) -> Space:
    space: Space = instantiate(OmegaConf.load(ROOT / "search_spaces" / f"{name}.yaml"))
    return space


def recorded(space: Space, rng: Random) -> tuple[Genotype, dict[str, Value], dict[str, Sequence[Value]]]:
    """Returns a random genotype, its choices, and the options of each."""
    chosen: dict[str, Value] = {}
    offered: dict[str, Sequence[Value]] = {}

    def choose(name: str, options: Sequence[Value]) -> Value:
        assert name not in chosen, "a name is asked for once"
        offered[name] = tuple(options)
        chosen[name] = rng.choice(options)
        return chosen[name]

    return space.genotype(choose), chosen, offered


@pytest.mark.parametrize("name", CELL_SPACES)
def test_space_makes_the_documented_number_of_choices(name: str) -> None:
    assert len(recorded(shipped(name), Random(0))[1]) == CHOICES[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_names_and_options_never_change_and_options_are_finite_and_distinct(path: Path, seed: int) -> None:
    space = shipped(path.stem)
    reference = recorded(space, Random(0))[2]
    offered = recorded(space, Random(seed))[2]
    assert list(offered.items()) == list(reference.items())
    for options in offered.values():
        assert len(set(options)) == len(options) > 1
        assert all(isinstance(option, str | int) and not isinstance(option, bool) for option in options)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_replay_of_the_choices_gives_the_same_genotype(path: Path, seed: int) -> None:
    space = shipped(path.stem)
    genotype, chosen, _ = recorded(space, Random(seed))
    assert replay(space, chosen) == genotype == random_genotype(space, Random(seed))
    assert replay(space, {**chosen, "something else": 3}) == genotype


@pytest.mark.parametrize("name", CELL_SPACES)
def test_every_choice_matters_to_the_genotype(name: str) -> None:
    space = shipped(name)
    genotype, chosen, offered = recorded(space, Random(0))
    for key, options in offered.items():
        other = next(option for option in options if option != chosen[key])
        assert replay(space, {**chosen, key: other}) != genotype


@pytest.mark.parametrize("name", CELL_SPACES)
def test_replay_names_the_choice_that_is_missing_or_impossible(name: str) -> None:
    space = shipped(name)
    _, chosen, offered = recorded(space, Random(0))
    key = list(chosen)[-1]
    with pytest.raises(UserError, match=f"choice '{key}' is missing, expected one of {offered[key][0]}"):
        replay(space, {name: value for name, value in chosen.items() if name != key})
    for bad in ("conv_3", 99, True):
        with pytest.raises(UserError, match=f"unknown value of choice '{key}' {bad!r}; nearest is"):
            replay(space, {**chosen, key: bad})


def test_random_genotypes_depend_on_the_seed_only() -> None:
    space = shipped("nasnet")
    assert [random_genotype(space, Random(1)) for _ in range(2)] == [random_genotype(space, Random(1))] * 2
    assert len({random_genotype(space, Random(seed)).key for seed in range(50)}) == 50


@pytest.mark.parametrize("name", CELL_SPACES)
def test_shipped_fields_are_the_defaults_but_for_the_ops_added_to_nasnet(name: str) -> None:
    defaults = {"darts": DartsSpace(), "nasbench201": NasBench201Space(), "nasnet_paper": NasnetSpace()}
    added = ("dw_conv_3x3", "dw_conv_5x5", "squeeze_excitation")
    assert shipped(name) == defaults.get(name, NasnetSpace(ops=(*NASNET_OPS, *added)))


@pytest.mark.parametrize("name", CELL_SPACES)
def test_shipped_file_opens_with_a_comment_that_cites_the_paper(name: str) -> None:
    text = (ROOT / "search_spaces" / f"{name}.yaml").read_text()
    comment = [line for line in text.split("_target_")[0].splitlines() if line]
    assert all(line.startswith("#") for line in comment)
    assert "https://arxiv.org/abs/" in text


def test_number_of_ops_is_the_papers() -> None:
    assert (len(NASNET_OPS), len(DARTS_OPS), len(NASBENCH201_OPS)) == (13, 7, 5)


BAD: list[tuple[type[NasnetSpace | DartsSpace | NasBench201Space], dict[str, object], str]] = [
    (NasnetSpace, {"blocks": 0}, "space: blocks=0, expected a whole number from 1 to 32"),
    (NasnetSpace, {"blocks": 33}, "space: blocks=33, expected"),
    (NasnetSpace, {"blocks": -1}, "space: blocks=-1, expected"),
    (NasnetSpace, {"blocks": "five"}, "space: blocks='five', expected"),
    (NasnetSpace, {"blocks": 2.5}, "space: blocks=2.5, expected"),
    (NasnetSpace, {"blocks": True}, "space: blocks=True, expected"),
    (NasnetSpace, {"blocks": None}, "space: blocks=None, expected"),
    (NasnetSpace, {"combine": ["sum"]}, "unknown way to combine in space: combine 'sum'"),
    (NasnetSpace, {"combine": []}, "space: combine=[], expected at least one of add, concat"),
    (NasnetSpace, {"combine": ["add", "add"]}, "space: combine: 'add' is there twice"),
    (DartsSpace, {"nodes": 0}, "space: nodes=0, expected a whole number from 1 to 32"),
    (NasBench201Space, {"nodes": 1}, "space: nodes=1, expected a whole number from 2 to 33"),
    *(
        (space, {"ops": ops}, message)
        for space in (NasnetSpace, DartsSpace, NasBench201Space)
        for ops, message in (
            (["conv_3x3", "sep_conv3x3"], "unknown op in space: ops 'sep_conv3x3'; nearest is 'sep_conv_3x3'"),
            ([], "space: ops=[], expected at least one of identity, zero"),
            (["conv_3x3", "identity", "conv_3x3"], "space: ops: 'conv_3x3' is there twice"),
            ("conv_3x3", "space: ops='conv_3x3', expected a list of names"),
            ({"conv_3x3": 1}, "expected a list of names"),
            (7, "space: ops=7, expected a list of names"),
            (None, "space: ops=None, expected a list of names"),
            ([3], "unknown op in space: ops 3"),
            ([["conv_3x3"]], "unknown op in space: ops ['conv_3x3']"),
        )
    ),
]


@pytest.mark.parametrize(("space", "fields", "message"), BAD)
@pytest.mark.parametrize("omegaconf", [False, True])
def test_field_that_cannot_be_is_refused_in_one_line(
    space: type[NasnetSpace | DartsSpace | NasBench201Space], fields: dict[str, object], message: str, omegaconf: bool
) -> None:
    given_fields = dict(OmegaConf.create(fields)) if omegaconf else fields
    with pytest.raises(UserError) as caught:
        space(**given_fields)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_of_omegaconf_become_tuples() -> None:
    fields = OmegaConf.create({"ops": ["conv_3x3", "identity"], "combine": ["add"]})
    space = NasnetSpace(ops=fields.ops, combine=fields.combine)
    assert space == NasnetSpace(ops=("conv_3x3", "identity"), combine=("add",))
    assert hash(space) == hash(NasnetSpace(ops=("conv_3x3", "identity"), combine=("add",)))


def test_importing_the_spaces_loads_neither_torch_nor_lightning_nor_numpy() -> None:
    code = (
        "import sys, nastk.spaces, nastk.genotype.key; "
        "print([name for name in ('torch', 'pytorch_lightning', 'numpy', 'omegaconf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_known_ops_are_the_table_of_operations() -> None:
    from nastk.ops import OPS

    assert set(KNOWN_OPS) == set(OPS)
    assert len(set(KNOWN_OPS)) == len(KNOWN_OPS)
