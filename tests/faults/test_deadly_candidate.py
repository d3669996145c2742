"""A candidate that ends the command that trains it is tried once more, then failed, and the search goes on."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.ending import HOW, KEYS
from tests.faults.commands import Command, Server, rows

SEARCH = (
    *("+space=nasnet", "space.blocks=2", "trials=3", "seed=7", "controller=random"),
    *("evaluator._target_=tests.crashing.Crashing", "allow_targets=[tests.crashing]", "evaluator.threads=1"),
    *("evaluator.epochs=1", "data.subset=300", "evaluator.network.filters=4", "target.seconds=0.02"),
)


def test_a_search_that_a_candidate_ends_twice_fails_it_and_goes_on(server: Server, tmp_path: Path) -> None:
    search = Command("search", tmp_path / "run", SEARCH)
    ends = [server.run(search, {KEYS: str(tmp_path / "keys"), HOW: "abort"}) for _ in range(3)]
    assert [end.code for end in ends] == [-signal.SIGABRT, -signal.SIGABRT, 0], ends[-1].said
    assert "trial 1 ended the last process (Aborted); it is tried once more" in ends[1].said
    failed = [row for row in rows(search.run) if row["state"] == "failed"]
    assert [row["number"] for row in failed] == [1]
    assert failed[0]["reason"] == (
        "the search's process died twice while this candidate was under way (Aborted; see crash-1.log)"
    )
    assert sum(row["state"] == "complete" for row in rows(search.run)) == 3
    assert "Crashing" not in ends[2].said
    assert "in end_with_the_second" in (search.run / "crash-1.log").read_text()
    assert not list(search.run.glob(".crash-*"))
