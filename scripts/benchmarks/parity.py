"""Asks one exported network the same images in every runtime: torch, ONNX Runtime, ExecuTorch, LiteRT, OpenVINO, ...

    python scripts/benchmarks/parity.py --out scripts/benchmarks/reports/<date>-parity.md

Searches, trains and exports small networks on the embedded digits through nastk's own commands, then gives the test
images to all that can read the files. Runtimes that are not installed are left out and named. ExecuTorch takes long to
write its files, minutes for a cell of the NASNet space.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nastk.config.build import build, load_yaml, shipped
from nastk.data.sources import Digits
from nastk.deploy.images import normalised
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.networks.stored import load_trained
from nastk.runs.folder import git_commit
from scripts.benchmarks.runtime_agreement import Agreement, compare

TARGETS = ("cpu", "arm", "executorch", "litert")
NAMES = {
    "cpu": "ONNX Runtime",
    "arm": "ONNX Runtime, the ARM file",
    "executorch": "ExecuTorch, XNNPACK",
    "litert": "LiteRT, XNNPACK",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", default="nasbench201,nasnet", help="of which one network each is made")
    parser.add_argument("--epochs", type=int, default=20, help="of the final training")
    parser.add_argument("--slow-images", type=int, default=60, help="for ONNX's reference evaluator")
    parser.add_argument("--out", type=Path, help="report to write, complete after each space; default: print it")
    arguments = parser.parse_args()
    targets, missing = _targets()
    parts = [_heading(missing)]
    if arguments.out is None:
        print(parts[0])
    for space in arguments.spaces.split(","):
        with tempfile.TemporaryDirectory() as folder:
            run = _made(Path(folder), space, arguments.epochs, [target.name for target in targets])
            parts.append(_table(space, run, targets, arguments.slow_images))
        if arguments.out is None:
            print(parts[-1])
        else:
            arguments.out.write_text("\n\n".join(parts) + "\n")


def _targets() -> tuple[list[Target], list[str]]:
    """Returns the targets whose converters are installed, and what is said of the others."""
    found: list[Target] = []
    missing = []
    for name in TARGETS:
        target: Target = build(load_yaml(shipped("conf") / "target" / f"{name}.yaml"), "target")
        try:
            target.check()
            found.append(target)
        except UserError as error:
            missing.append(str(error))
    return found, missing


def _made(folder: Path, space: str, epochs: int, targets: list[str]) -> Path:
    """Searches, trains and exports; returns the run folder."""
    steps = [
        ["nastk.search", f"+space={space}", "data=digits", "trials=2", "controller=random", "seed=1"],
        ["nastk.transfer", "baselines=[]", "transfer.cells=1", "transfer.filters=16", f"training.epochs={epochs}"],
        ["nastk.export", f"export.also=[{','.join(targets[1:])}]"],
    ]
    for step in steps:
        command = [sys.executable, "-m", *step, "run=parity", f"runs={folder}"]
        print(shlex.join(command[1:]), file=sys.stderr)
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2])
    return folder / "parity"


def _table(space: str, run: Path, targets: list[Target], slow_images: int) -> str:
    (transfer,) = (path.parent for path in run.glob("transfer/*/model.safetensors"))
    trained = load_trained(transfer)
    normal, test = trained.facts["normalisation"], Digits().test()
    images = normalised(test.x, normal["mean"], normal["std"])
    export = run / "export" / transfer.name
    answers = compare(trained.network, export, targets, images, test.y.numpy(), slow_images)
    return (
        f"## {space}, cell {trained.genotype.key[:8]}\n\n"
        "| runtime | file | images | accuracy % | top-1 agreement with torch % | greatest difference of a logit |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(map(_row, answers))
    )


def _row(answer: Agreement) -> str:
    difference = f"{answer.max_difference:.1e} of {answer.range:.1f}" if answer.file else "-"
    return (
        f"| {NAMES.get(answer.runtime, answer.runtime)} | {answer.file or '-'} | {answer.images} | "
        f"{100 * answer.accuracy:.2f} | {100 * answer.agreement:.2f} | {difference} |"
    )


def _heading(missing: list[str]) -> str:
    facts, used = machine_facts(), versions()
    lines = [
        "# The same images in every runtime",
        "",
        f"{date.today()}, commit {git_commit()}, `python {shlex.join(sys.argv)}`, {facts['processor']}, "
        f"{facts['cores']} cores.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in (used | _others()).items()) + ".",
        "",
        "One network a space, made by `nastk.search`, `nastk.transfer` and `nastk.export`; the 360 test images of the",
        "embedded digits (ONNX's reference evaluator is slow: the first of them), normalised once, given to each.",
        "A difference is that of one logit to torch's float32, beside the greatest logit of torch.",
        *(f"Left out: {line}" for line in missing),
    ]
    return "\n".join(lines)


def _others() -> dict[str, str]:
    """Returns the versions of the runtimes that nastk does not need."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("executorch", "torchao", "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "openvino"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
