"""Draws a cell as an SVG graph: hidden states left to right, operations as coloured boxes, joins as circles."""

from __future__ import annotations

from html import escape

from nastk.genotype import Cell, Node
from nastk.reports.cell_layout import OUTPUT, ROW, Columns, Placed, columns
from nastk.reports.op_families import FAMILIES, ZERO, Family, family, label

MARGIN = 14.0
TITLE = 30.0
LEGEND = 34.0
LETTER = 6.6  # width of a character of 12 px sans-serif text, a little more than the usual average
TITLE_LETTER = 9.2  # of the title, 14 px and bold
INPUT = 62.0
JOIN = 40.0  # from an operation's box to the middle of the circle
RADIUS = 11.0
LANES = 56.0  # between two columns
BAR = 22.0
OUT = 58.0

STYLE = """
.nastk-cell text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:12px}
.nastk-cell .ink{fill:#1d2530}.nastk-cell .dim{fill:#5b6673}
.nastk-cell .line{fill:none;stroke:#8b96a3;stroke-width:1.5}
.nastk-cell .older{stroke:#c2853b}.nastk-cell .latest{stroke:#4f87c2}
.nastk-cell .head{fill:#8b96a3}.nastk-cell .head.older{fill:#c2853b}.nastk-cell .head.latest{fill:#4f87c2}
.nastk-cell .off{stroke-dasharray:3 4}
.nastk-cell .node{fill:#ffffff;stroke:#46515e;stroke-width:1.5}
.nastk-cell .box-zero{stroke:#8b96a3;stroke-dasharray:3 3}
@media (prefers-color-scheme:dark){
.nastk-cell .ink{fill:#e6eaf0}.nastk-cell .dim{fill:#9aa5b2}
.nastk-cell .line{stroke:#7d8894}.nastk-cell .head{fill:#7d8894}
.nastk-cell .older{stroke:#d39a55}.nastk-cell .latest{stroke:#6ba3dc}
.nastk-cell .head.older{fill:#d39a55}.nastk-cell .head.latest{fill:#6ba3dc}
.nastk-cell .node{fill:#232b36;stroke:#aab4c0}}
"""


def draw_cell(cell: Cell, title: str) -> str:
    """Returns the SVG text of a cell; it needs no other file, and follows a dark colour scheme.

    Args:
        cell: of any search space; operations that nastk does not know get a neutral colour.
        title: shown above the graph and read out by screen readers.
    """
    placed = columns(cell)
    ops = [edge.op for node in cell.nodes for edge in node.edges]
    box = max(len(label(op)) for op in ops) * LETTER + 18
    xs = _column_starts(placed, box)
    used = [kind for kind in FAMILIES if kind in {family(op) for op in ops}]
    width = max(xs[-1] + BAR + OUT, MARGIN * 2 + len(title) * TITLE_LETTER, _legend_width(used) + MARGIN)
    bottom = max(item.y + item.item.height / 2 for column in placed for item in column)
    height = MARGIN + TITLE + bottom + LEGEND + MARGIN
    parts = _lines(cell, placed, xs, box)
    for column, x in zip(placed, xs, strict=True):
        for item in column:
            if item.item.state == OUTPUT:
                parts += _output(cell, item, x)
            elif item.item.state < cell.inputs and not item.item.lane:
                parts += _input(cell, item, x)
            elif not item.item.lane:
                parts += _node(cell.nodes[item.item.state - cell.inputs], item, x, box)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nastk-cell" role="img" aria-label="{escape(title)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"><style>{STYLE}</style>'
        f'<text class="ink" x="{MARGIN}" y="{MARGIN + 8}" style="font-size:14px;font-weight:600">{escape(title)}</text>'
        f'<g transform="translate(0 {MARGIN + TITLE})">{"".join(parts)}</g>{_legend(used, height - MARGIN)}</svg>\n'
    )


def _column_starts(placed: Columns, box: float) -> list[float]:
    starts = [MARGIN]
    for index in range(1, len(placed)):
        starts.append(starts[-1] + (INPUT if index == 1 else box + JOIN + RADIUS) + LANES)
    return starts


def _state_name(cell: Cell, state: int) -> str:
    if state >= cell.inputs:
        return f"h{state}"
    older = cell.inputs - 1 - state
    return f"h[i-{older}]" if older else "h[i]"


def _flow(cell: Cell, state: int) -> str:
    """The CSS class that tells the two cell inputs apart along their lines."""
    if cell.inputs == 2 and state < 2:
        return ("older", "latest")[state]
    return ""


def _off(op: str) -> str:
    """The CSS class of a line that carries nothing."""
    return " off" if family(op) is ZERO else ""


def _lines(cell: Cell, placed: Columns, xs: list[float], box: float) -> list[str]:
    parts = []
    for index in range(1, len(placed)):
        starts = {item.item.state: item for item in placed[index - 1]}
        for item in placed[index]:
            for at, row in enumerate(item.rows):
                state = item.item.sources[row]
                start = starts[state]
                passed = start.item.lane
                x0 = xs[index - 1] + (INPUT if index == 1 else box + JOIN + RADIUS)
                y0, x1, y1 = start.y, xs[index], item.row_y(at)
                head = 0.0 if item.item.lane else 6.0
                lane = f"M{xs[index - 1]:.1f} {y0:.1f}H{x0:.1f}" if passed else f"M{x0:.1f} {y0:.1f}"
                bend = (x1 - head - x0) * 0.55
                curve = f"C{x0 + bend:.1f} {y0:.1f} {x1 - head - bend:.1f} {y1:.1f} {x1 - head:.1f} {y1:.1f}"
                kind = _flow(cell, state)
                if not item.item.lane and item.item.state != OUTPUT:
                    kind += _off(cell.nodes[item.item.state - cell.inputs].edges[row].op)
                parts.append(f'<path class="line {kind}" d="{lane}{curve}"/>')
                if head:
                    points = f"{x1 - 7:.1f},{y1 - 3.5:.1f} {x1:.1f},{y1:.1f} {x1 - 7:.1f},{y1 + 3.5:.1f}"
                    parts.append(f'<polygon class="head {kind}" points="{points}"/>')
    return parts


def _input(cell: Cell, item: Placed, x: float) -> list[str]:
    return [
        f'<rect class="node" x="{x:.1f}" y="{item.y - ROW / 2:.1f}" width="{INPUT}" height="{ROW}" rx="13"/>',
        _text(_state_name(cell, item.item.state), x + INPUT / 2, item.y, "ink"),
    ]


def _node(node: Node, item: Placed, x: float, box: float) -> list[str]:
    parts = []
    middle = x + box + JOIN
    for at, row in enumerate(item.rows):
        y, op = item.row_y(at), node.edges[row].op
        kind = family(op)
        parts.append(
            f'<path class="line{_off(op)}" d="M{x + box:.1f} {y:.1f}C{x + box + 16:.1f} {y:.1f} '
            f'{middle - RADIUS - 12:.1f} {item.y:.1f} {middle - RADIUS:.1f} {item.y:.1f}"/>'
            f'<rect class="box-{kind.name}" x="{x:.1f}" y="{y - ROW / 2:.1f}" width="{box:.1f}" height="{ROW}" rx="5" '
            f'fill="{kind.fill}"><title>{escape(op)}</title></rect>' + _text(label(op), x + box / 2, y, "", kind)
        )
    parts.append(f'<circle class="node" cx="{middle:.1f}" cy="{item.y:.1f}" r="{RADIUS}"/>')
    if len(node.edges) > 1:
        parts.append(_text("+" if node.combine == "add" else "‖", middle, item.y, "ink"))
    parts.append(_text(f"h{item.item.state}", middle, item.y + RADIUS + 8, "dim", size=10))
    return parts


def _output(cell: Cell, item: Placed, x: float) -> list[str]:
    if len(cell.output) == 1:
        return [_text("h[i+1]", x + 26, item.y, "ink")]
    height = item.item.height + 10
    middle, out = x + BAR / 2, x + BAR
    return [
        f'<rect class="node" x="{x:.1f}" y="{item.y - height / 2:.1f}" width="{BAR}" height="{height:.1f}" rx="5"/>',
        _text("‖", middle, item.y, "ink"),
        f'<path class="line" d="M{out:.1f} {item.y:.1f}h10"/>',
        _text("h[i+1]", out + 32, item.y, "ink"),
    ]


def _text(text: str, x: float, y: float, kind: str, colour: Family | None = None, size: int = 12) -> str:
    fill = f' fill="{colour.ink}"' if colour else ""
    small = f' style="font-size:{size}px"' if size != 12 else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle" dominant-baseline="central"{fill}{small}>'
        f"{escape(text)}</text>"
    )


def _legend_width(used: list[Family]) -> float:
    return MARGIN + sum(30 + len(kind.name) * LETTER for kind in used) + 190


def _legend(used: list[Family], y: float) -> str:
    parts, x = [], MARGIN
    for kind in used:
        parts.append(
            f'<rect class="box-{kind.name}" x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="3" '
            f'fill="{kind.fill}"/>'
            f'<text class="dim" x="{x + 17:.1f}" y="{y:.1f}" style="font-size:11px">{kind.name}</text>'
        )
        x += 30 + len(kind.name) * LETTER
    parts.append(f'<text class="dim" x="{x + 4:.1f}" y="{y:.1f}" style="font-size:11px">+ add   ‖ concatenate</text>')
    return "".join(parts)
