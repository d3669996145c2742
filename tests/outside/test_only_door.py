"""No module reads a file of others past the door; those below read what nastk or the system has just written itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nastk

ROOT = Path(nastk.__file__).parent
METHODS = {"read_text", "read_bytes"}
FUNCTIONS = {
    *("json.load", "json.loads", "np.load", "OmegaConf.load", "yaml.load", "yaml.safe_load"),
    *("pickle.load", "pickle.loads", "zipfile.ZipFile"),
}
OWN = {
    "outside/": "the door",
    "config/build.py": "shipped search spaces",
    "cli/mistakes.py": "shipped configuration",
    "cli/help.py": "shipped configuration",
    "storages/journal_file.py": "lines of a journal that the door has read",
    "storages/journal_lock.py": "a lock's first bytes, and the system's own",
    "study/deaths.py": "the system's own",
    "stats/steadiness.py": "the system's own",
    "free_memory.py": "the system's own",
    "processor.py": "the system's own",
    "cli/run_words.py": "shipped configuration",
    "deploy/export/standalone.py": "runs beside an export, without nastk",
    "deploy/runtimes/remote_measure.py": "runs on another machine, without nastk",
    "deploy/runtimes/remote_machine.py": "runs on another machine, without nastk",
    "deploy/runtimes/remote_trtexec.py": "runs on another machine, without nastk",
    "deploy/runtimes/remote_ask.py": "programs of its own",
    "deploy/export/export.py": "a program of its own",
    "deploy/targets/litert.py": "a file that it has just written",
    "deploy/targets/microcontroller.py": "files that it has just written",
    "deploy/runtimes/machine.py": "the system's own",
    "deploy/runtimes/profiler.py": "a profile that ONNX Runtime has just written",
    "jobs/artifacts.py": "a page that it has just written",
    "jobs/describe_list.py": "shipped networks and spaces",
    "jobs/doctor.py": "torch's own version",
    "jobs/machine.py": "the system's own",
    "jobs/study.py": "its own settings, through JSON and back",
    "training/first_step.py": "the system's own",
    "training/launcher.py": "what its own processes say",
    "training/checkpoint.py": "checked as torch.load does",
    "executors/": "what its own processes say",
}


def reads(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and name of each call in a module that reads a file, or text from one, past the door."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            name = f"{owner}.{node.func.attr}"
            if name in FUNCTIONS or (node.func.attr in METHODS and owner != "outside"):
                yield node.lineno, name


def test_files_of_others_are_read_by_the_door_alone() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(tuple(OWN))
        for line, name in reads(path)
    ]
    assert found == []


def test_the_list_of_exceptions_is_not_longer_than_it_must_be() -> None:
    for name in OWN:
        paths = sorted((ROOT / name).rglob("*.py")) if name.endswith("/") else [ROOT / name]
        assert any(list(reads(path)) for path in paths), f"{name} reads nothing any more"
