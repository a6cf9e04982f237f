"""A mirror whose MIDI controller and gamepad are datagrams: for a machine that has neither."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

#: The ports of loopback at which they are played: whole MIDI messages, and a list of a pad's axes as JSON.
MIDI, PAD = 9078, 9079


class Wire:
    """In place of the system's MIDI ports: a controller whose messages come as datagrams."""

    name = "wire"

    def inputs(self) -> list[str]:
        """The controller."""
        return ["nanoKONTROL2"]

    def outputs(self) -> list[str]:
        """It has no lamps."""
        return []

    def listen(self, name: str, receive: Callable[[bytes], None]) -> Wire:
        """Give every datagram to ``receive``."""
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wire.bind(("127.0.0.1", MIDI))

        def run() -> None:
            while True:
                receive(wire.recv(64))

        threading.Thread(target=run, daemon=True).start()
        return self

    def close(self) -> None:
        """The process ends soon."""


class WirePad:
    """In place of SDL's gamepads: one whose sticks come as datagrams."""

    name = "wire"

    def __init__(self) -> None:
        self._axes: list[float] = []
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind(("127.0.0.1", PAD))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._axes = json.loads(self._wire.recv(256))

    def attached(self) -> bool:
        """It stays."""
        return True

    def get_axis(self, axis: int) -> int:
        """Where a stick is."""
        return round(32767 * self._axes[axis]) if axis < len(self._axes) else 0

    def get_button(self, button: int) -> bool:
        """Nobody presses any."""
        return False

    def quit(self) -> None:
        """The process ends soon."""


def mirror() -> int:
    """Run the mirror as the command line says, with :class:`Wire` for MIDI and :class:`WirePad`."""
    from livedream.cli.main import main as livedream
    from livedream.controls import midi_ports
    from livedream.controls.gamepad import SdlPads

    pad = WirePad()
    pads: dict[str, Any] = {"__init__": lambda _: None, "update": lambda _: None, "found": lambda _: {1: pad}}
    with (
        patch.multiple(midi_ports, RtmidiPorts=Wire, PygamePorts=Wire),
        patch.multiple(SdlPads, **pads),
    ):
        return livedream()
