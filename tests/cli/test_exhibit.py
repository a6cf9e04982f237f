"""What an exhibition needs is looked for, on machines that the test describes."""

from __future__ import annotations

import pytest

from livedream.cli import exhibit
from livedream.cli.doctor import doctor_command
from livedream.cli.exhibit import exhibit_report

CALM = {
    "id -nG": "mirror video render",
    "systemctl is-enabled livedream.service": "enabled",
    "systemctl is-enabled apt-daily-upgrade.timer": "disabled",
    "timedatectl show --property=Timezone --value": "Europe/Berlin",
    "timedatectl show --property=NTPSynchronized --value": "yes",
    "gsettings get org.gnome.desktop.session idle-delay": "uint32 0",
}
COMMAND = 'ExecStart="python" "--source" "/dev/v4l/by-id/usb-camera" "--hours" "10:00-18:00"'


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """The findings on a machine where the commands answer so, beside what is calm."""
    unit = tmp_path / "livedream.service"
    unit.write_text(COMMAND)
    monkeypatch.setattr(exhibit, "_KIOSK_UNIT", unit)
    monkeypatch.setattr(exhibit, "_celsius", lambda path: 50.0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")

    def findings(answers: dict[str, str | None] | None = None) -> list[tuple[str, str, str, str]]:
        told = CALM | (answers or {})
        return list(exhibit_report(lambda *words: told.get(" ".join(words))))

    findings.unit = unit
    return findings


def test_a_machine_that_is_ready_has_nothing_to_mend(machine):
    assert [finding for finding in machine() if finding[0] != "ok" and finding[1] != "memory"] == []


@pytest.mark.parametrize(
    ("command", "answer", "what", "said"),
    [
        ("id -nG", "mirror video sudo", "user", "without rights"),
        ("systemctl is-enabled livedream.service", None, "service", "systemctl enable livedream"),
        ("systemctl is-enabled apt-daily-upgrade.timer", "enabled", "updates", "disable --now apt-daily"),
        ("timedatectl show --property=NTPSynchronized --value", "no", "clock", "set-ntp true"),
        ("gsettings get org.gnome.desktop.session idle-delay", "uint32 300", "desktop", "idle-delay 0"),
        ("vcgencmd get_throttled", "throttled=0x50000", "heat", "power supply"),
    ],
)
def test_what_is_in_the_way_comes_with_a_way_to_fix_it(machine, command, answer, what, said):
    if what == "heat" and not exhibit.sys.platform.startswith("linux"):
        pytest.skip("a Raspberry Pi runs Linux")
    (finding,) = [f for f in machine({command: answer}) if f[0] != "ok" and f[1] != "memory"]
    assert finding[1] == what
    assert said in finding[3]


def test_a_machine_without_a_service_is_told_so_first(machine):
    machine.unit.unlink()
    mark, what, found, fix = machine()[0]
    assert (mark, what, fix) == ("!!", "service", "livedream service install")
    assert "nothing starts the mirror" in found


def test_a_service_without_a_named_camera_and_hours_is_mentioned(machine):
    machine.unit.write_text('ExecStart="python" "--source" "0"')
    found = [f[2] for f in machine() if f[:2] == ("--", "service")]
    assert len(found) == 2


def test_the_doctor_prints_it_after_its_own_lines(monkeypatch, capsys):
    monkeypatch.setattr("livedream.cli.doctor.report", lambda: iter(["ok  its own"]))
    doctor_command(["--exhibit"])
    own, *rest = capsys.readouterr().out.splitlines()
    assert own == "ok  its own"
    assert any("service" in line for line in rest)
