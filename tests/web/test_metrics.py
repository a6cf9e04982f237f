"""/metrics: what Prometheus' own parser reads there."""

from __future__ import annotations

import os
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from livedream.health.attendant import Attendant
from livedream.health.machine import Reading
from livedream.health.vitals import Facts, Trouble
from livedream.ipc.protocol import RoomStatus
from livedream.timing import Percentiles
from livedream.watch.beats import PICTURE
from livedream.web.metrics import MEASURES, Metrics
from livedream.web.server import Server
from livedream.web.site import Site
from tests.clocks import Clock


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def attendant(clock):
    return Attendant(clock=clock)


def read(attendant) -> dict[tuple[str, str], float]:
    """(name, label's value) to number, as a server serves it."""
    site = Site()
    Metrics(attendant).add_to(site)
    with Server(site) as server, urllib.request.urlopen(f"{server.url}metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name.removeprefix("livedream_"), next(iter(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_mirror_that_has_just_started_says_what_there_is(attendant):
    found = read(attendant)
    assert found["up", ""] == 0
    assert found["open", ""] == 1
    assert ("picture_age_seconds", "") not in found
    assert not any(name.startswith(("python_", "process_")) for name, _ in found)


def test_every_number_is_there(attendant, clock):
    vitals = attendant.vitals
    vitals.facts = Facts(
        pictures=1000,
        ticks=300,
        dropped=4,
        arrivals=7,
        faults={"camera unplugged": 2},
        display_fps=59.5,
        dream_fps=14.5,
        latency_ms=Percentiles(40.0, 50.0, 60.0),
        interval_ms=Percentiles(16.7, 20.0, 30.0),
        presence=0.9,
        recording_s=3.0,
        pids={"show": os.getpid(), "camera": 2**30},
        dream_at="ws://10.0.0.7:8850",
        room=RoomStatus(
            round_trip_ms=Percentiles(20.0, 30.0, 40.0), up_bytes_s=400_000, down_bytes_s=600_000
        ),
    )
    vitals.framed(100.0)
    vitals.ticked(300, 100.0)
    vitals.heard(PICTURE, 100.0)
    vitals.told("show", [Trouble("source", "camera 0 lost")])
    attendant.machine.reading = Reading({"cpu": 61.0}, (), ("throttled",), 10**11)
    attendant.days.today.restarts = 3
    clock.now += 2
    found = read(attendant)
    assert {name for name, _ in found} == {
        measure.name + ("_total" if measure.kind == "counter" else "") for measure in MEASURES
    }
    for key, value in {
        ("up", ""): 1,
        ("degraded", "source"): 1,
        ("picture_age_seconds", ""): 2,
        ("display_fps", ""): 59.5,
        ("latency_seconds", "0.95"): 0.05,
        ("pictures_total", ""): 1000,
        ("faults_total", "camera unplugged"): 2,
        ("visitors_total", ""): 7,
        ("recording", ""): 1,
        ("today_restarts", ""): 3,
        ("temperature_celsius", "cpu"): 61,
        ("throttled", ""): 1,
        ("disk_free_bytes", ""): 1e11,
        ("dream_away", ""): 1,
        ("room_round_trip_seconds", "0.95"): 0.03,
        ("room_bytes_per_second", "down"): 600_000,
    }.items():
        assert found[key] == pytest.approx(value), key
    assert found["memory_bytes", "show"] > 10e6
    assert ("memory_bytes", "camera") not in found  # it has just ended


def test_names_are_those_that_prometheus_wants():
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    assert not any(name.endswith("_total") for name in names)
