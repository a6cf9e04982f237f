"""What a show leaves to others while it runs: that it produces pictures, and what it would go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livedream.show.facts import facts, troubles
from livedream.show.resume import Resume
from livedream.show.statistics import Statistics
from livedream.timing import now_s
from livedream.watch.beats import ENDING, PICTURE, STARTING, Beats

if TYPE_CHECKING:
    from livedream.health.vitals import Vitals
    from livedream.performance.store import Performance
    from livedream.show.snapshot import Snapshot

#: Without a new frame for this long the picture stands still, and whatever the show has tried has not helped.
#: The slowest cure takes a minute: a camera process that has to be started on a busy machine.
_DROUGHT_S = 120.0


class Pulse:
    """Tells the watchers that the loop produces pictures of new frames, and ``vitals`` what is wrong; keeps
    what is shown for a restart."""

    def __init__(self, beats: Beats, resume: Resume, vitals: Vitals, performance: Performance) -> None:
        self._beats, self._resume, self._vitals, self._performance = beats, resume, vitals, performance
        self._frame: int | None = None
        self._frame_s: float | None = None

    def produced(self, now: float, frame: int | None, frozen: bool) -> None:
        """The picture of ``frame`` (its number in the slot) is on the screen, new or still the right one.

        A ``frozen`` picture need not be new. Call it once per picture: it waits for nothing.
        """
        if frame is not None and (frozen or frame != self._frame):
            self._frame, self._frame_s = frame, now
            self._vitals.framed(now)
        fresh = self._frame_s is not None and now - self._frame_s <= _DROUGHT_S
        self._beats.send(PICTURE if fresh else STARTING, now)
        if fresh:
            performance = self._performance
            self._resume.keep(performance.lasting, performance.scene, now, performance.cue.number)

    def tell(self, snapshot: Snapshot, statistics: Statistics, now: float) -> None:
        """How the show is, a few times a second."""
        self._vitals.ticked(snapshot.dream.ticks, now)
        self._vitals.told("show", troubles(snapshot))
        self._vitals.facts = facts(snapshot, statistics, self._vitals.facts)

    def ends(self) -> None:
        """No more pictures come: the show ends as it should, however long its recording takes to finish."""
        self._beats.send(ENDING, now_s())
