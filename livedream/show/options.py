"""What the mirror is started with and does not change while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from livedream.hours import Hours
from livedream.room_address import RoomKeys
from livedream.show.control_options import ControlOptions
from livedream.show.output_options import OutputOptions

#: What may composite: ``gl`` is OpenGL, on whatever there is; ``auto`` is ``gl`` on a graphics card only.
RENDERERS = ("auto", "cpu", "gl")
#: The screen for information that is none: it is on the page only.
HUD_ON_PAGE = "page"


@dataclass(frozen=True)
class MirrorOptions:
    """The choices of the command line that are not settings.

    ``source`` is a spec as in :mod:`livedream.sources`, or ``auto``; ``size`` is (width, height) of the
    window, or of the picture when ``headless``; ``renderer`` is one of :data:`RENDERERS`; ``frames`` and
    ``duration_s`` end the show, both counted from the first dreamt picture. ``scene`` is the scene to begin
    with, ``scenes`` the user's own folder of scenes. ``hours`` are when it is open, None: always.
    ``resume`` is the file that keeps what is shown for a start after a crash, ``place`` the one that keeps
    what was set for this place; ``alerts`` are the addresses and commands that are told what is wrong.
    ``patient``: it was shown before, so a source that is missing is waited for, and a recording gets a name
    that is free. With ``camera_lock_s`` the camera's automatics are switched off after so many seconds, and
    ``camera_set`` are controls of it and their values. ``controls`` are about the page and other hands,
    ``outputs`` about recordings and other programs that get the picture, ``room_keys`` open a room.
    ``lock_keys``: the keys begin locked. ``hud_display`` is the screen for the information,
    :data:`HUD_ON_PAGE` for none, empty for the picture's own. ``notices`` were logged before the show
    began, and belong on the screen.
    """

    source: str = "auto"
    weights: Path | None = None
    device: str = "auto"
    backend: str = "auto"
    full_screen: bool = True
    size: tuple[int, int] = (1280, 720)
    renderer: str = "auto"
    headless: bool = False
    preview: bool = False
    port: int = 8400
    record: Path | None = None
    snapshot: Path | None = None
    frames: int | None = None
    duration_s: float | None = None
    stats: Path | None = None
    scene: str = ""
    scenes: Path | None = None
    hours: Hours | None = None
    resume: Path | None = None
    place: Path | None = None
    alerts: tuple[str, ...] = ()
    patient: bool = False
    camera_lock_s: float | None = None
    camera_set: tuple[tuple[str, int], ...] = ()
    controls: ControlOptions = field(default_factory=ControlOptions)
    outputs: OutputOptions = field(default_factory=OutputOptions)
    room_keys: RoomKeys = field(default_factory=RoomKeys)
    lock_keys: bool = False
    hud_display: str = ""
    log_level: int = 20
    notices: tuple[str, ...] = ()
