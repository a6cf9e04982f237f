"""Latency through the camera: a synthetic camera films a synthetic screen, on a fake clock."""

from __future__ import annotations

import time

import numpy as np
import pytest

from livedream.errors import LivedreamError, SourceError
from livedream.frame import Frame
from livedream.show.latency import Measurement, Seen, Watch, brightness


class Room:
    """A screen, and a camera of 30 frames a second that sees it ``delay_s`` later, in a part of its frame."""

    def __init__(self, delay_s=0.05, fps=30.0, white=200.0, noise=2.0, ignores=()):
        self.now = 100.0
        self.delay_s, self.interval_s, self.white, self.noise = delay_s, 1 / fps, white, noise
        self.ignores, self.flashes = ignores, 0
        self.shown = [(0.0, False)]
        self.exposed_s = self.now
        self.waiting: list[tuple[float, Seen]] = []
        self.rng = np.random.default_rng(1)

    def flash(self, on):
        if on:
            self.flashes += 1
        self.shown.append((self.now, on and self.flashes not in self.ignores))

    def sleep(self, seconds):
        self.now += seconds
        while self.exposed_s + self.interval_s <= self.now:
            self.exposed_s += self.interval_s
            on = [lit for at_s, lit in self.shown if at_s <= self.exposed_s][-1]
            levels = 20 + self.rng.normal(0, self.noise, (60, 80)).astype(np.float32)
            levels[10:20, 30:50] += self.white if on else 0
            read_s = self.exposed_s + self.delay_s
            self.waiting.append((read_s, Seen(read_s, levels)))

    def take(self):
        ready = [seen for at_s, seen in self.waiting if at_s <= self.now]
        self.waiting = [item for item in self.waiting if item[0] > self.now]
        return ready

    def measure(self, flashes=40):
        measurement = Measurement(self.flash, self.take, clock=lambda: self.now, sleep=self.sleep, seed=5)
        return measurement.run(flashes)


@pytest.mark.parametrize("delay_s", [0.02, 0.08, 0.3])
def test_a_known_delay_is_found(delay_s):
    """A flash waits for the next exposure, half a frame on average, then for the camera's delay."""
    latency = Room(delay_s).measure()
    assert len(latency.ms) == 40
    assert latency.missed == 0
    assert min(latency.ms) >= delay_s * 1e3 - 0.1
    assert max(latency.ms) <= (delay_s + 1 / 30) * 1e3 + 1.1
    assert latency.percentiles.p50 == pytest.approx((delay_s + 1 / 60) * 1e3, abs=7)
    assert latency.contrast == pytest.approx(200, abs=3)


def test_flashes_meet_every_moment_between_two_frames():
    waits = np.array(Room(0.05).measure().ms) - 50
    assert waits.max() - waits.min() > 20


def test_no_more_than_three_flashes_a_second():
    room = Room(0.02)
    room.measure(10)
    lit = [at_s for at_s, on in room.shown if on]
    assert min(np.diff(lit)) > 1 / 3


def test_a_screen_that_fills_little_of_the_frame_is_enough_and_none_is_not():
    assert Room(white=15).measure(3).contrast == pytest.approx(15, abs=2)
    with pytest.raises(SourceError, match=r"does not see the screen: .* \d levels of 255; expected 8"):
        Room(white=0).measure()


def test_flashes_that_are_not_seen_are_counted():
    latency = Room(ignores=(3, 5)).measure(10)  # the first is for the contrast
    assert (len(latency.ms), latency.missed) == (8, 2)
    with pytest.raises(LivedreamError, match="none of 4 flashes"):
        Room(ignores=range(2, 100)).measure(4)


def test_a_camera_without_frames_is_said():
    with pytest.raises(SourceError, match="no frame within 1 s"):
        Room(fps=0.1).measure()


class Pictures:
    """A source of white frames, which ends."""

    name, closed = "camera 7", False

    def __init__(self, count):
        self._left = count

    def __iter__(self):
        return self

    def __next__(self):
        if not self._left:
            raise StopIteration
        self._left -= 1
        return Frame(np.full((48, 64, 3), 255, np.uint8), self._left, 0.0)

    def close(self):
        self.closed = True


def take_all(watch):
    while True:
        assert all(seen.read_s == 7.0 for seen in watch.take())
        time.sleep(0.001)


def test_frames_are_read_beside_the_flashes_and_a_source_that_ends_is_an_error():
    source = Pictures(3)
    with Watch(source, clock=lambda: 7.0) as watch, pytest.raises(SourceError, match="camera 7 has ended"):
        take_all(watch)
    assert source.closed


def test_brightness_is_small_and_grey():
    levels = brightness(np.full((480, 640, 3), (255, 0, 0), np.uint8))
    assert levels.shape == (60, 80)
    assert levels.mean() == pytest.approx(76, abs=1)
