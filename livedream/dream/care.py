"""Looks after the ticks of a dream: what fails in one is counted, said and mended, and is not shown."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import numpy as np

from livedream.dream.ceiling import Ceiling
from livedream.dream.residual import Residual
from livedream.errors import DeviceLostError, MissingPackageError
from livedream.memory import trim
from livedream.runtimes.device_errors import is_out_of_memory, lost, reason_of

log = logging.getLogger(__name__)

#: A dream that is the same everywhere, or has no gradient, for so long and in so many ticks, is not one.
_FLAT_S, _FLAT_TICKS = 0.5, 3
#: Where nothing but failing ticks has come for this long, the dream is begun anew, or the process.
_RESET_S, _HOPELESS_S = 1.0, 10.0
#: A fault that happens again after this long is logged again; so many are remembered.
_QUIET_S, _MOST_TEXTS = 60.0, 100
#: Of a flat residual, in levels of 255; and only every so many pixels are looked at.
_FLAT_LEVELS, _EVERY_PX = 1e-6, 3


class HopelessError(Exception):
    """Tick after tick has failed: only a new process may help."""


class Dreaming(Protocol):
    """What is needed of a dreamer."""

    @property
    def device_name(self) -> str:
        """PyTorch's name of the device that dreams."""

    @property
    def dreaming(self) -> bool:
        """Whether what is wanted is open and works, so that a tick adds something to the dream."""

    @property
    def gradients_zero(self) -> bool:
        """Whether the last tick's gradients were zero everywhere."""

    def reset(self) -> None:
        """Forget the dream so far."""

    def make_room(self) -> None:
        """Close what is open and not needed now."""

    def find_dead(self) -> bool:
        """Disable whatever gives no gradient on any image; whether there was anything."""


class Care:
    """Runs the ticks of ``dreamer``. Times are ``now``, in seconds of one clock.

    ``faults`` counts what has failed by its kind; ``ceiling`` is the largest size that there is memory for.
    """

    def __init__(self, dreamer: Dreaming, limit_px: int | None = None) -> None:
        self._dreamer = dreamer
        self.ceiling = Ceiling(limit_px)
        self.faults: Counter[str] = Counter()
        self._message = ""
        self._happened_s: dict[str, float] = {}  # when each fault last happened
        self._failing_s: float | None = None  # since when there are only failing ticks
        self._reset = False
        self._flat: tuple[float, int] | None = None  # since when nothing comes of it, in so many ticks
        self._dark = False  # and rightly so

    @property
    def message(self) -> str:
        """What is wrong now, or ""."""
        return self._message if self._failing_s is not None or self.ceiling.lowered else ""

    def tick(self, run: Callable[[], Residual], now: float, working_px: int) -> Residual | None:
        """The residual that ``run()`` gives, at ``working_px``; None when it cannot be shown.

        Raises ``DeviceLostError`` when nothing can run in this process any more, ``MissingPackageError`` when
        nothing ever could, ``HopelessError`` when tick after tick has failed.
        """
        if self.ceiling.step(now):
            log.info("trying a working size of %s again", self.ceiling.px or "any")
        try:
            residual = run()
        except DeviceLostError:
            raise
        except MissingPackageError as error:
            if not self._dreamer.dreaming:  # nothing here can dream it, now or later
                raise
            self._failed(error, now, working_px)
            return None
        except Exception as error:
            self._failed(error, now, working_px)
            return None
        if not np.isfinite(residual.sum()):
            self._count("dream NaN", "the dream became NaN; it begins anew", now)
            self._dreamer.reset()
            self._hope(now)
            return None
        flat = bool(np.ptp(residual[::_EVERY_PX, ::_EVERY_PX]) <= _FLAT_LEVELS)
        if self._is_dead(flat, now) and flat:
            return None
        self._failing_s, self._reset = None, False
        return residual

    def _failed(self, error: Exception, now: float, working_px: int) -> None:
        """Survive an exception. Raises as :meth:`tick` does."""
        reason = f"{type(error).__name__}: {reason_of(error)}"
        if is_out_of_memory(error):
            self._dreamer.make_room()
            gc.collect()
            trim()
            if self.ceiling.lower(working_px, now):
                text = f"out of memory at {working_px} px; dreaming at {self.ceiling.px} px for a while"
                self._count("dream out of memory", text, now)
                return
        gone = lost(self._dreamer.device_name, error)
        if gone is not None:
            raise gone from error
        self._count("dream tick failed", f"a tick failed: {reason}", now, error)
        self._hope(now)
        if self._failing_s is not None and now - self._failing_s > _RESET_S and not self._reset:
            self._reset = True
            self._dreamer.reset()

    def _hope(self, now: float) -> None:
        if self._failing_s is None:
            self._failing_s = now
        if now - self._failing_s > _HOPELESS_S:
            raise HopelessError(f"nothing but failing ticks for {_HOPELESS_S:.0f} s: {self._message}")

    def _count(self, kind: str, text: str, now: float, error: Exception | None = None) -> None:
        """Count a fault, and log it unless it goes on happening: a thousand ticks may fail in one way."""
        self.faults[kind] += 1
        if now - self._happened_s.get(text, -_QUIET_S) >= _QUIET_S:
            log.error("%s", text, exc_info=error)
        if len(self._happened_s) > _MOST_TEXTS:
            self._happened_s.clear()
        self._happened_s[text] = now
        self._message = text

    def _is_dead(self, flat: bool, now: float) -> bool:
        """Whether nothing comes of what is dreamt, the dream is ``flat``, say, and that may be a fault."""
        if not self._dreamer.dreaming:  # nothing was asked of this tick, so it says nothing
            return False
        if not (flat or self._dreamer.gradients_zero):
            self._flat, self._dark = None, False
            return False
        if self._dark:
            return False
        since_s, ticks = self._flat or (now, 0)
        self._flat = since_s, ticks + 1
        if ticks + 1 < _FLAT_TICKS or now - since_s < _FLAT_S:
            return True
        self._flat = None
        self._dark = not self._dreamer.find_dead()  # a dark picture excites no cell of some channels
        if not self._dark:
            self._count("dream flat", "nothing came of the dream; it begins anew", now)
            self._dreamer.reset()
        return not self._dark
