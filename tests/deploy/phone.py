"""A stand-in phone with eight cores, thermal zones and Android's commands, attached to a real adb server of our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nastk.deploy.runtimes.elf import abi_of
from tests.deploy.adbd import Adbd

# A program that is run for real: it says its arguments, which `sample` reads.
PROGRAM = Path("/bin/echo")
# Three clusters, as a Pixel's: four small, three middle, one big core; kHz.
CLOCKS = (1_704_000,) * 4 + (2_367_000,) * 3 + (2_914_000,)
# What benchmark_model of LiteRT prints (tflite/tools/benchmark/benchmark_model.cc, stats_calculator.h), executor_runner
# logs and onnxruntime_perf_test writes (performance_result.h); latencies of about 1.5 ms.
SAMPLE = r"""
value() { printf '%s\n' "$said" | sed -n "s/.*$1\([0-9]*\).*/\1/p"; }
case "$said" in
--graph=*)
  runs=$(value --num_runs=)
  echo "INFO: STARTING!"
  echo "INFO: Log parameter values verbosely: [0]"
  echo "INFO: Min num runs: [$runs]"
  echo "INFO: Graph: [candidate.tflite]"
  echo "INFO: Loaded model candidate.tflite"
  echo "INFO: Initialized TensorFlow Lite runtime."
  echo "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
  echo "INFO: The input model file size (MB): 0.123456"
  echo "INFO: Initialized session in 5.685ms."
  echo "INFO: Running benchmark for at least 10 iterations and at least 0 seconds but terminate if exceeding 86400 seconds."
  echo "INFO: count=334 first=2120 curr=1493 min=1461 max=2120 avg=1502.3 std=31 p5=1470 median=1495 p95=1560"
  echo
  echo "INFO: Running benchmark for at least $runs iterations and at least 0 seconds but terminate if exceeding 86400 seconds."
  echo "INFO: count=$runs first=1503 curr=1489 min=1460 max=1640 avg=1499.61 std=18 p5=1471 median=1500 p95=1533"
  echo
  echo "INFO: Inference timings in us: Init: 5685, First inference: 2120, Warmup (avg): 1502.3, Inference (avg): 1499.61"
  ;;
-m*)
  echo "Session creation time cost: 0.0123 s"
  awk -v n=$(value '-r ') 'BEGIN {for (i = 0; i < n; i++) printf "tmp,%.6g,14000128,99,%d\n", (1500 + i % 10) / 1e6, i}' > result.csv
  ;;
--model_path=*)
  awk -v n=$(value --num_executions=) 'BEGIN {
    print "Resetting threadpool with num threads = 1"
    for (i = 1; i <= n; i++) printf "Iteration %d of %d: %f ms\n", i, n, (1500 + i % 10) / 1000
    printf "Model executed successfully %d time(s) in %f ms.\n", n, n * 1.5}' > "$HOME/log"
  ;;
esac
"""  # noqa: E501 - as they are printed
COMMANDS = {
    "getprop": 'sed -n "s/^$1=//p" "$HOME/properties"',
    "taskset": 'echo "$1" >> "$HOME/masks"; shift; said=$("$@") || exit $?; . "$HOME/sample"',
    "logcat": 'echo "--------- beginning of main"; cat "$HOME/log" 2>/dev/null; rm -f "$HOME/log"',
    "dumpsys": "echo '  temperature: 285'",
}


def make_phone(home: Path) -> Adbd:
    """Makes the sandbox folder and starts the daemon."""
    for name in ("bin", "tmp"):
        (home / name).mkdir(parents=True)
    for name, script in COMMANDS.items():
        (home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (home / "bin" / name).chmod(0o755)
    (home / "sample").write_text(SAMPLE)
    properties = {
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 8",
        "ro.soc.model": "Tensor G3",
        "ro.build.version.release": "14",
        "ro.product.cpu.abilist": abi_of(PROGRAM.read_bytes(), "echo"),
    }
    (home / "properties").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    for number, clock in enumerate(CLOCKS):
        folder = home / f"sys/devices/system/cpu/cpu{number}/cpufreq"
        folder.mkdir(parents=True)
        for name, value in (
            ("cpuinfo_max_freq", clock),
            ("scaling_max_freq", clock),
            ("scaling_governor", "sched_pixel"),
        ):
            (folder / name).write_text(f"{value}\n")
    for number, (kind, degrees) in enumerate(
        (("BIG", 41_000), ("LITTLE", 38_000), ("usb_pwr_therm", 60_000), ("cpu9", -40_000))
    ):
        folder = home / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(f"{degrees}\n")
    return Adbd(home)


@contextmanager
def adb_server(home: Path) -> Iterator[None]:
    """Starts an adb server on a free port, with keys of its own, that this process's adbutils takes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    before = {name: os.environ.get(name) for name in ("ANDROID_ADB_SERVER_PORT", "HOME")}
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {"ANDROID_ADB_SERVER_PORT": port, "HOME": str(home)}
    try:
        adb("start-server")
        yield
    finally:
        adb("kill-server")
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def adb(*words: str) -> str:
    """Runs the adb that adbutils takes, the system's or its own; returns what it printed."""
    from adbutils import adb_path

    done = subprocess.run([adb_path(), *words], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def program(folder: Path) -> str:
    """Copies the program that stands for a benchmark; returns its path."""
    return str(shutil.copy(PROGRAM, folder / "benchmark_model"))


def write(phone: Adbd, path: str, value: object) -> None:
    """Writes a file of the phone: a value of its sysfs, its properties."""
    (phone.home / path).write_text(f"{value}\n")
