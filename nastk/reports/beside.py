"""A network of the final table in words, and the best of the other kind beside it: a baseline or a searched one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nastk.reports.final_table import FinalRow
from nastk.reports.table_text import share, size, trained_once_more
from nastk.stats.steadiness import untrusted

KEY = 10  # characters that are shown of a key


def rival(rows: Sequence[FinalRow]) -> FinalRow | None:
    """Returns the best baseline where the first network was searched, the best searched one where it is a baseline.

    Args:
        rows: of the final table, the network to ship first.
    """
    return next((row for row in rows[1:] if bool(row.baseline) != bool(rows[0].baseline)), None)


def named(row: FinalRow) -> str:
    """Returns what a network is called in a sentence."""
    return f"the baseline {row.baseline}" if row.baseline else f"the searched network {row.key[:KEY]}"


def measured(row: FinalRow, precision: str | None) -> str:
    """Returns what was measured of the file of a precision, fp32 where none is recommended."""
    return ", ".join(_measured(row, precision or "fp32"))


def _measured(row: FinalRow, precision: str) -> Iterator[str]:
    yield precision
    if precision in row.accuracy:
        yield f"{share(row.accuracy[precision])} % of the test images right"
    if precision in row.latency_ms:
        doubt = f" ({untrusted(row.doubts[precision])})" if precision in row.doubts else ""
        yield f"{row.latency_ms[precision]:.3g} ms{doubt}"
    if precision in row.size_bytes:
        yield size(row.size_bytes[precision])
    if row.refit_images:
        yield trained_once_more(row)
