"""One moment of the show, and what the head-up display and the statistics make of it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from livedream.ipc.protocol import AudioStatus, DreamStatus, Governed, RoomStatus, SourceStatus
from livedream.networks.catalogue import network_info
from livedream.settings import Settings
from livedream.show.fallback import Fallback
from livedream.show.faults import Fault
from livedream.show.readings import layer_words
from livedream.sinks.port import OutputState
from livedream.stage.hud import HudState
from livedream.timing import Percentiles

Size = tuple[int, int]

#: How long the plate names a fault after it last happened, in seconds.
_NAMED_S = 3600.0


@dataclass(frozen=True)
class Measured:
    """What the show measured since the dream began; see :class:`livedream.show.statistics.Statistics`."""

    display_fps: float = 0.0
    dream_fps: float = 0.0
    latency_ms: Percentiles = field(default_factory=Percentiles)
    interval_ms: Percentiles = field(default_factory=Percentiles)
    longest_interval_ms: float = 0.0
    pictures: int = 0
    recomposed: int = 0
    unchanged: int = 0
    frame_ms: dict[str, Percentiles] = field(default_factory=dict)
    frames: int = 0
    ticks: int = 0
    dropped: int = 0
    rss_mb: float = 0.0
    first_picture_s: float | None = None
    first_dream_s: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything that is known of the show at one moment.

    ``display_fps``, ``latency_ms`` (from capture to flip) and ``interval_ms`` (between flips) are of the last
    seconds. ``renderer`` is what composites, ``cpu`` or ``gl``. ``presence`` (0..1) is
    how surely somebody is there, None where nobody looks for visitors. ``recording_s`` is how long a
    recording has been running, or None. ``messages`` are the lines that are shown now. ``faults`` counts
    restarted processes, lost cameras and failed ticks, ``fault_list`` by kind, the last first; ``fallback``
    is what the dream has fallen back to; ``outputs`` is how each output is, ``failing`` are those that do not
    work and are tried again.
    """

    settings: Settings
    source: SourceStatus = field(default_factory=SourceStatus)
    dream: DreamStatus = field(default_factory=DreamStatus)
    display_fps: float = 0.0
    latency_ms: Percentiles = field(default_factory=Percentiles)
    interval_ms: Percentiles = field(default_factory=Percentiles)
    renderer: str = ""
    picture_size: Size = (0, 0)
    scene: str = ""
    cue: str = ""
    audio: AudioStatus | None = None
    presence: float | None = None
    arrivals: int = 0
    attract: bool = False
    attracts: int = 0
    recording_s: float | None = None
    faults: int = 0
    fault_list: tuple[Fault, ...] = ()
    fallback: Fallback = field(default_factory=Fallback)
    failing: tuple[str, ...] = ()
    outputs: tuple[OutputState, ...] = ()
    messages: tuple[str, ...] = ()
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        """The layer that is dreamt as the settings name it; on a journey, the one that it has reached."""
        on_journey = self.settings.journey and self.dream.network == self.settings.network
        return (self.dream.shown_layer if on_journey else "") or self.settings.layer


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--stats`` writes and ``/status.json`` answers. The names are an interface: keep them, add.

    ``pictures`` were shown, each ``interval_ms`` after the one before; ``longest_interval_ms`` is of the last
    120. ``recomposed`` of them were composed of something new, the others were shown for their overlay, or
    again. ``unchanged`` times a picture was due and nothing was new, so nothing was composed or shown.
    ``fault_list`` are the faults by kind, the last first, with ``last_at`` in seconds since 1970.
    ``fallback`` is what the dream has fallen back to, its ``rung`` (``full`` is none) and ``why``.
    ``outputs`` is how each output is. ``dream_at`` is the room that dreams, ``here`` for this machine, and
    ``room`` how the mirror is with the one that is to dream. ``pids`` are the numbers of the running
    processes: ``show``, ``camera``, ``dream``. ``settings`` are all settings as they are played now.
    """

    display_fps: float
    dream_fps: float
    latency_ms: Percentiles
    interval_ms: Percentiles
    longest_interval_ms: float
    renderer: str
    pictures: int
    recomposed: int
    unchanged: int
    frame_ms: dict[str, Percentiles]
    frames: int
    ticks: int
    dropped: int
    rss_mb: float
    first_picture_s: float | None
    first_dream_s: float | None
    faults: int
    fault_list: tuple[Fault, ...]
    fallback: Fallback
    backend: str
    network: str
    layer: str
    guide: str
    dream_of: str
    words: tuple[tuple[str, float], ...]
    recognised: tuple[tuple[str, float], ...]
    working_size: Size
    steps: int
    governor: Governed
    tick_ms: dict[str, Percentiles]
    source: str
    message: str
    picture_size: Size
    scene: str
    cue: str
    audio: AudioStatus | None
    presence: float | None
    arrivals: int
    attract: bool
    attracts: int
    recording_s: float | None
    outputs: tuple[OutputState, ...]
    dream_at: str
    room: RoomStatus
    pids: dict[str, int]
    settings: dict[str, Any]


def stats(snapshot: Snapshot, measured: Measured) -> Stats:
    """The statistics of a moment."""
    dream, settings = snapshot.dream, snapshot.settings
    return Stats(
        display_fps=measured.display_fps,
        dream_fps=measured.dream_fps,
        latency_ms=measured.latency_ms,
        interval_ms=measured.interval_ms,
        longest_interval_ms=measured.longest_interval_ms,
        renderer=snapshot.renderer,
        pictures=measured.pictures,
        recomposed=measured.recomposed,
        unchanged=measured.unchanged,
        frame_ms=measured.frame_ms,
        frames=measured.frames,
        ticks=measured.ticks,
        dropped=measured.dropped,
        rss_mb=measured.rss_mb,
        first_picture_s=measured.first_picture_s,
        first_dream_s=measured.first_dream_s,
        faults=snapshot.faults,
        fault_list=snapshot.fault_list,
        fallback=snapshot.fallback,
        backend=dream.backend,
        network=dream.network or settings.network,
        layer=snapshot.layer if settings.journey else dream.layer or settings.layer,
        guide=dream.guide if dream.network else settings.guide,
        dream_of=dream.dream_of if dream.network else settings.dream_of,
        words=dream.shown_words,
        recognised=dream.recognised,
        working_size=dream.working_size,
        steps=settings.steps,
        governor=dream.governor,
        tick_ms=dream.sections,
        source=snapshot.source.source,
        message=" · ".join(dict.fromkeys(filter(None, snapshot.messages))),
        picture_size=snapshot.picture_size,
        scene=snapshot.scene,
        cue=snapshot.cue,
        audio=snapshot.audio,
        presence=None if snapshot.presence is None else round(snapshot.presence, 2),
        arrivals=snapshot.arrivals,
        attract=snapshot.attract,
        attracts=snapshot.attracts,
        recording_s=snapshot.recording_s,
        outputs=snapshot.outputs,
        dream_at=dream.dream_at or "here",
        room=dream.room,
        pids=snapshot.pids,
        settings=settings.as_dict(),
    )


def recent_faults(faults: Sequence[Fault], now: float) -> list[Fault]:
    """Those that the plate still names: what is long over need not alarm anybody."""
    return [fault for fault in faults if now - fault.last_s < _NAMED_S]


def fault_text(faults: Sequence[Fault]) -> str:
    """Faults in words, such as ``camera unplugged: 1, last 13:38``, by the clock on the wall."""
    named = (
        f"{fault.kind}: {fault.count}, last {datetime.fromtimestamp(fault.last_at):%H:%M}" for fault in faults
    )
    return "  ·  ".join(named)


def room_text(dream: DreamStatus) -> str:
    """Where the dream is made, such as ``dream at ws://10.0.0.2:8850, 24 ms``; "" where no room is wanted."""
    room = dream.room
    if not room.address:
        return ""
    if dream.dream_at:
        return f"dream at {dream.dream_at}, {room.round_trip_ms.p50:.0f} ms"
    return f"dream here: {room.reason or f'the room at {room.address} is being tried'}"


def hud_state(snapshot: Snapshot, now: float) -> HudState:
    """What the information plate shows of a moment; ``now`` is by the clock of the faults' ``last_s``."""
    recent = recent_faults(snapshot.fault_list, now)
    settings, dream = snapshot.settings, snapshot.dream
    layer = network_info(settings.network).blend(snapshot.layer)[0][0]
    return HudState(
        network=settings.network,
        layer=snapshot.layer,
        layer_words=layer_words(settings.network, snapshot.layer),
        layer_channels=layer.channels,
        layer_stride=layer.stride,
        channels=dream.shown_channels or settings.channels,
        words=dream.shown_words,
        recognised=dream.recognised,
        captions=settings.captions,
        backend=dream.backend,
        source=snapshot.source.source,
        room=room_text(dream),
        display_fps=snapshot.display_fps,
        dream_fps=dream.dream_fps,
        latency_ms=snapshot.latency_ms.p50,
        interval_ms=(snapshot.interval_ms.p50, snapshot.interval_ms.p99),
        renderer=snapshot.renderer,
        steps=dream.governor.steps if dream.governor.auto else settings.steps,
        octaves=dream.governor.octaves if dream.governor.auto else settings.octaves,
        working_size=dream.working_size,
        governed=dream.governor.auto,
        strength=settings.strength,
        faults=sum(fault.count for fault in recent),
        fault_text=fault_text(recent),
        recording_s=snapshot.recording_s,
        mix=settings.mix,
        mask=settings.mask,
        vignette=settings.vignette,
        scene=snapshot.scene,
        cue=snapshot.cue,
        presence=snapshot.presence,
        attract=snapshot.attract,
    )
