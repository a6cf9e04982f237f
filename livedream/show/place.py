"""Keeps what was set for this place (its screen, its projector, its room) in a file, for every later start.

    rotate = 90
    corners = "2,0 98,3.5 100,100 0,100"

A setting is in the file once a control has changed it, and not at its default. Flags win over the file.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from livedream.controls.actions import Action
from livedream.controls.port import Change, Refusal
from livedream.errors import LivedreamError, UnreadableError, UsageError
from livedream.files import replace_file, set_aside
from livedream.places import create, settings_dir
from livedream.settings import SPECS
from livedream.timing import Pacer, now_s
from livedream.toml_files import read_toml, some, toml

log = logging.getLogger(__name__)

#: The settings that the file may have.
PLACE_SETTINGS = tuple(name for name, spec in SPECS.items() if spec.scope == "place")
#: How often it is tried to write what could not be written.
_AGAIN_HZ = 0.1
_HEAD = "# What was set for this place. Written by the mirror when a control changes it; flags win over it.\n"


def usual_place() -> Path:
    """The file where no other is named."""
    return settings_dir() / "place.toml"


def read_place(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings in a file, none if there is no file, and what in it could not be used, a line each.

    A file that cannot be read is moved aside.
    """
    try:
        content = read_toml(path, "place")
    except UnreadableError as error:
        if not path.exists():
            return {}, ()
        moved = set_aside(path)
        return {}, (f"{error}" + (f"; it is now {moved}" if moved else ""),)
    values, problems = {}, []
    unknown = [name for name in content if name not in PLACE_SETTINGS]
    if unknown:
        problems.append(f"place {path}: {some(unknown)}: unknown; possible: {', '.join(PLACE_SETTINGS)}")
    for name in PLACE_SETTINGS:
        try:
            if name in content:
                values[name] = SPECS[name].check(content[name])
        except UsageError as error:
            problems.append(f"place {path}: {error}")
    return values, tuple(problems)


class Place:
    """A control that is only told of changes, and writes those of the place to ``path`` from a thread.

    ``report`` is told, once, when that is not possible; it is tried again every ten seconds.
    """

    name = "place"

    def __init__(self, path: Path, report: Callable[[str], None], clock: Callable[[], float] = now_s) -> None:
        self._path, self._report, self._clock = path, report, clock
        self._again = Pacer(_AGAIN_HZ)
        self._values = read_place(path)[0]
        self._disk = ThreadPoolExecutor(1, "place")
        self._newest: deque[Mapping[str, Any]] = deque(maxlen=1)  # that is to be written
        self._writing: Future[None] | None = None
        self._trouble = ""

    def poll(self) -> list[Action]:
        """It asks for nothing; what was changed while the disk was busy, or full, is written now."""
        if self._writing is None or self._writing.done():
            if self._trouble and not self._newest and self._again.due(self._clock()):
                self._newest.append(dict(self._values))
            if self._newest:
                self._writing = self._disk.submit(self._write_newest)
        return []

    def announce(self, news: Change | Refusal) -> None:
        """Keep what has changed of the place."""
        if not isinstance(news, Change):
            return
        names = [name for name in news.names if name in PLACE_SETTINGS]
        if not names:
            return
        for name in names:
            self._values.pop(name, None)
            value = getattr(news.settings, name)
            if value != SPECS[name].default:
                self._values[name] = value
        self._newest.append(dict(self._values))

    def close(self) -> None:
        """Finish writing. May be called twice."""
        self._disk.shutdown()
        self._write_newest()

    def _write_newest(self) -> None:
        while self._newest:
            values = self._newest.pop()
            lines = [f"{name} = {toml(values[name])}\n" for name in PLACE_SETTINGS if name in values]
            try:
                create(self._path.parent)
                replace_file(self._path, (_HEAD + "".join(lines)).encode())
                self._trouble = ""
            except LivedreamError as error:  # a full disk: said once, and the show goes on
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    log.error("the settings of this place are not kept: %s", error)
                    self._report(f"the settings of this place are not kept: {error}")
