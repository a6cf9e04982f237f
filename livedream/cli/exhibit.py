"""``livedream doctor --exhibit``: what of the exhibition chapter of install.md a program can see."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from livedream.cli.exhibit_service import Finding, find_services, service_report
from livedream.errors import LivedreamError
from livedream.frame import LARGEST_SIDE_PX
from livedream.health.machine import Machine
from livedream.show.shared_memory import frame_capacity

#: Asks one of the system's commands; what it answers, None where it cannot.
Ask = Callable[..., str | None]

#: Timers that update, and may restart what they update, at any hour.
_UPDATES = ("apt-daily-upgrade.timer", "packagekit-offline-update.service", "dnf-automatic.timer")
_DESKTOP = (
    ("org.gnome.desktop.session", "idle-delay", "uint32 0", "the screen is blanked when nobody types"),
    ("org.gnome.desktop.screensaver", "lock-enabled", "false", "the screen is locked"),
    ("org.gnome.desktop.notifications", "show-banners", "false", "notifications come into the picture"),
    (
        "org.gnome.settings-daemon.plugins.power",
        "sleep-inactive-ac-type",
        "'nothing'",
        "the machine goes to sleep when nobody types",
    ),
)
#: Where the desktops' log-in managers say who is logged in by itself.
_AUTOLOGIN = {
    "etc/gdm3/custom.conf": "automaticloginenable=true",
    "etc/gdm3/daemon.conf": "automaticloginenable=true",
    "etc/gdm/custom.conf": "automaticloginenable=true",
    "etc/lightdm/lightdm.conf": "autologin-user=",
    "etc/lightdm/lightdm.conf.d": "autologin-user=",
    "etc/sddm.conf": "user=",
    "etc/sddm.conf.d": "user=",
}
#: Programs that ask about devices, updates or the network in front of the picture.
_ASSISTANTS = ("blueman-applet", "update-notifier", "gnome-software", "plasma-discover-notifier")
#: More than this of journals leaves little of a small card.
_JOURNAL_UNITS = {"G": 1.0, "M": 1e-3, "K": 1e-6, "T": 1e3}
_MOST_JOURNAL_GB = 2.0


def ask(*words: str) -> str | None:
    """What a command prints, None when it is not there or fails."""
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def exhibit_report(ask: Ask = ask, root: Path = Path("/")) -> Iterator[Finding]:
    """The findings; camera, screen, dream and disk are doctor's own. ``root`` has the system's files."""
    services = find_services(root)
    yield from service_report(services, ask)
    is_kiosk = any(service.is_kiosk for service in services)
    yield from _user(ask, next((service.user for service in services if service.user), None))
    yield from _login(root, ask, is_kiosk)
    yield from _sleep(ask)
    yield from _desktop(ask, root, is_kiosk)
    yield from _updates(ask, root)
    yield from _clock(ask)
    yield from _network(root)
    yield from _hang(ask)
    yield from _journal(ask)
    yield from _memory()
    yield from _heat()


def _user(ask: Ask, service_user: str | None) -> Iterator[Finding]:
    name = service_user or getpass.getuser()
    groups = (ask("id", "-nG", *([name] if service_user else [])) or "").split()
    powers = [group for group in groups if group in ("sudo", "wheel", "admin", "root")]
    if powers:
        found = f"{name} is in {', '.join(powers)}: whoever gets at a keyboard can change the machine"
        yield "--", "user", found, "run the mirror as a user without rights"
    elif groups:
        yield "ok", "user", f"{name}, without rights", ""
    missing = [group for group in ("video", "render") if groups and group not in groups]
    if missing and service_user:
        found = f"{name} is not in {', '.join(missing)}: the camera or the graphics card may be refused"
        yield "!!", "user", found, f"sudo usermod -aG {','.join(missing)} {name}"


def _login(root: Path, ask: Ask, is_kiosk: bool) -> Iterator[Finding]:
    manager = ask("systemctl", "is-enabled", "display-manager.service")
    if is_kiosk:
        if manager in ("enabled", "static", "indirect", "alias"):
            found = "a desktop starts beside the kiosk, and takes the screen"
            yield "!!", "log-in", found, "sudo systemctl set-default multi-user.target"
        return
    if manager is None:
        return
    for name, wanted in _AUTOLOGIN.items():
        path = root / name
        files = sorted(path.glob("*.conf")) if path.is_dir() else [path]
        if any(wanted in _settings(file) for file in files):
            yield "ok", "log-in", f"by itself, by {path}", ""
            return
    found = "nobody is logged in by itself: after a power cut the mirror waits for a password"
    yield "!!", "log-in", found, "the desktop's settings, Users: automatic log-in"


def _settings(path: Path) -> str:
    """The lines of a file of settings that are in force, in small letters and without spaces."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return ""
    lines = (line.strip().lower().replace(" ", "") for line in text.splitlines())
    return "\n".join(line for line in lines if not line.startswith(("#", ";", "//")))


def _sleep(ask: Ask) -> Iterator[Finding]:
    state = ask("systemctl", "show", "--property=LoadState", "--value", "sleep.target")
    if state == "masked":
        yield "ok", "sleep", "the machine cannot sleep", ""
    elif state is not None:
        fix = "sudo systemctl mask sleep.target suspend.target hibernate.target hybrid-sleep.target"
        yield "--", "sleep", "the machine may be sent to sleep, by a key or by its lid", fix


def _updates(ask: Ask, root: Path) -> Iterator[Finding]:
    on = [name for name in _UPDATES if ask("systemctl", "is-enabled", name) == "enabled"]
    for name in on:
        yield "--", "updates", f"{name} updates at any hour", f"sudo systemctl disable --now {name}"
    reboot = [
        path
        for path in sorted((root / "etc/apt/apt.conf.d").glob("*"))
        if 'unattended-upgrade::automatic-reboot"true"' in _settings(path)
    ]
    for path in reboot:
        fix = "in that file: Automatic-Reboot-Time outside the opening hours, or Automatic-Reboot false"
        yield "!!", "updates", f"{path} lets updates restart the machine", fix
    if ask("systemctl", "is-active", "snapd.service") == "active":
        hold = ask("snap", "get", "system", "refresh.hold")
        if hold is None:
            yield "--", "updates", "snap updates at any hour", "sudo snap refresh --hold"
    elif not on and not reboot and shutil.which("systemctl"):
        yield "ok", "updates", "none by themselves", ""


def _clock(ask: Ask) -> Iterator[Finding]:
    zone = ask("timedatectl", "show", "--property=Timezone", "--value")
    synchronised = ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "yes":
        yield "ok", "clock", f"set by the network, {zone}", ""
    elif synchronised is not None:
        found = f"not set by the network ({zone}): after a power cut --hours may be wrong"
        yield "--", "clock", found, "sudo timedatectl set-ntp true, or a battery for the clock"


def _desktop(ask: Ask, root: Path, is_kiosk: bool) -> Iterator[Finding]:
    try:
        blank_s = int((root / "sys/module/kernel/parameters/consoleblank").read_text())
    except (OSError, ValueError):
        blank_s = 0
    if is_kiosk and blank_s:
        yield (
            "--",
            "screen",
            f"the terminal is blanked after {blank_s} s",
            "add consoleblank=0 to the kernel's line",
        )
    if not os.environ.get("XDG_CURRENT_DESKTOP"):
        yield "ok", "desktop", "none in this session: no screensaver, no notifications", ""
        return
    for schema, key, wanted, trouble in _DESKTOP:
        found = ask("gsettings", "get", schema, key)
        if found is not None and found != wanted:
            yield "!!", "desktop", trouble, f"gsettings set {schema} {key} {wanted.split()[-1]}"
    for version in ("6", "5"):
        locks = ask(
            f"kreadconfig{version}", "--file", "kscreenlockerrc", "--group", "Daemon", "--key", "Autolock"
        )
        if locks is not None and locks != "false":
            fix = f"kwriteconfig{version} --file kscreenlockerrc --group Daemon --key Autolock false"
            yield "!!", "desktop", "the screen is locked", fix
    if os.environ.get("XDG_SESSION_TYPE") == "x11":
        screen = ask("xset", "q") or ""
        if "DPMS is Enabled" in screen:
            yield "!!", "desktop", "X switches the screen off when nobody types", "xset s off -dpms"
        if "timeout:  0" not in screen and "timeout:" in screen:
            yield "!!", "desktop", "X's screensaver is on", "xset s off"
    asking = [name for name in _ASSISTANTS if ask("pgrep", "-f", "-o", name)]
    if asking:
        found = f"{', '.join(asking)} may come into the picture"
        yield "--", "desktop", found, "the desktop's settings, start-up programs: switch them off"


def _network(root: Path) -> Iterator[Finding]:
    up: list[str] = []
    wireless: list[str] = []
    for device in sorted((root / "sys/class/net").glob("*")):
        try:
            is_up = (device / "operstate").read_text().strip() == "up"
        except OSError:
            continue
        if is_up and (device / "device").exists():
            (wireless if (device / "wireless").exists() else up).append(device.name)
    if up:
        yield "ok", "network", f"by cable, {', '.join(up)}", ""
    elif wireless:
        found = f"by Wi-Fi only ({', '.join(wireless)}): alerts and remote access fail first"
        yield "--", "network", found, "a cable; the mirror itself needs no network"
    else:
        found = "none: nobody hears of trouble, and nobody can look from afar"
        yield "--", "network", found, "a cable; the mirror itself needs none"


def _hang(ask: Ask) -> Iterator[Finding]:
    watchdog = ask("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value")
    if watchdog in ("0", "infinity"):
        found = "nothing restarts the machine itself when all of it hangs"
        yield "--", "hang", found, "RuntimeWatchdogSec=30s in /etc/systemd/system.conf, if it has a watchdog"
    elif watchdog:
        yield "ok", "hang", f"a machine that hangs restarts itself after {watchdog}", ""


def _journal(ask: Ask) -> Iterator[Finding]:
    said = ask("journalctl", "--disk-usage") or ""
    sizes = [word for word in said.replace(",", ".").split() if word[:1].isdigit()]
    if not sizes:
        return
    number, unit = sizes[0].rstrip("."), sizes[0].rstrip(".")[-1]
    try:
        size_gb = float(number.rstrip("BKMGT")) * _JOURNAL_UNITS.get(unit, 0.0)
    except ValueError:
        return
    if size_gb > _MOST_JOURNAL_GB:
        yield "--", "log", f"the journal takes {number}", "SystemMaxUse=500M in /etc/systemd/journald.conf"
    else:
        yield "ok", "log", f"the journal takes {number}", ""


def _memory() -> Iterator[Finding]:
    try:
        _, warning = frame_capacity([LARGEST_SIDE_PX**2 * 3 * 4])  # beside the largest residual
    except LivedreamError as error:
        warning = str(error)
    if warning:
        yield "--", "memory", warning, ""


def _heat() -> Iterator[Finding]:
    reading = Machine().look()
    for trouble in reading.troubles():
        fix = {
            "heat": "more air, and no closed box",
            "throttled": "a cooler, and the power supply it was made for",
        }
        yield "!!", trouble.kind, trouble.text, fix.get(trouble.kind, "free some space")
    if reading.hottest_c is not None and not reading.hot:
        yield "ok", "heat", f"{reading.hottest_c:.0f} °C at the hottest", ""
