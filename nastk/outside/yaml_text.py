"""Looks at YAML from outside before anything is built of it: plain values, no alias that multiplies, bounded depth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from nastk.outside.regular import MIB, sized

YAML = MIB
MAX_DEPTH = 32
MAX_NODES = 20_000  # with each alias counted as what it stands for; a run's own settings are some hundred
MAX_DIGITS = 40
MAX_REFERENCES = 24  # `${name}` in one file: each may repeat what another one repeats
MAX_REFERENCE = 1000  # signs of a value with one
PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
NUMBER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0?[bo]?[0-9_:]+)")
Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RefusedYaml(ValueError):  # noqa: N818 - what is wrong is in the text, see `check_yaml`
    """A text that is not loaded.

    Attributes:
        line: where, from 1; None where the parser does not know.
        reason: what was found and what was expected.
    """

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line, self.reason = line, reason


def check_yaml(text: str) -> None:
    """Checks a YAML text before it is loaded; what it costs to load is then known.

    Raises:
        RefusedYaml: it is no YAML, no mapping, has a tag or an alias of itself, or is too large once every alias is
            replaced by what it stands for.
    """
    if len(text) > YAML:
        raise RefusedYaml(None, f"over {sized(YAML)}, expected at most that")
    counted = _Counted()
    try:
        for event in _events(text):
            counted.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RefusedYaml(mark and mark.line + 1, str(getattr(error, "problem", None) or error)) from None


def _events(text: str) -> Iterator[Any]:
    parser = Parser(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


class _Counted:
    """Counts nodes and depth of a document as its events come."""

    def __init__(self) -> None:
        self.line = 0
        self.documents = self.references = 0
        self.open: list[list[Any]] = [[None, 0, 0]]  # of each collection its anchor, nodes in it, depth below it
        self.anchors: dict[str, tuple[int, int]] = {}  # nodes and depth of what each stands for

    def take(self, event: Any) -> None:
        self.line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse("a second document", "one")
        elif isinstance(event, yaml.ScalarEvent):
            self._check_scalar(event)
            self._add(event.anchor, 1, 0)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:  # the parser leaves that to the composer, or it is open still
                self._refuse(f"the alias *{event.anchor} of nothing, or of what it stands in", "plain values")
            self._add(None, *self.anchors[event.anchor])
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._check_tag(event)
            if len(self.open) == 1 and not isinstance(event, yaml.MappingStartEvent):
                self._refuse("a list", "settings as name: value")
            self.open.append([event.anchor, 1, 0])
            self._bound(0, len(self.open) - 1)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            anchor, nodes, depth = self.open.pop()
            self._add(anchor, nodes, depth + 1)

    def _add(self, anchor: str | None, nodes: int, depth: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (nodes, depth)
        outer = self.open[-1]
        outer[1] += nodes
        outer[2] = max(outer[2], depth)
        self._bound(outer[1], len(self.open) - 1 + depth)

    def _bound(self, nodes: int, depth: int) -> None:
        if nodes > MAX_NODES:
            self._refuse(f"over {MAX_NODES} values, aliases replaced", "fewer")
        if depth > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH}", "less")

    def _check_scalar(self, event: Any) -> None:
        self._check_tag(event)
        text = event.value
        if len(self.open) == 1 and (event.style or text not in ("", "~", "null")):
            self._refuse(f"{text[:40]!r}", "settings as name: value")
        if not event.style and len(text) > MAX_DIGITS and NUMBER.fullmatch(text):
            self._refuse(f"a whole number of {len(text)} digits", f"at most {MAX_DIGITS}")
        self.references += text.count("${")
        if self.references > MAX_REFERENCES or ("${" in text and len(text) > MAX_REFERENCE):
            self._refuse("too many references to other settings", f"at most {MAX_REFERENCES} of ${{name}}")

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag not in PLAIN | {"!"}:
            self._refuse(f"the tag {event.tag[:60]!r}", "plain values")

    def _refuse(self, found: str, expected: str) -> None:
        raise RefusedYaml(self.line, f"{found}, expected {expected}")
