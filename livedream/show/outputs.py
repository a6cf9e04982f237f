"""Opens the outputs that the options ask for and sends them the pictures: window, page, recording."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import msgspec

from livedream.errors import OutputError, UsageError
from livedream.files import require_different, require_writable
from livedream.frame import Array, Image
from livedream.health.vitals import Vitals
from livedream.resource import Resource
from livedream.settings import Settings
from livedream.show.options import HUD_ON_PAGE, MirrorOptions
from livedream.show.recording import Recordings
from livedream.show.saving import Saving
from livedream.show.senders import open_senders
from livedream.show.snapshot import Size, Stats
from livedream.sinks.hud_window import HudWindow
from livedream.sinks.monitors import MonitorWatch
from livedream.sinks.port import OutputState, Sinks, Stamp
from livedream.sinks.screens import screen_available, screen_expected
from livedream.sinks.sending import Sender
from livedream.sinks.snapshot import save_snapshot_later
from livedream.sinks.window import Event, Resized, Window
from livedream.stage.projection import Projection, turn_of
from livedream.stage.projector import Projector
from livedream.stage.renderer import Renderer
from livedream.stage.scene import Scene
from livedream.web.opening import open_preview
from livedream.web.preview import Preview
from livedream.web.site import Site

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Each that is still being written has a copy of the picture and a thread: a control may ask for hundreds.
_MOST_SNAPSHOTS = 8


class Outputs(Resource):
    """All outputs of a show. Times are ``now``, in seconds on one clock.

    A failed window is opened again after a while; until then the page shows the picture. Without a
    screen there is only the page. Raises ``OutputError`` if an output cannot be opened at the start.
    """

    def __init__(
        self,
        options: MirrorOptions,
        settings: Settings,
        vitals: Vitals | None = None,
        site: Site | None = None,
    ) -> None:
        require_different(options.source, options.record, options.snapshot, options.stats)
        for path in (options.snapshot, options.stats):
            if path is not None:
                require_writable(path)
        self._options, self._vitals, self._site = options, vitals, site
        self._full_screen, self._display = options.full_screen, settings.display
        self._monitors: MonitorWatch | None = None
        self._outdated = False  # what the window knows of the screens
        self._turn, self._projector = turn_of(settings), Projector()
        self._projector.projection = Projection.of(settings)
        self._renderer = options.renderer
        self._now = 0.0
        self._sinks = Sinks()
        self._window: Window | None = None
        self._window_changed = False
        self._hud: HudWindow | None = None
        self._preview: Preview | None = None
        self._has_preview = False
        self._notices: list[str] = []
        self._senders: list[Sender] = []
        self._snapshots: list[Future[Path]] = []
        self._saving = Saving()
        # Not the first show of this command: a crash was before it, or a night.
        again = options.resume is not None or options.patient
        self._recordings = Recordings(
            self._sinks, self._saving, options.record, again, options.outputs.encoding
        )
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self._window_changed = False

    def _open(self) -> None:
        headless = self._options.headless
        if not headless and not screen_available():
            log.warning("no screen found; showing the picture on the page only")
            headless = True
            if screen_expected():  # it may be switched on later, or its server be started again
                self._sinks.add_later(Window.name, self._open_window)
        if not headless:
            self._sinks.add(self._open_window(), self._open_window)
            if self._options.hud_display not in ("", HUD_ON_PAGE):
                self._sinks.add_later(HudWindow.name, self._open_hud)
        if headless or self._options.preview or self._options.controls.listen:
            self._has_preview = True
            self._sinks.add(self._open_preview(), self._open_preview)

    def _open_window(self) -> Window:
        if self._monitors is None and screen_available():
            self._monitors = MonitorWatch()  # before the window: no change is missed in between
        self._window = Window(
            full_screen=self._full_screen,
            display=self._display,
            size=self._options.size,
            turn=self._turn,
            renderer=self._renderer,
            painter=partial(Renderer, projector=self._projector),
            projector=self._projector,
        )
        self._window_changed = True
        return self._window

    def _open_hud(self) -> HudWindow:
        beside = self._ask_window(lambda window: window.screen.index, None)
        self._hud, self._window_changed = HudWindow(self._options.hud_display, beside), True
        return self._hud

    def _open_preview(self) -> Preview:
        options = self._options
        controls = options.controls
        self._preview = open_preview(
            controls.listen, controls.token, options.port, self._site or Site(), self._vitals or Vitals()
        )
        return self._preview

    @property
    def preview_url(self) -> str | None:
        """The address of the page, if there is one."""
        return self._preview.url if self._preview is not None and self._preview in self._sinks else None

    @property
    def page(self) -> str:
        """The address of the page with the token that it may need, "" while there is none."""
        return "" if self._site is None else self._site.login_url

    @property
    def size(self) -> Size:
        """(width, height) to composite to, upright."""
        return self._ask_window(lambda window: window.picture_size, self._options.size)

    @property
    def has_vsync(self) -> bool:
        """Whether :meth:`show` waits for the screen; if not, the caller has to pace itself."""
        return self._ask_window(lambda window: window.has_vsync, False)

    @property
    def hud_size(self) -> Size | None:
        """(width, height) of the overlay, upright; None where no screen shows it."""
        if (hud := self._shown_hud) is not None:
            return hud.size
        if self._options.hud_display == HUD_ON_PAGE:
            return None
        return self._ask_window(lambda window: window.output_size, None)

    @property
    def _shown_hud(self) -> HudWindow | None:
        return self._hud if self._hud in self._sinks else None

    def poll(self) -> list[Event]:
        """Window events since the last call; also ``Resized`` after the window went or came back."""
        events: list[Event] = self._ask_window(lambda window: window.poll(), [])
        if self._window_changed:
            self._window_changed = False
            events = [Resized(), *events]
        return events

    def _ask_window(self, question: Callable[[Window], T], otherwise: T) -> T:
        """The window's answer, or ``otherwise`` if there is no window or it fails."""
        window = self._window
        if window is not None:
            with self._sinks.guarded(window, self._now):
                return question(window)
            self._check_window()
        return otherwise

    def _check_window(self) -> None:
        """After the window failed: make sure that the picture can be seen elsewhere."""
        if self._window is None or self._window in self._sinks:
            return
        self._window, self._window_changed = None, True
        if not self._has_preview:
            self._has_preview = True
            self._sinks.add_later(Preview.name, self._open_preview_instead)

    def _open_preview_instead(self) -> Preview:
        preview = self._open_preview()
        self._notices.append(f"the picture is now shown at {preview.url}")
        return preview

    def begin(self) -> None:
        """The show begins, and with it the recording that the options asked for."""
        self._recordings.begin()
        self._senders = open_senders(self._options.outputs)
        for sender in self._senders:
            self._sinks.add(sender)
        # Loaded now for the key R: importing it later would cost the show some frames.
        threading.Thread(target=import_module, args=("av",), name="import of av", daemon=True).start()

    @property
    def renderer(self) -> str:
        """Where the window's picture is composited: ``gl`` or ``cpu``."""
        return self._ask_window(lambda window: window.renderer, "cpu")

    def show(self, scene: Scene, overlay: Array | None, stamp: Stamp, now: float) -> None:
        """Send a scene with its HUD overlay to all outputs.

        A window on a graphics card draws it there; the other outputs get the processor's picture.
        """
        self._now = now
        self._recordings.shown(now)
        if (hud := self._shown_hud) is not None:
            with self._sinks.guarded(hud, now):
                hud.tell(overlay)
            overlay = None
        window = self._window if self.renderer == "gl" else None
        if window is not None:
            with self._sinks.guarded(window, now):
                window.paint(scene, overlay)
            if window.renderer != "gl":  # it has failed, and is opened again without a card
                self._renderer, window = "cpu", None
        if window is None or self._sinks.watched_apart_from(window):
            self._sinks.show(scene.picture(), overlay, stamp, now, apart_from=window)
        self._check_window()

    def tend(self, now: float) -> bool:
        """Open again what had failed; whether the last scene must be shown again, as nobody has seen it."""
        self._now = now
        opened = self._sinks.open_due(now)
        if self._monitors is not None and self._monitors.changed(now):
            log.info("the screens have changed")
            self._outdated = True
        if self._outdated and (self._full_screen or self._display or self._options.hud_display):
            self._move()
            return True
        return opened

    def _move(self) -> None:
        """Open the window anew, on the screen that is wanted or the first, by what there is now."""
        self._outdated = False
        self._sinks.shut(HudWindow.name)  # closing the other one ends SDL's video, with every window in it
        if self._sinks.reopen(Window.name, self._now) and self._window is not None:
            self._notices.append(f"the picture is on screen {self._window.screen}")
        self._check_window()
        self._sinks.reopen(HudWindow.name, self._now)
        self._window_changed = True

    def follow(self, settings: Settings) -> None:
        """Apply the settings that concern the screen."""
        if settings.display != self._display:
            self._display = settings.display
            self._move()
        turn, projection = turn_of(settings), Projection.of(settings)
        if (turn, projection) == (self._turn, self._projector.projection):
            return
        self._turn, self._projector.projection = turn, projection
        self._ask_window(lambda window: window.set_turn(turn), None)
        self._window_changed = True

    def toggle_full_screen(self) -> None:
        """Switch between a window and the full screen. Raises ``UsageError`` where there is neither."""
        if self._window is None:
            raise UsageError("no full screen: there is no window")
        self._full_screen = not self._full_screen
        self._ask_window(lambda window: window.set_full_screen(self._full_screen), None)

    def toggle_recording(self) -> str:
        """Start a recording with an automatic name, or stop the running one; returns what was done.

        Raises ``OutputError`` if the file cannot be written.
        """
        return self._recordings.toggle()

    @property
    def recording_s(self) -> float | None:
        """How long the recording has been running, or None."""
        return self._recordings.running_s(self._now)

    def snapshot(self, picture: Image, settings: Settings) -> Path:
        """Start saving a picture with an automatic name. Raises ``OutputError``."""
        writing = sum(not snapshot.done() for snapshot in self._snapshots)
        if writing >= _MOST_SNAPSHOTS:
            raise OutputError(f"no snapshot: {writing} are still being written; try again in a moment")
        path = self._saving.snapshot_path()
        self._snapshots.append(save_snapshot_later(path, picture, settings.as_dict()))
        return path

    def tell(self, values: Callable[[], Stats]) -> None:
        """Give the page the newest statistics, if there is one."""
        if self._preview in self._sinks and self._preview is not None:
            self._preview.set_status(msgspec.to_builtins(values()))

    @property
    def failing(self) -> tuple[str, ...]:
        """The outputs that do not work now, and are tried again."""
        return self._sinks.failing

    @property
    def states(self) -> tuple[OutputState, ...]:
        """How each output is."""
        return self._sinks.states

    def faults(self) -> list[str]:
        """What has failed or recovered since the last call, one line each; logged already."""
        notices = self._notices + self._ask_window(lambda window: window.notices(), list[str]())
        self._notices = []
        saved = [snapshot for snapshot in self._snapshots if snapshot.done()]
        self._snapshots = [snapshot for snapshot in self._snapshots if snapshot not in saved]
        unwritten = self._recordings.errors()
        unwritten += [str(error) for snapshot in saved if (error := snapshot.exception()) is not None]
        for text in unwritten:
            log.error("%s", text)
        sent = [text for sender in self._senders for text in sender.faults()]
        return self._sinks.faults() + notices + sent + unwritten

    def finish(self) -> None:
        """Finish the recording that the options asked for. Raises ``OutputError`` if it failed."""
        self._recordings.finish()

    def close(self) -> None:
        """Finish the recording and close everything. May be called twice."""
        self._recordings.stop()
        self._sinks.close()
        if self._monitors is not None:
            self._monitors.close()
        self._recordings.close()
        wait(self._snapshots)
        self.faults()  # logs what has failed at the very end
        self._window = self._preview = None
