"""Several drawings below each other as one SVG file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

SIZE = re.compile(r'width="(\d+)" height="(\d+)"')
BETWEEN = 10
# A page of the browser has no colour of its own; the drawings' letters are dark on light, or the other way round.
PAGE = "rect.nastk-page{fill:#ffffff}@media (prefers-color-scheme:dark){rect.nastk-page{fill:#14181f}}"


def one_page(drawings: Sequence[str]) -> str:
    """Returns one SVG text of several, one below the other on a page that is light or dark as their letters need it."""
    sizes = []
    for drawing in drawings:
        found = SIZE.search(drawing)
        assert found is not None, "a drawing says how large it is"
        sizes.append((int(found[1]), int(found[2])))
    width, height = max(wide for wide, _ in sizes), sum(high for _, high in sizes) + BETWEEN * (len(sizes) - 1)
    parts, y = [], 0
    for drawing, (_, high) in zip(drawings, sizes, strict=True):
        parts.append(drawing.strip().replace("<svg ", f'<svg y="{y}" ', 1))
        y += high + BETWEEN
    label = re.search('aria-label="([^"]*)"', drawings[0])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{label[1] if label else escape("network")}"><style>{PAGE}</style>'
        f'<rect class="nastk-page" width="{width}" height="{height}"/>{"".join(parts)}</svg>\n'
    )
