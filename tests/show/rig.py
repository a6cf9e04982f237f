"""A mirror whose camera, dream, screen, hand and clock are the test's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from livedream.controls.actions import Action
from livedream.controls.desk import Desk
from livedream.controls.keyboard import Keyboard
from livedream.controls.port import Change, Controls, Refusal
from livedream.errors import LivedreamError
from livedream.health.vitals import Vitals
from livedream.ipc.protocol import DreamStatus, Order, SourceStatus
from livedream.ipc.slots import Value
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from livedream.show.fallback import Fallback
from livedream.show.faults import Fault
from livedream.show.mirror import Mirror
from livedream.show.options import MirrorOptions
from livedream.show.orders import Orders
from livedream.show.pulse import Pulse
from livedream.show.resume import Resume
from livedream.show.schedule import StopFlag
from livedream.watch.beats import Beats

GREY = np.full((90, 160, 3), 100, np.uint8)
SIZE = (160, 90)


class FakeFeeds:
    """A camera of 30 frames a second and a dream that answers every other frame with brightness."""

    def __init__(self) -> None:
        self.source = SourceStatus(phase="running", source="camera 0", kind="camera", size=SIZE)
        self.dream = DreamStatus()
        self.faults = 0
        self.fault_list: list[Fault] = []
        self.fallback = Fallback()
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

    audio = None

    def hear(self, name: str) -> float:
        return 0.0

    def frame(self) -> Value | None:
        value, self.new_frame = self.new_frame, None
        return value

    def residual(self) -> Value | None:
        value, self.new_residual = self.new_residual, None
        return value

    def order(self, order: Order) -> None:
        self.orders.append(order)

    def change_source(self, spec: str, now: float) -> None:
        self.source = SourceStatus(phase="running", source=spec, kind="camera", size=SIZE)

    def listen(self, now: float) -> None:
        pass

    def check(self, now: float) -> list[str]:
        trouble, self.trouble = self.trouble, []
        return trouble

    def pids(self) -> dict[str, int]:
        return {}


@dataclass
class FakeFront:
    """Keeps what is shown."""

    size: tuple[int, int] = SIZE
    has_vsync: bool = False
    hud_size: tuple[int, int] | None = None
    recording_s: float | None = None
    renderer: str = "cpu"
    page: str = ""
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

    def show(self, scene, overlay, stamp, now):
        self.pictures.append(scene.picture())
        self.shown_s.append(now)

    def tend(self, now):
        return False

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

    failing = states = ()

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

    def __init__(
        self, tmp_path: Path, options: MirrorOptions, resume: Resume | None = None, **settings
    ) -> None:
        self.now = 1000.0
        self.feeds, self.front, self.hand = FakeFeeds(), FakeFront(), Hand()
        self.keyboard, self.stop = Keyboard(), StopFlag()
        self.performance = Performance(
            PlayState.begin(Settings(**settings), None), Scenes(tmp_path), self.now
        )
        self.orders, self.desk = Orders(), Desk(self.performance.settings)
        self.vitals = Vitals(lambda: self.now)
        self.mirror = Mirror(
            options,
            self.performance,
            self.feeds,
            self.front,
            Controls(self.keyboard, self.hand),
            keyboard=self.keyboard,
            desk=self.desk,
            orders=self.orders,
            stop=self.stop,
            pulse=Pulse(
                Beats(self.stop.interrupt, self.vitals.heard),
                resume or Resume(None),
                self.vitals,
                self.performance,
            ),
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
