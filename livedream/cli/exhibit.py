"""``livedream doctor --exhibit``: what of the exhibition chapter of install.md a program can see."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from livedream.errors import LivedreamError
from livedream.frame import LARGEST_SIDE_PX
from livedream.show.shared_memory import frame_capacity
from livedream.watch.units import NAME

#: (mark, what was looked at, what was found, how to fix it), as doctor prints them.
Finding = tuple[str, str, str, str]
#: Asks one of the system's commands; what it answers, None where it cannot.
Ask = Callable[..., str | None]

_KIOSK_UNIT = Path(f"/etc/systemd/system/{NAME}.service")
#: Timers that update, and may restart what they update, at any hour.
_UPDATES = ("apt-daily-upgrade.timer", "packagekit-offline-update.service", "dnf-automatic.timer")
#: Processors slow themselves down from about here.
_HOT_C = 85.0
_DESKTOP = (
    ("org.gnome.desktop.session", "idle-delay", "uint32 0", "the screen is blanked when nobody types"),
    ("org.gnome.desktop.screensaver", "lock-enabled", "false", "the screen is locked"),
    ("org.gnome.desktop.notifications", "show-banners", "false", "notifications come into the picture"),
)


def ask(*words: str) -> str | None:
    """What a command prints, None when it is not there or fails."""
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def exhibit_report(ask: Ask = ask) -> Iterator[Finding]:
    """The findings. Camera, screen, dream and disk are doctor's own."""
    yield from _service(ask)
    yield from _user(ask)
    yield from _updates(ask)
    yield from _clock(ask)
    yield from _desktop(ask)
    yield from _memory()
    yield from _heat(ask)


def _service(ask: Ask) -> Iterator[Finding]:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    units = {_KIOSK_UNIT: (), config / "systemd" / "user" / _KIOSK_UNIT.name: ("--user",)}
    found = [(path, who) for path, who in units.items() if path.exists()]
    if not found:
        yield "!!", "service", "not installed: nothing starts the mirror", "livedream service install"
    for path, who in found:
        enabled = ask("systemctl", *who, "is-enabled", path.name)
        if enabled is None:
            how = f"{' '.join(('systemctl', *who))} enable {NAME}"
            yield "!!", "service", f"{path} is not enabled: it does not start by itself", how
        else:
            yield "ok", "service", f"{path}, {enabled}", ""
        command = path.read_text("utf-8", "replace")
        if not any(name in command for name in ("/dev/v4l/by-", "usb:", "camera:", "://")):
            text = "the service does not name its camera by what survives replugging"
            yield "--", "service", text, "livedream service install --source /dev/v4l/by-id/…"
        if "--hours" not in command:
            yield (
                "--",
                "service",
                "no opening hours: it is open day and night",
                "add --hours if it should close",
            )
    if len(found) > 1:
        yield "!!", "service", "two are installed, and both want the screen", "livedream service uninstall"


def _user(ask: Ask) -> Iterator[Finding]:
    name, groups = getpass.getuser(), (ask("id", "-nG") or "").split()
    powers = [group for group in groups if group in ("sudo", "wheel", "admin", "root")]
    if powers:
        found = f"{name} is in {', '.join(powers)}: whoever gets at a keyboard can change the machine"
        yield "--", "user", found, "run the mirror as a user without rights"
    elif groups:
        yield "ok", "user", f"{name}, without rights", ""


def _updates(ask: Ask) -> Iterator[Finding]:
    on = [name for name in _UPDATES if ask("systemctl", "is-enabled", name) == "enabled"]
    for name in on:
        yield "--", "updates", f"{name} updates at any hour", f"sudo systemctl disable --now {name}"
    if not on and shutil.which("systemctl"):
        yield "ok", "updates", "none by themselves", ""


def _clock(ask: Ask) -> Iterator[Finding]:
    zone = ask("timedatectl", "show", "--property=Timezone", "--value")
    synchronised = ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "yes":
        yield "ok", "clock", f"set by the network, {zone}", ""
    elif synchronised is not None:
        found = f"not set by the network ({zone}): after a power cut --hours may be wrong"
        yield "--", "clock", found, "sudo timedatectl set-ntp true, or a battery for the clock"


def _desktop(ask: Ask) -> Iterator[Finding]:
    if not os.environ.get("XDG_CURRENT_DESKTOP"):
        yield "ok", "desktop", "none in this session: no screensaver, no notifications", ""
        return
    for schema, key, wanted, trouble in _DESKTOP:
        found = ask("gsettings", "get", schema, key)
        if found is not None and found != wanted:
            yield "!!", "desktop", trouble, f"gsettings set {schema} {key} {wanted.split()[-1]}"
    dpms = ask("xset", "q") if os.environ.get("XDG_SESSION_TYPE") == "x11" else None
    if dpms is not None and "DPMS is Enabled" in dpms:
        yield "!!", "desktop", "X switches the screen off when nobody types", "xset s off -dpms"


def _memory() -> Iterator[Finding]:
    try:
        _, warning = frame_capacity([LARGEST_SIDE_PX**2 * 3 * 4])  # beside the largest residual
    except LivedreamError as error:
        warning = str(error)
    if warning:
        yield "--", "memory", warning, ""


def _heat(ask: Ask) -> Iterator[Finding]:
    if sys.platform != "linux":
        return
    found = [_celsius(path) for path in sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp"))]
    hottest = max((c for c in found if c is not None), default=None)
    if hottest is not None:
        mark, fix = ("!!", "more air, and no closed box") if hottest >= _HOT_C else ("ok", "")
        yield mark, "heat", f"{hottest:.0f} °C at the hottest", fix
    throttled = ask("vcgencmd", "get_throttled")  # of a Raspberry Pi
    if throttled is not None and throttled != "throttled=0x0":
        found_text = f"{throttled}: the Raspberry Pi was too hot, or had too little power"
        yield "!!", "heat", found_text, "the official power supply, and a cooler"


def _celsius(path: Path) -> float | None:
    try:
        return int(path.read_text()) / 1000
    except (OSError, ValueError):
        return None
