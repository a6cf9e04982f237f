"""Where the picture goes: the window, the preview page, the recording. One that fails stops no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType

import msgspec

from livedream.errors import OutputError
from livedream.files import require_different, require_writable
from livedream.frame import Array, Image
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.snapshot import Stats
from livedream.sinks.port import Stamp
from livedream.sinks.recorder import Recorder, automatic_path
from livedream.sinks.screens import screen_available
from livedream.sinks.snapshot import save_snapshot_later
from livedream.sinks.window import Event, Window
from livedream.timing import now_s
from livedream.web.preview import Preview

log = logging.getLogger(__name__)

#: Where keys S and R leave their files, in the folder that the mirror was started in.
_SNAPSHOTS, _RECORDINGS = Path("snapshots"), Path("recordings")
#: The preview takes the next free port of so many.
_PORTS = 10


class Outputs:
    """Opens what the options asks for. Without a screen it is headless, and says so.

    Raises ``OutputError`` when an output cannot be opened.
    """

    def __init__(self, options: MirrorOptions, settings: Settings) -> None:
        self._options = options
        self._window: Window | None = None
        self._preview: Preview | None = None
        self._recorded_s: float | None = None  # the capture time of the last recorded picture
        self._recording_since_s: float | None = None
        self._snapshots: list[Future[Path]] = []
        self._ending: list[tuple[Recorder, threading.Thread]] = []
        self._given: set[Path] = set()
        self._asked = None if options.record is None else Recorder(options.record)
        self._recorder = self._asked
        require_different(options.source, options.record, options.snapshot, options.stats)
        for path in (options.snapshot, options.stats):
            if path is not None:
                require_writable(path)
        headless = options.headless
        if not headless and not screen_available():
            log.warning("no screen was found: the picture is only on the preview page")
            headless = True
        if not headless:
            self._window = Window(
                full_screen=options.full_screen,
                display=options.display,
                size=options.size,
                rotate=settings.rotate,
            )
        if headless or options.preview:
            self._preview = _open_preview(options.port)
            log.info("see it at %s", self._preview.url)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) to composite to, upright."""
        return self._window.picture_size if self._window else self._options.size

    @property
    def has_vsync(self) -> bool:
        """Whether :meth:`show` waits for the screen; if not, the caller paces itself."""
        return self._window is not None and self._window.has_vsync

    @property
    def hud_size(self) -> tuple[int, int] | None:
        """(width, height) of the overlay; None where there is no window to lay it over."""
        return self._window.output_size if self._window else None

    def poll(self) -> list[Event]:
        """What happened in the window since the last call."""
        return self._window.poll() if self._window else []

    def begin(self) -> None:
        """The show begins: so does the recording that the options asked for."""
        if self._recorder is not None and self._recording_since_s is None:
            self._recording_since_s = now_s()
        # So that the key R finds it loaded: importing it costs the picture some frames.
        threading.Thread(target=import_module, args=("av",), name="import of av", daemon=True).start()

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp, now: float) -> None:
        """Put a picture (RGB uint8, upright) out."""
        if self._window is not None:
            self._window.show(picture, overlay)
        if self._preview is not None:
            self._preview.offer(picture)
        if (
            self._recorder is not None
            and self.recording_s is not None
            and stamp.captured_s != self._recorded_s
        ):
            self._recorder.add(picture, stamp.captured_s)
            self._recorded_s = stamp.captured_s

    def follow(self, settings: Settings) -> None:
        """Take over the settings that are the screen's."""
        if self._window is not None:
            self._window.set_rotate(settings.rotate)

    def toggle_full_screen(self) -> None:
        """Between a window and the full screen."""
        if self._window is not None:
            self._window.set_full_screen(not self._window.full_screen)

    def toggle_recording(self) -> str:
        """Start a recording under a name of its own, or end the one that runs; what was done, in words.

        Raises ``OutputError`` when the file cannot be made.
        """
        if self._recorder is not None:
            return self._end_recording()
        self._recorder = Recorder(self._own_path(_RECORDINGS, "mp4"))
        self._recording_since_s = now_s()
        return f"recording: {self._recorder.path}"

    def _end_recording(self) -> str:
        assert self._recorder is not None
        recorder, self._recorder, self._recording_since_s = self._recorder, None, None
        # Writing the last pictures and finishing the file takes a disk's time: not the picture's.
        closing = threading.Thread(target=recorder.close, name="end of recording")
        closing.start()
        self._ending.append((recorder, closing))
        return f"recorded: {recorder.path}"

    @property
    def recording_s(self) -> float | None:
        """How long the recording has been running, or None."""
        return None if self._recording_since_s is None else now_s() - self._recording_since_s

    def snapshot(self, picture: Image, settings: Settings) -> Path:
        """Begin to save a picture under a name of its own. Raises ``OutputError``."""
        path = self._own_path(_SNAPSHOTS, "png")
        self._snapshots.append(save_snapshot_later(path, picture, settings.as_dict()))
        return path

    def tell(self, values: Callable[[], Stats]) -> None:
        """Give the preview page, if there is one, the newest measurements."""
        if self._preview is not None:
            self._preview.set_status(msgspec.to_builtins(values()))

    def faults(self) -> list[str]:
        """What has failed since the last call."""
        if self._recorder is not None and self._recorder.error:
            self._end_recording()
        ended = [recorder for recorder, closing in self._ending if not closing.is_alive()]
        self._ending = [item for item in self._ending if item[1].is_alive()]
        faults = [recorder.error for recorder in ended if recorder.error]
        done = [saved for saved in self._snapshots if saved.done()]
        self._snapshots = [saved for saved in self._snapshots if not saved.done()]
        unsaved = [str(error) for saved in done if (error := saved.exception()) is not None]
        for text in unsaved:  # a recorder logs for itself
            log.error("%s", text)
        return faults + unsaved

    def finish(self) -> None:
        """Finish the recording that the options asked for. Raises ``OutputError`` when it failed."""
        if self._asked is not None:
            self._asked.close()
            if self._asked.error:
                raise OutputError(self._asked.error)

    def _own_path(self, folder: Path, kind: str) -> Path:
        """A new name in ``folder``, which is made if need be. Raises ``OutputError``."""
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"no folder {str(folder.absolute())!r}: {error.strerror}") from error
        path = automatic_path(folder, kind, datetime.now(), self._given)
        self._given.add(path)
        return path

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the recording, close everything. May be called twice."""
        if self._recorder is not None:
            log.info("%s", self._end_recording())
        for _, closing in self._ending:
            closing.join()
        for output in (self._preview, self._window):
            if output is not None:
                output.close()
        self._preview = self._window = None


def _open_preview(port: int) -> Preview:
    """A preview on ``port``, or the next free one. Raises ``OutputError`` when all are taken."""
    for candidate in range(port, port + _PORTS):
        try:
            return Preview(port=candidate)
        except OutputError as error:
            log.warning("%s", error)
    raise OutputError(f"no preview page: ports {port} to {port + _PORTS - 1} are all taken")
