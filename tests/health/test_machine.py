"""Temperatures, throttling and the disk, as the machine's own files and tools say them."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from livedream.health import machine
from livedream.health.machine import Machine, Reading, firmware_throttled, parse_nvidia, sensors


def entry(label="", current=50.0, high=None):
    return SimpleNamespace(label=label, current=current, high=high, critical=None)


def test_sensors_have_their_own_limits_if_these_can_be_believed(monkeypatch):
    chips = {
        "coretemp": [entry("Package id 0", 71.0, 100.0), entry("Core 0", 70.0, 0.0)],
        "nvme": [entry("Composite", 60.0, 65261.8)],
        "broken": [entry("", -128.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    assert sensors() == {
        "coretemp Package id 0": (71.0, 100.0),
        "coretemp Core 0": (70.0, 85.0),
        "nvme Composite": (60.0, 85.0),
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("0\n", []),
        ("50000", []),  # it was, but is no longer
        ("50005", ["too little voltage", "throttled"]),
        ("8", ["held down by its temperature"]),
        ("nonsense", []),
    ],
)
def test_a_raspberry_pi_says_why_it_is_slow(tmp_path, said, words):
    path = tmp_path / "get_throttled"
    path.write_text(said)
    assert firmware_throttled(path) == words
    assert firmware_throttled(tmp_path / "none") == []


def test_an_nvidia_card_says_how_hot_it_is_and_why_it_is_slow():
    celsius, slow = parse_nvidia(
        ["0, 41, 0x0000000000000001", "1, 93, 0x0000000000000040", "2, [N/A], [N/A]"]
    )
    assert celsius == {"card 0": (41.0, 90.0), "card 1": (93.0, 90.0)}
    assert slow == ["graphics card 1 is too hot, or has too little power"]


def test_what_is_wrong_is_named():
    well = Reading({"cpu": 60.0}, disk_free_bytes=10**11)
    assert well.troubles() == ()
    assert well.hottest_c == 60.0
    bad = Reading({"cpu": 97.0}, ("cpu",), ("throttled",), 4 * 10**8)
    assert {trouble.kind: trouble.text for trouble in bad.troubles()} == {
        "heat": "hot: cpu 97 °C",
        "throttled": "the machine slows itself down: throttled",
        "disk": "0.4 GB of the disk are free",
    }
    assert Reading().hottest_c is None


def test_a_processor_that_slowed_itself_down_since_the_last_look_is_noticed(monkeypatch):
    counts = iter([5, 5, 7, 7])
    monkeypatch.setattr(machine, "_slowed_count", lambda: next(counts))
    looked = Machine()
    assert [bool(looked.look().throttled) for _ in range(3)] == [False, True, False]


def test_a_sensor_that_cannot_be_read_costs_only_the_temperatures(monkeypatch):
    def broken():
        raise ValueError("invalid literal for int()")

    monkeypatch.setattr(psutil, "sensors_temperatures", broken, raising=False)
    assert Machine().look().disk_free_bytes > 0


def test_this_machine_can_be_read():
    assert Machine().look().disk_free_bytes > 0
