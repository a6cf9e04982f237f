"""What the controls are started with: the command line's choices about the page and other remote hands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from livedream.controls.dmx_map import DmxMap
from livedream.controls.gamepad_map import PadBinding


@dataclass(frozen=True)
class ControlOptions:
    """``listen`` is the (address, port) at which others may reach the page; a port of None is the usual one.

    ``token`` is what they must know; empty, it is the one that this machine keeps.

    ``osc`` is (host, port) to listen for OSC, None: not at all; ``osc_required`` is whether the show may not
    start without; ``osc_feedback`` are (host, port) of clients that are told of every change; ``mdns`` is
    whether OSC is announced in the network. ``dmx`` is what a lighting desk may do. ``midi`` is whether MIDI
    controllers play, None: those that are there; ``gamepad`` is the map of
    gamepads, None to ignore them. ``cues`` is the file of a cue list; ``audio`` is what to
    listen to, empty for nothing; ``link`` is whether to follow Ableton Link.
    """

    listen: tuple[str, int | None] | None = None
    token: str = ""
    osc: tuple[str, int] | None = ("127.0.0.1", 9000)
    osc_required: bool = False
    osc_feedback: tuple[tuple[str, int], ...] = ()
    mdns: bool = False
    dmx: DmxMap | None = None
    midi: bool | None = None
    gamepad: tuple[PadBinding, ...] | None = None
    cues: Path | None = None
    audio: str = ""
    link: bool = False
