"""Alike work of several threads that is done together: whoever comes first waits a moment for others.

It knows nothing of dreams and devices, only who works how often at what.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from livedream.timing import now_s

#: So many groups may be on their way: one that runs, and one that is ready when it ends.
_MOST_RUNNING = 2
#: Of a new time between two calls, so much is believed; the rest is what was known.
_BELIEVED = 0.3

Item = TypeVar("Item")


@dataclass(eq=False)
class Member:
    """Somebody who works again and again: at what ``kind`` last, when, and how long it is until the next."""

    kind: Hashable = None
    last_s: float | None = None
    interval_s: float | None = None
    waiting: bool = False

    def came(self, kind: Hashable, now: float) -> None:
        """It begins something of this ``kind``."""
        if self.last_s is not None:
            gap = now - self.last_s
            known = gap if self.interval_s is None else self.interval_s
            self.interval_s = known + _BELIEVED * (gap - known)
        self.kind, self.last_s = kind, now

    def expected(self, kind: Hashable, since: float, until: float) -> bool:
        """Whether it should begin something of this ``kind`` between two times."""
        if self.waiting or self.kind != kind or self.last_s is None or self.interval_s is None:
            return False
        return since <= self.last_s + self.interval_s <= until


@dataclass(eq=False)
class _Group(Generic[Item]):
    """Alike work that is begun together."""

    key: Hashable
    kind: Hashable
    most: int
    came_s: float
    items: list[Item] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Gathering(Generic[Item]):
    """Runs items of equal keys together, ``most`` at once, in the order in which the first of them came.

    ``run`` begins to work on items, and returns a function that waits until that is done. It is called by one
    thread at a time. Nobody waits longer than ``wait_s`` for others, nor at all when nobody who does the like
    is expected in that time. While earlier groups are at work more may join.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Callable[[], None]],
        *,
        most: int,
        wait_s: float,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._run, self._most, self._wait_s, self._clock = run, most, wait_s, clock
        self._changed = threading.Condition()
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()
        self._line: list[_Group[Item]] = []
        self._beginning, self._running = False, 0
        #: How many groups there were, by their number of items.
        self.sizes: Counter[int] = Counter()

    def member(self) -> Member:
        """A new member, until nobody holds it any more."""
        member = Member()
        with self._changed:
            self._members.add(member)
        return member

    def __call__(
        self, member: Member, key: Hashable, kind: Hashable, item: Item, alone: bool = False
    ) -> None:
        """Run ``item``; returns, or raises what ``run`` raises, when that has begun.

        Others of the same ``kind`` may turn out to have the same ``key``; ``alone``: not together with any.
        """
        with self._changed:
            now = self._clock()
            member.came(kind, now)
            group = next((group for group in self._line if group.key == key and self._open(group)), None)
            leads = group is None
            if group is None:
                group = _Group(key, kind, 1 if alone else self._most, now)
                self._line.append(group)
            group.items.append(item)
            member.waiting = True
            self._changed.notify_all()
        try:
            if leads:
                self._lead(group)
            else:
                group.begun.wait()
        finally:
            with self._changed:
                member.waiting = False
        if group.error is not None:
            raise group.error

    def _open(self, group: _Group[Item]) -> bool:
        return len(group.items) < group.most

    def _lead(self, group: _Group[Item]) -> None:
        """Wait for others, and for this group's turn, and run it."""
        with self._changed:
            while not self._has_turn(group):
                # Whoever changes anything says so; only that time passes nobody does.
                left_s = group.came_s + self._wait_s - self._clock()
                self._changed.wait(left_s if left_s > 0 else None)
            self._line.remove(group)
            self._beginning, self._running = True, self._running + 1
            self.sizes[len(group.items)] += 1
        wait = _nothing
        try:
            wait = self._run(group.items)
        except BaseException as error:
            group.error = error
        finally:
            with self._changed:
                self._beginning = False
                self._changed.notify_all()
            group.begun.set()
        try:
            wait()
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _has_turn(self, group: _Group[Item]) -> bool:
        if self._beginning or self._running >= _MOST_RUNNING:
            return False
        return group is next((other for other in self._line if self._complete(other)), None)

    def _complete(self, group: _Group[Item]) -> bool:
        """Whether nobody else is waited for."""
        if not self._open(group):
            return True
        now, until = self._clock(), group.came_s + self._wait_s
        if now >= until:
            return True
        return not any(m.expected(group.kind, now - self._wait_s, until) for m in self._members)


def _nothing() -> None:
    return None
