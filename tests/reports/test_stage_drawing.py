"""Drawings of networks of stages."""

from __future__ import annotations

from xml.etree import ElementTree

from nastk.genotype.stages import StageGenotype
from nastk.reports.stage_drawing import MOST_DRAWN, draw_stages, drawn_stages
from tests.blocks.test_classics import classic

SVG = "{http://www.w3.org/2000/svg}"


def resnet() -> StageGenotype:
    """Returns ResNet-50."""
    return StageGenotype.from_dict(classic("resnet50")["genotype"])


def test_a_bar_stands_for_each_block_and_words_for_each_stage() -> None:
    drawing = ElementTree.fromstring(draw_stages(resnet(), "ResNet <50>", 224))
    assert len(drawing.findall(f"{SVG}rect")) == 1 + 1 + 3 + 4 + 6 + 3 + 1
    words = [text.text for text in drawing.findall(f"{SVG}text")]
    assert words[0] == "ResNet <50>"
    assert words.count("residual bottleneck") == 4
    assert "2048, 7x7 px" in words
    assert "kernel 7" in words


def test_nothing_is_drawn_outside_the_picture() -> None:
    drawing = ElementTree.fromstring(draw_stages(resnet(), "ResNet-50", 224))
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    for bar in drawing.findall(f"{SVG}rect"):
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width
        assert float(bar.attrib["y"]) + float(bar.attrib["height"]) <= height
    for text in drawing.findall(f"{SVG}text"):
        assert float(text.attrib["y"]) <= height
        assert float(text.attrib["x"]) + 5 * len(text.text or "") <= width


def test_a_resolution_of_its_own_is_told() -> None:
    made = StageGenotype.from_dict({"kind": "stages", "stages": [{"block": "conv", "width": 8}], "resolution": 24})
    drawing = draw_stages(made, "Small")
    assert "Small, images of 24x24 px" in drawing
    assert "8, 24x24 px" in drawing


def test_a_deep_stage_says_how_deep_it_is() -> None:
    stage = {"block": "residual_basic", "width": 16, "depth": MOST_DRAWN + 4}
    deep = drawn_stages(StageGenotype.from_dict({"kind": "stages", "stages": [stage]}))[0]
    assert len(deep.blocks) == MOST_DRAWN
    assert f"{MOST_DRAWN + 4} blocks" in deep.words
