"""How much of the time may go into recording CUDA graphs: whoever records lets everybody else wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from livedream.timing import now_s

#: This share of the time goes into recordings, once what may be spent at once has been.
SHARE = 0.1
#: So many seconds of it: all that one dream needs is recorded within its first ones.
CREDIT_S = 3.0
#: What is met so often is worth a recording. At the first meeting it runs as it is, which also finds out
#: whether it can.
_WORTH = 2
#: What has not been met for the first time is not waited for, for the second it is forgotten.
_RECENT_S, _FORGET_S = 1.0, 10.0
#: Among what is met about as often, whoever comes first is recorded.
_MORE_OFTEN = 2


class Budget:
    """Which functions are worth a recording now, by ``clock``: what is met most, and seldom many at once."""

    def __init__(
        self,
        *,
        share: float = SHARE,
        credit_s: float = CREDIT_S,
        worth: int = _WORTH,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._share, self._most_s, self._worth, self._clock = share, credit_s, worth, clock
        self._credit_s, self._looked_s = credit_s, clock()
        #: How often, and when last, each was met that is not recorded yet; what was met longest ago comes
        #: first. Keys hold tensors, so none stays for long.
        self._met: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    @property
    def open(self) -> bool:
        """Whether anything may be recorded now."""
        now = self._clock()
        self._credit_s = min(self._credit_s + self._share * (now - self._looked_s), self._most_s)
        self._looked_s = now
        return self._credit_s > 0

    def allows(self, key: Hashable) -> bool:
        """Note that ``key`` was met; whether it shall be recorded now."""
        now = self._clock()
        while self._met and now - next(iter(self._met.values()))[1] > _FORGET_S:
            self._met.popitem(last=False)
        count = 1 + self._met.pop(key, (0, now))[0]
        self._met[key] = count, now
        if count < self._worth or not self.open:
            return False
        recent = (met for met, met_s in self._met.values() if now - met_s <= _RECENT_S)
        return count * _MORE_OFTEN >= max(recent)

    @contextmanager
    def spending(self, key: Hashable) -> Iterator[None]:
        """``key`` is recorded meanwhile."""
        began_s = self._clock()
        try:
            yield
        finally:
            self._credit_s -= self._clock() - began_s
            self._met.pop(key, None)
