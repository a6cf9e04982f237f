"""Who dreams next: the sessions of one processor take turns, and each gets its share of the time.

Sessions differ in how often they tick and in what a tick costs. Whoever waits with the least time used lately
goes next, so neither a fast mirror nor an expensive layer takes anything from the others. Among those who
have used about the same, new pictures go before those that were dreamt on already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from livedream.curves import decay
from livedream.timing import now_s

#: Half-life of the time that counts as used. Shorter, and a long tick would be forgotten at once; longer, and
#: whoever comes back from a pause would hold up the others.
USED_S = 2.0
_LN2 = 0.6931
#: A new picture goes before one of somebody who has used less by up to this: a few ticks.
_AHEAD_S = 0.03
#: Who has used less of the time than this fraction is not there, as far as the others are concerned.
_PRESENT = 0.01


class Member:
    """One of those who take turns."""

    def __init__(self, used_s: float, now: float) -> None:
        self._used_s, self._at_s = used_s, now
        self.began_s: float | None = None

    def used_s(self, now: float) -> float:
        """The time that it has used lately, in seconds."""
        running = 0.0 if self.began_s is None else now - self.began_s
        return self._used_s * decay(USED_S, now - self._at_s) + running

    def use(self, now: float) -> None:
        """Its turn ends: what that took is used."""
        self._used_s, self._at_s = self.used_s(now), now
        self.began_s = None


class Turns:
    """Lets ``at_once`` members run at the same time; 0: all of them. Thread-safe."""

    def __init__(self, at_once: int = 1, clock: Callable[[], float] = now_s) -> None:
        self._at_once, self._clock = at_once, clock
        self._members: list[Member] = []
        self._waiting: dict[Member, Callable[[], bool]] = {}  # and what says whether with a new picture
        self._running = 0
        self._changed = threading.Condition()

    def join(self) -> Member:
        """A new member, which has used as little as whoever used least: it does not hold up the others."""
        with self._changed:
            now = self._clock()
            member = Member(min((other.used_s(now) for other in self._members), default=0.0), now)
            self._members.append(member)
            return member

    def leave(self, member: Member) -> None:
        """Forget a member."""
        with self._changed:
            self._members.remove(member)
            self._changed.notify_all()

    @contextmanager
    def turn(self, member: Member, fresh: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait for ``member``'s turn, which lasts as long as the context; ``fresh()``: for a new picture."""
        with self._changed:
            self._waiting[member] = fresh
            self._give()
            self._changed.wait_for(lambda: member.began_s is not None)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                member.use(self._clock())
                self._give()

    def share(self, member: Member) -> float:
        """The part of the time, up to 1, that ``member`` may use: an equal one, or what the others leave."""
        with self._changed:
            if not self._at_once:
                return 1.0
            now = self._clock()
            used = [other.used_s(now) * _LN2 / USED_S for other in self._members if other is not member]
            present = 1 + sum(part > _PRESENT for part in used)
            return min(1.0, max(self._at_once / present, self._at_once - sum(used)))

    def equal_share(self) -> float:
        """The part of the time that each would have if all wanted as much as they can get."""
        with self._changed:
            return min(1.0, self._at_once / max(1, len(self._members))) if self._at_once else 1.0

    def longest_s(self) -> float:
        """How long the longest turn of now has lasted: one that does not end is hung."""
        with self._changed:
            now = self._clock()
            return max((now - m.began_s for m in self._members if m.began_s is not None), default=0.0)

    def _give(self) -> None:
        """Give turns to those who wait, as far as there are any."""
        now = self._clock()
        while self._waiting and (not self._at_once or self._running < self._at_once):
            first = min(
                self._waiting, key=lambda other: other.used_s(now) - _AHEAD_S * self._waiting[other]()
            )
            del self._waiting[first]
            self._running += 1
            first.began_s = now
        self._changed.notify_all()
