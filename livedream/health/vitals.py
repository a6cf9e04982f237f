"""Whether the mirror is well. The show's loop says what it does; any thread may ask, even while it hangs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from livedream.timing import Percentiles, now_s
from livedream.watch.beats import CLOSED, ENDING, PICTURE, STARTING

#: Without a picture for this long the loop hangs: it makes one at least 60 times a second, or knows that the
#: last is still right.
_HANG_S = 5.0
#: Frames and dreams that are older than this are named, though the picture goes on.
_OLD_S = 10.0
#: The first dream of a network may have to be loaded, or exported.
_LOADING_S = 60.0
_STATES = {STARTING: "starting", PICTURE: "showing", CLOSED: "closed", ENDING: "ending"}


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it should be while the picture goes on. ``kind`` is a word, for programs."""

    kind: str
    text: str


class Carried(Protocol):
    """What goes to a room and comes back: how long pictures take, and bytes each way in a second."""

    @property
    def round_trip_ms(self) -> Percentiles:
        """From a picture to its residual."""

    @property
    def up_bytes_s(self) -> int:
        """To the room."""

    @property
    def down_bytes_s(self) -> int:
        """From the room."""


@dataclass(frozen=True)
class Facts:
    """What the loop measured last. Counts are of this process since it started, ``faults`` by kind.

    Rates are of the last seconds, ``latency_ms`` of the last frames, ``interval_ms`` between the last
    pictures. ``recording_s`` is None without a recording; ``pids`` are the processes by name. ``dream_at`` is
    the room that dreams, empty for this machine; ``room`` is None without one that is wanted.
    """

    pictures: int = 0
    ticks: int = 0
    dropped: int = 0
    arrivals: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    display_fps: float = 0.0
    dream_fps: float = 0.0
    latency_ms: Percentiles = field(default_factory=Percentiles)
    interval_ms: Percentiles = field(default_factory=Percentiles)
    presence: float | None = None
    attract: bool = False
    recording_s: float | None = None
    pids: Mapping[str, int] = field(default_factory=dict)
    dream_at: str = ""
    room: Carried | None = None


@dataclass(frozen=True)
class Condition:
    """How the mirror is at one moment: well (``ok``), or ``why`` it isn't.

    ``state`` is ``starting``, ``showing``, ``closed`` (outside the opening hours, and well) or ``ending``.
    Ages are in seconds since the last valid picture, the last new frame and the last tick of the dream; None
    before there was one. ``degraded`` is what is wrong although pictures come. ``dream_at`` is the room that
    dreams, or ``here``.
    """

    ok: bool
    state: str
    why: tuple[str, ...] = ()
    picture_age_s: float | None = None
    frame_age_s: float | None = None
    tick_age_s: float | None = None
    degraded: tuple[Trouble, ...] = ()
    dream_at: str = "here"

    def as_dict(self) -> dict[str, Any]:
        """All of it; JSON-able."""
        return asdict(self)


class Vitals:
    """Told by the show's loop, asked by other threads. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._beat, self._beat_s = STARTING, clock()
        self.since_s = self._beat_s  # the start, or the opening
        self._picture_s: float | None = None
        self._frame_s: float | None = None
        self._tick_s: float | None = None
        self._ticks = -1
        self._troubles: dict[str, Sequence[Trouble]] = {}
        self.longest_gap_s = 0.0
        self.facts = Facts()

    def heard(self, beat: bytes, now: float) -> None:
        """The loop says how it is: one of :mod:`livedream.watch.beats`."""
        if beat == PICTURE:
            if self._picture_s is not None:
                self.longest_gap_s = max(self.longest_gap_s, now - self._picture_s)
            self._picture_s = now
        elif beat == CLOSED:
            self._picture_s = self._frame_s = self._tick_s = None
            self.since_s, self._troubles = now, {}
        self._beat, self._beat_s = beat, now

    def framed(self, now: float) -> None:
        """A new frame is shown, or one that is meant to stand still."""
        self._frame_s = now

    def ticked(self, ticks: int, now: float) -> None:
        """The dream has made so many ticks."""
        if ticks != self._ticks:
            if self._ticks >= 0 or ticks:
                self._tick_s = now
            self._ticks = ticks

    def told(self, reporter: str, troubles: Sequence[Trouble]) -> None:
        """What is wrong now as far as ``reporter`` sees."""
        self._troubles[reporter] = troubles

    def condition(self) -> Condition:
        """How the mirror is now."""
        now = self._clock()
        beat, beat_s, picture_s = self._beat, self._beat_s, self._picture_s
        picture_age_s, frame_age_s, tick_age_s = (
            _age(at_s, now) for at_s in (picture_s, self._frame_s, self._tick_s)
        )
        if beat == CLOSED:
            if now - beat_s <= _HANG_S:
                return Condition(True, "closed")
            return Condition(False, "closed", (f"closed, and the loop has hung for {now - beat_s:.0f} s",))
        why = ("the mirror ends",) if beat == ENDING else self._why(picture_s, frame_age_s, now)
        shown = beat != ENDING and picture_s is not None
        degraded = self._degraded(frame_age_s, tick_age_s, now) if shown else ()
        ages, where = (picture_age_s, frame_age_s, tick_age_s), self.facts.dream_at or "here"
        return Condition(not why, _STATES[beat], why, *ages, degraded, where)

    def _why(self, picture_s: float | None, frame_age_s: float | None, now: float) -> tuple[str, ...]:
        if picture_s is None:
            return (f"no picture yet, {now - self.since_s:.0f} s after the start",)
        if now - picture_s <= _HANG_S:
            return ()
        if now - self._beat_s > _HANG_S:
            return (f"no new picture for {now - picture_s:.0f} s: the loop hangs",)
        return (f"no new frame for {frame_age_s or 0.0:.0f} s",)

    def _degraded(
        self, frame_age_s: float | None, tick_age_s: float | None, now: float
    ) -> tuple[Trouble, ...]:
        found = [trouble for troubles in list(self._troubles.values()) for trouble in troubles]
        if frame_age_s is not None and frame_age_s > _OLD_S:
            found.append(Trouble("frames", f"no new frame for {frame_age_s:.0f} s"))
        if tick_age_s is not None and tick_age_s > _OLD_S:
            found.append(Trouble("dream", f"no new dream for {tick_age_s:.0f} s"))
        elif tick_age_s is None and now - self.since_s > _LOADING_S:
            found.append(Trouble("dream", f"no dream yet, {now - self.since_s:.0f} s after the start"))
        return tuple({trouble.kind: trouble for trouble in reversed(found)}.values())[::-1]


def _age(at_s: float | None, now: float) -> float | None:
    return None if at_s is None else round(max(0.0, now - at_s), 2)
