"""Reads the operators of an ONNX file from its bytes, without onnx: what a file would run, before it runs.

An ONNX file is a protocol buffer: a sequence of fields, each a number, a kind, and a value, some of which are messages
of fields themselves. The numbers below are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nastk.errors import UserError

GRAPH, FUNCTIONS = 7, 25  # of a model
NODE, CONSTANT, SPARSE_CONSTANT = 1, 5, 15  # of a graph
OP_TYPE, ATTRIBUTE, DOMAIN = 4, 5, 7  # of a node
SUBGRAPHS = (6, 11)  # of an attribute
TENSORS, SPARSE_TENSORS = (5, 10), (22, 23)  # of an attribute
SPARSE_PARTS = (1, 2)  # of a sparse tensor: values and where they are
TENSOR_NAME, OUTSIDE = 8, 13  # of a tensor
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
DOMAINS = ("", "ai.onnx")


class Operator(NamedTuple):
    """A node's operator.

    Attributes:
        name: "Conv", ...
        domain: "" for ONNX's own.
        has_graph: it runs a graph of its own, once, often or for ever: Loop, Scan, If.
    """

    name: str
    domain: str
    has_graph: bool


def refuse_programs(model: bytes) -> None:
    """Raises UserError where a file is more than a plain graph of ONNX's own operators, which always ends."""
    try:
        for operator in operators(memoryview(model)):
            if operator.has_graph:
                raise UserError(f"operator {operator.name[:40]!r} runs a graph of its own, expected a plain graph")
            if operator.domain not in DOMAINS:
                raise UserError(f"operator {operator.name[:40]!r} of domain {operator.domain[:40]!r}, expected ONNX's")
    except (IndexError, ValueError, UnicodeDecodeError):
        raise UserError("not an ONNX model, or cut short") from None


def operators(model: memoryview) -> Iterator[Operator]:
    """Yields the operators of a file's main graph in its order.

    Raises:
        UserError: the file defines functions.
        IndexError, ValueError: it is no protocol buffer.
    """
    for number, value in _fields(model):
        if number == FUNCTIONS:
            raise UserError("it defines functions of its own, expected only ONNX's operators")
        if number == GRAPH:
            yield from (_operator(node) for inner, node in _fields(value) if inner == NODE)


def refuse_outside_data(model: bytes) -> None:
    """Raises UserError where a tensor of a file keeps its data in another one, whose hash nobody has checked."""
    try:
        for tensor in _tensors(memoryview(model)):
            fields = dict(_fields(tensor))
            if OUTSIDE in fields:
                name = str(fields.get(TENSOR_NAME, b""), "utf-8", "replace")
                raise UserError(f"tensor {name[:100]!r} keeps its data in another file, expected one-file ONNX")
    except (IndexError, ValueError):
        raise UserError("not an ONNX model, or cut short") from None


def _tensors(model: memoryview) -> Iterator[memoryview]:
    for graph in _parts(model, GRAPH):
        yield from _parts(graph, CONSTANT)
        sparse = list(_parts(graph, SPARSE_CONSTANT))
        for node in _parts(graph, NODE):
            for attribute in _parts(node, ATTRIBUTE):
                yield from _parts(attribute, *TENSORS)
                sparse += _parts(attribute, *SPARSE_TENSORS)
        for one in sparse:
            yield from _parts(one, *SPARSE_PARTS)


def _parts(message: memoryview, *numbers: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(message) if number in numbers)


def _operator(node: memoryview) -> Operator:
    name = domain = ""
    has_graph = False
    for number, value in _fields(node):
        if number == OP_TYPE:
            name = str(value, "utf-8")
        elif number == DOMAIN:
            domain = str(value, "utf-8")
        elif number == ATTRIBUTE:
            has_graph |= any(inner in SUBGRAPHS for inner, _ in _fields(value))
    return Operator(name, domain, has_graph)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields number and content of each field; content is empty but for messages, text and bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind, size = tag & 7, 0
        if kind == VARINT:
            _, place = _varint(message, place)
        elif kind == BYTES:
            size, place = _varint(message, place)
        elif kind in (EIGHT, FOUR):
            place += 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"kind {kind} of a field")
        if place + size > len(message):
            raise ValueError("a field that ends after its message")
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Returns a whole number, written in groups of seven bits, and where what follows it begins."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than 64 bits")
