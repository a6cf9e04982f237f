"""What of an exhibition's set-up a program can see, on a machine whose commands and files are the test's."""

from __future__ import annotations

from pathlib import Path

import pytest

from livedream.cli import exhibit, exhibit_service
from livedream.cli.doctor import doctor_command
from livedream.cli.exhibit import exhibit_report
from livedream.cli.exhibit_service import find_services, health
from livedream.health.machine import Machine, Reading
from livedream.health.vitals import Vitals
from livedream.watch.beats import PICTURE
from livedream.watch.units import Service, kiosk_unit, user_unit
from livedream.web.preview import Preview

#: The answers on a machine that is as it should be.
CALM = {
    "id -nG mirror": "mirror video render",
    "systemctl is-enabled livedream.service": "enabled",
    "systemctl show --property=ActiveState --property=StatusText livedream.service": (
        "ActiveState=active\nStatusText=showing"
    ),
    "systemctl is-enabled apt-daily-upgrade.timer": "disabled",
    "systemctl show --property=LoadState --value sleep.target": "masked",
    "systemctl show --property=RuntimeWatchdogUSec --value": "30s",
    "timedatectl show --property=Timezone --value": "Europe/Berlin",
    "timedatectl show --property=NTPSynchronized --value": "yes",
    "gsettings get org.gnome.desktop.session idle-delay": "uint32 0",
    "journalctl --disk-usage": "Archived and active journals take up 48.0M in the file system.",
}
OPTIONS = ["--source", "/dev/v4l/by-id/usb-camera", "--hours", "10:00-18:00", "--page", "--port", "8477"]
OPTIONS += ["--camera-lock", "10", "--alert", "/home/mirror/ntfy.sh"]


class Desk:
    """The machine: its files below ``root``, and what of it answers."""

    def __init__(self, root: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.config = root, config
        self.reading = Reading({"cpu": 50.0})
        self.says: dict | None = {"ok": True, "state": "showing", "degraded": []}
        monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
        monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
        monkeypatch.setattr(Machine, "look", lambda machine: self.reading)
        monkeypatch.setattr(exhibit_service, "health", lambda url: self.says)
        monkeypatch.setattr(exhibit_service, "_listeners", lambda: iter(()))
        monkeypatch.setattr(exhibit, "_memory", lambda: iter(()))
        self.install(OPTIONS)
        self.write("sys/class/net/eth0/operstate", "up\n")
        self.write("sys/class/net/eth0/device/vendor", "")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, options: list[str], *, kiosk: bool = True, compositor: str = "/usr/bin/cage") -> None:
        service = Service("/opt/livedream/.venv/bin/python", options, Path("/opt/livedream"))
        if kiosk:
            self.write("etc/systemd/system/livedream.service", kiosk_unit(service, "mirror", compositor))
        else:
            path = self.config / "systemd/user/livedream.service"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(user_unit(service))

    def remove(self) -> None:
        (self.root / "etc/systemd/system/livedream.service").unlink()

    def findings(self, answers: dict[str, str | None] | None = None) -> list[tuple[str, str, str, str]]:
        told = CALM | (answers or {})
        return list(exhibit_report(lambda *words: told.get(" ".join(words)), self.root))

    def wrong(self, answers: dict[str, str | None] | None = None) -> list[tuple[str, str, str, str]]:
        return [finding for finding in self.findings(answers) if finding[0] != "ok"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Desk(tmp_path / "root", tmp_path / "config", monkeypatch)


def test_a_machine_that_is_ready_has_nothing_to_mend(machine):
    assert machine.wrong() == []


@pytest.mark.parametrize(
    ("command", "answer", "what", "said"),
    [
        ("id -nG mirror", "mirror video render sudo", "user", "without rights"),
        ("id -nG mirror", "mirror video", "user", "usermod -aG render mirror"),
        ("systemctl is-enabled livedream.service", None, "service", "systemctl enable livedream"),
        (
            "systemctl show --property=ActiveState --property=StatusText livedream.service",
            "ActiveState=failed\nStatusText=",
            "service",
            "systemctl restart livedream",
        ),
        ("systemctl is-enabled display-manager.service", "enabled", "log-in", "multi-user.target"),
        ("systemctl show --property=LoadState --value sleep.target", "loaded", "sleep", "mask sleep.target"),
        ("systemctl is-enabled apt-daily-upgrade.timer", "enabled", "updates", "disable --now apt-daily"),
        ("systemctl is-active snapd.service", "active", "updates", "snap refresh --hold"),
        ("timedatectl show --property=NTPSynchronized --value", "no", "clock", "set-ntp true"),
        ("gsettings get org.gnome.desktop.session idle-delay", "uint32 300", "desktop", "idle-delay 0"),
        (
            "kreadconfig6 --file kscreenlockerrc --group Daemon --key Autolock",
            "true",
            "desktop",
            "kwriteconfig6",
        ),
        ("pgrep -f -o blueman-applet", "812", "desktop", "switch them off"),
        ("systemctl show --property=RuntimeWatchdogUSec --value", "0", "hang", "RuntimeWatchdogSec"),
        ("journalctl --disk-usage", "Archived and active journals take up 3.9G in", "log", "SystemMaxUse"),
    ],
)
def test_what_is_in_the_way_comes_with_a_way_to_fix_it(machine, command, answer, what, said):
    (finding,) = machine.wrong({command: answer})
    assert finding[1] == what
    assert said in finding[3]


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("etc/apt/apt.conf.d/50unattended", 'Unattended-Upgrade::Automatic-Reboot "true";', "updates"),
        ("sys/module/kernel/parameters/consoleblank", "600\n", "screen"),
        ("sys/class/net/eth0/operstate", "down\n", "network"),
        ("sys/class/net/eth0/wireless/status", "0", "network"),
    ],
)
def test_files_of_the_system_say_what_is_in_the_way(machine, file, text, what):
    machine.write(file, text)
    (finding,) = machine.wrong()
    assert finding[1] == what
    assert finding[3]


def test_a_commented_line_is_not_in_force(machine):
    machine.write("etc/apt/apt.conf.d/50unattended", '//Unattended-Upgrade::Automatic-Reboot "true";')
    assert machine.wrong() == []


def test_in_a_desktop_somebody_must_be_logged_in_by_itself(machine):
    machine.remove()
    machine.install(OPTIONS, kiosk=False)
    answers = {
        "id -nG": "mirror video",
        "systemctl --user is-enabled livedream.service": "enabled",
        "systemctl is-enabled display-manager.service": "enabled",
    }
    (finding,) = machine.wrong(answers)
    assert finding[1] == "log-in"
    machine.write("etc/gdm3/daemon.conf", "[daemon]\nAutomaticLoginEnable = true\nAutomaticLogin = mirror\n")
    assert machine.wrong(answers) == []


def test_a_machine_without_a_service_is_told_so_first(machine):
    machine.remove()
    mark, what, found, fix = machine.findings()[0]
    assert (mark, what, fix) == ("!!", "service", "livedream service install")
    assert "nothing starts the mirror" in found


def test_what_the_service_should_be_started_with_is_mentioned(machine):
    machine.install(["--source", "0"])
    assert [(what, fix.split()[:2]) for _, what, _, fix in machine.wrong()] == [
        ("service", ["livedream", "service"]),
        ("service", ["add", "--hours"]),
        ("camera", ["add", "--camera-lock"]),
        ("alert", ["add", "--alert;"]),
        ("page", ["add", "--page;"]),
    ]


@pytest.mark.parametrize("compositor", ["/usr/bin/cage", "/usr/bin/labwc"])
def test_the_services_options_are_read_from_its_unit(machine, compositor):
    machine.install([*OPTIONS[:5], "--port=8490"], compositor=compositor)
    (service,) = find_services(machine.root)
    assert (service.user, service.is_kiosk) == ("mirror", True)
    assert service.value("--source", "") == "/dev/v4l/by-id/usb-camera"
    assert service.value("--port", "") == "8490"
    assert service.has("--page")
    assert not service.has("--alert")


@pytest.mark.parametrize(
    ("says", "said"),
    [
        (None, "does not answer"),
        ({"ok": False, "why": ["no new picture for 7 s"]}, "no new picture for 7 s"),
        ({"ok": True, "state": "showing", "degraded": [{"kind": "source", "text": "clouds"}]}, "but clouds"),
    ],
)
def test_a_mirror_that_runs_is_asked_how_it_is(machine, says, said):
    machine.says = says
    (finding,) = machine.wrong()
    assert finding[:2] == ("!!", "page")
    assert said in finding[2]


def test_its_health_is_heard_well_or_not():
    vitals = Vitals()
    with Preview(port=0, vitals=vitals) as preview:
        assert health(f"{preview.url}healthz")["ok"] is False
        vitals.heard(PICTURE, vitals._clock())
        assert health(f"{preview.url}healthz")["ok"] is True
        assert health(f"{preview.url}snapshot.jpg") is None
    assert health("http://127.0.0.1:9/healthz") is None


def test_heat_is_said(machine):
    machine.reading = Reading({"cpu": 97.0}, ("cpu",), ("too little voltage",))
    assert [what for _, what, _, _ in machine.wrong()] == ["heat", "throttled"]


def test_the_doctor_prints_it_after_its_own_lines(monkeypatch, capsys):
    monkeypatch.setattr("livedream.cli.doctor.report", lambda: iter(["ok  its own"]))
    doctor_command(["--exhibit"])
    own, *rest = capsys.readouterr().out.splitlines()
    assert own == "ok  its own"
    assert any("service" in line for line in rest)
