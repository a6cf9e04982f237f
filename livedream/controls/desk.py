"""What all controls may know of the show: the present view, to be read from any thread at any time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livedream.controls.patch import Patch
from livedream.settings import Settings

#: A scene's name is also its file's.
SCENE_NAME = re.compile(r"[\w-][\w -]{0,59}")


@dataclass(frozen=True)
class SceneTitle:
    """What a list of scenes shows of one. ``own`` is whether it is the user's, and may be changed.

    ``key`` is the digit that recalls it, 0 for none.
    """

    name: str
    title: str = ""
    key: int = 0
    own: bool = False


@dataclass(frozen=True)
class CueNews:
    """The cue that is played (``number`` of ``count``, from 1; 0 before the first), and what comes next."""

    number: int = 0
    count: int = 0
    title: str = ""
    next_title: str = ""
    follow: str = ""

    def words(self) -> str:
        """``cue 2/5 Window; next: Fur on GO``; empty before the first."""
        if not self.number:
            return ""
        now = f"cue {self.number}/{self.count} {self.title}"
        return f"{now}; next: {self.next_title} {self.follow}" if self.next_title else f"{now}, the last"


@dataclass(frozen=True)
class View:
    """The show at one moment.

    ``settings`` are those that are wanted, the goal of a fade. ``lists`` has the values of the settings whose
    values depend on others (network, layer, guide, words), ``scenes`` all there are, ``scene`` the name of
    the last one. ``status`` are the statistics as in ``/status.json``, ``messages`` the lines that the
    operator reads. ``cue`` is where the cue list is, ``patch`` what is modulated by what, ``tempo`` the beats
    per minute, 0.0 for none.
    """

    settings: Settings = field(default_factory=Settings)
    lists: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    scenes: tuple[SceneTitle, ...] = ()
    scene: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    cue: CueNews = field(default_factory=CueNews)
    patch: Patch = field(default_factory=Patch)
    tempo: float = 0.0


class Desk:
    """Holds the newest view. The show replaces it several times a second, controls read it."""

    def __init__(self, settings: Settings) -> None:
        self.view = View(settings)
        #: Whether there is a control that can learn, and the setting that it is to learn now.
        self.can_learn = False
        self.learning = ""
