"""MIDI as a control: every controller that is plugged in plays, each by its own map."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from livedream.controls.actions import Action, Learn
from livedream.controls.desk import Desk
from livedream.controls.midi_map import Binding, MidiMap, device_name, map_for, read_maps, save_map
from livedream.controls.midi_playing import Player
from livedream.controls.midi_ports import Closable, Out, Ports, open_ports
from livedream.controls.port import Change, Inbox, Refusal
from livedream.errors import LivedreamError
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: Devices come and go: so often it looks.
_LOOK_S = 2.0
#: Lamps follow so often.
_LIGHTS_S = 0.05
_LOG_S = 1.0


class _Device:
    """A controller that is plugged in."""

    def __init__(self, name: str, player: Player) -> None:
        self.name, self.player = name, player
        self.input: Closable | None = None
        self.output: Out | None = None
        self.lit: dict[tuple[str, int, int], int] = {}

    def close(self) -> None:
        """Close its ports, whatever their library says."""
        for port in (self.input, self.output):
            if port is not None:
                with suppress(Exception):
                    port.close()
        self.input = self.output = None


class Midi:
    """Listens to all controllers; ``own`` is the folder of the user's maps.

    ``opened`` gives the ports. Raises ``MissingPackageError``, and ``OSError`` where there is no MIDI.
    """

    name = "midi"

    def __init__(
        self,
        desk: Desk,
        own: Path,
        opened: Callable[[], Ports] = open_ports,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._desk, self._own, self._clock = desk, own, clock
        self._ports = opened()
        self._maps, problems = read_maps(own)
        for problem in problems:
            log.error("%s", problem)
        self._inbox = Inbox()
        self._devices: dict[str, _Device] = {}
        self._lock = threading.Lock()  # devices, and what players know
        self._refused = 0
        self._refused_s = clock() - _LOG_S
        self._unopened: dict[str, str] = {}
        self._closed = threading.Event()
        self.problems = tuple(problems)
        desk.can_learn = True
        self.look()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    @property
    def devices(self) -> tuple[str, ...]:
        """The controllers that are plugged in now."""
        with self._lock:
            return tuple(self._devices)

    def _run(self) -> None:
        looked_s = self._clock()
        while not self._closed.wait(_LIGHTS_S):
            if self._clock() - looked_s >= _LOOK_S:
                looked_s = self._clock()
                with suppress(OSError):
                    self.look()
            self._light()

    def look(self) -> None:
        """Open what was plugged in, and close what was pulled out. Raises ``OSError``."""
        names = list(dict.fromkeys(self._ports.inputs()))
        for name in [name for name in self._devices if name not in names]:
            with self._lock:
                device = self._devices.pop(name)
            device.close()
            log.warning("MIDI: %s was unplugged", name)
        for name in names:
            if name not in self._devices:
                self._open(name)

    def _open(self, name: str) -> None:
        map = map_for(name, self._maps)
        player = Player(map, self._desk, self._learnt, self._clock)
        device = _Device(name, player)
        try:
            device.input = self._ports.listen(name, lambda message: self._hear(device, message))
        except Exception as error:  # another program has it, say
            if self._unopened.get(name) != str(error):
                log.error("MIDI: %s cannot be opened: %s", name, error)
            self._unopened[name] = str(error)
            return
        self._unopened.pop(name, None)
        with suppress(Exception):  # a device without lamps
            outputs = self._ports.outputs()
            device.output = self._ports.send_to(next(out for out in outputs if _same_device(out, name)))
        with self._lock:
            self._devices[name] = device
        log.info("MIDI: %s plays, %d controls mapped", name, len(map.controls))

    def _hear(self, device: _Device, data: bytes) -> None:
        from mido import Message

        try:
            message = Message.from_bytes(data)
        except (ValueError, IndexError):
            self._refuse(device, data)
            return
        with self._lock:
            actions = device.player.hear(message)
        for action in actions:
            self._inbox.put(action)

    def _refuse(self, device: _Device, data: bytes) -> None:
        self._refused += 1
        if self._clock() - self._refused_s >= _LOG_S:
            self._refused_s = self._clock()
            log.warning(
                "MIDI: %s sent an invalid message: %s (%d so far)",
                device.name,
                data[:8].hex(" "),
                self._refused,
            )

    def _learnt(self, map: MidiMap, binding: Binding) -> None:
        """A control was learnt: it goes into the user's map of its device."""
        self._maps.insert(0, map)
        self._inbox.put(Learn(binding.setting, binding.source))
        threading.Thread(target=self._save, args=(map,), name="midi map").start()

    def _save(self, map: MidiMap) -> None:
        try:
            log.info("MIDI map: %s", save_map(self._own, map))
        except LivedreamError as error:
            log.error("the MIDI map is not kept: %s", error)

    def _light(self) -> None:
        view = self._desk.view
        with self._lock:
            devices = [(one, one.player.lights(view)) for one in self._devices.values() if one.output]
        for device, wanted in devices:
            for key, value in wanted.items():
                if device.lit.get(key) != value and device.output is not None:
                    kind, channel, number = key
                    status = (0xB0 if kind == "cc" else 0x90) | (channel - 1)
                    try:
                        device.output.send(bytes([status, number, value]))
                    except Exception as error:  # it was pulled out
                        log.warning("MIDI: lamps of %s: %s", device.name, error)
                        device.output = None
                        break
                    device.lit[key] = value

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        return self._inbox.take()

    def announce(self, news: Change | Refusal) -> None:
        """See :class:`livedream.controls.port.Control`."""
        if isinstance(news, Change):
            with self._lock:
                for device in self._devices.values():
                    device.player.follow(news, own=news.origin == self.name)

    def close(self) -> None:
        """See :class:`livedream.controls.port.Control`."""
        self._closed.set()
        self._thread.join(1.0)
        with self._lock:
            devices, self._devices = list(self._devices.values()), {}
        for device in devices:
            device.close()


def _same_device(output: str, input_: str) -> bool:
    """Whether an output belongs to the device of an input: their names differ in numbers at most."""
    return device_name(output) == device_name(input_)
