"""Makes a PNG of a drawing of ours: the few elements of SVG that cells, stages and their page are made of.

It is no reader of SVG at large: what it does not know it leaves out, and it reads nothing that others have written.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

DOTS = 2  # pixels of the PNG for each of the drawing's
INCH = 96.0  # of the drawing's pixels
POINT = 72 / INCH
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
STEP = re.compile(r"([MHChL])([^MHChL]*)")
Style = dict[str, str]
Rules = list[tuple[frozenset[str], Style]]


def to_png(drawing: str) -> bytes:
    """Returns the PNG, dark on white, of the text of a drawing."""
    root = ElementTree.fromstring(drawing)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    figure = Figure(figsize=(width / INCH, height / INCH), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    for order, (element, x, y, style) in enumerate(_elements(root, 0.0, 0.0, [])):
        DRAWN[_name(element)](axes, element, x, y, style, order)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=INCH * DOTS, metadata={"Software": None})
    return stream.getvalue()


def _elements(
    parent: ElementTree.Element, x: float, y: float, rules: Rules
) -> Iterator[tuple[ElementTree.Element, float, float, Style]]:
    """Yields what is to be drawn in order, with the place that it is drawn from, and its style."""
    own = [*rules]
    for element in parent:
        name = _name(element)
        if name == "style":
            own += _rules(element.text or "")
        elif name in ("svg", "g"):
            moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
            dx, dy = (float(moved[1]), float(moved[2])) if moved else (0.0, 0.0)
            yield from _elements(element, x + dx, y + dy + float(element.get("y", 0)), own)
        elif name in DRAWN:
            yield element, x, y, _styled(element, own)


def _rules(css: str) -> Rules:
    """Returns the rules of a style for light pages: what an element must be, a name or classes, and how it looks."""
    light = css.partition("@media")[0]
    found = []
    for selector, body in RULE.findall(light):
        last = selector.split()[-1]
        found.append((frozenset(re.findall(r"\.[\w-]+|^\w+", last)), _declared(body)))
    return found


def _declared(body: str) -> Style:
    pairs = (part.partition(":") for part in body.split(";") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _styled(element: ElementTree.Element, rules: Rules) -> Style:
    """Returns an element's attributes, what the rules say of it over them, and its own style over these."""
    is_a = {_name(element), *(f".{one}" for one in element.get("class", "").split())}
    style = dict(element.attrib)
    for wanted, body in rules:
        if wanted <= is_a:
            style |= body
    return style | _declared(element.get("style", ""))


def _painted(style: Mapping[str, str], order: int) -> dict[str, Any]:
    dashes = [float(one) for one in re.findall(r"[\d.]+", style.get("stroke-dasharray", ""))]
    wide = float(style.get("stroke-width", 1)) * POINT
    return {
        "facecolor": style.get("fill", "#000000"),
        "edgecolor": style.get("stroke", "none"),
        "linewidth": wide if "stroke" in style else 0.0,
        "linestyle": (0, tuple(one / max(wide, 1) for one in dashes)) if dashes else "-",
        "zorder": order,
    }


def _rect(axes: Axes, element: ElementTree.Element, x: float, y: float, style: Style, order: int) -> None:
    left, top, width, height = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
    round_ = min(float(element.get("rx", 0)), width / 2, height / 2)
    corner = f"round,pad=0,rounding_size={round_}" if round_ else "square,pad=0"
    axes.add_patch(FancyBboxPatch((x + left, y + top), width, height, boxstyle=corner, **_painted(style, order)))


def _circle(axes: Axes, element: ElementTree.Element, x: float, y: float, style: Style, order: int) -> None:
    middle = x + float(element.get("cx", 0)), y + float(element.get("cy", 0))
    axes.add_patch(Circle(middle, float(element.get("r", 0)), **_painted(style, order)))


def _polygon(axes: Axes, element: ElementTree.Element, x: float, y: float, style: Style, order: int) -> None:
    points = [[float(one) for one in pair.split(",")] for pair in element.get("points", "").split()]
    axes.add_patch(Polygon([(x + px, y + py) for px, py in points], closed=True, **_painted(style, order)))


def _path(axes: Axes, element: ElementTree.Element, x: float, y: float, style: Style, order: int) -> None:
    places: list[tuple[float, float]] = []
    codes: list[Any] = []
    for kind, text in STEP.findall(element.get("d", "")):
        numbers = [float(one) for one in re.findall(r"-?[\d.]+", text)]
        if kind == "H":
            numbers = [numbers[0], places[-1][1] - y]
        elif kind == "h":
            numbers = [places[-1][0] - x + numbers[0], places[-1][1] - y]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        places += [(x + px, y + py) for px, py in pairs]
        codes += [{"M": Outline.MOVETO, "C": Outline.CURVE4}.get(kind, Outline.LINETO)] * len(pairs)
    axes.add_patch(PathPatch(Outline(places, codes), **_painted(style, order)))


def _text(axes: Axes, element: ElementTree.Element, x: float, y: float, style: Style, order: int) -> None:
    axes.text(
        x + float(element.get("x", 0)),
        y + float(element.get("y", 0)),
        (element.text or "").replace("$", r"\$"),
        fontsize=float(style.get("font-size", "12px").removesuffix("px")) * POINT,
        fontweight="bold" if style.get("font-weight") == "600" else "normal",
        color=style.get("fill", "#000000"),
        ha="center" if style.get("text-anchor") == "middle" else "left",
        va="center" if style.get("dominant-baseline") == "central" else "baseline",
        zorder=order,
    )


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


DRAWN: dict[str, Callable[[Axes, ElementTree.Element, float, float, Style, int], None]] = {
    "rect": _rect,
    "circle": _circle,
    "polygon": _polygon,
    "path": _path,
    "text": _text,
}
