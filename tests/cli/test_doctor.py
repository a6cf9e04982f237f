"""The doctor names what is there, and how to mend what is not."""

from __future__ import annotations

from livedream.cli import doctor


def test_every_part_of_the_machine_is_looked_at():
    lines = list(doctor.report())
    for what in ("system", "packages", "camera", "screen", "dream", "backends", "network", "disk"):
        assert any(line[4:].startswith(what) for line in lines), what
    assert all(line[:2] in ("ok", "--", "!!") for line in lines)


def test_what_is_missing_comes_with_a_way_to_mend_it(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "list_cameras", list)
    monkeypatch.setattr(doctor, "displays", list)
    monkeypatch.setattr(doctor, "find_weights", lambda name: None)
    for part in (doctor._cameras(), doctor._screens(), doctor._networks()):
        for line in part:
            if not line.startswith("ok"):
                assert "mend: " in line


def test_the_shipped_network_is_found():
    assert any("dreamnet" in line and line.startswith("ok") for line in doctor._networks())
