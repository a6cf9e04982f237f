"""Where sound comes from: an input of this machine, or a file that is played silently, for rehearsals."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from livedream.errors import LivedreamError, UsageError, quoted
from livedream.frame import Array
from livedream.timing import now_s

_FILE_HZ = 48000
#: So much may wait to be analysed; older sound is dropped, for it is late.
_WAITING_BLOCKS = 50
_BLOCK_S = 0.01


class AudioInput(Protocol):
    """A source of sound."""

    name: str
    rate_hz: float

    def read(self, timeout_s: float) -> Array | None:
        """The next mono samples (n,) float32 in -1..1; None when none came in time."""

    def close(self) -> None:
        """Give the device back."""


def open_input(spec: str) -> AudioInput:
    """The input that ``spec`` names: ``default``, a number, a part of a name, or a sound file.

    Raises ``LivedreamError`` in one line.
    """
    return FileInput(Path(spec)) if os.path.isfile(spec) else DeviceInput(spec)


class DeviceInput:
    """An input of this machine, through PortAudio, whose list of devices is read anew for it.

    Raises ``LivedreamError`` when it cannot be opened; the message names the inputs there are.
    """

    def __init__(self, spec: str) -> None:
        sounddevice = _portaudio()
        try:
            index, device = _device(spec, sounddevice)
            self.name, self.rate_hz = str(device["name"]), float(device["default_samplerate"])
            self._blocks: queue.Queue[Array] = queue.Queue(_WAITING_BLOCKS)
            self._stream = sounddevice.InputStream(
                device=index,
                channels=max(1, min(2, int(device["max_input_channels"]))),
                samplerate=self.rate_hz,
                blocksize=round(_BLOCK_S * self.rate_hz),
                callback=self._take,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise LivedreamError(f"no sound from {quoted(spec)}: {error}") from error

    def _take(self, samples: Array, *_: object) -> None:
        """PortAudio's thread: it must never wait."""
        if self._blocks.full():
            with suppress(queue.Empty):
                self._blocks.get_nowait()
        self._blocks.put_nowait(samples.mean(axis=1))

    def read(self, timeout_s: float) -> Array | None:
        """See :class:`AudioInput`."""
        try:
            return self._blocks.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """See :class:`AudioInput`."""
        self._stream.close()


def _portaudio() -> Any:
    """The library, with a new list of devices. Raises ``LivedreamError``."""
    try:
        import sounddevice
    except ImportError as error:
        raise LivedreamError(f"no sound: sounddevice cannot be loaded: {error}") from error
    except OSError as error:
        raise LivedreamError(
            f"no sound: {error}; on Debian and Ubuntu: sudo apt install libportaudio2"
        ) from error
    sounddevice._terminate()
    sounddevice._initialize()
    return sounddevice


def _device(spec: str, sounddevice: Any) -> tuple[int, dict[str, Any]]:
    """(number, description) of an input. Raises ``LivedreamError``."""
    devices = [(n, d) for n, d in enumerate(sounddevice.query_devices()) if d["max_input_channels"] > 0]
    default = sounddevice.default.device[0]
    for number, device in devices:
        if spec == str(number) or (spec == "default" and number == default):
            return number, device
    for number, device in devices:
        if spec.lower() in str(device["name"]).lower() and spec:
            return number, device
    there = ", ".join(f"{n} {d['name']}" for n, d in devices) or "none"
    raise LivedreamError(f"no sound input {quoted(spec)}; found: {there}")


class FileInput:
    """A sound file, or a video's sound, played silently and round and round, in its own time.

    Raises ``UsageError`` for a file without sound.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = now_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.rate_hz = path.name, float(_FILE_HZ)
        self._clock, self._sleep = clock, sleep
        self._blocks = _blocks(path, round(_BLOCK_S * _FILE_HZ))
        self._first: Array | None = next(self._blocks)
        self._due_s: float | None = None

    def read(self, timeout_s: float) -> Array:
        """See :class:`AudioInput`."""
        now = self._clock()
        due_s = now if self._due_s is None or now - self._due_s > timeout_s else self._due_s
        if due_s > now:
            self._sleep(due_s - now)
        self._due_s = due_s + _BLOCK_S
        first, self._first = self._first, None
        return next(self._blocks) if first is None else first

    def close(self) -> None:
        """See :class:`AudioInput`."""
        self._blocks.close()


def _blocks(path: Path, size: int) -> Generator[Array, None, None]:
    """Blocks of ``size`` mono samples of a file, without end. Raises ``UsageError``."""
    import av

    while True:
        count, waiting = 0, np.zeros(0, np.float32)
        try:
            with av.open(str(path)) as container:
                if not container.streams.audio:
                    raise UsageError(f"{quoted(str(path))} has no sound")
                resampler = av.AudioResampler(format="flt", layout="mono", rate=_FILE_HZ)
                for frame in container.decode(container.streams.audio[0]):
                    for part in resampler.resample(frame):
                        waiting = np.concatenate((waiting, part.to_ndarray().ravel()))
                    while len(waiting) >= size:
                        yield waiting[:size]
                        waiting, count = waiting[size:], count + 1
        except (av.FFmpegError, OSError) as error:
            raise UsageError(f"no sound from {quoted(str(path))}: {error}") from error
        if not count:
            raise UsageError(f"{quoted(str(path))} has no sound")
