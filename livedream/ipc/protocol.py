"""What the processes of a mirror say to each other: frozen, validated messages with a version.

    show ──Order──► dream        what to dream, on which part of the frame
    dream ──DreamStatus──► show  what it does, and how far it is
    camera ──SourceStatus──► show
    audio ──AudioStatus──► show    how loud it is

Frames and residuals travel beside them in :mod:`livedream.ipc.slots`; a residual names the frame, the crop
and the order that it was dreamt for. Nothing here depends on the sender's clock: each status counts its own
progress, and the receiver judges by its own clock how long ago that last moved.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from livedream.errors import ProtocolError, VersionError
from livedream.settings import Settings
from livedream.timing import Percentiles

#: Grows with every change after which an older process would misunderstand a message.
VERSION = 1

SourceKind = Literal["camera", "video", "photo", "stream", "clouds"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages."""

    version: int = VERSION


class Status(Message, frozen=True, kw_only=True):
    """Base of what a process says about itself.

    ``progress`` counts steps within ``phase``: it moves as long as the process does, whatever its clock says.
    """

    phase: str = "starting"
    progress: int = 0


class Order(Message, frozen=True, kw_only=True):
    """What the dream process is to do from now on.

    ``number`` grows with every order. ``aspect`` is width / height of the centred part of the frame that is
    visible, None for all of it. ``transition_s`` is how long what is wanted anew takes to replace what was;
    None leaves it to the settings' ``crossfade_s``. ``persistence_limit_s`` bounds the residual's half-life
    meanwhile, to let go of an old dream sooner; None does not. ``camera_hz`` is the camera's rate, 0.0 while
    it is unknown, and ``late`` the fraction (0..1) of the latest pictures that the show made too late.
    ``leg_s`` is when a leg of a journey that follows the beat began, on the clock of ``timing.now_s``, which
    all processes of a machine share; None: it follows none.
    """

    number: int
    settings: Settings
    aspect: float | None = None
    transition_s: float | None = None
    persistence_limit_s: float | None = None
    camera_hz: float = 0.0
    late: float = 0.0
    leg_s: float | None = None


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted and cannot be dreamt; empty where there is nothing.

    ``layer`` is a layer of ``network``; without one the whole network cannot be had.
    """

    network: str = ""
    layer: str = ""
    guide: str = ""


class Governed(msgspec.Struct, frozen=True, kw_only=True):
    """What is dreamt at: the longer side of the working size, steps a tick, octaves.

    ``auto`` is whether the governor chose them, and ``path`` what it chose since it began: (seconds,
    working_px, steps) each time.
    """

    working_px: int = 0
    steps: int = 0
    octaves: int = 0
    auto: bool = False
    path: tuple[tuple[float, int, int], ...] = ()


class RoomStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a mirror is with the room that is to dream for it.

    ``state`` is ``off`` without one, ``connecting`` until it answers, ``trying`` while it dreams too and has
    to show that it is well, ``dreaming`` while its dream is shown, ``waiting`` until the next try. ``reason``
    is what is wrong, so that the mirror dreams itself; empty where nothing is. ``name`` is the room's.
    ``round_trip_ms`` is from sending a picture to its residual, the room's tick included; ``up_bytes_s`` and
    ``down_bytes_s`` are what goes each way in a second.
    """

    state: Literal["off", "connecting", "trying", "dreaming", "waiting"] = "off"
    address: str = ""
    reason: str = ""
    name: str = ""
    round_trip_ms: Percentiles = Percentiles()
    up_bytes_s: int = 0
    down_bytes_s: int = 0


class DreamStatus(Status, frozen=True, kw_only=True):
    """What the dream process does.

    ``progress`` counts what it has begun, within a tick too; ``patience_s`` is how long its next step may
    take, in seconds. ``ticks`` counts dream ticks, ``faults`` what has failed by its kind. ``order`` is the
    number of the order that is followed. ``network`` to ``surprise`` are what is dreamt, as settings;
    ``shown_layer``, ``shown_channels`` and ``shown_words`` (with their shares) what weighs most in it now, on
    a journey or in a fade. With ``surprise``, ``recognised`` are the words that the camera's image shows,
    with probabilities. ``guides`` are the images that a control can step through; ``device`` is PyTorch's
    name of what dreams; ``working_size`` is (width, height). ``dream_at`` is the room that dreams now, empty
    for this machine; ``room`` is how the mirror is with it.
    """

    phase: Literal["starting", "importing", "loading", "downloading", "dreaming", "failed"] = "starting"
    order: int = 0
    message: str = ""
    error: str = ""
    network: str = ""
    layer: str = ""
    channels: str = ""
    guide: str = ""
    dream_of: str = ""
    dream_to: str = ""
    word_walk: bool = False
    surprise: bool = False
    guides: tuple[str, ...] = ()
    shown_layer: str = ""
    shown_channels: str = ""
    shown_words: tuple[tuple[str, float], ...] = ()
    recognised: tuple[tuple[str, float], ...] = ()
    unavailable: Unavailable = Unavailable()
    backend: str = ""
    device: str = ""
    ticks: int = 0
    dream_fps: float = 0.0
    working_size: tuple[int, int] = (0, 0)
    governor: Governed = Governed()
    sections: dict[str, Percentiles] = {}
    patience_s: float = 60.0
    faults: dict[str, int] = {}
    dream_at: str = ""
    room: RoomStatus = RoomStatus()


def dreamt(settings: Settings) -> dict[str, Any]:
    """The fields of a :class:`DreamStatus` that say what is dreamt, where that is what ``settings`` name."""
    names = ("network", "layer", "channels", "guide", "dream_of", "dream_to", "word_walk", "surprise")
    return {name: getattr(settings, name) for name in names}


class AudioStatus(Status, frozen=True, kw_only=True):
    """What the audio process hears.

    ``bass`` to ``level`` are 0..1 after the automatic gain, ``onsets`` counts beginnings. ``device`` is what
    it listens to; ``error`` says why it does not, while it waits to try again.
    """

    phase: Literal["starting", "listening", "waiting"] = "starting"
    device: str = ""
    bass: float = 0.0
    mid: float = 0.0
    treble: float = 0.0
    level: float = 0.0
    onsets: int = 0
    error: str = ""


class SourceStatus(Status, frozen=True, kw_only=True):
    """What the camera process shows.

    ``progress`` counts its heartbeats. ``source``, ``kind``, ``size`` (width, height) and ``fps`` are of what
    is shown; with ``fallback`` that is clouds instead of what was asked for, or what is left of them while
    they dissolve, and ``message`` says so. ``lost``: what was asked for had been there. ``fault`` is what is
    wrong with it now, such as ``camera unplugged``, empty while nothing is; ``fault_kinds`` counts how often
    a living source had each of these, and ``faults`` all of them. ``stalled``: its driver does not answer,
    and only killing the process helps. ``error``: the source failed at its start, and the process ends.
    ``camera`` and ``twins`` are what the next process needs to find the same camera again, ``controls`` are
    those that were locked, and where; all of the camera that was ``asked`` for.
    """

    phase: Literal["starting", "running", "failed"] = "starting"
    source: str = ""
    kind: SourceKind = "clouds"
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    fallback: bool = False
    message: str = ""
    error: str = ""
    stalled: bool = False
    lost: bool = False
    fault: str = ""
    fault_kinds: dict[str, int] = {}
    faults: int = 0
    asked: str = ""
    camera: dict[str, str] = {}
    twins: tuple[str, ...] = ()
    controls: dict[str, int] = {}


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """``message`` as bytes, for :func:`decode`."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes | memoryview, kind: type[M]) -> M:
    """The message of this kind in ``data``, every field checked.

    Raises ``ProtocolError`` for bytes that are none, ``VersionError`` for another version.
    """
    try:
        version = msgspec.msgpack.decode(data, type=Message).version
        if version == VERSION:
            return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise ProtocolError(f"not a {kind.__name__} message of livedream: {error}") from error
    raise VersionError(
        f"a {kind.__name__} message of protocol version {version}; this livedream speaks version {VERSION}:"
        " run the same version everywhere"
    )
