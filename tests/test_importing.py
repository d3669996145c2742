"""Importing without the garbage collector."""

from __future__ import annotations

import gc

from nastk.importing import uncollected


def made() -> list[list[int]]:
    return [[number] for number in range(100_000)]


def test_nothing_is_collected_within_and_what_is_there_is_left_out_once() -> None:
    found: list[int] = []

    def collected(phase: str, info: dict[str, int]) -> None:
        found.append(info["generation"])

    gc.callbacks.append(collected)
    try:
        with uncollected():
            kept = made()
            assert not found
        assert gc.isenabled() and gc.get_freeze_count() > 1000
        before = gc.get_freeze_count()
        with uncollected():
            more = made()
            assert len(more) == len(kept)
        assert gc.get_freeze_count() <= before
        again = made()
        assert found and len(again) == len(kept)
    finally:
        gc.callbacks.remove(collected)


def test_who_had_it_off_has_it_off_afterwards() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
