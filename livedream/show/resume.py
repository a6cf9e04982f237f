"""Keeps the scene and the settings in a file, for the show after a crash or a power cut to go on with."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from livedream.errors import LivedreamError, UsageError
from livedream.files import replace_file, set_aside
from livedream.places import create, state_dir
from livedream.resource import Resource
from livedream.settings import SPECS, Settings

log = logging.getLogger(__name__)

#: Not oftener: each write waits for the disk, and a slider makes a hundred changes.
_EACH_S = 1.0
#: After so many starts that were cut off within the time below, the state itself may be to blame.
_MOST_ATTEMPTS = 3
_PROVED_S = 30.0
#: More is not a state; reading it would take memory and time.
_LARGEST_BYTES = 64 * 1024


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """The file. ``attempts`` counts the starts with it that have not proved themselves yet; ``cue`` is the
    number of the cue in a cue list, 0 for none."""

    scene: str
    settings: dict[str, Any]
    attempts: int = 0
    cue: int = 0


@dataclass(frozen=True)
class Resumed:
    """What to begin with: the command's settings, with those that were kept over them."""

    settings: Settings
    scene: str


def state_path(words: Sequence[str]) -> Path:
    """The file of a mirror that is started with these ``words``: two mirrors on one machine have two."""
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()
    return state_dir() / f"{digest[:12]}.json"


def day_path(state: Path | None) -> Path | None:
    """Where what was counted today is kept, beside the file ``state``; None without one."""
    return None if state is None else state.with_suffix(".day.json")


class Resume(Resource):
    """The file at ``path``, or none. Times are ``now``, in seconds of one clock; a thread writes."""

    def __init__(self, path: Path | None) -> None:
        self.cue = 0  # the cue to begin with, as :meth:`begin` found it
        self._path = path
        self._disk = ThreadPoolExecutor(1, "state")
        self._begun: _State | None = None
        self._kept: _State | None = None
        self._looked_s = self._began_s = -1.0
        self._newest: deque[_State] = deque(maxlen=1)  # that is to be written
        self._writing: Future[None] | None = None
        self._attempts = 0
        self._trouble = ""
        #: Why :meth:`begin` did not use what was kept, or ""; logged already.
        self.refused = ""

    def begin(self, settings: Settings, scene: str) -> Resumed:
        """What to begin with instead of ``settings`` and ``scene``, if the last show was cut off.

        What belongs to the person at the controls, such as blackout, begins anew. A file that is damaged, or
        that three shows in a row did not survive, is moved aside, and said.
        """
        given = Resumed(settings, scene)
        if self._path is None:
            return given
        try:
            state = _read(self._path)
        except UsageError as error:
            self._set_aside(str(error))
            return given
        if state is None:
            return given
        if state.attempts >= _MOST_ATTEMPTS:
            self._set_aside(f"{state.attempts} shows in a row were cut off soon after they began with it")
            return given
        self._begun = state
        resumed = Resumed(_over(settings, state.settings), state.scene)
        self.cue = state.cue
        log.info("going on with what was shown before%s", f": scene {state.scene}" if state.scene else "")
        return resumed

    def trying(self) -> None:
        """What :meth:`begin` gave is about to be shown: should that fail, the next show counts it."""
        if self._begun is not None:
            self._attempts, state = self._begun.attempts + 1, self._begun
            self._begun = None
            self._write(msgspec.structs.replace(state, attempts=self._attempts))

    def keep(self, settings: Settings, scene: str, now: float, cue: int = 0) -> None:
        """Keep what is shown now. Writes at most once a second, and only what has changed or was not kept."""
        if self._path is None:
            return
        self._began_s = now if self._began_s < 0 else self._began_s
        if now - self._looked_s < _EACH_S:
            return
        self._looked_s = now
        values = {name: getattr(settings, name) for name, spec in SPECS.items() if spec.scope != "person"}
        attempts = 0 if now - self._began_s >= _PROVED_S else self._attempts
        state = _State(scene=scene, settings=values, attempts=attempts, cue=cue)
        if state != self._kept or self._trouble:
            self._kept = state
            self._newest.append(state)
        idle = self._writing is None or self._writing.done()
        if self._newest and idle:  # nothing queues up on a slow disk
            self._writing = self._disk.submit(self._write_newest)

    def forget(self) -> None:
        """The show has ended as somebody wanted: the next begins as its command says."""
        self._disk.shutdown()
        self._newest.clear()
        if self._path is not None:
            try:
                self._path.unlink(missing_ok=True)
            except NotADirectoryError:
                pass  # nothing could be kept there
            except OSError as error:
                log.error("the next show goes on from here: %s: %s", self._path, error.strerror)

    def close(self) -> None:
        """Finish writing. May be called twice."""
        self._disk.shutdown()
        self._write_newest()

    def _write_newest(self) -> None:
        while self._newest:
            self._write(self._newest.pop())

    def _write(self, state: _State) -> None:
        assert self._path is not None
        try:
            create(self._path.parent)
            replace_file(self._path, msgspec.json.encode(state))
            self._trouble = ""
        except LivedreamError as error:  # a full disk: said once, and the show goes on
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("what is shown cannot be kept for a restart: %s", error)

    def _set_aside(self, why: str) -> None:
        assert self._path is not None
        moved = set_aside(self._path)
        self.refused = f"what was shown before is not used: {why}" + (f"; moved to {moved}" if moved else "")
        log.error("%s", self.refused)


def _read(path: Path) -> _State | None:
    """The state in a file, None if there is none. Raises ``UsageError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_BYTES:
        raise UsageError(f"{path} is damaged: found more than {_LARGEST_BYTES // 1024} KiB")
    try:
        return msgspec.json.decode(content, type=_State)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def _over(settings: Settings, kept: dict[str, Any]) -> Settings:
    """``settings`` with the kept ones over them; what another version knew is left out, and said."""
    for name, value in kept.items():
        try:
            if name in SPECS and SPECS[name].scope != "person":
                settings = settings.replace(**{name: value})
        except UsageError as error:
            log.error("going on without one setting: %s", error)
    return settings
