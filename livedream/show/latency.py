"""How long light takes from the screen through the camera into this program: flash it, and watch for it.

A flash counts from the moment at which the white picture was given to the screen until the first frame that
shows it has been read. Between the two lie the screen, the camera's exposure, its transfer, and decoding.
What the mirror then does with a frame is the ``latency_ms`` of its statistics; both together are what
somebody in front of the mirror sees.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livedream.errors import LivedreamError, SourceError
from livedream.frame import Array
from livedream.resource import Resource
from livedream.sources.source import Source
from livedream.timing import Percentiles, now_s, summarise

#: Frames are judged at this size (w, h).
_SMALL = (80, 60)
#: The screen is dark before anything is measured, then white, each for this long: longer than any latency,
#: and long enough for a few frames.
_SETTLE_S = 1.0
#: Dark between flashes for at least this long, and up to this much longer by chance: otherwise the flashes
#: might all meet the same moment between two frames. Fewer than three flashes a second harm nobody.
_DARK_S, _CHANCE_S = 0.4, 0.2
_LONGEST_S = 1.0  # a flash that was not seen by then is missed
_GLANCE_S = 0.001
#: Brightness (0 to 255) by which the part of the frame that shows the screen has to change.
_LEAST_CONTRAST = 8.0


@dataclass(frozen=True)
class Seen:
    """A frame: when it had been read, and its brightness, float32 (60, 80)."""

    read_s: float
    levels: Array


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the flip to the frame, of each flash that was seen; how many were not.

    ``contrast`` (0..255) is by how much the screen's part of the frame became brighter.
    """

    ms: tuple[float, ...]
    missed: int
    contrast: float

    @property
    def percentiles(self) -> Percentiles:
        """Of all flashes that were seen."""
        return summarise(self.ms)


class Watch(Resource):
    """Reads a source on a thread of its own; :meth:`take` gives what it has seen since the last call."""

    def __init__(self, source: Source, clock: Callable[[], float] = now_s) -> None:
        self._source, self._clock = source, clock
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="latency", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for frame in self._source:
                seen = Seen(self._clock(), brightness(frame.image))
                with self._lock:
                    self._seen.append(seen)
                if self._closed.is_set():
                    return
            self._error = SourceError(f"{self._source.name} has ended")
        except Exception as error:  # raised again where the frames are taken
            self._error = error

    def take(self) -> list[Seen]:
        """The frames since the last call, oldest first. Raises what the source raised."""
        if self._error is not None:
            raise self._error
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def close(self) -> None:
        """Stop reading and close the source."""
        self._closed.set()
        self._thread.join(2.0)
        self._source.close()


def brightness(image: Array) -> Array:
    """An RGB image's brightness, small: float32 (60, 80) in 0 to 255."""
    small = cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


class Measurement:
    """Flashes a screen and watches a camera.

    ``flash(on)`` makes the screen white or black and returns when it has been given to the screen; ``take()``
    gives the frames since the last call; ``tend()`` is called often, and may raise to end it all.
    """

    def __init__(
        self,
        flash: Callable[[bool], None],
        take: Callable[[], Sequence[Seen]],
        *,
        tend: Callable[[], None] = lambda: None,
        progress: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = now_s,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        self._flash, self._take, self._tend, self._progress = flash, take, tend, progress
        self._clock, self._sleep = clock, sleep
        self._chance = np.random.default_rng(seed)
        self._contrast = 0.0

    def run(self, flashes: int) -> Latency:
        """Measure. Raises ``SourceError`` when the camera does not see the screen."""
        signal = self._calibrated()
        ms: list[float] = []
        for _ in range(flashes):
            self._dark(signal)
            self._flash(True)
            flipped_s = self._clock()
            seen_s = self._until(flipped_s + _LONGEST_S, lambda seen: signal(seen) >= 0.5)
            if seen_s is not None:
                ms.append(max(0.0, (seen_s - flipped_s) * 1e3))
            self._progress()
        self._flash(False)
        if not ms:
            raise LivedreamError(f"none of {flashes} flashes was seen, though the screen had been")
        return Latency(tuple(ms), flashes - len(ms), self._contrast)

    def _calibrated(self) -> Callable[[Seen], float]:
        """How white the screen is in a frame, 0 to 1, as a function."""
        levels = []
        for on in (False, True):
            self._flash(on)
            frames = self._look(_SETTLE_S)[-3:]
            if not frames:
                raise SourceError(f"the camera gave no frame within {_SETTLE_S:.0f} s")
            levels.append(np.mean([seen.levels for seen in frames], axis=0))
        dark, change = levels[0], levels[1] - levels[0]
        screen = change >= 0.5 * change.max()
        self._contrast = contrast = round(float(change[screen].mean()), 1)
        if contrast < _LEAST_CONTRAST:
            raise SourceError(
                f"the camera does not see the screen: a flash changes its picture by {contrast:.0f} levels of"
                f" 255; expected {_LEAST_CONTRAST:.0f} or more; possible: turn the camera to the screen (a"
                " mirror helps), darken the room"
            )
        return lambda seen: float((seen.levels - dark)[screen].mean()) / contrast

    def _dark(self, signal: Callable[[Seen], float]) -> None:
        """A dark screen until the camera has seen it, and for a time that no flash shares with another."""
        self._flash(False)
        start_s = self._clock()
        self._until(start_s + _LONGEST_S, lambda seen: signal(seen) < 0.5)
        rest_s = start_s + _DARK_S + self._chance.uniform(0, _CHANCE_S) - self._clock()
        self._look(max(0.0, rest_s))

    def _look(self, seconds: float) -> list[Seen]:
        """What comes within ``seconds``."""
        found: list[Seen] = []

        def keep(seen: Seen) -> bool:
            found.append(seen)
            return False

        self._until(self._clock() + seconds, keep)
        return found

    def _until(self, end_s: float, wanted: Callable[[Seen], bool]) -> float | None:
        """When the first frame that is ``wanted`` had been read; None if none came until ``end_s``."""
        while True:
            for seen in self._take():
                if wanted(seen):
                    return seen.read_s
            if self._clock() >= end_s:
                return None
            self._tend()
            self._sleep(_GLANCE_S)
