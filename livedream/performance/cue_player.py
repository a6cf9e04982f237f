"""Plays a cue list: GO, back, any cue by its number, and the cues that follow by themselves."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from livedream.controls.actions import Recall
from livedream.controls.desk import CueNews
from livedream.errors import LivedreamError, UsageError
from livedream.performance.cues import Cue, CueList, read_cues
from livedream.performance.scenes import Scenes

log = logging.getLogger(__name__)

#: The origin of what a cue list recalls.
CUE = "cue"
NO_CUES = "no cue list; possible: start with --cues FILE"
#: The file may be edited while the show runs: so often it is looked at.
_LOOK_S = 1.0
#: Beats are reached a little early, so that a fade begins on the beat and not a picture late.
_EARLY_BEATS = 0.02


class CuePlayer:
    """Goes through a cue list. Times are ``now``, in seconds of one clock.

    A scene that somebody else recalls stays until GO: nothing follows by itself meanwhile. Nor does anything
    before :meth:`begin`, unless the show has ``begun``.
    """

    def __init__(self, cues: CueList, begun: bool = True) -> None:
        self.cues = cues
        self._begun = begun
        self._newer: CueList | None = None
        self._index: int | None = None
        self._wanted: int | None = 0
        self._began_s = 0.0
        self._began_beat: float | None = None
        self._held = False

    @property
    def cue(self) -> Cue | None:
        """The cue that is played."""
        return None if self._index is None else self.cues.cues[self._index]

    def news(self) -> CueNews:
        """Where the list is, for those who follow it."""
        cue, index = self.cue, self._index
        if cue is None or index is None:
            return CueNews(count=len(self.cues.cues))
        after = self.cues.after(index)
        following = None if after is None else self.cues.cues[after]
        return CueNews(
            index + 1,
            len(self.cues.cues),
            cue.title,
            "" if following is None else following.title,
            "on GO" if self._held else cue.follow,
        )

    def begin(self, now: float) -> None:
        """The audience sees the dream from now on: the first cue counts from here."""
        self._begun, self._began_s, self._began_beat = True, now, None

    def go(self) -> None:
        """To the next cue. Raises ``UsageError`` after the last."""
        cues = self._newer or self.cues
        after = 0 if self._index is None else cues.after(self._index)
        if after is None:
            raise UsageError(f"this was the last of {len(cues.cues)} cues; possible: back, or loop = true")
        self._wanted = after

    def back(self) -> None:
        """To the cue before. Raises ``UsageError`` at the first."""
        if not self._index:
            raise UsageError("this is the first cue")
        self._wanted = self._index - 1

    def go_to(self, number: int) -> None:
        """To a cue by its number, from 1. Raises ``UsageError`` for one that there is not."""
        count = len((self._newer or self.cues).cues)
        if not 1 <= number <= count:
            raise UsageError(f"unknown cue {number}; possible: 1–{count}")
        self._wanted = number - 1

    def hold(self) -> None:
        """Somebody has recalled another scene: wait for GO."""
        self._held = True

    def resume(self, number: int) -> None:
        """Begin with another cue than the first, if there is one of this number."""
        if 1 <= number <= len(self.cues.cues):
            self._wanted = number - 1

    def replace(self, cues: CueList) -> None:
        """Play another list from the next cue on."""
        self._newer = cues

    def step(self, now: float, beats: float | None, somebody: bool | None) -> Recall | None:
        """What is to be recalled now, if another cue begins.

        ``beats`` is the position in beats, None without a tempo; ``somebody`` whether anybody is there, None
        where nobody looks.
        """
        cue = self.cue
        if self._wanted is None and cue is not None and self._follows and self._over(now, beats, somebody):
            cues = self._newer or self.cues
            self._wanted = cues.after(self._index or 0)
        if self._wanted is None:
            return None
        if self._newer is not None:
            self.cues, self._newer = self._newer, None
        self._index = min(self._wanted, len(self.cues.cues) - 1)
        self._wanted, self._held = None, False
        self._began_s = now
        self._began_beat = None if beats is None else float(round(beats))
        begun = self.cues.cues[self._index]
        return Recall(begun.scene, begun.fade_s)

    @property
    def _follows(self) -> bool:
        return self._begun and not self._held

    def _over(self, now: float, beats: float | None, somebody: bool | None) -> bool:
        cue = self.cue
        if cue is None or cue.waits:
            return False
        if cue.hold_beats is not None and not self._beats_over(cue.hold_beats, beats):
            return False
        if cue.hold_s is not None and now - self._began_s < cue.hold_s:
            return False
        return not cue.until or somebody is (cue.until == "somebody")

    def _beats_over(self, hold_beats: float, beats: float | None) -> bool:
        if beats is None:
            return False
        if self._began_beat is None or beats < self._began_beat - 1:  # a tempo only now, or from 0 again
            self._began_beat = float(math.ceil(beats))
        return beats >= self._began_beat + hold_beats - _EARLY_BEATS


class CueFile:
    """Looks after a cue list's file on a thread of its own. ``scenes`` gives the names of the scenes."""

    def __init__(
        self,
        path: Path,
        scenes: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._scenes, self._clock = path, scenes, clock
        self._disk = ThreadPoolExecutor(1, "cues")
        self._stamp = _stamp(path)
        self._looked_s = clock()
        self._looking: Future[CueList | None] | None = None

    def read(self) -> CueList:
        """The list, now. Raises ``UsageError``."""
        return read_cues(self._path, self._scenes())

    def newer(self) -> CueList | None:
        """The list if its file has changed, else None. Never waits.

        Raises ``UsageError``, once for each change, for a list that cannot be used.
        """
        looking = self._looking
        if looking is not None and looking.done():
            self._looking = None
            return looking.result()
        if looking is None and self._clock() - self._looked_s >= _LOOK_S:
            self._looked_s = self._clock()
            self._looking = self._disk.submit(self._look)
        return None

    def _look(self) -> CueList | None:
        stamp = _stamp(self._path)
        if stamp == self._stamp or stamp is None:  # an editor may be about to write it anew
            return None
        self._stamp = stamp
        return self.read()

    def close(self) -> None:
        """Stop looking. May be called twice."""
        self._disk.shutdown()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Cues:
    """A player and its file, as the performance has them."""

    def __init__(self, file: CueFile) -> None:
        self._file = file
        self.player = CuePlayer(file.read(), begun=False)

    def step(
        self, now: float, beats: float | None, somebody: bool | None
    ) -> tuple[Recall | None, list[tuple[str, bool]]]:
        """What is to be recalled now, if anything, and lines for the operator (with: is it an alarm)."""
        news: list[tuple[str, bool]] = []
        try:
            newer = self._file.newer()
            if newer is not None:
                self.player.replace(newer)
                news.append((f"cue list changed: {len(newer.cues)} cues from the next on", False))
        except LivedreamError as error:
            news.append((f"going on with the old cue list: {error}", True))
        except Exception as error:  # no file may end the show
            log.exception("the cue list cannot be read")
            news.append((f"going on with the old cue list: {type(error).__name__}: {error}", True))
        recall = self.player.step(now, beats, somebody)
        if recall is not None:
            news.append((self.player.news().words(), False))
        return recall, news

    def close(self) -> None:
        """Stop looking after the file. May be called twice."""
        self._file.close()


def open_cues(path: Path | None, scenes: Scenes, number: int = 0) -> Cues | None:
    """The cue list in a file, None for none, from the cue of this number on. Raises ``UsageError``."""
    if path is None:
        return None
    cues = Cues(CueFile(path, scenes.paths))
    cues.player.resume(number)
    return cues
