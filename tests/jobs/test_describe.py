"""`nastk.describe`: the list of what there is, the table of layers, the drawing, the small form."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor, nn

import nastk.jobs.describe_layers
from nastk.config.build import shipped
from nastk.genotype.skeleton import STAGES
from nastk.jobs.describe_layers import layer_facts, layer_lines
from nastk.jobs.describe_list import network_files
from nastk.jobs.small_form import small_form
from nastk.networks import NetworkConfig
from tests.blocks.test_classics import PUBLISHED
from tests.commands import run
from tests.networks.named import named

Capture = pytest.CaptureFixture[str]
SVG = "{http://www.w3.org/2000/svg}"
SMALL = ("network=mobilenet_v3_small", "network.small=true", "network.size=32", "network.classes=10")
UNTIMED = "measure=false"


def facts(capsys: Capture, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(capsys, "describe", *arguments, "format=json").out)
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures for a moment."""
    monkeypatch.setattr(nastk.jobs.describe_layers, "SECONDS", 0.1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists four networks only."""
    names = ("resnet18", "resnet50", "vgg16", "nasnet_a_mobile")
    found = {name: path for name, path in network_files().items() if name in names}
    monkeypatch.setattr("nastk.jobs.describe_list.network_files", lambda: found)


def test_every_file_is_a_network_to_list() -> None:
    files = {path.stem for path in (shipped("conf") / "network").glob("*.yaml")}
    assert {*network_files(), "default"} == files > PUBLISHED.keys()


@pytest.mark.usefixtures("few")
def test_nothing_given_lists_networks_and_spaces_with_their_published_numbers(capsys: Capture) -> None:
    listed = facts(capsys)
    networks = {one["name"]: one for one in listed["networks"]}
    assert {networks[name]["params"] == PUBLISHED[name] for name in ("resnet18", "resnet50", "vgg16")} == {True}
    assert round(networks["nasnet_a_mobile"]["macs"] / 1e6) == 564
    assert networks["resnet50"]["about"] == "Deep Residual Learning for Image Recognition, CVPR 2016"
    spaces = {one["name"]: one for one in listed["spaces"]}
    assert sorted(spaces) == sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))
    # Dong, Yang: 5^6 cells; Su et al.: 3^8 networks; Zoph et al.: 2 x 5 x 5 choices.
    assert (spaces["nasbench201"]["choices"], spaces["nasbench201"]["combinations"]) == (6, 15_625)
    assert spaces["nas_bench_macro"]["combinations"] == 6_561
    assert spaces["nasnet_paper"]["choices"] == 50
    assert all(one["about"] for one in (*networks.values(), *spaces.values()))


@pytest.mark.usefixtures("few")
def test_the_list_is_a_table_that_says_what_to_type_next(capsys: Capture) -> None:
    outcome = run(capsys, "describe")
    assert outcome.code == 0
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("resnet18 ")]
    assert line.split()[:7] == ["resnet18", "11.69", "M", "1.814", "G", "224x224", "Deep"]
    assert "nasbench201" in outcome.out and "15,625" in outcome.out
    assert "python -m nastk.describe network=resnet50" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 140


@pytest.mark.parametrize("layers", ["blocks", "all"])
def test_the_rows_add_up_to_the_totals_and_the_shares_to_a_whole(capsys: Capture, layers: str) -> None:
    told = facts(capsys, *SMALL, f"layers={layers}")
    rows = told["layers"]
    assert sum(row["params"] for row in rows) == told["params"]
    assert sum(row["macs"] for row in rows) == told["macs"]
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-9)
    assert all(row["share"] >= 0 for row in rows)
    assert rows[-1]["output"] == [10]
    latency = told["latency"]
    assert latency["p50_ms"] > 0 and latency["threads"] == 1 and latency["runtime"].startswith("ONNX Runtime ")
    convolutions = [row for row in rows if "conv" in row["kind"]]
    assert (layers == "all") == (len(convolutions) > 40)


def test_the_table_says_total_and_where_it_was_measured(capsys: Capture) -> None:
    lines = run(capsys, "describe", *SMALL).out.splitlines()
    (head,) = [place for place, line in enumerate(lines) if line.startswith("layer ")]
    assert lines[head].split() == ["layer", "block", "output", "parameters", "MACs", "latency"]
    (total,) = [line for line in lines if line.startswith("total ")]
    assert total.endswith("100.0%")
    (measured,) = [line for line in lines if line.startswith("latency ")]
    assert " ms (p50 of one image on one thread, fp32, ONNX Runtime " in measured


def test_without_latency_nothing_is_measured(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nastk.jobs.describe_layers.call_times", None)
    told = facts(capsys, *SMALL, "measure=false")
    assert told["latency"] is None
    assert {row["share"] for row in told["layers"]} == {None}
    assert "latency" not in run(capsys, "describe", *SMALL, "measure=false").out
    assert "layers" not in facts(capsys, *SMALL, "layers=none")


def test_what_there_is_no_memory_for_is_not_measured_but_counted(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nastk.jobs.describe_layers, "free_memory", lambda: 10**6)
    told = run(capsys, "describe", *SMALL)
    assert told.code == 0
    assert "latency not measured: it would take 0.0 GB of memory, 0.0 GB are free" in told.out
    assert "total " in told.out


class Undecided(nn.Module):
    """Does what depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, image: Tensor) -> Tensor:
        mean = image.mean((2, 3))
        found: Tensor = self.layer(mean if mean.sum() > 0 else -mean)
        return found


def test_a_network_whose_calls_depend_on_the_image_has_no_table() -> None:
    genotype, config = named("resnet18")
    with torch.device("meta"):
        told = layer_facts(genotype, config.complete(STAGES), Undecided(), every=False, timed=True)
    assert (told["layers"], told["latency"]) == ([], None)
    (line,) = layer_lines(told)
    assert line.startswith("layers      not told: its layers cannot be told apart")


@pytest.mark.parametrize(
    ("name", "drawings", "words"),
    [
        ("densenet121", 1, ["1024, 7x7 px", "dense transition", "24 blocks"]),
        ("nasnet_a_cifar", 2, ["normal cell of nasnet_a_cifar for 32x32 px", "max pool 3"]),
    ],
)
def test_a_picture_is_one_file_that_stands_alone(
    capsys: Capture, tmp_path: Path, name: str, drawings: int, words: list[str]
) -> None:
    path = tmp_path / "a net.svg"
    path.write_text("before")
    assert run(capsys, "describe", f"network={name}", f"picture={path}", "layers=none").code == 0
    text = path.read_text(encoding="utf-8")
    page = ElementTree.fromstring(text)
    assert page.tag == f"{SVG}svg"
    assert len(page.findall(f"{SVG}svg")) == drawings
    assert not [one for one in page.iter() if "href" in "".join(one.attrib)]
    shown = " ".join(one.text or "" for one in page.iter(f"{SVG}text"))
    assert all(word in shown for word in words)
    for inner in page.findall(f"{SVG}svg"):
        assert float(inner.attrib["y"]) + float(inner.attrib["height"]) <= float(page.attrib["height"])
        assert float(inner.attrib["width"]) <= float(page.attrib["width"])


def test_a_picture_shows_the_scaled_widths_of_a_genotype_file(capsys: Capture, tmp_path: Path) -> None:
    told = facts(capsys, "network=resnet18", UNTIMED)
    (tmp_path / "best.json").write_text(json.dumps({"genotype": told["genotype"]}))
    given = (f"genotype={tmp_path / 'best.json'}", "network.width_multiplier=0.5", "network.size=64")
    assert run(capsys, "describe", *given, f"picture={tmp_path / 'net.svg'}", "layers=none").code == 0
    text = (tmp_path / "net.svg").read_text(encoding="utf-8")
    assert "best for 64x64 px" in text
    assert ">256, 2x2 px<" in text


def test_the_small_form_is_recorded_as_the_genotype_that_it_is(capsys: Capture, tmp_path: Path) -> None:
    own, small = (
        facts(capsys, "network=resnet50", UNTIMED),
        facts(capsys, "network=resnet50", "network.small=true", "network.size=32", UNTIMED),
    )
    assert own["genotype"]["stem"] != small["genotype"]["stem"] == [{"block": "conv", "width": 64}]
    assert small["layers"][-2]["output"] == [2048, 4, 4]
    assert "small" not in json.dumps(small)
    (tmp_path / "small.json").write_text(json.dumps(small["genotype"]))
    again = facts(capsys, f"genotype={tmp_path / 'small.json'}", "network.size=32", "network.classes=1000", UNTIMED)
    assert again == small


@pytest.mark.parametrize("name", ["resnet18", "nasnet_a_mobile", "nasnet_a_cifar"])
def test_what_suits_its_images_stays_as_it_is(name: str) -> None:
    assert small_form(*named(name)) == named(name)


@pytest.mark.parametrize(("side", "stem"), [(32, "cifar"), (64, "stride2"), (96, "stride4")])
def test_cells_get_the_stem_for_small_images(side: int, stem: str) -> None:
    genotype, config = named("nasnet_a_mobile")
    smaller = dataclasses.replace(config, height=side, width=side)
    assert small_form(genotype, smaller) == (genotype, dataclasses.replace(smaller, stem=stem))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["network.small=2"], "network.small=2, expected true or false"),
        (["network.small=maybe"], "network.small='maybe', expected true or false"),
        (["layers=every"], "unknown layers 'every'; nearest is"),
        (["measure=sometimes"], "measure='sometimes', expected true or false"),
        (["picture=net.png"], "picture='net.png': the drawing is an SVG, expected a name that ends in .svg"),
        (["picture={folder}/nowhere/net.svg"], "nowhere is no folder, expected one to write the drawing to"),
        (["picture={folder}/taken.svg"], "taken.svg': is a folder, expected a file to write"),
        (["network.small=true", "network.size=0"], "network: size=0"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    capsys: Capture, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "taken.svg").mkdir()
    words = [word.format(folder=tmp_path) for word in arguments]
    assert message in run(capsys, "describe", "network=resnet18", *words).line
    assert [path.name for path in tmp_path.iterdir()] == ["taken.svg"]


def test_a_setting_of_no_network_is_told_what_to_give(capsys: Capture) -> None:
    assert "nothing to describe: give network=NAME (alexnet, darts_v2" in run(capsys, "describe", "layers=all").line
    assert NetworkConfig().to_dict().keys().isdisjoint({"small"})
