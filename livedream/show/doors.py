"""Opening hours: when the show ends for the day, and what is on the screen until the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from livedream.hours import Hours, wall_clock
from livedream.show.schedule import StopFlag
from livedream.timing import Pacer, now_s
from livedream.watch.beats import CLOSED, Beats

if TYPE_CHECKING:
    from livedream.show.ports import Front

log = logging.getLogger(__name__)

#: Looks at the clock on the wall.
_LOOK_HZ = 1.0
#: A clock on the wall that goes so much differently from the machine's has been set, and may be set again at
#: once: it has to go evenly for this long.
_JUMP_S, _SETTLED_S = 5.0, 60.0
#: How often a closed mirror looks after its window and its watchers. The picture is given to the screen again
#: now and then, as somebody may have switched it on.
_NAP_S, _AGAIN_HZ = 0.2, 0.2


class Doors:
    """Whether the mirror is to be open now; a flag to run a show by, like the ``stop`` that it contains.

    ``clock`` is monotonic, ``wall`` what the opening hours are measured by.
    """

    def __init__(
        self,
        hours: Hours | None,
        stop: StopFlag,
        clock: Callable[[], float] = now_s,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._hours, self._stop, self._clock, self._wall = hours, stop, clock, wall
        self._look = Pacer(_LOOK_HZ)
        self._open = True
        self._looked: tuple[float, datetime] | None = None  # at the last look: by the clock, and by the wall
        self._jumped_s = -_SETTLED_S

    @property
    def open(self) -> bool:
        """Whether it is open by the clock on the wall. One that jumps is believed after a minute."""
        now = self._clock()
        if self._hours is not None and self._look.due(now):
            wall = self._wall()
            if self._looked is not None:
                before_s, before = self._looked
                if abs((wall - before).total_seconds() - (now - before_s)) > _JUMP_S:
                    self._jumped_s = now
            self._looked = now, wall
            if now - self._jumped_s >= _SETTLED_S:
                self._open = self._hours.is_open(wall)
        return self._open

    @property
    def is_set(self) -> bool:
        """Whether the show is to end: it was told to, or it is closing time."""
        return self._stop.is_set or not self.open

    def __call__(self) -> None:
        """End the show, for good."""
        self._stop()

    def wait(
        self,
        front: Front,
        beats: Beats,
        sleep: Callable[[float], None] = time.sleep,
        *,
        locked: bool = False,
    ) -> None:
        """Show black until it opens, or is told to end: by a signal, a closed window, or Esc.

        While the keys are ``locked``, Esc does nothing.
        """
        from livedream.sinks.port import Stamp
        from livedream.sinks.window import Closed, KeyPressed
        from livedream.stage.scene import black

        log.info("outside the opening hours")
        again = Pacer(_AGAIN_HZ)
        while not self._stop.is_set and not self.open:
            now = self._clock()
            events = front.poll()
            escaped = KeyPressed("escape") in events and not locked
            if escaped or any(isinstance(event, Closed) for event in events):
                self._stop()
            if front.tend(now) or events or again.due(now):
                front.show(black(front.size), None, Stamp(-1, 0.0), now)
            front.faults()
            beats.send(CLOSED, now)
            sleep(_NAP_S)
