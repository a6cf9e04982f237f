"""What ``--stats`` says, on a clock that the test holds."""

from __future__ import annotations

import json
import os
from datetime import datetime

import msgspec
import pytest

from livedream.errors import OutputError
from livedream.ipc.protocol import DreamStatus, Governed
from livedream.settings import Settings
from livedream.show.faults import Fault
from livedream.show.snapshot import Measured, Snapshot, hud_state, stats
from livedream.show.statistics import Statistics, write_stats
from livedream.timing import Percentiles


def test_rates_count_from_the_first_dream_and_latency_from_each_new_frame():
    statistics = Statistics()
    for n in range(50):
        statistics.shown(n / 10, n, n / 10 - 0.02, 0)
    statistics.begin(4.9)
    for n in range(100):  # each camera frame is shown twice
        statistics.shown(4.9 + (n + 1) / 50, 50 + n // 2, 4.9 + (n + 1) / 50 - 0.03, n)
    found = statistics.measured()
    assert found.display_fps == pytest.approx(50, rel=0.01)
    assert found.dream_fps == pytest.approx(49.5, rel=0.01)
    assert found.frames == 50
    assert found.dropped == 0
    assert found.latency_ms.p99 == pytest.approx(30, abs=0.1)
    assert found.latency_ms.p50 in (20.0, 30.0)


def test_percentiles_are_of_the_newest_pictures():
    statistics = Statistics()
    for n in range(30_000):  # more than are kept: only slow ones first, then only quick ones
        statistics.shown(n / 10 if n < 10_000 else 1000 + n / 100, n, 0.0, 0)
    assert statistics.measured().interval_ms == Percentiles(10.0, 10.0, 10.0)
    statistics.begin(2000.0)
    assert statistics.measured().interval_ms == Percentiles()


def test_a_dream_that_was_started_again_counts_on():
    statistics = Statistics()
    for n, ticks in enumerate((0, 10, 20, 3, 8)):
        statistics.shown(float(n), n, float(n), ticks)
    assert statistics.measured().ticks == 28


def test_pictures_that_miss_their_refresh_are_late_ones():
    statistics = Statistics()
    for _ in range(99):
        statistics.took(0.03)
    assert statistics.late == 0.0  # too few to say
    for _ in range(100):
        statistics.took(0.012)
    assert statistics.late == 0.0
    for n in range(100):
        statistics.took(0.04 if n % 4 == 0 else 0.012)
    assert statistics.late == 0.25


def test_what_the_governor_did_is_in_the_statistics():
    path = ((0.0, 320, 2), (9.5, 384, 2))
    governed = Governed(working_px=384, steps=2, octaves=4, auto=True, path=path)
    found = stats(Snapshot(Settings(), dream=DreamStatus(governor=governed)), Measured())
    governor = json.loads(msgspec.json.encode(found))["governor"]
    assert governor["path"] == [[0.0, 320, 2], [9.5, 384, 2]]
    assert (governor["working_px"], governor["steps"], governor["octaves"]) == (384, 2, 4)
    hud = hud_state(Snapshot(Settings(), dream=DreamStatus(governor=governed, working_size=(384, 216))), 0.0)
    assert hud.lines()[2] == "size 384x216  ·  2 steps  ·  4 octaves (auto)"


def test_faults_are_named_with_count_and_time_and_fade_from_the_plate():
    half_past_one = datetime(2026, 11, 26, 13, 38).timestamp()
    faults = (
        Fault("camera unplugged", 1, half_past_one, last_s=5000.0),
        Fault("dream hung", 2, half_past_one - 3000, last_s=2000.0),
    )
    snapshot = Snapshot(Settings(), faults=3, fault_list=faults)
    plate = hud_state(snapshot, 5010.0)
    assert plate.fault_text == "camera unplugged: 1, last 13:38  ·  dream hung: 2, last 12:48"
    assert plate.faults == 3
    later = hud_state(snapshot, 6000.0)
    assert (later.faults, later.fault_text) == (1, "camera unplugged: 1, last 13:38")
    assert hud_state(snapshot, 9000.0).faults == 0
    found = json.loads(msgspec.json.encode(stats(snapshot, Measured())))
    assert found["faults"] == 3
    assert [(fault["kind"], fault["count"]) for fault in found["fault_list"]] == [
        ("camera unplugged", 1),
        ("dream hung", 2),
    ]


def test_frames_that_were_never_shown_are_dropped_ones():
    statistics = Statistics()
    for index in (0, 1, 4, 5, 0, 1):  # the last two: the camera process was started again
        statistics.shown(index / 10, index, index / 10, 0)
    assert statistics.measured().dropped == 2


def test_intervals_between_pictures_count_from_the_first_dream():
    statistics = Statistics()
    statistics.shown(1.0, 1, 1.0, 0)
    statistics.shown(9.0, 2, 9.0, 0)
    statistics.recomposed = statistics.unchanged = 5
    statistics.begin(9.0)
    for n in range(100):
        statistics.shown(9.02 + 0.02 * n + (0.08 if n == 99 else 0), 3 + n, 9.0, 0)
    found = statistics.measured()
    assert found.interval_ms.p50 == pytest.approx(20, abs=0.01)
    assert found.interval_ms.p99 == pytest.approx(100, abs=0.01)
    assert found.pictures == 100
    assert (found.recomposed, found.unchanged) == (0, 0)


def test_memory_is_that_of_all_processes_and_those_that_ended_do_not_matter():
    statistics = Statistics()
    statistics.measure_memory([])
    alone = statistics.peak_rss_mb
    statistics.measure_memory([os.getpid(), 2**22 - 1])
    assert statistics.peak_rss_mb == pytest.approx(2 * alone, rel=0.1)


def test_the_file_is_json_with_the_agreed_keys(tmp_path):
    path = tmp_path / "stats.json"
    write_stats(path, stats(Snapshot(Settings()), Measured()))
    assert {"display_fps", "dream_fps", "latency_ms", "frame_ms", "dropped", "rss_mb"} <= set(
        found := json.loads(path.read_text())
    )
    assert set(found["latency_ms"]) == {"p50", "p95", "p99"}


def test_a_file_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_stats(tmp_path / "none" / "stats.json", stats(Snapshot(Settings()), Measured()))
    assert not list(tmp_path.iterdir())
