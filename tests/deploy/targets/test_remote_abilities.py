"""What the other machine can, not this one, says which threads and files there may be for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nastk.deploy.targets import OpenvinoTarget, RemoteTarget, openvino
from nastk.errors import UserError
from tests.deploy.targets.test_remote_farm import CPUINFO, board, boards

__all__ = ["boards"]  # a fixture
FLAGS = "cpu family : 6|model name : Some|flags : avx2 {}|"
ALL = {"fp32", "bf16", "int8"}


@pytest.fixture
def here(boards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine computes bfloat16 quickly."""
    monkeypatch.setattr(openvino, "quick_bf16", lambda: True)
    if (reason := OpenvinoTarget().cannot_run()) is not None:
        pytest.skip(reason)


def test_more_threads_than_cores_are_refused_in_one_line(boards: Path) -> None:
    with pytest.raises(UserError, match=r"^remote a: has \d+ cores, target.threads=999 is set; expected no more$"):
        RemoteTarget("a", of="cpu", threads=999).check()
    with pytest.raises(UserError, match=r"^target.hosts: none of 2 machines can measure: a: has \d+ cores, target.thr"):
        RemoteTarget(hosts=("a", "b"), of="cpu", threads=999).check()
    RemoteTarget("a", of="cpu", threads=0).check()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("", ALL - {"bf16"}), ("avx512_bf16", ALL), ("amx_bf16", ALL), ("avx512f", ALL - {"bf16"})],
)
def test_a_bfloat16_file_is_written_where_the_other_machine_computes_it(
    boards: Path, here: None, flags: str, expected: set[str]
) -> None:
    board(boards, "a", **{CPUINFO: FLAGS.format(flags)})
    target = RemoteTarget("a", of="openvino")
    target.check()
    assert set(target.files) == expected


def test_bfloat16_that_the_other_machine_has_not_is_refused_in_one_line(boards: Path, here: None) -> None:
    board(boards, "a", **{CPUINFO: FLAGS.format("")})
    message = r"^target openvino: precision='bf16', but remote a has no instructions for it \(AVX512_BF16, AMX\); expec"
    with pytest.raises(UserError, match=message):
        RemoteTarget("a", of="openvino", precision="bf16").check()
