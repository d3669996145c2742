"""What a network's configuration takes and what it refuses, in one line."""

from __future__ import annotations

import json

import pytest

from nastk.errors import UserError
from nastk.genotype.skeleton import skeleton_named
from nastk.networks import NetworkConfig, build_network
from tests.networks.named import FOLDER, drawn, named

OTHER = {
    "stem": "imagenet",
    "cells": 4,
    "filters": 44,
    "classes": 1000,
    "channels": 1,
    "size": 224,
    "stem_multiplier": 2,
    "stem_filters": 96,
    "auxiliary": True,
    "drop_path": 0.3,
    "auxiliary_width": 96,
    "first_cells": 0,
}


def test_json_gives_back_an_equal_configuration() -> None:
    config = NetworkConfig.from_dict(OTHER)
    assert all(config.to_dict()[name] == value for name, value in OTHER.items())
    assert config.to_dict()["schema"] == 1
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert NetworkConfig.from_dict({}) == NetworkConfig()


def test_a_file_of_before_the_auxiliary_head_had_a_width_is_written_as_it_was() -> None:
    assert "auxiliary_width" not in NetworkConfig(auxiliary=True).to_dict()
    assert "first_cells" not in NetworkConfig().to_dict()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("stem", "imagnet", "unknown stem 'imagnet'; nearest is 'imagenet'"),
        ("filters", -1, "filters=-1, expected a whole number from 2 to"),
        ("cells", 0, "cells=0, expected a whole number from 1 to"),
        ("cells", 2.0, "cells=2.0, expected a whole number"),
        ("cells", True, "cells=True, expected a whole number"),
        ("classes", 1, "classes=1, expected"),
        ("channels", 0, "channels=0, expected"),
        ("size", "32", "size='32', expected"),
        ("stem_multiplier", None, "stem_multiplier=None, expected"),
        ("stem_filters", 0, "stem_filters=0, expected"),
        ("auxiliary_width", 4, "auxiliary_width=4, expected a whole number from 8 to"),
        ("first_cells", -1, "first_cells=-1, expected 0 to 1000 cells before the first reduction"),
        ("first_cells", 1.0, "first_cells=1.0, expected 0 to 1000"),
        ("auxiliary", 1, "auxiliary=1, expected true or false"),
        ("drop_path", 1.0, "drop_path=1.0, expected a probability"),
        ("drop_path", float("nan"), "drop_path=nan, expected a probability"),
        ("drop_path", "0.1", "drop_path='0.1', expected a probability"),
    ],
)
def test_a_value_that_cannot_be_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        NetworkConfig.from_dict({**OTHER, field: value})


def test_a_misspelt_field_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown field of network 'filter'; nearest is 'filters'"):
        NetworkConfig.from_dict({"filter": 8})


@pytest.mark.parametrize("data", [None, [], "cifar", 3])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(UserError, match="expected an object"):
        NetworkConfig.from_dict(data)


def test_another_schema_is_refused() -> None:
    with pytest.raises(UserError, match="schema 2, expected 1"):
        NetworkConfig.from_dict({"schema": 2})


@pytest.mark.parametrize(
    ("skeleton", "fields", "message"),
    [
        ("nasnet", {"filters": 10}, "filters=10, expected a multiple of 4, at least 8"),
        ("nasnet", {"filters": 4}, "filters=4, expected a multiple of 4, at least 8"),
        ("nasnet", {"filters": 8, "size": 2}, "size=2, expected at least 3"),
        ("nasbench201", {}, "stem='imagenet', expected 'cifar' with skeleton 'nasbench201'"),
    ],
)
def test_what_the_skeleton_cannot_work_with_is_refused(skeleton: str, fields: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_network(drawn(skeleton, 0), NetworkConfig(stem="imagenet", **fields))


def test_every_named_network_can_be_read() -> None:
    files = [path for path in FOLDER.glob("*.yaml") if path.stem != "default"]
    names = {path.stem for path in files}
    assert {"nasnet_a_mobile", "nasnet_a_large", "nasnet_a_cifar", "darts_v2"} <= names
    for name in names:
        genotype, config = named(name)
        assert genotype.skeleton in {"nasnet", "darts", "nasbench201", "stages"}, name
        assert config.complete(skeleton_named(genotype.skeleton)).sizes, name
