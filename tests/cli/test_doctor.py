"""The doctor names what is there, and how to fix what is missing."""

from __future__ import annotations

import sys

import pytest

from livedream.cli import cameras, doctor
from livedream.data import shipped
from livedream.errors import LivedreamError


def test_every_part_of_the_machine_is_looked_at():
    lines = list(doctor.report())
    hardware = ("system", "camera", "screen", "dream", "backends", "disk")
    for what in (*hardware, "livedream", "packages", "network", "scenes", "folder"):
        assert any(line[4:].startswith(what) for line in lines), what
    assert all(line[:2] in ("ok", "--", "!!") for line in lines)


def test_what_is_missing_comes_with_a_way_to_fix_it(monkeypatch, tmp_path):
    monkeypatch.setattr(cameras, "list_cameras", list)
    monkeypatch.setattr(doctor, "displays", list)
    monkeypatch.setattr(doctor, "find_weights", lambda name: None)
    cameras_found = (doctor._line(*finding) for finding in cameras.camera_report())
    for part in (cameras_found, doctor._screens(), doctor._networks()):
        for line in part:
            if not line.startswith("ok"):
                assert "fix: " in line


def test_the_shipped_network_is_found():
    assert any("dreamnet" in line and line.startswith("ok") for line in doctor._networks())


def test_a_damaged_network_is_reported_with_what_to_do(models):
    for name in ("dreamnet.safetensors", "dreamnet.json"):
        (models / name).write_bytes((shipped("models") / name).read_bytes())
    with (models / "dreamnet.safetensors").open("r+b") as file:
        file.write(b"\0")
    (line,) = (line for line in doctor._networks() if "dreamnet" in line)
    assert line.startswith("!!")
    assert "damaged" in line
    assert "install livedream again" in line


def test_the_users_folders_are_named_and_whether_they_can_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "mine"))
    lines = list(doctor._folders())
    assert all(line.startswith("ok") for line in lines)
    for name in ("scenes", "networks", "exported", "partial"):
        assert any(str(tmp_path / "mine" / name) in line for line in lines)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "file"))
    lines = list(doctor._folders())
    assert all(line.startswith("!!") for line in lines)
    assert all("LIVEDREAM_HOME=" in line for line in lines)
    assert not (tmp_path / "mine").exists()


def test_an_alert_can_be_tried(capsys):
    doctor.doctor_command(["--alert", f'{sys.executable} -c "pass"'])
    assert capsys.readouterr().out == f"ok  alert      {sys.executable} took a test message\n"


def test_an_alert_that_reaches_nobody_is_said(capsys):
    with pytest.raises(LivedreamError, match="no alert would reach"):
        doctor.doctor_command(["--alert", "http://127.0.0.1:9/x"])
    assert capsys.readouterr().out == "!!  alert      http://127.0.0.1:9: Connection refused\n"
