"""The show: takes the newest frame and the newest residual, and puts the picture on the wall.

It owns the window, the controls and the other two processes. It never imports torch, and it never waits
for anybody: a camera or a dream that hangs costs the picture nothing but its news.
"""

from __future__ import annotations

import logging
import signal
import time
from contextlib import ExitStack
from types import FrameType
from typing import Any

import cv2
import numpy as np

from livedream.controls.actions import Action, Command, Recall, Store
from livedream.controls.keyboard import action_for, help_rows
from livedream.errors import LivedreamError, SourceError
from livedream.frame import Image
from livedream.ipc.child import ENDINGS
from livedream.ipc.slots import Value
from livedream.networks.catalogue import network_info
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.outputs import Outputs
from livedream.show.processes import Processes
from livedream.show.statistics import Statistics, write_stats
from livedream.sinks.snapshot import save_snapshot
from livedream.sinks.window import Closed, KeyPressed, Resized
from livedream.sources.spec import parse_spec
from livedream.stage.composite import Composer, freshness
from livedream.stage.hud import Hud, HudState
from livedream.timing import Pacer, now_s

log = logging.getLogger(__name__)

#: The picture is drawn anew at most this often: what most screens and projectors show.
_MOST_HZ = 60.0
#: …and at least this often, so that a window that was covered is painted again.
_LEAST_HZ = 10.0
#: Sources in which whoever is seen stands in front of the mirror.
_LIVE = ("camera", "stream")
#: A show without a dream begins all the same after this long: `--frames` and `--duration` must end it.
_LONGEST_OVERTURE_S = 60.0


def run_mirror(options: MirrorOptions, settings: Settings, started_s: float | None = None) -> None:
    """Run the mirror until it is told to end.

    ``started_s`` is when the command was started, on the monotonic clock. Raises ``UsageError``,
    ``NetworkError``, ``SourceError`` or ``OutputError`` when the show cannot start; once it runs, what goes
    wrong is shown and logged, and the show goes on.
    """
    cv2.setNumThreads(1)
    state = PlayState.begin(settings, options.weights)
    parse_spec(options.source)  # a video that is not there is said at once, not by another process
    with ExitStack() as stack:
        end = StopFlag()
        for number in (*ENDINGS, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, end))  # and stays until all is closed
        processes = stack.enter_context(Processes(options, state.settings))
        outputs = stack.enter_context(Outputs(options, state.settings))  # opens while the camera starts
        performance = Performance(state, Scenes(options.scenes), now_s(), options.scene)
        stack.callback(performance.close)
        Mirror(options, performance, processes, outputs, end, started_s or now_s()).run()


class StopFlag:
    """Whether the show is to end; a signal handler that says so."""

    def __init__(self) -> None:
        self.is_set = False

    def __call__(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End the show after the picture that is being made."""
        self.is_set = True


class Mirror:
    """The show's one loop and what it holds."""

    def __init__(
        self,
        options: MirrorOptions,
        performance: Performance,
        processes: Processes,
        outputs: Outputs,
        end: StopFlag,
        started_s: float,
    ) -> None:
        self._options = options
        self._performance = performance
        self._ordered: object = None
        self._processes = processes
        self._outputs = outputs
        self._started_s = started_s
        self._statistics = Statistics()
        self._composer = Composer()
        self._frame: Value | None = None
        self._residual: Value | None = None
        self._picture: Image | None = None
        self._aspect: float | None = None
        self._end = end
        self._begun_s: float | None = None
        self._said: dict[str, str] = {}
        self._hud = Hud(now_s(), help_rows=help_rows())

    def run(self) -> None:
        """The loop. Raises what made the show impossible at its start."""
        self._order()
        pace, repaint, watch = Pacer(_MOST_HZ), Pacer(_LEAST_HZ), Pacer(4.0)
        while not self._end.is_set:
            now = now_s()
            self._control()
            self._play(now)
            if watch.due(now):
                self._watch(now)
            if (self._outputs.has_vsync or pace.wait_s(now) == 0) and (self._take() or repaint.due(now)):
                pace.due(now)
                self._begin_when_ready(now)
                self._show()
                self._end_when_due(now)
            else:
                time.sleep(0.001)
        self._finish()

    def _control(self) -> None:
        for event in self._outputs.poll():
            if isinstance(event, Closed):
                self._end()
            elif isinstance(event, Resized):
                self._order()
            elif isinstance(event, KeyPressed):
                action = action_for(event.key, event.shift, event.repeat)
                if action is not None:
                    self._act(action)

    def _act(self, action: Action) -> None:
        outputs, now = self._outputs, now_s()
        try:
            match action:
                case Command("quit"):
                    self._end()
                case Command("help"):
                    self._hud.toggle_help(now)
                case Command("hud"):
                    self._hud.toggle_pin(now)
                case Command("full_screen"):
                    outputs.toggle_full_screen()
                case Command("record"):
                    self._hud.say(outputs.toggle_recording(), now)
                case Command("snapshot") if self._picture is not None:
                    path = outputs.snapshot(self._picture, self._performance.settings)
                    self._hud.say(f"snapshot: {path}", now)
                case Recall(key):
                    self._performance.recall(key)
                case Store(key):
                    self._performance.store(key)
                case _:
                    self._performance.act(action, now, self._processes.dream_status())
                    self._hud.touched(now)
        except LivedreamError as error:
            log.error("%s", error)
            self._hud.say(str(error), now, alarm=True)

    def _play(self, now: float) -> None:
        """Let scenes, fades and visitors change the settings."""
        dream_fps = self._processes.dream_status().get("dream_fps", 0.0)
        for text, alarm in self._performance.step(now, self._somebody(), dream_fps):
            (log.error if alarm else log.info)("%s", text)
            self._hud.say(text, now, alarm=alarm)
        if self._performance.settings is not self._ordered:
            self._outputs.follow(self._performance.settings)
            self._order()

    def _somebody(self) -> bool | None:
        """Whether somebody is there; None when what is shown is no place where somebody could be."""
        kind, settings = self._processes.camera_status().get("kind"), self._performance.settings
        if settings.freeze or (settings.detect_visitors_in == "live" and kind not in _LIVE):
            return None
        return self._composer.room.somebody

    def _order(self) -> None:
        """Give the dream the newest settings and the shape of what is visible."""
        width, height = self._outputs.size
        settings = self._ordered = self._performance.settings
        self._aspect = width / height if settings.fit == "fill" else None
        self._processes.orders.publish_json({"settings": settings.as_dict(), "aspect": self._aspect})

    def _take(self) -> bool:
        """Take the newest frame and residual; whether there was anything new."""
        if self._performance.settings.freeze and self._picture is not None:
            return False
        frame = self._processes.frames.read(self._frame.seq if self._frame else 0)
        residual = self._processes.residuals.read(self._residual.seq if self._residual else 0)
        self._frame, self._residual = frame or self._frame, residual or self._residual
        if frame is not None:
            self._composer.see(frame.array, frame.index, self._aspect, frame.time_s)
        return frame is not None or residual is not None

    def _show(self) -> None:
        outputs, settings, timer = self._outputs, self._performance.settings, self._statistics.timer
        if self._frame is not None and not (settings.freeze and self._picture is not None):
            with timer.section("composite"):
                self._picture = self._compose(self._frame, settings)
        picture = self._picture
        if picture is None or settings.blackout:
            picture = np.zeros((outputs.size[1], outputs.size[0], 3), np.uint8)
        overlay = None
        if outputs.hud_size is not None and not settings.blackout:
            overlay = self._hud.overlay(self._hud_state(), outputs.hud_size, now_s())
        captured_s = self._frame.time_s if self._frame else 0.0
        with timer.section("show"):
            outputs.show(picture, overlay, captured_s)
        if self._frame is not None:
            self._count(self._frame, now_s())

    def _compose(self, frame: Value, settings: Settings) -> Image | None:
        size, residual = self._outputs.size, self._residual
        if residual is None:
            return self._composer.compose(None, 0, size, settings)
        share = freshness(frame.time_s - residual.time_s)
        return self._composer.compose(residual.array, residual.index, size, settings, share)

    def _count(self, frame: Value, now: float) -> None:
        statistics = self._statistics
        statistics.shown(now, frame.index, frame.time_s, self._processes.dream_status().get("ticks", 0))
        if statistics.first_picture_s is None:
            statistics.first_picture_s = round(now - self._started_s, 2)
            log.info("first picture after %.2f s", statistics.first_picture_s)
        if self._residual is not None and statistics.first_dream_s is None:
            statistics.first_dream_s = round(now - self._started_s, 2)
            log.info("first dream after %.2f s", statistics.first_dream_s)

    def _watch(self, now: float) -> None:
        """Look after the other processes and the outputs, and say what they say."""
        dream, camera = self._processes.dream_status(), self._processes.camera_status()
        if camera.get("error") and self._frame is None:
            raise SourceError(camera["error"])
        if dream.get("state") == "failed" and self._begun_s is None:
            raise LivedreamError(dream["error"])
        for text in self._processes.check(now) + self._outputs.faults():  # logged where they are noticed
            self._hud.say(text, now, alarm=True)
        self._performance.fall_back(dream)
        self._say_news("source", camera.get("message", ""), camera.get("error") or "", now)
        self._say_news("dream", dream.get("message", ""), dream.get("error", ""), now)
        self._outputs.tell(self._stats)
        self._statistics.measure_memory(self._processes.pids())

    def _say_news(self, who: str, message: str, error: str, now: float) -> None:
        text, before = error or message, self._said.get(who, "")
        if text and text != before:
            log.info("%s: %s", who, text)
            self._hud.say(text, now, alarm=bool(error))
        elif not text:
            self._hud.unsay(before, now)
        self._said[who] = text

    def _begin_when_ready(self, now: float) -> None:
        """The show begins with its first dreamt picture, or without one after the longest overture."""
        late = now - self._started_s > _LONGEST_OVERTURE_S
        if self._begun_s is None and (self._residual is not None or late):
            self._begun_s = now
            self._statistics.begin(now)
            self._outputs.begin()

    def _end_when_due(self, now: float) -> None:
        if self._begun_s is None:
            return
        frames, duration_s = self._options.frames, self._options.duration_s
        if frames is not None and self._statistics.frames >= frames:
            self._end()
        if duration_s is not None and now - self._begun_s >= duration_s:
            self._end()

    def _layer(self, dream: dict[str, Any]) -> str:
        """The layer that is dreamt: on a journey it changes by itself."""
        settings = self._performance.settings
        if settings.journey and dream.get("network") == settings.network and dream.get("shown"):
            return str(dream["shown"]["layer"])
        return settings.layer

    def _hud_state(self) -> HudState:
        settings, dream = self._performance.settings, self._processes.dream_status()
        name = self._layer(dream)
        layer = network_info(settings.network).blend(name)[0][0]
        return HudState(
            network=settings.network,
            layer=name,
            layer_channels=layer.channels,
            layer_stride=layer.stride,
            channels=dream.get("shown", {}).get("channels") or settings.channels,
            backend=dream.get("backend", ""),
            source=self._processes.camera_status().get("source", ""),
            display_fps=self._statistics.display.rate(now_s()),
            dream_fps=dream.get("dream_fps", 0.0),
            latency_ms=self._statistics.latency_ms(),
            steps=settings.steps,
            octaves=settings.octaves,
            working_size=tuple(dream.get("working", (0, 0))),
            strength=settings.strength,
            faults=self._processes.faults,
            recording_s=self._outputs.recording_s,
            mix=settings.mix,
            mask=settings.mask,
            vignette=settings.vignette,
            scene=self._performance.scene,
            presence=None if self._somebody() is None else self._composer.room.presence,
            attract=self._performance.attract.active,
        )

    def _stats(self) -> dict[str, Any]:
        dream, settings = self._processes.dream_status(), self._performance.settings
        room, attract = self._composer.room, self._performance.attract
        said = (*self._said.values(), self._hud.alarm(now_s()))
        return self._statistics.summary() | {
            "faults": self._processes.faults,
            "backend": dream.get("backend", ""),
            "network": dream.get("network", settings.network),
            "layer": self._layer(dream) if settings.journey else dream.get("layer", settings.layer),
            "guide": dream.get("guide", settings.guide),
            "working_size": dream.get("working", [0, 0]),
            "steps": settings.steps,
            "tick_ms": dream.get("sections", {}),
            "source": self._processes.camera_status().get("source", ""),
            "message": " · ".join(dict.fromkeys(filter(None, said))),
            "picture_size": list(self._outputs.size),
            "scene": self._performance.scene,
            "presence": None if self._somebody() is None else round(room.presence, 2),
            "arrivals": room.arrivals,
            "attract": attract.active,
            "attracts": attract.times,
        }

    def _finish(self) -> None:
        """The last frame and the statistics, if they were asked for. Raises ``OutputError``."""
        if self._options.stats is not None:
            write_stats(self._options.stats, self._stats())
        if self._options.snapshot is not None and self._picture is not None:
            save_snapshot(self._options.snapshot, self._picture, self._performance.settings.as_dict())
        self._outputs.finish()
