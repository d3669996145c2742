"""Runs everything that a GPU is needed for, in parts of at most ten minutes, and writes the dated reports.

    scripts/gpu_proof                    every part that can run here and is not done; called again, it goes on
    scripts/gpu_proof --list             what this machine has, which parts can run, which are done
    scripts/gpu_proof --dry-run          the commands
    scripts/gpu_proof --parts many ddp   these alone; --again: though they are done

A part that is done is kept, with its reports, and skipped. One that takes too long is ended and goes on the next time
where it was, if what it runs can: searches, transfers and what measures rows do. Exit code: 0 where all that can run is
done, 1 where something failed or is not finished, 2 where there is no GPU or a word is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_parts import NEEDS, PARTS, ROOT, Place, file_runtime, missing_gpu
from kept_rows import ROWS
from machine import machine

from nastk.jobs.machine import cores, gpus

MOST_MINUTES = 1440
GRACE = 30  # seconds between asking a part to end and ending it


def options() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    parser = argparse.ArgumentParser(
        prog="gpu_proof", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="say what could run, run nothing")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run nothing")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--again", action="store_true", help="parts that are done, too")
    parser.add_argument("--minutes", type=_minutes, default=10.0, help="that a part may take")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("NASTK_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path("runs/gpu-proof"), help="folder of runs, logs, what is done")
    parser.add_argument("--reports", type=Path, default=ROOT / "scripts" / "benchmarks" / "reports")
    return parser


def _minutes(told: str) -> float:
    value = float(told)
    if not 0 < value <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{told}, expected a number above 0, at most {MOST_MINUTES}")
    return value


def why_not(name: str, place: Place, done: Sequence[str]) -> str | None:
    """Returns in one line what a part lacks, or None."""
    part = PARTS[name]
    missing = [found for need in part.needs if (found := NEEDS[need](place)) is not None]
    missing += [f"after {other}, which is not done" for other in part.after if other not in done]
    return "; ".join(missing) or None


def done_parts(place: Place) -> list[str]:
    """Returns the parts that were done in this place."""
    return [name for name in PARTS if _kept(place, name).exists()]


def overview(place: Place, missing: str | None) -> str:
    """Returns what the machine has and a line for each part."""
    done = done_parts(place)
    lines = [f"GPUs: {'; '.join(gpus()) or missing or 'nvidia-smi tells of none'}", f"cores: {cores()}"]
    lines += [f"files of target cuda: by {file_runtime()}"]
    lines += [f"{need}: {NEEDS[need](place) or 'there'}" for need in NEEDS]
    for name, part in PARTS.items():
        lacking = why_not(name, place, [*done, *PARTS])  # of parts before it there will be those that come before
        state = "done" if name in done else f"cannot: {lacking or missing}" if lacking or missing else "can run"
        lines.append(f"{name:10} {part.says}: {state}")
    return "\n".join(lines)


def run_part(name: str, place: Place, seconds: float) -> bool:
    """Runs a part, its output into a log; returns whether it was done, and then keeps what it was done with."""
    begun, log = time.monotonic(), place.work / f"{name}.log"
    commands = PARTS[name].commands(place)
    earlier = {path: path.stat().st_mtime_ns for path in place.reports.iterdir()}
    for command in commands:
        left = seconds - (time.monotonic() - begun)
        code = run_command(command, place, log, left)
        if code != 0:
            told = (
                f"not finished in {seconds / 60:g} minutes, goes on next time" if code is None else f"exit code {code}"
            )
            print(f"{name}: {told}; {log}", file=sys.stderr, flush=True)
            return False
    written = [path.name for path in place.reports.iterdir() if earlier.get(path) != path.stat().st_mtime_ns]
    fact = {"part": name, "date": place.date, "gpus": gpus(), "commit": machine()["commit"]}
    fact |= {"seconds": round(time.monotonic() - begun)}
    fact |= {"commands": [shlex.join(command) for command in commands], "reports": sorted(written)}
    _kept(place, name).write_text(json.dumps(fact, indent=1) + "\n")
    print(f"{name}: done in {fact['seconds']} s: {', '.join(sorted(written)) or log}", flush=True)
    return True


def run_command(command: Sequence[str], place: Place, log: Path, seconds: float) -> int | None:
    """Returns a command's exit code, None where it was ended for it took too long; nothing of it is left behind."""
    environment = {**os.environ, "NASTK_DATA": str(place.data)}
    with log.open("ab") as file:
        file.write(f"$ {shlex.join(command)}\n".encode())
        file.flush()
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return running.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            _end(running, signal.SIGTERM)
            return None
        finally:
            _end(running, signal.SIGKILL)


def _end(running: subprocess.Popen[bytes], how: signal.Signals) -> None:
    try:
        os.killpg(running.pid, how)
        running.wait(GRACE)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        return


def _kept(place: Place, name: str) -> Path:
    return place.work / f"{name}.done.json"


def main() -> None:
    given = options().parse_args()
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    place = Place(given.work.absolute(), given.data.absolute(), given.reports.absolute(), date)
    missing = missing_gpu()
    if given.dry_run:
        for name in given.parts:
            print(*(f"{name}: {shlex.join(command)}" for command in PARTS[name].commands(place)), sep="\n")
        return
    if given.list:
        print(overview(place, missing))
        return
    if missing is not None:
        print(f"gpu_proof: nothing was run: {missing}", file=sys.stderr)
        sys.exit(2)
    try:
        place.work.mkdir(parents=True, exist_ok=True)
        place.reports.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"gpu_proof: {error.filename}: cannot be made: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    print(overview(place, missing), flush=True)
    fine = run_all(place, given)
    Path(place.report("gpu-proof")).write_text(summary(place))
    sys.exit(0 if fine else 1)


def run_all(place: Place, given: argparse.Namespace) -> bool:
    """Runs the parts that were asked for, in their order; returns whether all that could run are done."""
    fine = True
    for name in (name for name in PARTS if name in given.parts):
        done = done_parts(place)
        if name in done and not given.again:
            continue
        lacking = why_not(name, place, done)
        if lacking is not None:
            print(f"{name}: skipped: {lacking}", flush=True)
            continue
        if name in done:  # it is measured again, not taken from what it measured
            (place.work / name / ROWS).unlink(missing_ok=True)
        _kept(place, name).unlink(missing_ok=True)
        fine &= run_part(name, place, 60 * given.minutes)
    return fine


def summary(place: Place) -> str:
    """Returns the report of all parts that are done, whenever that was."""
    lines = ["| part | shows | date | GPUs | commit | seconds | reports |", "|---|---|---|---|---|---|---|"]
    for name in done_parts(place):
        fact = json.loads(_kept(place, name).read_text())
        reports = ", ".join(fact["reports"]) or "-"
        on = "; ".join(fact["gpus"]) or "not told"
        told = fact["date"], on, fact.get("commit", "not told"), fact["seconds"], reports
        lines.append(f"| {name} | {PARTS[name].says} | " + " | ".join(map(str, told)) + " |")
    facts = {**machine(), "gpus": "; ".join(gpus())}
    if place.accuracy() is not None:
        facts["accuracy of the searched network on CIFAR-10's test images"] = place.accuracy()
    told = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return f"# What was run on a GPU\n\n{told}\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
