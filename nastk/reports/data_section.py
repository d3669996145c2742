"""What the images are: how many of each class a search and a transfer see, and a few of them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nastk.reports.page import card, paragraph
from nastk.reports.thumbnails import thumbnails
from nastk.runs.schema import Object
from nastk.runs.shown import Shown

MOST_BARS = 20
UNEVEN = 2.0  # times as many images in the largest class as in the smallest, from which on it is told


def images_section(record: Object | None, shown: Shown | None) -> str:
    """Returns the section; empty where a search was trained on no images.

    Args:
        record: the content of data.json.
        shown: what the report prepared of the images.
    """
    if record is None and shown is None:
        return ""
    parts = [paragraph(told) for told in (_kind(record), _parts(record, shown)) if told]
    if shown is not None:
        parts += [_bars(shown), _examples(shown)]
    return card("The images", *parts)


def _kind(record: Object | None) -> str:
    if record is None:
        return ""
    size, channels = record.get("size"), record.get("channels")
    colour = {1: "grey", 3: "colour"}.get(channels, "") if isinstance(channels, int) else ""
    told = [
        f"{record.get('name')}: {record.get('classes')} classes",
        *([f"{size}x{size} pixels"] if size else []),
        colour,
    ]
    brought = record.get("resizing")
    skipped = record.get("skipped")
    more = f" Brought to that size by: {brought}." if brought else ""
    more += f" {skipped} could not be decoded and were left out." if skipped else ""
    return f"{', '.join(filter(None, told))}.{more}"


def _parts(record: Object | None, shown: Shown | None) -> str:
    """Returns how many images are trained, chosen and tested on."""
    told = []
    for name, use in (("train", "to train candidates"), ("validation", "held out to choose among them")):
        part = (record or {}).get(name)
        if isinstance(part, Mapping) and isinstance(part.get("images"), int):
            told.append(f"{part['images']:,} {use}")
    if shown is not None:
        told += [
            f"{sum(shown.train):,} in all to train the final networks",
            f"{sum(shown.test):,} to test them, seen once",
        ]
    return f"{'; '.join(told)}." if told else ""


def _bars(shown: Shown) -> str:
    """Returns a bar a class: training images, and test images beside it."""
    most = max(*shown.train, *shown.test, 1)
    lines = [_line(name, train, test, most) for name, train, test in _few(shown)]
    smallest, largest = min(shown.train), max(shown.train)
    uneven = largest > UNEVEN * max(smallest, 1)
    told = "Images of each class, to train (upper bar) and to test (lower)" + (
        f", of the first {MOST_BARS} classes" * _many(shown)
    )
    told += f"; the largest class has {largest:,}, the smallest {smallest:,}" if uneven or _many(shown) else ""
    return f'{paragraph(told, "dim small")}<div class="lines">{"".join(lines)}</div>'


def _line(name: str, train: int, test: int, most: int) -> str:
    bars = f"{_bar(train, most, 'train')}{_bar(test, most, 'test')}"
    told = f'<span class="told">{train:,} / {test:,}</span>'
    return f'<span class="name">{escape(name)}</span><span class="counts">{bars}</span>{told}'


def _many(shown: Shown) -> bool:
    return len(shown.classes) > MOST_BARS


def _few(shown: Shown) -> list[tuple[str, int, int]]:
    return list(zip(shown.classes, shown.train, shown.test, strict=True))[:MOST_BARS]


def _bar(number: int, most: int, kind: str) -> str:
    return f'<i class="{kind}" style="width:{100 * number / most:.1f}%"></i>'


def _examples(shown: Shown) -> str:
    if shown.examples is None or shown.example_labels is None:
        return ""
    captions = [(shown.classes[label], "") for label in shown.example_labels]
    told = "Training images, the first of each class" + f" of {MOST_BARS}" * _many(shown)
    return paragraph(told, "dim small") + thumbnails(list(shown.examples), captions)
