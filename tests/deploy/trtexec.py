"""A stand-in for NVIDIA's trtexec, which needs a GPU: takes its options alone, and prints and exports in its form.

That form is of samples/trtexec/trtexec.cpp and samples/common/{logging.h,sampleDevice.cpp,sampleReporting.cpp} of
NVIDIA/TensorRT, tag v10.16; a parser's refusal is as trtexec 10.3 printed it (issue 42 of isaac_ros_dnn_stereo_depth).
Nothing is computed: an engine is a file that says of what it was built, and the times are made up.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

OPTIONS = Path(__file__).parent / "runtimes" / "trtexec_options.txt"
GPU, MILLISECONDS = "NVIDIA Orin", 1.25
STAMP = "[11/28/2026-01:28:16]"
REFUSAL = """{stamp} [E] [TRT] parsers/onnx/ModelImporter.cpp:961: While parsing node number 2 [Foo -> "y"]:
{stamp} [E] [TRT] parsers/onnx/ModelImporter.cpp:964: --- Begin node ---
input: "x"
output: "y"
op_type: "Foo"
{stamp} [E] [TRT] parsers/onnx/ModelImporter.cpp:965: --- End node ---
{stamp} [E] [TRT] parsers/onnx/ModelImporter.cpp:967: ERROR: onnxOpCheckers.cpp:818 In function checkFallback:
[6] creator && "Plugin not found, are the plugin name, version, and namespace correct?"
{stamp} [E] Failed to parse onnx file
{stamp} [I] Finished parsing network model. Parse time: 0.0301
{stamp} [E] Parsing model failed
{stamp} [E] Failed to create engine from model or file.
{stamp} [E] Engine set up failed
"""


def install(folder: Path, **behaviour: Any) -> Path:
    """Writes a trtexec; `calls` beside it gets a line of JSON with the options of each call.

    Args:
        folder: to write it into.
        behaviour: "version", as its banner has it; "fails": "parser", "killed", "no times" or "other median".
    """
    program = folder / "trtexec"
    (folder / "behaviour.json").write_text(json.dumps({"version": 101600, "fails": None, **behaviour}))
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {__file__} {folder} "$0" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def calls(program: Path, option: str) -> list[dict[str, str]]:
    """Returns the options of each call that was given one of that name."""
    path = program.with_name("calls")
    made = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [one for one in made if option in one]


def known_options(version: str) -> set[str]:
    """Returns the options of a version's help, with "=" behind those that take a value."""
    lines = [line.split() for line in OPTIONS.read_text().splitlines() if not line.startswith("#")]
    return {option for option, *versions in lines if version in versions}


class _Trtexec:
    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder, self.behaviour = folder, json.loads((folder / "behaviour.json").read_text())
        version = self.behaviour["version"]
        self.told = f"TensorRT.trtexec [TensorRT v{version}] [b42] # {' '.join(command)}"
        self.options = dict(one.partition("=")[::2] for one in command[1:])
        self.known = known_options("11.1" if version >= 110000 else "10.16")

    def run(self) -> int:
        print(f"&&&& RUNNING {self.told}")
        with (self.folder / "calls").open("a") as file:
            file.write(json.dumps(self.options) + "\n")
        if "--help" in self.options:
            print("\n".join(["=== Model Options ===", *sorted(self.known)]))
            return 0
        for name, value in self.options.items():
            if name + "=" * bool(value) not in self.known:
                return self.failed(f"{STAMP} [E] Unknown option: {name} {value}")
        self.say("=== Device Information ===", "Available Devices: ", f'  Device 0: "{GPU}" UUID: GPU-1f2e')
        self.say(f"Selected Device: {GPU}", "Selected Device ID: 0", "Compute Capability: 8.7", "")
        return self.timed() if "--loadEngine" in self.options else self.built()

    def built(self) -> int:
        model = Path(self.options["--onnx"]).read_bytes()
        if self.behaviour["fails"] == "parser":
            return self.failed(REFUSAL.format(stamp=STAMP).rstrip())
        engine = {"of": hashlib.sha256(model).hexdigest(), "version": self.behaviour["version"]}
        Path(self.options["--saveEngine"]).write_text(json.dumps(engine))
        self.say("Engine built in 12.3 sec.", "Skipped inference phase since --skipInference is added.")
        return self.passed()

    def timed(self) -> int:
        try:
            engine = json.loads(Path(self.options["--loadEngine"]).read_text())
        except ValueError:
            engine = {"version": None}
        if engine["version"] != self.behaviour["version"]:
            return self.failed(f"{STAMP} [E] Engine deserialization failed\n{STAMP} [E] Engine set up failed")
        count = max(int(self.options["--iterations"]), int(float(self.options["--duration"]) * 1000 / MILLISECONDS))
        times = [MILLISECONDS * (1 + 0.001 * (index % 7)) for index in range(count)]
        self.say("Warmup completed 160 queries over 200 ms", f"Timing trace has {count} queries over 0.4 s", "")
        if self.behaviour["fails"] == "killed":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.export(times)
        printed = [2 * one for one in times] if self.behaviour["fails"] == "other median" else times
        self.say("=== Performance summary ===", f"Throughput: {1000 / MILLISECONDS:g} qps")
        zero = [0.0] * count
        for name, values in (("Latency", printed), ("Enqueue Time", printed), ("H2D Latency", zero)):
            self.say(f"{name}: {summary(values)}")
        self.say(f"GPU Compute Time: {summary(printed)}", f"D2H Latency: {summary(zero)}", "")
        return self.passed()

    def export(self, times: list[float]) -> None:
        names = ("startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs")
        names += ("startD2hMs", "endD2hMs", "h2dMs", "computeMs", "d2hMs", "latencyMs")
        runs = [{**dict.fromkeys(names, 0), "computeMs": one, "latencyMs": one} for one in times]
        rows = [", ".join(f'"{name}" : {value:g}' for name, value in run.items()) for run in runs]
        text = "[\n  { " + " }\n, { ".join(rows) + " }\n]\n"
        if self.behaviour["fails"] != "no times":
            Path(self.options["--exportTimes"]).write_text(text)
        else:
            Path(self.options["--exportTimes"]).write_text(text[:-300])

    def say(self, *lines: str) -> None:
        print("\n".join(f"{STAMP} [I] {line}" for line in lines))

    def passed(self) -> int:
        print(f"&&&& PASSED {self.told}")
        return 0

    def failed(self, text: str) -> int:
        print(text, file=sys.stderr)
        print(f"&&&& FAILED {self.told}")
        return 1


def summary(times: list[float]) -> str:
    """Returns what getPerformanceResult makes of times, by its ways of the median and of percentiles."""
    ordered, count = sorted(times), len(times)
    median = ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2
    found = f"min = {ordered[0]:g} ms, max = {ordered[-1]:g} ms, mean = {sum(ordered) / count:g} ms, "
    found += f"median = {median:g} ms"
    for percent in (90, 95, 99):
        place = max(count - 1 - int((1 - percent / 100) * count), 0)
        found += f", percentile({percent}%) = {ordered[place]:g} ms"
    return found


if __name__ == "__main__":
    sys.exit(_Trtexec(Path(sys.argv[1]), sys.argv[2:]).run())
