"""Where a film is cut into shots that are dreamt apart: at scene changes, and within scenes too long for one.

A dream begins anew with every scene, so a shot that begins with one needs nothing from before. Within a scene
a dream is carried on. There a shot begins earlier, with a warm-up, until its dream is as strong as one that
was never cut. It is another one, though: which patterns a dream finds depends on all that came before. So
the dreams of both shots dissolve into each other.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

#: How long a shot dreams before it is shown, with longer steps until the second of these is left; and how
#: long two dreams dissolve. After 6 s of usual steps a dream has 87 % of the uncut one's strength, after 12 s
#: 94 %, after these 98 to 99 %: docs/measurements.md.
WARM_UP_S, SETTLING_S, DISSOLVE_S = 20.0, 2.0, 1.5
#: How long it looks at the scene before that, to know the room behind a visitor.
WATCHED_S = 120.0
#: Scenes that are shorter are dreamt together with the next ones: each shot costs a moment to begin.
LEAST_S = 8.0
#: Nothing shorter is cut out of a scene: its warm-up would be longer.
SHORTEST_S = 20.0


@dataclass(frozen=True)
class Shot:
    """Frames ``first`` to before ``end``, by their numbers in the film.

    It is watched from ``watched`` on, dreamt from ``dreamt`` on, and by usual steps from ``settled`` on. Its
    first ``head`` frames dissolve from the shot before; it is dreamt for ``tail`` frames longer, from which
    the next one dissolves.
    """

    number: int
    first: int
    end: int
    watched: int
    dreamt: int
    settled: int
    head: int = 0
    tail: int = 0

    @property
    def name(self) -> str:
        """What people and files call it."""
        return f"shot {self.number + 1}"

    @property
    def cost(self) -> int:
        """How many frames are dreamt for it."""
        return self.end + self.tail - self.dreamt


@dataclass(frozen=True)
class _Span:
    """Frames ``first`` to before ``end``, in a scene that begins with ``scene`` or in several whole ones."""

    first: int
    end: int
    scene: int
    is_whole: bool


def cut(times_s: Sequence[float], scenes: Sequence[int], longest_s: float, *, watches: bool) -> list[Shot]:
    """The shots of a film whose frames are at ``times_s``; ``scenes`` are the frames that begin one.

    Scenes longer than ``longest_s`` are cut. ``watches``: the dream depends on what it knows of the room.
    """
    clock = _Clock(times_s)
    spans: list[_Span] = []
    for scene, end in zip(scenes, [*scenes[1:], len(times_s)], strict=True):
        length_s, last = clock.between(scene, end), spans[-1] if spans else None
        parts = max(1, math.ceil(length_s / max(longest_s, SHORTEST_S) - 1e-6))
        if (
            parts == 1
            and last is not None
            and last.is_whole
            and clock.between(last.first, last.end) < LEAST_S
        ):
            spans[-1] = _Span(last.first, end, last.scene, True)
        else:
            edges = [clock.later(scene, n * length_s / parts) for n in range(parts)]
            spans += [_Span(a, b, scene, parts == 1) for a, b in zip(edges, [*edges[1:], end], strict=True)]
    after = [*spans[1:], _Span(len(times_s), len(times_s), len(times_s), True)]
    return [
        _shot(clock, number, span, next_, watches)
        for number, (span, next_) in enumerate(zip(spans, after, strict=True))
    ]


def _shot(clock: _Clock, number: int, span: _Span, after: _Span, watches: bool) -> Shot:
    head = 0 if span.first == span.scene else clock.later(span.first, DISSOLVE_S) - span.first
    tail = 0 if after.first == after.scene else clock.later(after.first, DISSOLVE_S) - after.first
    dreamt = max(span.scene, clock.later(span.first, -WARM_UP_S)) if head else span.first
    watched = max(span.scene, clock.later(dreamt, -WATCHED_S)) if head and watches else dreamt
    settled = max(dreamt, clock.later(span.first, -SETTLING_S)) if head else span.first
    return Shot(number, span.first, span.end, watched, dreamt, settled, head, tail)


class _Clock:
    """When frames are."""

    def __init__(self, times_s: Sequence[float]) -> None:
        self._times_s = times_s
        self._frame_s = times_s[-1] / max(1, len(times_s) - 1)

    def between(self, first: int, end: int) -> float:
        """How long frames ``first`` to before ``end`` last."""
        last = end == len(self._times_s)
        end_s = self._times_s[-1] + self._frame_s if last else self._times_s[end]
        return end_s - self._times_s[first]

    def later(self, frame: int, seconds: float) -> int:
        """The first frame that is at least so much later; or earlier, where that is negative."""
        return bisect_left(self._times_s, self._times_s[frame] + seconds - 1e-6)
