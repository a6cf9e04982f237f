"""How hot the machine is, whether it slows itself down, and how much of the disk is free.

A thread of its own looks twice a minute: the driver of a graphics card may take seconds to answer.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedream.health.vitals import Trouble
from livedream.resource import Resource

log = logging.getLogger(__name__)

_EACH_S = 30.0
#: A sensor that names no limit of its own: processors slow themselves down from about here, NVIDIA's cards a
#: little later.
_HOT_C, _HOT_CARD_C = 85.0, 90.0
#: What a sensor calls its limit is believed between these; many say 0 or 65261.
_BELIEVED_C = (50.0, 120.0)
_LEAST_DISK_BYTES = 10**9
#: Of a Raspberry Pi, in hex: what is now (0 to 3), and what has been since the start (16 to 19).
_FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_THROTTLED_NOW = {
    0: "too little voltage",
    1: "the clock is held down",
    2: "throttled",
    3: "held down by its temperature",
}
#: Intel's processors count how often they slowed themselves down.
_COUNTERS = "/sys/devices/system/cpu/cpu*/thermal_throttle/package_throttle_count"
#: Of NVIDIA's reasons to slow down: hardware, software and hardware for heat, power brake.
_SLOWED_CARD = 0x8 | 0x20 | 0x40 | 0x80
_CARD_S = 10.0


@dataclass(frozen=True)
class Reading:
    """What was found. ``celsius`` by sensor, ``hot`` those above their limits, ``throttled`` why."""

    celsius: Mapping[str, float] = field(default_factory=dict)
    hot: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    disk_free_bytes: int | None = None

    @property
    def hottest_c(self) -> float | None:
        """The highest temperature, None without sensors."""
        return max(self.celsius.values(), default=None)

    def troubles(self) -> tuple[Trouble, ...]:
        """What of it somebody should know."""
        found = []
        if self.hot:
            temperatures = ", ".join(f"{name} {self.celsius[name]:.0f} °C" for name in self.hot)
            found.append(Trouble("heat", f"hot: {temperatures}"))
        if self.throttled:
            found.append(Trouble("throttled", f"the machine slows itself down: {', '.join(self.throttled)}"))
        if self.disk_free_bytes is not None and self.disk_free_bytes < _LEAST_DISK_BYTES:
            found.append(Trouble("disk", f"{self.disk_free_bytes / 1e9:.1f} GB of the disk are free"))
        return tuple(found)


class Machine(Resource):
    """Looks after the machine until it is closed. ``report`` is called from its thread with what is wrong."""

    def __init__(self, report: Callable[[tuple[Trouble, ...]], None] = lambda found: None) -> None:
        self.reading = Reading()
        self._report = report
        self._slowed = _slowed_count()
        self._has_card = shutil.which("nvidia-smi") is not None
        self._said = ""  # why the last look that failed did
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="machine", daemon=True)
        self._thread.start()

    def look(self) -> Reading:
        """Look now; takes as long as the drivers take."""
        found = dict(sensors())
        throttled = [*firmware_throttled()]
        slowed, self._slowed = self._slowed, _slowed_count()
        if self._slowed > slowed:
            throttled.append("the processor is too hot")
        if self._has_card:
            cards, slow = nvidia()
            found |= cards
            throttled += slow
        celsius = {name: value for name, (value, _) in found.items()}
        hot = tuple(name for name, (value, limit) in found.items() if value >= limit)
        return Reading(celsius, hot, tuple(throttled), _free_bytes())

    def close(self) -> None:
        """End the thread, unless a driver holds it. May be called twice."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.reading = self.look()
                self._report(self.reading.troubles())
            except Exception as error:
                if str(error) != self._said:
                    self._said = str(error)
                    log.exception("heat, throttling and the disk cannot be looked at; trying again")
            self._ended.wait(_EACH_S)


def sensors() -> dict[str, tuple[float, float]]:
    """(°C, limit) of each sensor that the system knows."""
    import psutil

    found: dict[str, tuple[float, float]] = {}
    read = getattr(psutil, "sensors_temperatures", dict)  # on Linux and FreeBSD
    chips: dict[str, Any] = {}
    with suppress(OSError, ValueError):  # whatever a driver's file holds
        chips = read()
    for chip, entries in chips.items():
        for entry in entries:
            name = f"{chip} {entry.label}".strip()
            limit = entry.high if entry.high and _is_believed(entry.high) else _HOT_C
            if entry.current is not None and name not in found:
                found[name] = (float(entry.current), float(limit))
    if not found and sys.platform == "linux":
        for path in sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp")):
            with suppress(OSError, ValueError):
                found[path.parent.name] = (int(path.read_text()) / 1000, _HOT_C)
    return {name: value for name, value in found.items() if -40 < value[0] < 150}


def firmware_throttled(path: Path = _FIRMWARE) -> list[str]:
    """Why a Raspberry Pi slows itself down now; empty when it does not, and on another machine."""
    try:
        bits = int(path.read_text().strip(), 16)
    except (OSError, ValueError):
        return []
    return [words for bit, words in _THROTTLED_NOW.items() if bits >> bit & 1]


def nvidia() -> tuple[dict[str, tuple[float, float]], list[str]]:
    """(°C, limit) of NVIDIA's cards, and which of them slow themselves down, by the driver's own tool."""
    query = "--query-gpu=index,temperature.gpu,clocks_throttle_reasons.active"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_CARD_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}, []
    return parse_nvidia(result.stdout.splitlines() if result.returncode == 0 else ())


def parse_nvidia(lines: Iterable[str]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """What :func:`nvidia` makes of the tool's lines, such as ``0, 41, 0x0000000000000001``."""
    celsius: dict[str, tuple[float, float]] = {}
    slow = []
    for line in lines:
        index, _, rest = line.partition(",")
        temperature, _, reasons = rest.partition(",")
        with suppress(ValueError):
            celsius[f"card {index.strip()}"] = (float(temperature), _HOT_CARD_C)
        with suppress(ValueError):
            if int(reasons.strip(), 16) & _SLOWED_CARD:
                slow.append(f"graphics card {index.strip()} is too hot, or has too little power")
    return celsius, slow


def _slowed_count() -> int:
    counts = [0]
    for path in Path("/").glob(_COUNTERS.lstrip("/")):
        with suppress(OSError, ValueError):
            counts.append(int(path.read_text()))
    return max(counts)


def _is_believed(celsius: float) -> bool:
    return _BELIEVED_C[0] <= celsius <= _BELIEVED_C[1]


def _free_bytes() -> int | None:
    try:
        return shutil.disk_usage(Path.cwd()).free
    except OSError:
        return None
