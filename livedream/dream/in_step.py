"""Equal dreams in step: those that tick at about the same time take their steps at the same octaves.

Each dream goes round its octaves (:mod:`livedream.dream.octaves`), wherever it began. Only where they are at
the same place do ticks of several do the same, and can be one batch on a device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from livedream.curves import decay
from livedream.timing import now_s

#: Ticks that begin within this time count as being at the same time.
_TOGETHER_S = 0.008
#: In rounds: so far a dream may have been moved in all, so that no octave gets more than its share; moves are
#: forgotten with this half-life.
_FURTHEST, _FORGET_S = 0.5, 10.0
#: In rounds: so much more or less than is due a tick may take.
_SLACK = 0.05


@dataclass(eq=False)
class Pace:
    """How one dream was brought into step, in rounds: what it has yet to take, and how far it was moved."""

    behind: float = 0.0
    moved: float = 0.0


@dataclass
class _Span:
    """The part of the round that a tick takes, and who has taken it."""

    begun_s: float
    start: float
    end: float
    by: set[Pace]


class InStep:
    """Which part of the round the ticks of several dreams take. They may be in several threads."""

    def __init__(self, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: dict[Hashable, _Span] = {}

    def __call__(
        self, what: Hashable, pace: Pace, elapsed_s: float, position: float, rounds: float
    ) -> tuple[float, float]:
        """Where the steps of a tick begin and end, for a dream at ``position`` for which so many ``rounds``
        are due in ``elapsed_s``.

        With another dream of the same ``what`` that ticks now, it is at the same place, a whole number of
        rounds apart.
        """
        pace.moved *= decay(_FORGET_S, elapsed_s)
        due = pace.behind + rounds
        with self._lock:
            now = self._clock()
            span = self._spans.get(what)
            if span is not None and now - span.begun_s <= _TOGETHER_S and pace not in span.by:
                taken = span.end - span.start
                move = (span.start - position + 0.5) % 1.0 - 0.5
                if abs(pace.moved + move) <= _FURTHEST and abs(due - taken) <= _SLACK:
                    span.by.add(pace)
                    pace.moved += move
                    pace.behind = due - taken
                    return position + move, position + move + taken
            recent = {key: s for key, s in self._spans.items() if now - s.begun_s <= _TOGETHER_S}
            self._spans = recent | {what: _Span(now, position, position + due, {pace})}
        pace.behind = 0.0
        return position, position + due
