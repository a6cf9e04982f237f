"""Whether a show is well, and when to start it again. Pure: the caller passes the time."""

from __future__ import annotations

from livedream.timing import restart_delay_s
from livedream.watch.beats import CLOSED, ENDING, PICTURE, STARTING

#: Patience with each beat: how long it may be the last one. Everything that a slow machine does before its
#: first picture (a cold disk, many programs after the boot) fits into the first; the end of a recording into
#: the last.
PATIENCE_S = {STARTING: 90.0, PICTURE: 5.0, CLOSED: 5.0, ENDING: 60.0}
#: After producing pictures for this long, the next failure counts as the first.
HEALTHY_S = 10.0
#: The watcher looks several times a second. When it did not for this long, it was stopped itself, or the
#: whole machine was: nothing can be said about the show's silence.
_ABSENT_S = 2.0


class Judge:
    """Judges one show after the other by their beats. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self.proved = False  # whether any show has ever been well
        self._beat = STARTING
        self._beat_s = self._looked_s = 0.0
        self._well_since_s: float | None = None

    def started(self, now: float) -> None:
        """A new show was started."""
        self._beat, self._beat_s, self._looked_s, self._well_since_s = STARTING, now, now, None

    def heard(self, beat: bytes, now: float) -> None:
        """A beat arrived. Waiting for frames is no news, neither before the first picture nor later."""
        if beat == STARTING:
            return
        self._beat, self._beat_s, self.proved = beat, now, True
        if self._well_since_s is None:
            self._well_since_s = now

    @property
    def well(self) -> bool:
        """Whether this show has ever been well."""
        return self._well_since_s is not None

    def complaint(self, now: float) -> str:
        """What is wrong with the show, or ""."""
        if now - self._looked_s > _ABSENT_S:
            self._beat_s = now
        self._looked_s = now
        if now - self._beat_s <= PATIENCE_S[self._beat]:
            return ""
        if self._beat == STARTING:
            return f"made no picture within {PATIENCE_S[STARTING]:.0f} s"
        if self._beat == ENDING:
            return f"did not end within {PATIENCE_S[ENDING]:.0f} s"
        return f"made no new picture for {now - self._beat_s:.0f} s"

    def failed(self, now: float) -> float:
        """The show died or was ended because of a complaint; seconds until the next is to be started."""
        healthy = self._well_since_s is not None and now - self._well_since_s >= HEALTHY_S
        self.failures = 1 if healthy else self.failures + 1
        return restart_delay_s(self.failures)
