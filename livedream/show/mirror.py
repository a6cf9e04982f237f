"""The show: takes the newest frame and the newest residual, and puts the picture on the screen.

It never imports torch, and it never waits: a camera or a dream that hangs costs the picture nothing but its
freshness.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec

from livedream.controls.actions import Action, Command, Learn, SetSource
from livedream.controls.corner_keys import KEYS_HELP
from livedream.controls.desk import Desk, View
from livedream.controls.keyboard import Keyboard, help_rows
from livedream.controls.port import Controls, Refusal
from livedream.errors import LivedreamError, SourceError
from livedream.frame import Array
from livedream.ipc.slots import Value
from livedream.performance.state import Dreamt
from livedream.performance.store import Performance
from livedream.show.bulletin import Bulletin
from livedream.show.commands import Commands
from livedream.show.learning import Learning
from livedream.show.options import MirrorOptions
from livedream.show.orders import Orders, instead_of
from livedream.show.picture import Picture
from livedream.show.ports import Feeds, Front
from livedream.show.pulse import Pulse
from livedream.show.readings import reading_of, scene_reading
from livedream.show.schedule import Schedule, Stop
from livedream.show.senses import Senses
from livedream.show.snapshot import Snapshot, Stats, hud_state, room_text, stats
from livedream.show.statistics import Statistics, write_stats
from livedream.sinks.port import Stamp
from livedream.sinks.snapshot import save_snapshot
from livedream.sinks.window import Closed, Exposed, KeyPressed, Resized
from livedream.stage.hud import Hud
from livedream.stage.point_editor import PointEditor
from livedream.stage.scene import black
from livedream.timing import Pacer, now_s

log = logging.getLogger(__name__)

#: The picture is redrawn at most this often: what most screens and projectors show. While no frame and no
#: residual is new, settings and overlay are looked at as often.
_MOST_HZ = 60.0
#: The longest sleep: controls are heard this often.
_NAP_S = 0.008
#: Looks after the other processes and the outputs.
_WATCH_HZ = 4.0

#: Controls whose values are not shown in large type: they have screens of their own, and move all the time.
_HAVE_SCREENS = ("osc", "dmx")


class Mirror:
    """The show's one loop. ``clock`` and ``sleep`` are the system's, but in tests."""

    def __init__(
        self,
        options: MirrorOptions,
        performance: Performance,
        feeds: Feeds,
        front: Front,
        controls: Controls,
        *,
        keyboard: Keyboard,
        desk: Desk,
        orders: Orders,
        stop: Stop,
        started_s: float,
        pulse: Pulse,
        clock: Callable[[], float] = now_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options, self._performance = options, performance
        self._feeds, self._front, self._controls, self._keyboard = feeds, front, controls, keyboard
        self._desk, self._orders, self._stop, self._pulse = desk, orders, stop, pulse
        self._clock, self._sleep = clock, sleep
        self._schedule = Schedule(started_s, options.frames, options.duration_s)
        self._statistics = Statistics()
        self._picture = Picture(performance, feeds, front, self._statistics)
        performance.sense = Senses(self._picture, feeds.hear)
        self._points = PointEditor(KEYS_HELP)
        self._bulletin = Bulletin(Hud(clock(), help_rows=help_rows()))
        for text in options.notices:
            self._bulletin.say(text, clock(), alarm=True, logged=True)
        self._commands = Commands(front, self._bulletin, stop, self._picture, performance, keyboard)
        self._learning = Learning(desk)
        self._late = 0.0  # the fraction of late pictures, as the dream was told
        self._overlay: Array | None = None
        self._blackout = False
        self._exposed = True  # the screen has to be given the picture again, though it is not a new one
        self._pace, self._checking, self._watching = Pacer(_MOST_HZ), Pacer(_MOST_HZ), Pacer(_WATCH_HZ)

    def run(self) -> None:
        """The loop. Raises what made the show impossible at its start."""
        while not self._stop.is_set:
            if not self.step(self._clock()):
                wait_s = 0.0 if self._front.has_vsync else self._pace.wait_s(self._clock())
                self._sleep(min(max(wait_s, 0.001), _NAP_S))
        self._pulse.ends()
        self._finish()

    def step(self, now: float) -> bool:
        """Everything that is due at ``now``; whether a picture was shown."""
        self._control(now)
        self._play(now)
        if self._watching.due(now):
            self._watch(now)
        if not self._front.has_vsync and self._pace.wait_s(now) > 0:
            return False
        if not (self._picture.take(now) or self._exposed or self._checking.due(now)):
            return False
        if self._schedule.begins(now, self._picture.residual is not None):
            self._statistics.begin(now)
            self._front.begin()
            self._performance.begin(now)
        renewed = self._renew(now)
        if renewed:
            self._pace.due(now)
            self._show(now)
            if self._schedule.ended(now, self._statistics.frames):
                self._stop()
        else:
            self._statistics.unchanged += 1
        frame = self._picture.frame
        self._pulse.produced(self._clock(), frame.seq if frame else None, self._picture.frozen)
        return renewed

    def _control(self, now: float) -> None:
        for event in self._front.poll():
            if isinstance(event, Closed):
                self._stop()
            elif isinstance(event, Resized):
                self._exposed = True
                self._order(now)
            elif isinstance(event, Exposed):
                self._exposed = True
            elif isinstance(event, KeyPressed):
                self._keyboard.press(event.key, event.shift, event.repeat)
        for origin, action in self._controls.poll():
            try:
                self._act(action, origin, now)
            except Exception as error:  # what one control asks for must not end the show
                reason = str(error)
                if not isinstance(error, LivedreamError):
                    what = action.value if isinstance(action, Command) else type(action).__name__
                    reason = f"{what} failed: {reason or type(error).__name__}"
                    log.exception("%s, asked for by %s", reason, origin)
                self._bulletin.refuse(origin, reason)
                self._controls.announce(Refusal(origin, action, reason))
        self._bulletin.say_refusals(now)
        changes = self._performance.changes()
        if changes:  # whoever is told of them finds them on the desk
            performance = self._performance
            self._desk.view = replace(self._desk.view, settings=performance.lasting, scene=performance.scene)
        for change in changes:
            self._controls.announce(change)
            self._orders.chosen(change)

    def _act(self, action: Action, origin: str, now: float) -> None:
        if isinstance(action, Command):
            self._exposed = self._commands.do(action, now, origin) or self._exposed
            return
        if isinstance(action, Learn):
            self._bulletin.read(self._learning.do(action), now)
            return
        if isinstance(action, SetSource):
            self._feeds.change_source(action.source, now)
            self._bulletin.say(f"source: {action.source}", now)
            return
        performance, dream = self._performance, self._feeds.dream
        word = dream.shown_words[0][0] if dream.shown_words else ""
        dreamt = Dreamt(dream.shown_layer, word, dream.guides)
        before = performance.wanted
        performance.act(action, now, dreamt, origin)
        self._learning.touched(action)
        if performance.settings.show_values and origin not in _HAVE_SCREENS:
            self._bulletin.read(reading_of(action, before, performance.wanted, self._desk.view.lists), now)

    def _play(self, now: float) -> None:
        """Let scenes, fades and visitors change the settings."""
        picture = self._picture
        self._feeds.listen(now)
        seen, scene = (picture.somebody, picture.presence.motion), self._performance.scene
        for text, alarm in self._performance.step(now, *seen, blind=self._feeds.source.lost):
            self._bulletin.say(text, now, alarm=alarm)
        if self._performance.scene != scene and self._performance.settings.show_values:
            reading = scene_reading(self._performance.scene, self._performance.scenes)
            self._bulletin.read(reading, now)
            self._bulletin.hud.unsay(f"scene: {reading.value}", now)  # once is enough
        self._order(now)

    def _order(self, now: float) -> None:
        """Tell the dream and the screen what has changed."""
        fps, late = self._feeds.source.fps, self._late
        order = self._orders.make(self._performance.played, self._picture.aspect, fps, late, now)
        if order is not None:
            self._front.follow(order.settings)
            self._feeds.order(order)

    def _renew(self, now: float) -> bool:
        """Arrange the scene and draw the overlay anew if anything in them has changed; whether it has."""
        front, settings = self._front, self._performance.settings
        before = (self._picture.scene, self._overlay, self._blackout)
        self._picture.arrange(now)
        self._overlay, self._blackout = None, settings.blackout
        if front.hud_size is not None and not settings.blackout:
            hud, size = self._bulletin.hud, front.hud_size
            self._overlay = self._points.overlay(settings, size, hud.alarm(now))
            if self._overlay is None:
                self._overlay = hud.overlay(hud_state(self._snapshot(now), now), size, now)
        after = (self._picture.scene, self._overlay, self._blackout)
        exposed, self._exposed = self._exposed, False
        return exposed or any(new is not old for new, old in zip(after, before, strict=True))

    def _show(self, now: float) -> None:
        front, frame, scene = self._front, self._picture.frame, self._picture.scene
        if scene is None or self._blackout:
            scene = black(front.size)
        stamp = Stamp(frame.index, frame.time_s) if frame else Stamp(-1, 0.0)
        with self._statistics.timer.section("show"):
            front.show(scene, self._overlay, stamp, now)
        if frame is not None:
            self._count(frame, self._clock())
            self._statistics.took(self._clock() - now)

    def _count(self, frame: Value, now: float) -> None:
        statistics, started_s = self._statistics, self._schedule.started_s
        statistics.shown(now, frame.index, frame.time_s, self._feeds.dream.ticks)
        if statistics.first_picture_s is None:
            statistics.first_picture_s = round(now - started_s, 2)
            log.info("first picture after %.2f s", statistics.first_picture_s)
        if self._picture.residual is not None and statistics.first_dream_s is None:
            statistics.first_dream_s = round(now - started_s, 2)
            log.info("first dream after %.2f s", statistics.first_dream_s)

    def _watch(self, now: float) -> None:
        """Look after the other processes and the outputs, and pass on what they report."""
        feeds, bulletin, performance = self._feeds, self._bulletin, self._performance
        if feeds.source.error and self._picture.frame is None:
            raise SourceError(feeds.source.error)
        if feeds.dream.phase == "failed" and self._schedule.begun_s is None:
            raise LivedreamError(feeds.dream.error)
        for text in feeds.check(now):  # logged where they were noticed
            bulletin.say(text, now, alarm=True, logged=True)
        self._exposed = self._front.tend(now) or self._exposed
        for text in self._front.faults() + self._controls.faults():
            bulletin.say(text, now, alarm=True, logged=True)
        restored = self._orders.restored()
        if restored is not None:
            performance.restore(restored[0], "dream")
            bulletin.say(restored[1], now, alarm=True)
        self._late = self._statistics.late
        self._orders.watch(feeds.dream, now)
        instead = instead_of(performance.wanted, feeds.dream)
        if instead:
            performance.replace("dream", **instead)
        bulletin.follow("source", feeds.source.message, feeds.source.error, now)
        bulletin.follow("dream", feeds.dream.message, feeds.dream.error, now)
        bulletin.follow("room", feeds.dream.room.reason and room_text(feeds.dream), "", now)
        self._publish(now)
        self._pulse.tell(self._snapshot(now), self._statistics, now)
        self._statistics.measure_memory(feeds.pids().values())

    def _publish(self, now: float) -> None:
        """Tell the page and all controls how the show is."""
        performance, stats = self._performance, self._stats(now)
        self._front.tell(lambda: stats)
        self._desk.view = View(
            settings=performance.lasting,
            lists=performance.lists | {"guide": ("", *self._feeds.dream.guides)},
            scenes=performance.scenes,
            scene=performance.scene,
            status=msgspec.to_builtins(stats),
            messages=self._bulletin.current(now),
            cue=performance.cue,
            patch=performance.patch,
            tempo=performance.tempo.bpm,
        )

    def _snapshot(self, now: float) -> Snapshot:
        performance, feeds, picture = self._performance, self._feeds, self._picture
        return Snapshot(
            settings=performance.settings,
            source=feeds.source,
            dream=feeds.dream,
            display_fps=self._statistics.display.rate(now),
            latency_ms=self._statistics.latency_ms(),
            interval_ms=self._statistics.interval_ms(),
            renderer=self._front.renderer,
            picture_size=self._front.size,
            scene=performance.scene,
            cue=performance.cue.words(),
            audio=feeds.audio,
            presence=None if picture.somebody is None else picture.presence.presence,
            arrivals=picture.presence.arrivals,
            attract=performance.attract.active,
            attracts=performance.attract.times,
            recording_s=self._front.recording_s,
            faults=feeds.faults,
            fault_list=tuple(feeds.fault_list),
            fallback=feeds.fallback,
            failing=self._front.failing,
            outputs=self._front.states,
            messages=self._bulletin.current(now),
            pids={"show": os.getpid(), **feeds.pids()},
        )

    def _stats(self, now: float) -> Stats:
        return stats(self._snapshot(now), self._statistics.measured())

    def _finish(self) -> None:
        """Write what was asked for; one that fails costs no other. Raises the first ``LivedreamError``."""
        failed: LivedreamError | None = None
        for write in (self._write_stats, self._write_snapshot, self._front.finish):
            try:
                write()
            except LivedreamError as error:
                if failed is None:
                    failed = error
                else:
                    log.error("%s", error)
        if failed is not None:
            raise failed

    def _write_stats(self) -> None:
        if self._options.stats is not None:
            write_stats(self._options.stats, self._stats(self._clock()))

    def _write_snapshot(self) -> None:
        scene = self._picture.scene
        if self._options.snapshot is not None and scene is not None:
            save_snapshot(self._options.snapshot, scene.picture(), self._performance.settings.as_dict())
