"""Cell drawings: nothing overlaps, every operation is there, nothing is executed."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from nastk.genotype import MAX_NODES, Cell, Edge, Node
from nastk.genotype.ops import KNOWN_OPS
from nastk.reports.cell_drawing import draw_cell
from nastk.reports.cell_layout import OUTPUT, Item, _crossings, columns
from nastk.reports.op_families import FAMILIES, OTHER, TIMES, family, label
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace, random_genotype

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def nasnet_a() -> list[Cell]:
    """Zoph et al. 2018, figure 4."""

    def cell(output: tuple[int, ...], *blocks: tuple[int, str, int, str]) -> Cell:
        return Cell(2, tuple(Node((Edge(a, left), Edge(b, right))) for a, left, b, right in blocks), output)

    normal = cell(
        (0, 2, 3, 4, 5, 6),
        (1, "sep_conv_3x3", 1, "identity"),
        (0, "sep_conv_3x3", 1, "sep_conv_5x5"),
        (1, "avg_pool_3x3", 0, "identity"),
        (0, "avg_pool_3x3", 0, "avg_pool_3x3"),
        (0, "sep_conv_5x5", 0, "sep_conv_3x3"),
    )
    reduction = cell(
        (3, 4, 5, 6),
        (0, "sep_conv_7x7", 1, "sep_conv_5x5"),
        (1, "max_pool_3x3", 0, "sep_conv_7x7"),
        (1, "avg_pool_3x3", 0, "sep_conv_5x5"),
        (1, "max_pool_3x3", 2, "sep_conv_3x3"),
        (2, "avg_pool_3x3", 3, "identity"),
    )
    return [normal, reduction]


def chain(nodes: int) -> Cell:
    """Every node reads the two states before it: the deepest cell of its size."""
    made = tuple(Node((Edge(index, "conv_3x3"), Edge(index + 1, "dil_sep_conv_5x5"))) for index in range(nodes))
    return Cell(2, made, (nodes + 1,))


def cells() -> list[Cell]:
    """Cells of every space, the paper's, and the largest there may be."""
    found = [*nasnet_a(), chain(5), chain(MAX_NODES)]
    for space, count in (
        (NasnetSpace(), 12),
        (DartsSpace(), 8),
        (NasBench201Space(), 8),
        (NasnetSpace(12), 2),
        (NasnetSpace(MAX_NODES), 1),
    ):
        for seed in range(count):
            found += [cell for _, cell in random_genotype(space, random.Random(seed)).cells]
    return found


CELLS = cells()


@cache
def drawn(cell: Cell) -> str:
    """Draws a cell once for all tests."""
    return draw_cell(cell, "cell")


def shapes(svg: str) -> tuple[list[Box], list[list[tuple[float, float]]], ElementTree.Element]:
    """Returns boxes and circles as (left, top, right, bottom) and lines as points along them."""
    root = ElementTree.fromstring(svg)
    graph = next(root.iter(f"{SVG}g"))
    boxes = []
    for box in graph.iter(f"{SVG}rect"):
        x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    for circle in graph.iter(f"{SVG}circle"):
        x, y, radius = (float(circle.attrib[name]) for name in ("cx", "cy", "r"))
        boxes.append((x - radius, y - radius, x + radius, y + radius))
    return boxes, [points(path.attrib["d"]) for path in graph.iter(f"{SVG}path")], root


def points(path: str) -> list[tuple[float, float]]:
    """Returns points along an SVG path of the commands that the drawing uses."""
    found: list[tuple[float, float]] = []
    for command, text in re.findall(r"([MHhC])([^MHhC]*)", path):
        numbers = [float(number) for number in text.split()]
        if command == "M":
            found.append((numbers[0], numbers[1]))
            continue
        x0, y0 = found[-1]
        if command == "C":
            x1, y1, x2, y2, x3, y3 = numbers
        else:
            end = numbers[0] + (x0 if command == "h" else 0)
            x1, y1, x2, y2, x3, y3 = x0, y0, end, y0, end, y0
        for step in range(1, 41):
            t = step / 40
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            found.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return found


@pytest.mark.parametrize("cell", CELLS)
def test_boxes_do_not_overlap_and_lie_in_the_picture(cell: Cell) -> None:
    boxes, _, root = shapes(drawn(cell))
    for (left, top, right, bottom), (left2, top2, right2, bottom2) in combinations(boxes, 2):
        assert right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for left, top, right, bottom in boxes:
        assert left >= 0 and top >= -1 and right <= width and bottom + 44 <= height


@pytest.mark.parametrize("cell", CELLS)
def test_no_line_runs_through_a_box(cell: Cell) -> None:
    boxes, lines, _ = shapes(drawn(cell))
    for line in lines:
        for x, y in line:
            assert not any(
                left + 0.5 < x < right - 0.5 and top + 0.5 < y < bottom - 0.5 for left, top, right, bottom in boxes
            )


@pytest.mark.parametrize("cell", CELLS)
def test_every_operation_is_a_box_and_every_text_fits_in_its_box(cell: Cell) -> None:
    svg = drawn(cell)
    root = ElementTree.fromstring(svg)
    ops = sorted(edge.op for node in cell.nodes for edge in node.edges)
    rects = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert sorted(str(rect.findtext(f"{SVG}title")) for rect in rects) == ops
    room = {float(rect.attrib["width"]) for rect in rects}
    assert len(room) == 1
    assert max(len(label(op)) for op in ops) * 6.5 <= room.pop()  # 12 px sans-serif: about 6 px a character


def test_a_line_is_drawn_from_every_state_to_every_reader() -> None:
    for cell in CELLS[:-2]:
        placed = columns(cell)
        reads = {(item.item.state, state) for column in placed for item in column for state in item.item.sources}
        expected = {(cell.inputs + index, edge.state) for index, node in enumerate(cell.nodes) for edge in node.edges}
        expected |= {(OUTPUT, state) for state in cell.output}
        assert {pair for pair in reads if pair[0] != pair[1]} == expected
        for before, after in pairwise(placed):
            there = {item.item.state for item in before}
            assert all(state in there for item in after for state in item.item.sources)


def test_a_graph_that_can_be_drawn_without_crossings_is() -> None:
    ladder = Cell(
        2,
        (
            Node((Edge(1, "conv_3x3"), Edge(1, "conv_1x1"))),  # listed first, but belongs below
            Node((Edge(0, "conv_3x3"), Edge(0, "conv_1x1"))),
            Node((Edge(2, "identity"), Edge(2, "identity"))),
            Node((Edge(3, "identity"), Edge(3, "identity"))),
        ),
        (4, 5),
    )
    order = [[placed.item for placed in column] for column in columns(ladder)]
    assert _crossings(order) == 0
    assert [item.state for item in order[1]] == [3, 2]


def test_crossings_are_counted() -> None:
    def item(state: int, *sources: int) -> Item:
        return Item(state, False, sources)

    assert _crossings([[item(0), item(1)], [item(2, 1), item(3, 0)]]) == 1
    assert _crossings([[item(0), item(1)], [item(2, 0, 1), item(3, 0, 1)]]) == 1
    assert _crossings([[item(0), item(1), item(2)], [item(3, 2), item(4, 1), item(5, 0)]]) == 3


def test_both_ways_to_combine_and_a_node_with_one_edge_can_be_told_apart() -> None:
    svg = draw_cell(
        Cell(
            1,
            (
                Node((Edge(0, "conv_3x3"),)),
                Node((Edge(0, "zero"), Edge(1, "identity")), "concat"),
                Node((Edge(0, "identity"), Edge(2, "identity")), "add"),
            ),
            (3,),
        ),
        "cell",
    )
    texts = [text.text for text in next(ElementTree.fromstring(svg).iter(f"{SVG}g")).iter(f"{SVG}text")]
    assert texts.count("+") == 1
    assert texts.count("‖") == 1
    assert texts.count("h1") == texts.count("h2") == texts.count("h3") == 1
    assert "off" in svg.split("</style>")[1]


def test_names_are_escaped_and_an_unknown_operation_is_drawn() -> None:
    cell = Cell(1, (Node((Edge(0, "<script>alert(1)</script>"),)),), (1,))
    svg = draw_cell(cell, '"><script>alert(2)</script>')
    assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
    assert "<script" not in svg
    assert OTHER.fill in svg


def test_the_same_cell_gives_the_same_text() -> None:
    assert draw_cell(CELLS[5], "cell") == draw_cell(CELLS[5], "cell")


def test_every_shipped_operation_has_a_family_and_a_label_of_its_own() -> None:
    assert all(family(op) is not OTHER for op in KNOWN_OPS)
    assert len({label(op) for op in KNOWN_OPS}) == len(KNOWN_OPS)
    assert label("conv_1x7_7x1") == f"conv 1{TIMES}7 7{TIMES}1"
    assert label("sep_conv_5x5") == f"sep 5{TIMES}5"


def test_text_on_a_family_colour_is_readable() -> None:
    """WCAG 2.1 asks for a contrast of 4.5 for text of this size."""

    def luminance(colour: str) -> float:
        parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for kind in FAMILIES:
        dark, light = sorted((luminance(kind.fill), luminance(kind.ink)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, kind.name
