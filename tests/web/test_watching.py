"""What programs ask the mirror: the answers are about the moment at which they ask."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from livedream.health.vitals import Trouble, Vitals
from livedream.watch.beats import CLOSED, PICTURE
from livedream.web.preview import Preview
from tests.clocks import Clock


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def vitals(clock):
    return Vitals(clock)


@pytest.fixture
def preview(vitals):
    with Preview(port=0, vitals=vitals) as preview:
        yield preview


def get(preview, path):
    """(status, what JSON says) of a route."""
    try:
        with urllib.request.urlopen(preview.url + path, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_health_follows_the_pictures(preview, vitals, clock):
    assert get(preview, "healthz")[0] == 503
    vitals.framed(clock.now)
    vitals.heard(PICTURE, clock.now)
    vitals.told("show", [Trouble("source", "camera 0 lost; showing clouds until it returns")])
    clock.now += 2
    status, said = get(preview, "healthz")
    assert status == 200
    assert said["ok"] is True
    assert said["why"] == []
    assert said["picture_age_s"] == said["frame_age_s"] == 2.0
    assert said["tick_age_s"] is None
    assert said["degraded"] == [{"kind": "source", "text": "camera 0 lost; showing clouds until it returns"}]
    clock.now += 5  # the loop says nothing more
    status, said = get(preview, "healthz")
    assert status == 503
    assert said["why"] == ["no new picture for 7 s: the loop hangs"]


def test_a_closed_mirror_is_healthy(preview, vitals, clock):
    vitals.heard(CLOSED, clock.now)
    status, said = get(preview, "healthz")
    assert (status, said["state"]) == (200, "closed")


def test_the_status_has_the_ages_of_the_moment(preview, vitals, clock):
    preview.set_status({"pictures": 3})
    vitals.heard(PICTURE, clock.now)
    clock.now += 6
    said = get(preview, "status.json")[1]
    assert (said["pictures"], said["ok"], said["picture_age_s"]) == (3, False, 6.0)
