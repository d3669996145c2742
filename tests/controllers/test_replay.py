"""A replayed state is always the one that a fresh start would have, whatever came late or was interrupted."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import pytest

from nastk.controllers.history import Record
from nastk.controllers.replay import Replay


@dataclass
class Seen:
    """Learns in two steps, between which the user may press Ctrl-C."""

    stop_at: int | None = None
    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def learn(self, record: Record) -> None:
        self.begun.append(record.number)
        if record.number == self.stop_at:
            self.stop_at = None
            raise KeyboardInterrupt
        self.ended.append(record.number)


def records(*numbers: int) -> list[Record]:
    return [Record(number, {"x": 0}, {"x": (0, 1)}, (1.0,)) for number in numbers]


def test_what_was_interrupted_is_learnt_again_from_the_start() -> None:
    starts = [Seen(stop_at=12), Seen()]
    replay = Replay(lambda: starts.pop(0))
    all_of_them = records(*range(20))
    replay.state(all_of_them[:10])
    with pytest.raises(KeyboardInterrupt):
        replay.state(all_of_them)
    assert replay.state(all_of_them) == Seen(None, list(range(20)), list(range(20)))


def test_a_record_that_comes_late_is_learnt_in_its_place() -> None:
    replay = Replay(Seen)
    all_of_them = records(*range(30))
    replay.state([*all_of_them[:13], *all_of_them[14:29]])
    assert replay.state(all_of_them).ended == list(range(30))


def test_a_copy_begins_anew() -> None:
    replay = Replay(Seen)
    replay.state(records(1, 2, 3))
    assert pickle.loads(pickle.dumps(replay)).state(records(4)).ended == [4]
