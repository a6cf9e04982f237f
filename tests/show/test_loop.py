"""The show's loop in this process, on a fake clock: frames and residuals in, pictures out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from livedream.controls.actions import Action, Command, Nudge, Set, SetUnit
from livedream.controls.keyboard import Keyboard
from livedream.controls.port import Change, Controls, Refusal
from livedream.errors import LivedreamError, OutputError, SourceError
from livedream.ipc.protocol import DreamStatus, Order, SourceStatus
from livedream.ipc.slots import Value
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from livedream.show.mirror import Mirror
from livedream.show.options import MirrorOptions
from livedream.show.orders import Orders
from livedream.show.schedule import StopFlag
from livedream.sinks.window import Closed, KeyPressed, Resized

GREY = np.full((90, 160, 3), 100, np.uint8)
SIZE = (160, 90)


class FakeFeeds:
    """A camera of 30 frames a second and a dream that answers every other frame with brightness."""

    def __init__(self) -> None:
        self.source = SourceStatus(phase="running", source="camera 0", kind="camera", size=SIZE)
        self.dream = DreamStatus()
        self.faults = 0
        self.orders: list[Order] = []
        self.frames = self.residuals = 0
        self.new_frame: Value | None = None
        self.new_residual: Value | None = None
        self.trouble: list[str] = []

    def capture(self, now: float, image: np.ndarray = GREY) -> None:
        self.frames += 1
        self.new_frame = Value(self.frames, image, self.frames, now)

    def dreamt(self, level: float, aspect: float | None = 16 / 9) -> None:
        self.residuals += 1
        residual = np.full((90, 160, 3), level, np.float32)
        self.new_residual = Value(self.residuals, residual, self.frames, 0.0, self.orders[-1].number, aspect)
        self.dream = DreamStatus(
            phase="dreaming", progress=self.residuals, ticks=self.residuals, order=self.orders[-1].number
        )

    def frame(self) -> Value | None:
        value, self.new_frame = self.new_frame, None
        return value

    def residual(self) -> Value | None:
        value, self.new_residual = self.new_residual, None
        return value

    def order(self, order: Order) -> None:
        self.orders.append(order)

    def listen(self, now: float) -> None:
        pass

    def check(self, now: float) -> list[str]:
        trouble, self.trouble = self.trouble, []
        return trouble

    def pids(self) -> list[int]:
        return []


@dataclass
class FakeFront:
    """Keeps what is shown."""

    size: tuple[int, int] = SIZE
    has_vsync: bool = False
    hud_size: tuple[int, int] | None = None
    recording_s: float | None = None
    events: list = field(default_factory=list)
    pictures: list = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    saved: list = field(default_factory=list)
    begun: int = 0
    told: dict | None = None
    end_error: LivedreamError | None = None

    def poll(self):
        events, self.events = self.events, []
        return events

    def begin(self):
        self.begun += 1

    def show(self, picture, overlay, stamp, now):
        self.pictures.append(picture)
        self.shown_s.append(now)

    def follow(self, settings):
        self.followed = settings

    def toggle_full_screen(self):
        pass

    def toggle_recording(self):
        return "recording: out.mp4"

    def snapshot(self, picture, settings):
        self.saved.append(picture)
        return Path("out.png")

    def tell(self, values):
        self.told = values()

    def faults(self):
        return []

    def finish(self):
        if self.end_error is not None:
            raise self.end_error


class Hand:
    """A control that the test moves."""

    name = "hand"

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.heard: list[Change | Refusal] = []

    def poll(self) -> list[Action]:
        actions, self.actions = self.actions, []
        return actions

    def announce(self, news: Change | Refusal) -> None:
        self.heard.append(news)

    def close(self) -> None:
        pass


class Rig:
    """A mirror and everything it is plugged into, at a time that the test sets."""

    def __init__(self, tmp_path: Path, options: MirrorOptions, **settings) -> None:
        self.now = 1000.0
        self.feeds, self.front, self.hand = FakeFeeds(), FakeFront(), Hand()
        self.keyboard, self.stop = Keyboard(), StopFlag()
        self.performance = Performance(
            PlayState.begin(Settings(**settings), None), Scenes(tmp_path), self.now
        )
        self.orders = Orders()
        self.mirror = Mirror(
            options,
            self.performance,
            self.feeds,
            self.front,
            Controls(self.keyboard, self.hand),
            keyboard=self.keyboard,
            orders=self.orders,
            stop=self.stop,
            started_s=self.now,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, seconds: float, level: float | None = 20.0) -> None:
        """Run; the camera gives 30 frames a second, the dream a residual for every other one."""
        for n in range(round(seconds * 30)):
            self.feeds.capture(self.now)
            if level is not None and n % 2:
                self.feeds.dreamt(level)
            for _ in range(4):
                self.mirror.step(self.now)
                self.now += 1 / 120

    @property
    def brightness(self) -> float:
        return float(self.front.pictures[-1].mean())


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(options: MirrorOptions | None = None, **settings) -> Rig:
        rigs.append(Rig(tmp_path, options or MirrorOptions(), mirror=False, **settings))
        return rigs[-1]

    yield make
    for one in rigs:
        one.performance.close()


def test_the_newest_residual_is_laid_over_the_newest_frame(rig):
    show = rig()
    show.run(0.5, level=None)
    assert show.brightness == pytest.approx(100)
    show.run(0.5, level=20.0)
    assert show.brightness == pytest.approx(120, abs=1)
    assert show.front.begun == 1


def test_a_dream_that_stops_fades_away_by_the_shows_own_clock(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.run(1.5, level=None)
    assert show.brightness == pytest.approx(120, abs=1)
    show.run(1.5, level=None)
    assert 101 < show.brightness < 119
    show.run(1.5, level=None)
    assert show.brightness == pytest.approx(100)


def test_pictures_come_at_the_rate_of_the_camera_at_most_at_that_of_a_screen(rig):
    show = rig()
    show.run(2.0)
    rate = len(show.front.pictures) / 2
    assert 28 <= rate <= 60


def test_without_anything_new_the_window_is_still_repainted(rig):
    show = rig()
    show.run(0.5)
    before = len(show.front.pictures)
    for _ in range(100):
        show.mirror.step(show.now)
        show.now += 0.01
    assert 8 <= len(show.front.pictures) - before <= 12


def test_a_control_changes_the_picture_and_all_controls_hear_of_it(rig):
    show = rig()
    show.run(0.5)
    show.hand.actions = [SetUnit("strength", 2 / 3)]
    show.run(0.2)
    assert show.brightness == pytest.approx(140, abs=1)
    assert show.hand.heard == [Change("hand", ("strength",), show.performance.settings)]
    assert show.feeds.orders[-1].settings.strength == 2.0


def test_the_keyboard_is_a_control_like_any_other(rig):
    show = rig()
    show.front.events = [KeyPressed("up"), KeyPressed("b")]
    show.run(0.1)
    assert show.performance.settings.strength == pytest.approx(1.1)
    assert show.brightness == 0.0  # blackout
    assert [change.origin for change in show.hand.heard] == ["keyboard", "keyboard"]


def test_what_is_not_possible_is_told_to_whoever_asked_and_changes_nothing(rig):
    show = rig()
    show.hand.actions = [Set("steps", 99), Command.SNAPSHOT]
    show.mirror.step(show.now)
    refused = [news for news in show.hand.heard if isinstance(news, Refusal)]
    assert [news.action for news in refused] == [Set("steps", 99), Command.SNAPSHOT]
    assert "expected 0–20" in refused[0].reason
    assert refused[1].reason == "no snapshot: there is no picture yet"
    show.run(0.2)
    show.hand.actions = [Command.SNAPSHOT]
    show.run(0.1)
    assert len(show.front.saved) == 1


def test_a_resize_orders_another_crop_and_never_shows_a_dream_of_the_old_one(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.front.size = (90, 160)
    show.front.events = [Resized()]
    show.feeds.capture(show.now)
    show.feeds.dreamt(20.0, aspect=16 / 9)  # still on its way
    show.mirror.step(show.now)
    assert show.feeds.orders[-1].aspect == pytest.approx(9 / 16)
    assert show.brightness == pytest.approx(100)
    for _ in range(10):
        show.now += 1 / 30
        show.feeds.capture(show.now)
        show.feeds.dreamt(20.0, aspect=show.feeds.orders[-1].aspect)
        show.mirror.step(show.now)
    assert show.brightness > 115


def test_nothing_is_ordered_while_nothing_changes(rig):
    show = rig()
    show.run(2.0)
    assert len(show.feeds.orders) == 1
    show.hand.actions = [Nudge("steps", 1)]
    show.run(1.0)
    assert [order.number for order in show.feeds.orders] == [1, 2]


def test_a_frozen_picture_stays(rig):
    show = rig()
    show.run(0.5, level=20.0)
    show.hand.actions = [Set("freeze", True)]
    show.run(0.5, level=80.0)
    assert show.brightness == pytest.approx(120, abs=1)


def test_closing_the_window_or_a_key_ends_the_show(rig):
    for event in (Closed(), KeyPressed("escape")):
        show = rig()
        show.front.events = [event]
        show.mirror.step(show.now)
        assert show.stop.is_set


def test_frames_and_duration_end_the_show(rig):
    show = rig(MirrorOptions(frames=10))
    show.run(0.2, level=None)
    assert not show.stop.is_set
    show.run(0.5)
    assert show.stop.is_set


def test_a_source_that_cannot_be_opened_ends_the_start(rig):
    show = rig()
    show.feeds.source = SourceStatus(phase="failed", error="no such file")
    with pytest.raises(SourceError, match="no such file"):
        show.mirror.step(show.now)


def test_a_dream_that_fails_at_the_start_ends_it_and_later_does_not(rig):
    show = rig()
    show.run(0.5)
    show.feeds.dream = DreamStatus(phase="failed", error="out of memory")
    show.run(1.0, level=None)
    show = rig()
    show.feeds.dream = DreamStatus(phase="failed", error="weights are damaged")
    with pytest.raises(LivedreamError, match="weights are damaged"):
        show.mirror.step(show.now)


def test_settings_that_crash_the_dream_twice_are_taken_back_and_it_is_said(rig):
    show = rig(layer="edges")
    show.run(12.0)
    show.hand.actions = [Set("layer", "objects")]
    show.run(0.2)
    for _ in range(2):
        show.orders.died()
        show.feeds.trouble = ["dream ended with exit code -11; restarting"]
        show.feeds.dream = DreamStatus(phase="importing")
        show.run(1.0, level=None)
    assert show.performance.settings.layer == "edges"
    assert show.feeds.orders[-1].settings.layer == "edges"
    assert "back to the last that worked" in show.front.told.message
    assert show.hand.heard[-1].origin == "dream"


def test_statistics_are_written_even_where_the_recording_fails(rig, tmp_path):
    path = tmp_path / "stats.json"
    show = rig(MirrorOptions(frames=5, stats=path))
    show.front.end_error = OutputError("the disk is full")
    show.run(0.5)
    with pytest.raises(OutputError, match="the disk is full"):
        show.mirror.run()
    found = json.loads(path.read_text())
    assert found["frames"] >= 5
    assert found["source"] == "camera 0"


def test_the_last_picture_is_saved_even_where_the_statistics_fail(rig, tmp_path):
    photo = tmp_path / "last.png"
    options = replace(MirrorOptions(frames=5), stats=tmp_path / "none" / "stats.json", snapshot=photo)
    show = rig(options)
    show.run(0.5)
    with pytest.raises(OutputError, match="cannot write"):
        show.mirror.run()
    assert photo.exists()
