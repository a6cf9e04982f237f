"""Signs of life from within the work of a process, each with how long to wait for the next one.

A thread of its own would go on beating while the work hangs. So the work itself says what it begins; what it
did before is then known to have ended, and how long that may take the next time. In a process whose signs of
life nobody wants, saying so costs nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from livedream.timing import Pacer, now_s

#: How long any work may take before it counts as hung: on a busy machine it may have to wait for its turn.
LEAST_S = 4.25
#: How long work may take that was never done before: a step at 1280 pixels on one slow core.
UNKNOWN_S = 60.0
#: PyTorch is imported from a slow card; a runtime compiles a large graph.
LOADING_S, OPENING_S = 180.0, 120.0
#: So many times longer than it ever took may work take: the machine may have become busy.
_TIMES = 4.0
#: What is remembered of the slowest time when the work is done again, so that one pause is not for ever.
_KEPT = 0.7
_BEATS_HZ = 10.0
#: So many kinds of work are remembered.
_MOST_KINDS = 512


class Heartbeat:
    """Tells how far the work is, ``tell(beats, patience_s)``: ten times a second, new patience at once."""

    def __init__(self, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._tell: Callable[[int, float], None] | None = None
        self._thread = 0
        self._pace = Pacer(_BEATS_HZ)
        self._slowest_s: OrderedDict[Hashable, float] = OrderedDict()
        self._work: Hashable = None
        self._began_s = 0.0
        #: What has been begun so far.
        self.beats = 0
        #: How long the present work may take.
        self.patience_s = UNKNOWN_S

    def listen(self, tell: Callable[[int, float], None]) -> None:
        """Tell ``tell`` from now on, of the work in this thread."""
        self._tell, self._thread = tell, threading.get_ident()

    def begins(self, work: Hashable, at_least_s: float = LEAST_S) -> None:
        """``work`` begins, whatever began before has ended. It may take ``at_least_s`` at least."""
        if self._tell is None or threading.get_ident() != self._thread:
            return
        now = self._clock()
        if self._work is not None:
            self._took(self._work, now - self._began_s)
        self._work, self._began_s = work, now
        self.beats += 1
        slowest_s = self._slowest_s.get(work)
        patience_s = max(at_least_s, UNKNOWN_S if slowest_s is None else _TIMES * slowest_s)
        due = self._pace.due(now)
        if due or patience_s != self.patience_s:
            self.patience_s = patience_s
            self._tell(self.beats, patience_s)

    def _took(self, work: Hashable, seconds: float) -> None:
        self._slowest_s[work] = max(seconds, _KEPT * self._slowest_s.get(work, 0.0))
        self._slowest_s.move_to_end(work)
        if len(self._slowest_s) > _MOST_KINDS:
            self._slowest_s.popitem(last=False)


#: This process's.
heartbeat = Heartbeat()
