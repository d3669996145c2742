"""A file as an array in C, for devices without a file system: header and source for compilers of C11 or C++11."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

COLUMNS = 16
ALIGNMENT = 16  # which a flatbuffer and its constants need


def c_array(data: bytes, name: str, header: str, values: Mapping[str, int | float]) -> tuple[str, str]:
    """Returns header and source.

    Args:
        data: of the file.
        name: of the array; its length is `name`_len.
        header: name of the header's file.
        values: numbers to use the file with, by the ends of their macros' names.
    """
    upper = name.upper()
    macros = [f"#define {upper}_{word} {_number(value)}" for word, value in values.items()]
    said = f"/* {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}; written by nastk. */"
    head = [
        *(said, f"#ifndef {upper}_H", f"#define {upper}_H", ""),
        *(*macros, ""),
        *("#ifdef __cplusplus", 'extern "C" {', "#endif", ""),
        *(f"extern const unsigned char {name}[{len(data)}];", f"extern const unsigned int {name}_len;", ""),
        *("#ifdef __cplusplus", "}", "#endif", "", "#endif"),
    ]
    rows = [", ".join(f"0x{byte:02x}" for byte in data[at : at + COLUMNS]) for at in range(0, len(data), COLUMNS)]
    body = [
        *(said, f'#include "{header}"', ""),
        *("#ifdef __cplusplus", f"alignas({ALIGNMENT})", "#else", f"_Alignas({ALIGNMENT})", "#endif"),
        f"const unsigned char {name}[{len(data)}] = {{",
        *(f"    {row}," for row in rows),
        *("};", f"const unsigned int {name}_len = {len(data)};"),
    ]
    return "\n".join(head) + "\n", "\n".join(body) + "\n"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
