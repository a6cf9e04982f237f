"""Where the governor meets the dream process: what is measured goes in, and settings come out."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from livedream.dream.governor import SIZES, Governor, Ladder, Measurement, Plan, target_rate_hz
from livedream.frame import USUAL_PX
from livedream.ipc.protocol import Governed, Order
from livedream.settings import Settings

#: How long ticks say nothing after a size has been asked for: it is opened beside them.
_OPENING_S = 3.0


class Preparable(Protocol):
    """What the governor needs of a dreamer."""

    @property
    def comparing(self) -> bool:
        """Whether runtimes are being compared beside the dream, which slows it."""

    @property
    def fading(self) -> bool:
        """Whether one target fades into another: both are dreamt, and a tick costs twice as much."""

    def ready(self, settings: Settings, aspect: float) -> bool:
        """Whether what is dreamt now could be dreamt at once at these settings' size and octaves."""

    def prepare(self, settings: Settings, aspect: float) -> None:
        """Make that ready in the background; returns at once."""


class Governing:
    """Chooses working size, steps and octaves where ``working_px`` is ``auto``; a number is left alone.

    It begins at ``first_px``; None: at the usual size. Where ``largest_px`` is set, that is the largest size
    and the usual one, which has as many octaves as are asked for.
    """

    def __init__(self, dreamer: Preparable, first_px: int | None = None) -> None:
        self._dreamer, self._first_px = dreamer, first_px
        self.largest_px: int | None = None
        self._governor: Governor | None = None
        self._plan: Plan | None = None
        self._asked: dict[int, float] = {}  # when each size was last asked for
        self._governed = Governed()

    @property
    def governed(self) -> Governed:
        """What is dreamt at, for the status."""
        return self._governed

    def settings(self, wanted: Settings) -> Settings:
        """``wanted`` as it is to be dreamt now."""
        if wanted.working_px:
            self._governor = self._plan = None
        elif self._plan is None and self._first_px is not None:
            ladder = self._ladder(wanted, SIZES[-1])
            first_px = max((px for px in ladder.sizes if px <= self._first_px), default=ladder.sizes[0])
            return _at(wanted, first_px, ladder.octaves_at(first_px), wanted.steps)
        if self._plan is None:
            return wanted
        # The governor learns of other steps with the next tick; fewer are taken at once.
        return _at(wanted, self._plan.working_px, self._plan.octaves, min(self._plan.steps, wanted.steps))

    def ticked(
        self,
        order: Order,
        visible: tuple[int, int],
        tick_s: float,
        now_s: float,
        most_px: int | None = None,
    ) -> None:
        """A tick took ``tick_s``, up to ``now_s``; decide on the next one.

        ``visible`` is the (width, height) of what the camera has of what is visible.

        There is no room for more than ``most_px`` pixels on the longer side, None: for any size.
        """
        wanted = order.settings
        if wanted.working_px:
            octaves = wanted.octaves
            self._governed = Governed(working_px=wanted.working_px, steps=wanted.steps, octaves=octaves)
            return
        width, height = visible
        aspect = width / height
        ladder = self._ladder(wanted, min(max(width, height), most_px or SIZES[-1]))
        if self._governor is None:
            self._governor = Governor(self._first_px)

        def at(working_px: int) -> Settings:
            return _at(wanted, working_px, ladder.octaves_at(working_px), wanted.steps)

        def ready(working_px: int) -> bool:
            return self._dreamer.ready(at(working_px), aspect)

        opening = any(now_s - asked_s < _OPENING_S for asked_s in self._asked.values())
        plan = self._plan
        dreamer = self._dreamer
        disturbed = opening or dreamer.comparing or dreamer.fading
        steady = not (disturbed or (plan and not ready(plan.working_px)))
        measured = Measurement(tick_s, order.late, steady)
        target_hz = target_rate_hz(order.camera_hz, wanted.dream_rate_hz)
        plan = self._plan = self._governor.step(measured, ladder, ready, target_hz, now_s)
        for working_px in plan.prepare:
            if now_s - self._asked.get(working_px, -1e9) > 10 * _OPENING_S:
                self._asked[working_px] = now_s
                self._dreamer.prepare(at(working_px), aspect)
        self._governed = Governed(
            working_px=plan.working_px,
            steps=plan.steps,
            octaves=plan.octaves,
            auto=True,
            path=tuple(self._governor.path),
        )

    def _ladder(self, wanted: Settings, largest_px: int) -> Ladder:
        """What may be chosen, up to ``largest_px``."""
        usual_px = self.largest_px or USUAL_PX
        smaller = tuple(px for px in SIZES if px < usual_px)
        possible = SIZES if self.largest_px is None else (*smaller, usual_px)
        sizes = tuple(px for px in possible if px <= largest_px) or possible[:1]
        return Ladder(wanted.steps, wanted.octaves, wanted.octave_scale, sizes, usual_px)


@lru_cache(maxsize=64)  # every replacement checks all settings
def _at(settings: Settings, working_px: int, octaves: int, steps: int) -> Settings:
    return settings.replace(working_px=working_px, octaves=octaves, steps=steps)
