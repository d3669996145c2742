"""Asks the files for CPU and Arm the same images on x86 and on 64-bit Arm, which qemu imitates.

    scripts/aarch64 board
    python scripts/benchmarks/aarch64.py --board board --out scripts/benchmarks/reports/<date>-aarch64.md

Searches, trains and exports a network of each space on the embedded digits through nastk's own commands. It tells what
the files answer, not how long they take.
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

import numpy as np
from numpy.typing import NDArray

from nastk.data.sources import Digits
from nastk.deploy.export.assess import torch_logits
from nastk.deploy.images import normalised
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.networks.stored import load_trained
from nastk.runs.folder import git_commit

FILES = ("model.onnx", "model.int8.onnx", "model.arm.int8.onnx")
# By what they have: int8 matrices and dot products, dot products, neither.
PROCESSORS = {"max": "all of them", "cortex-a76": "Raspberry Pi 5", "cortex-a72": "Raspberry Pi 4"}
ASK = """import sys
import numpy, onnxruntime
onnxruntime.set_default_logger_severity(4)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
logits = [session.run(None, {"image": image[None]})[0] for image in numpy.load(sys.argv[2])]
numpy.save(sys.argv[3], numpy.concatenate(logits))
print(onnxruntime.__version__)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", type=Path, required=True, help="folder that scripts/aarch64 made")
    parser.add_argument("--spaces", default="nasbench201,nasnet", help="of which one network each is made")
    parser.add_argument("--epochs", type=int, default=20, help="of the final training")
    parser.add_argument("--out", type=Path, help="report to write, complete after each space; default: print it")
    arguments = parser.parse_args()
    parts = [_heading(arguments.board)]
    for space in arguments.spaces.split(","):
        with tempfile.TemporaryDirectory() as folder:
            parts.append(_table(space, _made(Path(folder), space, arguments.epochs), arguments.board))
        if arguments.out is not None:
            arguments.out.write_text("\n\n".join(parts) + "\n")
    if arguments.out is None:
        print("\n\n".join(parts))


def _made(folder: Path, space: str, epochs: int) -> Path:
    """Searches, trains and exports; returns the run folder."""
    steps = [
        ["nastk.search", f"+space={space}", "data=digits", "trials=2", "controller=random", "seed=1"],
        ["nastk.transfer", "baselines=[]", f"training.epochs={epochs}"],
        ["nastk.export", "export.also=[arm]"],
    ]
    for step in steps:
        command = [sys.executable, "-m", *step, "run=aarch64", f"runs={folder}"]
        print(shlex.join(command[1:]), file=sys.stderr)
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2])
    return folder / "aarch64"


def _table(space: str, run: Path, board: Path) -> str:
    transfer = next(path.parent for path in sorted(run.glob("transfer/*/model.safetensors")))
    trained = load_trained(transfer)
    normal, test = trained.facts["normalisation"], Digits().test()
    images, labels = normalised(test.x, normal["mean"], normal["std"]), test.y.numpy()
    expected = torch_logits(trained.network, images)
    lines = [
        f"## {space}, cell {trained.genotype.key[:8]}",
        "",
        "| file | processor | accuracy % | same class as torch % | same class as on x86 % "
        "| greatest difference of a logit from x86, of their range |",
        "|---|---|---|---|---|---|",
    ]
    for file in FILES:
        path = run / "export" / transfer.name / file
        here = _asked([sys.executable], path, images)
        lines.append(_row(file, "this one, x86", here, labels, expected, here))
        for name, has in PROCESSORS.items():
            there = _asked([str(board / "python")], path, images, name)
            lines.append(_row(file, f"{name} ({has})", there, labels, expected, here))
    return "\n".join(lines)


def _asked(python: list[str], file: Path, images: NDArray[np.float32], cpu: str = "max") -> NDArray[np.float32]:
    """Returns the logits that a Python of its own gets from a file, an image at a time."""
    with tempfile.TemporaryDirectory() as folder:
        taken, given = Path(folder, "images.npy"), Path(folder, "logits.npy")
        np.save(taken, images)
        command = [*python, "-c", ASK, str(file), str(taken), str(given)]
        subprocess.run(command, check=True, env={**os.environ, "QEMU_CPU": cpu}, stdout=subprocess.DEVNULL)
        found: NDArray[np.float32] = np.load(given)
        return found


def _row(
    file: str,
    name: str,
    found: NDArray[np.float32],
    labels: NDArray[np.int64],
    expected: NDArray[np.float32],
    here: NDArray[np.float32],
) -> str:
    chosen = found.argmax(1)
    same = [100 * np.mean(chosen == other) for other in (labels, expected.argmax(1), here.argmax(1))]
    return (
        f"| `{file}` | {name} | " + " | ".join(f"{one:.2f}" for one in same) + " | "
        f"{np.abs(found - here).max() / np.ptp(here):.1e} |"
    )


def _heading(board: Path) -> str:
    facts, used = machine_facts(), versions()
    ask = "import onnxruntime; print(onnxruntime.__version__)"
    there = subprocess.run([board / "python", "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    emulator = subprocess.run(["qemu-aarch64-static", "--version"], check=True, capture_output=True, text=True).stdout
    return "\n".join(
        [
            "# The same images on x86 and on 64-bit Arm",
            "",
            f"{date.today()}, commit {git_commit()}, `python {shlex.join(sys.argv)}`, {facts['processor']}; there ONNX "
            f"Runtime {there} under {emulator.splitlines()[0]}, here {used['onnxruntime']}. 360 test images, one at a "
            "time. Emulated: what the files answer is Arm's kernels' answer, how long they take is not told.",
        ]
    )


if __name__ == "__main__":
    main()
