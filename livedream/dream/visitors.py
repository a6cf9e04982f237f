"""The dream is the visitor's first, where a fixed camera has learnt the room behind them.

On a body steps are longer and the dream survives what the flow does not explain; the room dreams less; and
the dream on a body that has gone goes with it. Without a visitor, and while the room has not been seen empty,
as in a photograph, in clouds or before a moving camera, everything is dreamt alike.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import decay
from livedream.frame import Array, Image
from livedream.settings import Settings
from livedream.vision.presence import PresenceDetector

#: At full focus: how much longer steps are on a visitor, how much shorter in the room, and how much of its
#: half-life the room's dream loses.
_LONGER, _SHORTER, _FADES_SOONER = 0.8, 0.75, 0.7
#: At full focus: how much survives on a visitor of what the flow alone would drop.
_HOLDS = 0.5
#: Half-life of the dream where its bearer has gone, and of the memory that somebody was there.
_GONE_S, _REMEMBERED_S = 0.2, 1.0
#: Half-lives with which the dream turns to a visitor, and back to the whole image.
_TURN_S, _RETURN_S = 0.15, 0.6
#: How long a room must have been empty before what differs from it is a visitor: who was there from the start
#: is a part of it, and would be dreamt less.
_EMPTY_S = 5.0
#: This fraction of the image has moved when somebody came; a sky that drifts moves too slowly for that.
_MOVED = 0.01
#: Above the first of these fractions of the image what differs is less and less, above the second no more, a
#: visitor: the camera moves.
_LARGE, _TOO_LARGE = 0.5, 0.7


class Visitors:
    """Watches the dream's frames for visitors, and says what they mean for the dream at each place."""

    def __init__(self) -> None:
        self._detector = PresenceDetector()
        self._time_s = self._certain = self._empty_s = 0.0
        self._came = False
        #: How much a place is a visitor, is the room behind one, and was a visitor: (h, w) in 0..1, small.
        self._maps: tuple[Array, Array, Array] | None = None
        self._were: Array | None = None

    def see(self, grey: Image, settings: Settings, elapsed_s: float) -> None:
        """Take a grey frame (h, w) uint8, ``elapsed_s`` after the last one."""
        self._maps = None
        focus = settings.visitor_focus * (1 - settings.feedback)
        if not focus or settings.mask == "background":  # there the dream shows only in the room
            return
        self._time_s += elapsed_s
        self._detector.see(grey, self._time_s)
        body = self._detector.outline
        if body is None:
            return
        if not self._detector.learnt_s:  # a cut, or a camera that moves: another room
            self._empty_s, self._certain, self._were = 0.0, 0.0, None
        if not self._detector.somebody:
            self._empty_s, self._came = self._empty_s + elapsed_s, False
        elif self._empty_s < _EMPTY_S:
            self._empty_s = 0.0
        goal = self._certainty(self._detector)
        half_life_s = _TURN_S if goal > self._certain else _RETURN_S
        self._certain += (goal - self._certain) * (1 - decay(half_life_s, elapsed_s))
        were = self._were
        if were is None or were.shape != body.shape:
            were = np.zeros_like(body)
        self._were = np.maximum(were * np.float32(decay(_REMEMBERED_S, elapsed_s)), body)
        if self._certain * focus > 1e-3:
            share = np.float32(self._certain * focus)
            self._maps = share * body, share * (1 - body), share * (self._were - body)

    def _certainty(self, detector: PresenceDetector) -> float:
        """How certainly what the detector has outlined is a visitor, 0..1."""
        assert detector.moving is not None
        assert detector.in_front is not None
        self._came = self._came or float(detector.moving.mean()) > _MOVED
        if self._empty_s < _EMPTY_S or not self._came:
            return 0.0
        plausible = (_TOO_LARGE - float(detector.in_front.mean())) / (_TOO_LARGE - _LARGE)
        return detector.presence * min(1.0, max(0.0, plausible))

    def held(self, keep: Array) -> Array:
        """What to keep of the dream where the flow alone would ``keep`` (h, w) of it."""
        if self._maps is None:
            return keep
        return np.asarray(keep + np.float32(_HOLDS) * _large(self._maps[0], keep) * (1 - keep))

    def lasting(self, keep: Array, half_life_s: float, elapsed_s: float) -> Array:
        """What to keep of the residual where ``keep`` (h, w) is kept of everything.

        Its half-life is ``half_life_s`` on a visitor; the room's and that of visitors who left are shorter.
        """
        if self._maps is None:
            return keep
        _, room, gone = self._maps
        sooner = np.float32(_FADES_SOONER) * room
        halvings = sooner / (1 - sooner) * np.float32(elapsed_s / max(half_life_s, 1e-3))
        halvings += gone * np.float32(elapsed_s / _GONE_S)
        return keep * _large(np.exp2(-halvings), keep)

    def reach(self, like: Array) -> Array:
        """How much longer or shorter than elsewhere steps are at each place, of the shape of ``like``."""
        if self._maps is None:
            return np.ones_like(like)
        body, room, _ = self._maps
        return _large(1 + np.float32(_LONGER) * body - np.float32(_SHORTER) * room, like)


def _large(small: Array, like: Array) -> Array:
    return cv2.resize(small, like.shape[1::-1], interpolation=cv2.INTER_LINEAR)
