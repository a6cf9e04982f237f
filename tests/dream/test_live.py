"""A dream that goes on: the governor is told what a tick would take with all of the machine's time."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.dream import live as live_module
from livedream.dream.live import LiveDream
from livedream.ipc.protocol import Order
from livedream.settings import Settings
from tests.clocks import Clock


class Dreamt:
    """A dreamer whose ticks take 10 ms."""

    device_name, dreaming, gradients_zero = "cpu", True, False
    comparing = fading = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sizes: list[int] = []

    def tick(self, image, settings, **options):
        self.sizes.append(settings.working_px)
        self._clock.now += 0.01
        return np.random.default_rng(0).normal(size=image.shape).astype(np.float32)

    def ready(self, settings, aspect):
        return True

    def prepare(self, settings, aspect):
        pass


@pytest.fixture
def dream(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live_module, "now_s", clock)
    dream = LiveDream(Dreamt(clock), loader=None, first_px=256)

    def run(seconds: float, **options) -> int:
        """Tick at 30 Hz; the last working size."""
        order, image = Order(number=1, settings=Settings()), np.zeros((48, 64, 3), np.uint8)
        end_s = clock.now + seconds
        while clock.now < end_s:
            next_s = clock.now + 1 / 30
            dream.tick(image, order, visible=(1280, 720), **options)
            clock.now = max(clock.now, next_s)
        return dream.dreamer.sizes[-1]

    return run


def test_who_has_less_of_the_time_dreams_smaller(dream):
    assert dream(20) >= 320
    assert dream(30, share=0.1) == 128


def test_no_size_is_larger_than_allowed(dream):
    assert dream(60, largest_px=320) == 320
    assert dream(60) > 320
