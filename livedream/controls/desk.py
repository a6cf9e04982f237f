"""What all controls may know of the show: the present view, to be read from any thread at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livedream.controls.patch import Patch
from livedream.settings import Settings


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
class View:
    """The show at one moment.

    ``settings`` are those that are wanted, the goal of a fade. ``lists`` has the values of the settings whose
    values depend on others (network, layer, guide, words), ``scenes`` all there are, ``scene`` the name of
    the last one. ``status`` are the statistics as in ``/status.json``, ``messages`` the lines that the
    operator reads. ``patch`` is what is modulated by what, ``tempo`` the beats per minute, 0.0 for none.
    """

    settings: Settings = field(default_factory=Settings)
    lists: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    scenes: tuple[SceneTitle, ...] = ()
    scene: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    patch: Patch = field(default_factory=Patch)
    tempo: float = 0.0


class Desk:
    """Holds the newest view. The show replaces it several times a second, controls read it."""

    def __init__(self, settings: Settings) -> None:
        self.view = View(settings)
