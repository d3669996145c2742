"""What a phone is, how warm it is, and which of its cores are the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nastk.deploy.runtimes.phone import Phone
from nastk.deploy.runtimes.remote_shell import clean
from nastk.errors import UserError
from nastk.stats.steadiness import HEAT

PROPERTIES = {
    "maker": "ro.product.manufacturer",
    "model": "ro.product.model",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "android": "ro.build.version.release",
    "abis": "ro.product.cpu.abilist",
    "emulator": "ro.kernel.qemu",
    "boot_emulator": "ro.boot.qemu",
}
# Kernel documentation: admin-guide/pm/cpufreq (kHz) and driver-api/thermal/sysfs-api (thousandths of a degree).
ASK = (
    "".join(f'echo "property {name} $(getprop {key})"\n' for name, key in PROPERTIES.items())
    + """for d in /sys/devices/system/cpu/cpu[0-9]*; do
  on=$(cat $d/online 2>/dev/null)
  most=$(cat $d/cpufreq/cpuinfo_max_freq 2>/dev/null)
  now=$(cat $d/cpufreq/scaling_max_freq 2>/dev/null)
  echo "core ${d##*/cpu} ${on:-1} ${most:-0} ${now:-0} $(cat $d/cpufreq/scaling_governor 2>/dev/null)"
done
for z in /sys/class/thermal/thermal_zone*; do
  degrees=$(cat $z/temp 2>/dev/null)
  echo "zone ${degrees:-none} $(cat $z/type 2>/dev/null)"
done
dumpsys battery 2>/dev/null | sed -n 's/^ *temperature: /battery /p'
echo "load $(cat /proc/loadavg 2>/dev/null)"
"""
)
# A zone of the processor, by the names that kernels of Qualcomm, MediaTek, Exynos and Tensor give it.
PROCESSOR_ZONES = ("cpu", "big", "mid", "little", "lit", "apc", "soc", "mtktscpu", "tsens")
COLDEST, HOTTEST = 1.0, 150.0
POLL_SECONDS = 3.0


@dataclass(frozen=True)
class Core:
    """A core: its number, the most it can clock and the most it is let clock now (kHz, 0 unknown), its governor."""

    number: int
    most_khz: int
    allowed_khz: int
    governor: str | None


@dataclass(frozen=True)
class PhoneFacts:
    """What a phone says of itself.

    Attributes:
        properties: of `PROPERTIES`, empty where it does not tell.
        cores: those that are on.
        celsius: of the warmest part of the processor, or of the battery; None where it does not tell.
        load: mean number of runnable processes over the last minute.
    """

    properties: Mapping[str, str]
    cores: tuple[Core, ...]
    celsius: float | None
    load: float | None

    @property
    def abis(self) -> tuple[str, ...]:
        """What programs it runs, the best first."""
        return tuple(filter(None, self.properties["abis"].split(",")))

    @property
    def emulated(self) -> str | None:
        """What says that it is an emulator, None where nothing does."""
        said = "1" in (self.properties["emulator"], self.properties["boot_emulator"])
        return "Android emulator" if said else None

    def fastest(self, threads: int) -> tuple[Core, ...]:
        """Returns the fastest cores, whole clusters, at least one for each thread (0: all); () where unknown."""
        if not self.cores or any(core.most_khz == 0 for core in self.cores):
            return ()
        wanted = min(threads or len(self.cores), len(self.cores))
        clocks = sorted((core.most_khz for core in self.cores), reverse=True)
        return tuple(core for core in self.cores if core.most_khz >= clocks[wanted - 1])

    def machine(self, pinned: tuple[Core, ...]) -> dict[str, Any]:
        """Returns the JSON form, with the fields of `machine_facts`; `pinned` are the cores that files run on."""
        said = self.properties
        governors = sorted({core.governor for core in pinned or self.cores if core.governor})
        clock = max((core.most_khz for core in pinned), default=0)
        return {
            "processor": " ".join(filter(None, (said["maker"], said["model"], said["soc"] or said["board"]))),
            "architecture": next(iter(self.abis), "unknown"),
            "system": f"Android {said['android']}".strip(),
            "cores": len(self.cores) or None,
            "governor": ", ".join(governors) or None,
            "clock_mhz": round(clock / 1000) or None,
            "load": self.load,
            "provider": None,
            "gpu": None,
            "emulated": self.emulated,
            "features": None,
            "model": said["model"] or None,
            "pinned_cores": [core.number for core in pinned],
            "celsius": self.celsius,
        }


def phone_facts(phone: Phone) -> PhoneFacts:
    """Asks a phone what it is; raises PhoneLost where it does not answer."""
    properties = dict.fromkeys(PROPERTIES, "")
    cores: list[Core] = []
    zones: list[tuple[str, float]] = []
    battery = load = None
    for line in clean(phone.run(ASK)[0]).splitlines():
        kind, _, rest = line.partition(" ")
        words = rest.split()
        if kind == "property" and words and words[0] in properties:
            properties[words[0]] = " ".join(words[1:])
        elif kind == "core" and len(words) >= 4 and all(word.isdigit() for word in words[:4]) and words[1] != "0":
            cores.append(Core(int(words[0]), int(words[2]), int(words[3]), words[4] if words[4:] else None))
        elif kind == "zone" and len(words) >= 2 and (degrees := _degrees(words[0])) is not None:
            zones.append((words[1].lower(), degrees))
        elif kind == "battery" and words:
            battery = _plausible(_number(words[0]), 10)
        elif kind == "load" and words:
            load = _number(words[0])
    processor = [degrees for name, degrees in zones if name.startswith(PROCESSOR_ZONES)]
    return PhoneFacts(
        properties, tuple(sorted(cores, key=lambda core: core.number)), max(processor, default=battery), load
    )


def cooled(phone: Phone, most: float, seconds: float, sleep: Callable[[float], None] = time.sleep) -> PhoneFacts:
    """Waits until a phone is no warmer than `most` degrees, at most so many seconds; returns what it is then.

    One that tells no temperature is not waited for.

    Raises:
        UserError: it is too hot still.
        PhoneLost: it does not answer.
    """
    waited = 0.0
    while True:
        facts = phone_facts(phone)
        if facts.celsius is None or facts.celsius <= most:
            return facts
        if waited >= seconds:
            raise UserError(
                f"adb {phone.serial}: {facts.celsius:.0f} degrees Celsius after waiting {waited:.0f} s, "
                f"expected at most {most:g}; let it cool, or target.celsius=DEGREES target.wait=SECONDS"
            )
        sleep(min(POLL_SECONDS, seconds - waited))
        waited += min(POLL_SECONDS, seconds - waited)


def slowed(facts: PhoneFacts, pinned: tuple[Core, ...]) -> str | None:
    """Returns why a phone is slower than it could be: its kernel lets the cores clock less than they can."""
    numbers = {core.number for core in pinned}
    for core in facts.cores:
        if core.number in numbers and 0 < core.allowed_khz < core.most_khz:
            return (
                f"core {core.number} may clock {core.allowed_khz // 1000} of {core.most_khz // 1000} MHz: "
                f"heat or saving power {HEAT}"
            )
    return None


def _degrees(text: str) -> float | None:
    """Returns degrees Celsius of a zone, in thousandths or, of some kernels, whole degrees."""
    number = _number(text)
    return _plausible(number, 1000 if number is not None and number > HOTTEST else 1)


def _plausible(number: float | None, scale: int) -> float | None:
    """Returns a temperature; None for what a sensor that is off says."""
    return round(number / scale, 1) if number is not None and COLDEST <= number / scale <= HOTTEST else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
