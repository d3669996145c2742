"""ImageNet weights of an installed package: they fit the network that they are of, and a changed file is refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from nastk.errors import UserError
from nastk.jobs.transfer.initial import asked_beginnings
from nastk.networks import build_network
from nastk.networks.initial import fitting
from nastk.networks.pretrained import PUBLISHED, pretrained_name, read_pretrained
from nastk.training.initial import begin_with, read_weights
from tests.networks.named import named

NAME = "efficientnet_lite0"
PACKAGE = PUBLISHED[NAME].package


def test_every_weight_has_its_place_and_a_network_begins_with_it() -> None:
    package = pytest.importorskip(PACKAGE)
    assert package is not None
    genotype, config = named(NAME)
    network = build_network(genotype, config)
    weights = read_weights(Path(pretrained_name(NAME)))
    assert weights.initial.path == "pretrained:efficientnet_lite0"
    fit = fitting(weights.tensors, network, 3)
    assert fit.share == 1.0 and "names of efficientnet-pytorch's" in fit.told
    begin_with(weights.initial, network, 3)
    first = next(iter(network.state_dict().values()))
    assert first.equal(weights.tensors["_conv_stem.weight"])


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip(PACKAGE)
    shutil.copytree(Path(package.__file__).parent, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("*.pth"))
    (tmp_path / PACKAGE / PUBLISHED[NAME].file).write_bytes(b"another file")
    monkeypatch.delitem(sys.modules, PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"SHA-256 is not 579344248a93"):
        read_pretrained(pretrained_name(NAME))


def test_what_is_not_installed_or_has_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"transfer.init: .*is not installed, pip install 'nastk\[pretrained\]'"):
        asked_beginnings({NAME: "pretrained"}, [NAME])
    with pytest.raises(UserError, match=r"transfer.init: .*'resnet18'.*efficientnet_lite0"):
        asked_beginnings({"resnet18": "pretrained"}, ["resnet18"])
    with pytest.raises(UserError, match=r"transfer.init=pretrained: expected by network"):
        asked_beginnings("pretrained", [NAME])
