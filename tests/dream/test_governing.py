"""The governor in the dream process: settings follow it, and it prepares what it wants."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.dream.dreamer import Dreamer
from livedream.dream.governing import Governing
from livedream.dream.octaves import octave_sizes
from livedream.ipc.protocol import Order
from livedream.settings import Settings

VISIBLE = (1280, 720)


class Dreamt:
    """What the governor asks of a dreamer."""

    def __init__(self) -> None:
        self.fading = self.comparing = False
        self.prepared: list[tuple[int, int, float]] = []
        self.there = {320}

    def ready(self, settings: Settings, aspect: float) -> bool:
        return settings.working_px in self.there

    def prepare(self, settings: Settings, aspect: float) -> None:
        self.prepared.append((settings.working_px, settings.octaves, round(aspect, 2)))


class Run:
    """A dream process at a tick time of its own."""

    def __init__(self) -> None:
        self.dreamt = Dreamt()
        self.governing = Governing(self.dreamt)
        self.now_s = 0.0

    def ticks(self, seconds: float, tick_s: float, settings: Settings | None = None, **order) -> Settings:
        """Tick for so long; the settings that the last tick was dreamt with."""
        made = Order(number=1, settings=settings or Settings(), **order)
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += max(tick_s, 1 / 60)
            self.governing.ticked(made, VISIBLE, tick_s, self.now_s)
        return self.governing.settings(made.settings)


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_number_is_left_alone(run):
    pinned = Settings(working_px=320, steps=3)
    assert run.ticks(20, 0.2, pinned) == pinned
    governed = run.governing.governed
    assert (governed.working_px, governed.steps, governed.octaves, governed.auto) == (320, 3, 3, False)
    assert not run.dreamt.prepared


def test_a_slow_machine_is_relieved_and_the_path_told(run):
    found = run.ticks(20, 0.05)
    assert (found.working_px, found.steps, found.octaves) == (320, 1, 3)
    assert run.governing.governed.auto
    assert [level[1:] for level in run.governing.governed.path] == [(320, 2), (320, 1)]


def test_a_larger_size_is_prepared_and_taken_when_it_is_there(run):
    assert run.ticks(30, 0.004).working_px == 320
    larger = {px for px, _, _ in run.dreamt.prepared if px > 320}
    assert larger
    assert {aspect for _, _, aspect in run.dreamt.prepared} == {1.78}
    run.dreamt.there |= larger
    found = run.ticks(30, 0.004)
    assert found.working_px in larger
    assert found.octaves >= 4


def test_a_size_is_not_asked_for_at_every_tick(run):
    run.ticks(20, 0.004)
    sizes = [px for px, _, _ in run.dreamt.prepared]
    assert len(sizes) == len(set(sizes))


def test_a_fade_is_no_overload(run):
    run.dreamt.fading = True
    assert run.ticks(20, 0.05).steps == 2


def test_a_comparison_of_runtimes_is_no_overload(run):
    run.dreamt.comparing = True
    assert run.ticks(20, 0.05).steps == 2


def test_a_late_display_is_an_overload(run):
    assert run.ticks(5, 0.01, late=0.4).steps == 1


def test_the_cameras_rate_is_held(run):
    assert run.ticks(20, 0.025, camera_hz=60.0).steps == 1
    assert Run().ticks(20, 0.025, camera_hz=30.0).steps == 2


def test_a_pinned_size_is_followed_at_once_and_auto_begins_anew(run):
    run.ticks(20, 0.05)
    pinned = Settings(working_px=640)
    assert run.governing.settings(pinned) == pinned
    assert run.governing.settings(Settings()) == Settings()


def test_it_begins_at_the_size_that_is_named(run):
    run.governing = Governing(run.dreamt, 160)
    assert run.governing.settings(Settings()).working_px == 160
    assert run.governing.settings(Settings()).octaves == 2
    run.dreamt.there |= {128, 160}
    assert run.ticks(1, 0.01).working_px == 160
    assert run.ticks(20, 0.001).working_px == 320


@pytest.mark.parametrize("px", [64, 128, 300])
def test_where_one_size_is_the_largest_it_has_all_octaves(run, px):
    run.governing = Governing(run.dreamt, 320)
    run.governing.largest_px = px
    first = run.governing.settings(Settings())
    assert (first.working_px, first.octaves) == (px, 3)
    run.dreamt.there |= {64, 128, 256, 300}
    found = run.ticks(20, 0.001)
    assert (found.working_px, found.octaves) == (px, 3)
    assert run.ticks(20, 0.2).working_px == min(px, 128)


def test_fewer_steps_are_taken_at_once(run):
    run.ticks(1, 0.01)
    assert run.governing.settings(Settings(steps=0)).steps == 0


def test_octaves_of_an_aspect_are_those_of_a_frame():
    assert octave_sizes(Settings(), 16 / 9) == [(320, 180), (200, 112), (125, 70)]
    two = Settings(working_px=640, octaves=2, octave_scale=2.0)
    assert octave_sizes(two, 9 / 16) == [(360, 640), (180, 320)]


@pytest.mark.full
def test_a_real_dreamer_can_be_governed():
    dreamer = Dreamer("dreamnet", device="cpu", backend="pytorch")
    image, settings = np.zeros((72, 128, 3), np.uint8), Settings(layer="edges")
    governing = Governing(dreamer)
    for n in range(3):
        dreamer.tick(image, governing.settings(settings), time_s=n / 30)
        governing.ticked(Order(number=1, settings=settings), (128, 72), 1e-3, n / 30)
    assert governing.governed.working_px == 128  # no larger than the camera's image
    assert not dreamer.fading
    assert dreamer.ready(Settings(layer="edges", working_px=160), 16 / 9)
    dreamer.prepare(Settings(layer="edges", working_px=160), 16 / 9)
    dreamer.close()
