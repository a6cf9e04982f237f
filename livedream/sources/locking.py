"""Keeps exposure, white balance and focus of a camera where they are wanted, for weeks (Linux)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from livedream.errors import SourceError
from livedream.sources.v4l2 import Controls

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: What is wanted is looked at again this often: other programs, and some cameras themselves, change it.
_CHECK_S = 10.0
_LOOK_S = 0.5  # for a camera that was opened


class _Automatic(NamedTuple):
    """An automatic: the value that switches it off, those that switch it on, and what it moves."""

    off: int
    on: tuple[int, ...]
    moves: tuple[str, ...]


#: The automatics that cameras have, by the name of their control; since Linux 6 and before it.
AUTOMATICS = {
    "auto_exposure": _Automatic(1, (3, 0), ("exposure_time_absolute", "gain")),
    "exposure_auto": _Automatic(1, (3, 0), ("exposure_absolute", "gain")),
    "white_balance_automatic": _Automatic(0, (1,), ("white_balance_temperature",)),
    "white_balance_temperature_auto": _Automatic(0, (1,), ("white_balance_temperature",)),
    "focus_automatic_continuous": _Automatic(0, (1,), ("focus_absolute",)),
    "focus_auto": _Automatic(0, (1,), ("focus_absolute",)),
    "gain_automatic": _Automatic(0, (1,), ("gain",)),
}


class Opened(Protocol):
    """A camera as it was opened: another time, it is another object."""

    @property
    def name(self) -> str: ...
    @property
    def node(self) -> str: ...


class Lock:
    """Holds the controls of a camera. Times are ``now``, in seconds of one clock.

    ``values`` are wanted as they are. With ``lock_s`` the automatics run for so many seconds after the camera
    was opened first; then they are switched off, and what they found is wanted, too: ``learnt``, to begin
    with what an earlier process learnt of the camera ``name``. Another camera is learnt anew. ``trouble`` is
    what is not possible, in one line, or "".
    """

    def __init__(
        self,
        lock_s: float | None,
        values: Mapping[str, int],
        learnt: Mapping[str, int],
        name: str = "",
        open_: Callable[[str], Controls] = Controls,
    ) -> None:
        self.learnt = dict(learnt)
        self.trouble = ""
        self._lock_s, self._values, self._open = lock_s, dict(values), open_
        self._locked, self._name = bool(learnt), name
        self._opened: Opened | None = None
        self._due_s = self._lock_at_s = float("inf")
        self._changed: dict[str, int] = {}  # how often somebody else changed a control

    def run(self, opened: Callable[[], Opened | None]) -> None:
        """Hold them for ever, on a thread: a driver may hang. ``opened`` is as for :meth:`step`."""

        def run() -> None:
            while True:
                self.step(time.monotonic(), opened())
                time.sleep(_LOOK_S)

        threading.Thread(target=run, name="camera controls", daemon=True).start()

    def step(self, now: float, opened: Opened | None) -> None:
        """Do what is due with the camera that is open, if one is."""
        if opened is None:
            return
        again = opened is not self._opened
        if again:
            self._opened, self._due_s, self._lock_at_s = opened, now, float("inf")
            if opened.name != self._name:
                self.learnt, self._locked, self._name = {}, False, opened.name
        if now < min(self._due_s, self._lock_at_s):
            return
        self._due_s = now + _CHECK_S
        troubles: list[str] = []
        try:
            with self._open(opened.node) as controls:
                if self._lock_s is not None and not self._locked:
                    self._learn(controls, now, troubles)
                self._hold(controls, again, troubles)
        except SourceError as error:
            troubles.append(str(error))
        trouble = " · ".join(troubles)
        if trouble and trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble = trouble

    def _learn(self, controls: Controls, now: float, troubles: list[str]) -> None:
        """Let the automatics run at first; when it is time, switch them off and keep what they found."""
        here = {name: auto for name, auto in AUTOMATICS.items() if name in controls.all}
        mine = {name: auto for name, auto in here.items() if name not in self._values}
        if not here:
            names = ", ".join(controls.all) or "none"
            troubles.append(f"this camera has no automatic that could be locked; its controls: {names}")
        elif self._lock_at_s == float("inf"):
            assert self._lock_s is not None
            self._lock_at_s = now + self._lock_s
            for name, auto in mine.items():
                control = controls.named(name)
                value = next((on for on in auto.on if not control.menu or on in control.menu), None)
                if value is not None:
                    _try(troubles, controls.set, name, value)
        elif now >= self._lock_at_s:
            learnt = {name: auto.off for name, auto in mine.items()}
            for name in (name for auto in mine.values() for name in auto.moves if name in controls.all):
                value = _try(troubles, controls.get, name)
                if value is not None:
                    learnt[name] = value
            # At once: this process may be killed while its driver hangs, and the next one goes on with this.
            self.learnt, self._locked, self._lock_at_s = learnt, True, float("inf")
            log.info("locked: %s", ", ".join(f"{name}={value}" for name, value in self.learnt.items()))

    def _hold(self, controls: Controls, again: bool, troubles: list[str]) -> None:
        """Set what is not as it is wanted: automatics first, as they refuse what they move themselves."""
        wanted = self.learnt | self._values
        for name in sorted(wanted, key=lambda name: name not in AUTOMATICS):
            _try(troubles, self._hold_one, controls, name, wanted[name], again)

    def _hold_one(self, controls: Controls, name: str, value: int, again: bool) -> None:
        controls.named(name).check(value)
        found = controls.get(name)
        if found == value:
            return
        controls.set(name, value)
        times = self._changed.get(name)
        if times is not None and not again:
            self._changed[name] = times = times + 1
            if str(times).strip("0") == "1":  # 1, 10, 100 …
                log.warning("%s was %d and is %d again; that often: %d", name, found, value, times)
        else:
            self._changed.setdefault(name, 0)


def _try(troubles: list[str], do: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """What ``do`` gives; None if it cannot, and why is among the troubles."""
    try:
        return do(*args, **kwargs)
    except SourceError as error:
        troubles.append(str(error))
        return None
