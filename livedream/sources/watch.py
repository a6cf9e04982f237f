"""Decides by its frames and the clock whether a source shows what is in front of it, and what is wrong."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import cv2
import numpy as np

from livedream.frame import Image

#: How long the frames of each kind of source may be identical. A camera's noise changes every frame, so a
#: repeated frame is a frozen driver; a stream may compress a still scene to identical frames for a while.
STILL_S = {"camera": 4.0, "stream": 30.0}
#: How long they may be black: a blink of the exposure is no lens cap, and a stream may play a film.
BLACK_S = {"camera": 4.0, "stream": 30.0}
#: :func:`light` below the first is black: a covered lens, however much the sensor amplifies its noise. A
#: source that was black is believed again from the second on.
_DARK, _LIGHT = 6.0, 12.0
#: A mirror's own clouds may light a dark room: until the mirror shows the room again, which is dark, and so
#: on. Light that lasted for less than this was its own, and this much more is needed the next time.
_OWN_LIGHT_S, _MORE_LIGHT, _MOST_LIGHT = 60.0, 1.5, 100.0
_LOOK_S = 0.1  # light is looked at this often
#: In the dark some cameras send frames without noise, so identical ones: those are opened again this often.
_NIGHT_S = 30.0
#: Light is judged in cells of this size: noise averages out, and an exit sign is only a few of them.
_CELLS = (32, 18)
_ENOUGH_PX = 180  # of the shorter side are looked at


def light(image: Image) -> float:
    """How much there is to see in ``image``: 0 for black, grey or not, to 231.

    The larger of how bright the brightest parts are, above what amplified noise gives, and how much they
    differ from the darkest.
    """
    every = max(1, min(image.shape[:2]) // _ENOUGH_PX)
    cells = cv2.resize(image[::every, ::every], _CELLS, interpolation=cv2.INTER_AREA).max(axis=2)
    low, high = np.percentile(cells, (2, 98))
    return float(max(high - 24.0, high - low))


class Watch:
    """Decides whether a source is alive. Pure: the caller passes the frames and ``now``.

    ``kind`` is the source's, see :class:`~livedream.sources.source.Source`. Some drivers repeat the last
    frame for ever after the camera was unplugged, or deliver black. ``fault`` says what is wrong, ``""``
    while nothing is: the kind, and ``missing`` (never seen), ``unplugged``, ``lost`` (it reported an error),
    ``hung`` (no frame and no error), ``frozen`` or ``black``. ``counts`` says how often a living source had
    each of them; ``seen`` whether it ever lived, to begin with in an earlier process. ``alive``: its frames
    are to be shown.
    """

    #: Patience before the first frame.
    OPEN_S = 1.5
    #: A source that was lost is believed after frames without a gap for this long: one alone may be its last.
    BACK_S = 0.5

    def __init__(
        self, now: float, kind: str, *, seen: bool = False, counts: Mapping[str, int] | None = None
    ) -> None:
        #: Patience between two frames.
        self.frame_s = 1.5
        self.fault = ""
        self.seen = seen
        self.counts = dict(counts or {})
        self.alive = False
        self._kind = kind
        self._still_s, self._black_s = STILL_S.get(kind), BLACK_S.get(kind)
        self._open_until_s = now if seen and kind in STILL_S else now + self.OPEN_S
        self._frame_at_s: float | None = None  # when the last one came
        self._good_since_s: float | None = None  # while it is not alive: since when frames are good
        self._sample: int | None = None
        self._changed_s = now
        self._looked_s = float("-inf")
        self._light = _MOST_LIGHT
        self._light_s = now  # the last time that there was any
        self._needed = _LIGHT
        self._light_came: tuple[float, float] | None = None  # when it was believed, and how much it was

    @property
    def faults(self) -> int:
        """How often a living source was lost, for any reason."""
        return sum(self.counts.values())

    def saw(self, image: Image, now: float) -> bool:
        """Note an image that arrived at ``now``; False if the source should be opened again."""
        follows = self._frame_at_s is not None and now - self._frame_at_s < self.frame_s
        self._frame_at_s = now
        changed = self._look_for_change(image, now)
        self._look_for_light(image, now)
        if not self._is_good(changed):
            self._good_since_s = None
        elif not follows or self._good_since_s is None:
            self._good_since_s = now
        if self._still_s is None or now - self._changed_s < (
            _NIGHT_S if self._is_dark(now) else self._still_s
        ):
            return True
        if self._is_dark(now):
            self._changed_s = now  # what is dark may well stand still: it is tried now and then
        return False

    def lost(self, now: float, *, failed: bool = False, absent: bool = False) -> bool:
        """Whether the source is lost at ``now``; before the first frame, there is some patience.

        ``failed`` says that it reported an error: before the first frame that means lost, later it has as
        much time to recover as a silent source. ``absent``: its device is not there.
        """
        what = self._trouble(now, failed, absent)
        if self.alive and what:
            self.alive = False
            self._good_since_s = None
            self._set(what)
            self.counts[self.fault] = self.counts.get(self.fault, 0) + 1
            self._learn_own_light(now)
        elif not self.alive and self._is_back():
            self._light_came = (now, self._light) if self.fault.endswith("black") else None
            self.alive = self.seen = True
            self.fault = ""
        elif not self.alive and what:
            self._set(what if self.seen or what == "black" else "missing")
        return bool(self.fault)

    def _set(self, what: str) -> None:
        self.fault = f"{self._kind} {what}"

    def _is_back(self) -> bool:
        if self._good_since_s is None or self._frame_at_s is None:
            return False
        return self._frame_at_s - self._good_since_s >= (self.BACK_S if self.seen else 0.0)

    def _trouble(self, now: float, failed: bool, absent: bool) -> str:
        """What is wrong at ``now``, or ""."""
        if self._frame_at_s is None:
            silent = failed or now >= self._open_until_s
        else:
            silent = now - self._frame_at_s >= self.frame_s
        if silent:
            return "unplugged" if absent else "lost" if failed else "hung"
        if self._is_dark(now):
            return "black" if self.seen or now >= self._open_until_s else ""
        if self._still_s is not None and now - self._changed_s >= self._still_s:
            return "frozen"
        return ""

    def _is_good(self, changed: bool) -> bool:
        """Whether the newest image counts for a source that is not alive."""
        if self.fault.endswith("frozen") and not changed:
            return False
        return self._light >= (self._needed if self.fault.endswith("black") else _DARK)

    def _look_for_change(self, image: Image, now: float) -> bool:
        # Some of the pixels are enough: noise changes every part of the image in every frame.
        sample = None if self._still_s is None else zlib.crc32(image[::16, ::16].tobytes())
        changed = sample != self._sample
        if changed:
            self._sample, self._changed_s = sample, now
        return changed

    def _look_for_light(self, image: Image, now: float) -> None:
        if self._black_s is None or now - self._looked_s < _LOOK_S:
            return
        self._looked_s = now
        self._light = light(image)
        if self._light >= _DARK:
            self._light_s = now

    def _is_dark(self, now: float) -> bool:
        patience_s = self._black_s if self.alive else 0.0 if self._black_s is not None else None
        return patience_s is not None and self._light < _DARK and now - self._light_s >= patience_s

    def _learn_own_light(self, now: float) -> None:
        """The source was lost: if it is black again soon, the light that came was the mirror's own."""
        came, self._light_came = self._light_came, None
        if came is None or now - came[0] >= _OWN_LIGHT_S:
            self._needed = _LIGHT
        elif self.fault.endswith("black"):
            self._needed = min(_MOST_LIGHT, max(self._needed, _MORE_LIGHT * came[1]))
