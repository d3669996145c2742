"""The page's elements: a table keeps short texts on one line, and breaks long ones instead of running off the page."""

from __future__ import annotations

import pytest

from nastk.reports.page import table


@pytest.mark.parametrize(("text", "broken"), [("complete", False), ("failed: " + "a long reason " * 20, True)])
def test_a_column_is_broken_only_where_a_text_is_long(text: str, broken: bool) -> None:
    assert ('<td class="left wrap">' in table(["job", "state"], [["0", text]], left=(1,), wrap=(1,))) == broken
