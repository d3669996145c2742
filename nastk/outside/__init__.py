"""The door that every file from outside comes through: what is read is bounded in size, depth, numbers and encoding."""

from nastk.errors import shortened
from nastk.outside.json_text import (
    ROWS,
    as_object,
    json_lines,
    number_in,
    parse_json,
    read_json,
    read_object,
)
from nastk.outside.regular import DOCUMENT, opened, read_bytes, read_text

__all__ = [
    "DOCUMENT",
    "ROWS",
    "as_object",
    "json_lines",
    "number_in",
    "opened",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_object",
    "read_text",
    "shortened",
]
