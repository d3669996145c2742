"""What is left of memory, as the system and its control groups tell."""

from __future__ import annotations

from pathlib import Path

from nastk.free_memory import all_memory, free_memory


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable: 8000000 kB\n"


def test_without_a_limit_it_is_what_the_system_has(tmp_path: Path) -> None:
    files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}
    assert free_memory(written(tmp_path, files)) == 8_000_000 * 1024
    assert all_memory(tmp_path) == 16_000_000 * 1024


def test_the_tightest_limit_above_the_process_counts_less_what_is_taken_and_cannot_be_given_back(
    tmp_path: Path,
) -> None:
    group = "sys/fs/cgroup/jobs"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/jobs/mine\n",
        f"{group}/mine/memory.max": "max\n",
        f"{group}/memory.max": "2000\n",
        f"{group}/memory.current": "1500\n",
        f"{group}/memory.stat": "anon 900\ninactive_file 400\n",
    }
    assert free_memory(written(tmp_path, files)) == 900
    assert all_memory(tmp_path) == 2000


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/job"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "5:cpu:/job\n4:memory:/job\n",
        f"{group}/memory.limit_in_bytes": "5000\n",
        f"{group}/memory.usage_in_bytes": "1000\n",
        f"{group}/memory.stat": "total_inactive_file 0\n",
    }
    assert free_memory(written(tmp_path, files)) == 4000


def test_where_nothing_tells_it_is_unknown_and_here_it_is_known(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is all_memory(tmp_path) is None
    here = free_memory()
    assert here is not None
    assert here > 1_000_000
