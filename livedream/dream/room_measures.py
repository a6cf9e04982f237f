"""What a connection to a room carries, and how long its answers take."""

from __future__ import annotations

from collections import deque

from livedream.timing import Percentiles, summarise

#: Round trips are of the last answers, bytes of the last seconds.
_ANSWERS, _WINDOW_S = 300, 2.0


class RoomMeasures:
    """Counted by the connection's thread, read by another. ``now`` is in seconds of one clock."""

    def __init__(self) -> None:
        self._trips_ms: deque[float] = deque(maxlen=_ANSWERS)
        self._up: deque[tuple[float, int]] = deque(maxlen=1000)
        self._down: deque[tuple[float, int]] = deque(maxlen=1000)

    def up(self, size: int, now: float) -> None:
        """So many bytes were sent."""
        self._up.append((now, size))

    def down(self, size: int, now: float) -> None:
        """So many bytes came."""
        self._down.append((now, size))

    def answered(self, ms: float) -> None:
        """A picture was answered after so many milliseconds."""
        self._trips_ms.append(ms)

    @property
    def round_trip_ms(self) -> Percentiles:
        """Of the last answers."""
        return summarise(list(self._trips_ms))

    def bytes_s(self, now: float) -> tuple[int, int]:
        """What goes up and down in a second."""
        up, down = (
            sum(size for at, size in list(way) if now - at <= _WINDOW_S) for way in (self._up, self._down)
        )
        return round(up / _WINDOW_S), round(down / _WINDOW_S)
