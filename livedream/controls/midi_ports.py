"""MIDI ports: by rtmidi2, which sees devices come and go, or by pygame, which is always installed.

pygame's library lists the devices once, when it starts, and has no wheel missing anywhere.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from livedream.extras import installed, require_extra

Receive = Callable[[bytes], None]
#: pygame has to be asked: a knob's way through 127 values in a second is still smooth.
_LOOK_S = 0.004


class Closable(Protocol):
    """An open input."""

    def close(self) -> None:
        """Close it. May be called twice."""


class Out(Closable, Protocol):
    """An open output."""

    def send(self, message: bytes) -> None:
        """Send a whole message. Raises an exception when the device has gone."""


class Ports(Protocol):
    """The MIDI ports of this machine."""

    @property
    def name(self) -> str:
        """What serves them."""

    def inputs(self) -> list[str]:
        """The names of the ports that devices play on. Raises ``OSError``."""

    def outputs(self) -> list[str]:
        """The names of the ports whose devices have lamps. Raises ``OSError``."""

    def listen(self, name: str, receive: Receive) -> Closable:
        """Open an input; ``receive`` gets each whole message, on another thread. Raises ``OSError``."""

    def send_to(self, name: str) -> Out:
        """Open an output. Raises ``OSError``."""


def open_ports() -> Ports:
    """What this machine has for MIDI. Raises ``MissingPackageError``, ``OSError`` where there is no MIDI."""
    require_extra("mido", "midi", "MIDI")
    return RtmidiPorts() if installed("rtmidi2") else PygamePorts()


def midi_expected() -> bool:
    """Whether MIDI is likely to work here: its packages are there, and on Linux the system's sequencer is."""
    return installed("mido") and (sys.platform != "linux" or Path("/dev/snd/seq").exists())


class RtmidiPorts:
    """Ports by the package rtmidi2."""

    name = "rtmidi2"

    def __init__(self) -> None:
        import rtmidi2

        self._rtmidi = rtmidi2
        self.inputs()

    def inputs(self) -> list[str]:
        return _names(self._asked(self._rtmidi.get_in_ports))

    def outputs(self) -> list[str]:
        return _names(self._asked(self._rtmidi.get_out_ports))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except RuntimeError as error:
            raise OSError(str(error) or "no MIDI on this machine") from error

    def listen(self, name: str, receive: Receive) -> Closable:
        def opened() -> Any:
            device = self._rtmidi.MidiIn()
            device.ignore_types(True, False, True)
            device.open_port(self._rtmidi.get_in_ports().index(name))
            device.callback = lambda message, _time: receive(bytes(message))
            return device

        return _RtmidiPort(self._asked(opened))

    def send_to(self, name: str) -> Out:
        def opened() -> Any:
            device = self._rtmidi.MidiOut()
            device.open_port(self._rtmidi.get_out_ports().index(name))
            return device

        return _RtmidiPort(self._asked(opened))


class _RtmidiPort:
    def __init__(self, device: Any) -> None:
        self._device = device

    def send(self, message: bytes) -> None:
        self._device.send_raw(*message)

    def close(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close_port()


class PygamePorts:
    """Ports by pygame's midi module. Devices that are plugged in later are not seen."""

    name = "pygame"

    def __init__(self) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame.midi

        self._midi = pygame.midi
        try:
            self._midi.init()
        except Exception as error:  # pygame.error, or whatever its library says without a sound system
            raise OSError(f"no MIDI on this machine: {error}") from error

    def inputs(self) -> list[str]:
        return [name for name, input_, _ in self._devices() if input_]

    def outputs(self) -> list[str]:
        return [name for name, input_, _ in self._devices() if not input_]

    def _devices(self) -> list[tuple[str, bool, int]]:
        found = [(self._midi.get_device_info(n), n) for n in range(self._midi.get_count())]
        return [(info[1].decode(errors="replace"), bool(info[2]), n) for info, n in found if info]

    def _number(self, name: str, wanted_input: bool) -> int:
        for found, input_, number in self._devices():
            if (found, input_) == (name, wanted_input):
                return number
        raise OSError(f"no MIDI port {name!r}")

    def listen(self, name: str, receive: Receive) -> Closable:
        return _PygameInput(self._midi.Input(self._number(name, True)), receive)

    def send_to(self, name: str) -> Out:
        return _PygameOutput(self._midi.Output(self._number(name, False)))


class _PygameInput:
    def __init__(self, device: Any, receive: Receive) -> None:
        self._device, self._receive, self._closed = device, receive, threading.Event()
        self._thread = threading.Thread(target=self._read, name="midi input", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._closed.is_set():
            while self._device.poll():
                for (status, one, two, _), _time in self._device.read(64):
                    self._receive(bytes([status, one, two])[: _length(status)])
            time.sleep(_LOOK_S)

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._thread.join(1.0)
            self._device.close()


class _PygameOutput:
    def __init__(self, device: Any) -> None:
        self._device = device

    def send(self, message: bytes) -> None:
        self._device.write_short(*message)

    def close(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()


def _length(status: int) -> int:
    """How many bytes a message with this status has."""
    if status >= 0xF0:
        return {0xF1: 2, 0xF2: 3, 0xF3: 2}.get(status, 1)
    return 2 if status & 0xF0 in (0xC0, 0xD0) else 3


def _names(found: Any) -> list[str]:
    """Names of ports without those that the system makes itself."""
    return [str(name) for name in found if "through" not in str(name).lower()]
