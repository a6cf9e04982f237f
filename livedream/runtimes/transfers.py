"""Between the host's arrays and a device's tensors, without waiting for either.

On an NVIDIA GPU uploads and downloads run on streams of their own, beside the computation, from and to pinned
memory. There are two buffers of everything: one is filled while the other is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.frame import Array

_BUFFERS = 2


class Streams:
    """The part of ``torch.cuda`` that transfers need.

    Whoever waits for an event keeps a core busy, which is the quickest, unless it is ``idle`` meanwhile.
    """

    def __init__(self, device: torch.device, idle: bool = False) -> None:
        self._device, self._idle = device, idle

    def new(self) -> Any:
        """A stream beside the current one."""
        return torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def current(self) -> Any:
        """The stream that computes."""
        return torch.cuda.current_stream(self._device)

    def use(self, stream: Any) -> Any:
        """A context in which ``stream`` is the current one."""
        return torch.cuda.stream(stream)

    def event(self) -> Any:
        """Something that a stream can record and another can wait for."""
        return torch.cuda.Event(blocking=self._idle)  # type: ignore[no-untyped-call]

    def pinned(self, like: Tensor) -> Tensor:
        """Host memory that the device can read by itself."""
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)


def streams_of(device: torch.device, idle: bool = False) -> Streams | None:
    """The :class:`Streams` of an NVIDIA GPU; None on other devices, where a plain copy does."""
    return Streams(device, idle) if device.type == "cuda" else None


@dataclass
class _Slot:
    """Pinned memory on the host, a copy of it on the device, and when the last transfer was over."""

    host: Tensor
    device: Tensor
    done: Any
    used: Any


class Upload:
    """Fills one tensor on a device, ``target``, whose address stays the same."""

    def __init__(self, target: Tensor, streams: Streams | None) -> None:
        self.target = target
        self._streams = streams
        self._stream: Any = None if streams is None else streams.new()
        self._slots = [] if streams is None else [_slot(target, streams) for _ in range(_BUFFERS)]
        self._turn = 0

    def __call__(self, array: Array) -> None:
        """Copy ``array``, of the target's shape, into it before whatever the device is told to do next."""
        if self._streams is None:
            self.target.copy_(torch.from_numpy(array))
            return
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % _BUFFERS
        slot.done.synchronize()  # of two uploads ago: over long since
        slot.host.numpy()[...] = array
        with self._streams.use(self._stream):
            self._stream.wait_event(slot.used)
            slot.device.copy_(slot.host, non_blocking=True)
            slot.done.record(self._stream)
        current = self._streams.current()
        current.wait_event(slot.done)
        self.target.copy_(slot.device)
        slot.used.record(current)


class Download:
    """Fetches one tensor from a device, ``source``, again and again."""

    def __init__(self, source: Tensor, streams: Streams | None) -> None:
        self._source = source
        self._streams = streams
        self._stream: Any = None if streams is None else streams.new()
        self._slots = [] if streams is None else [_slot(source, streams) for _ in range(_BUFFERS)]
        self._turn = 0

    def start(self) -> Callable[[], Array]:
        """Fetch what the device has computed so far; a function that waits for it and returns it.

        The array belongs to the caller. Of more than two at a time the oldest are overwritten.
        """
        if self._streams is None:
            fetched = self._source.cpu().numpy().copy()
            return lambda: fetched
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % _BUFFERS
        current = self._streams.current()
        current.wait_event(slot.done)
        slot.device.copy_(self._source)
        slot.used.record(current)
        with self._streams.use(self._stream):
            self._stream.wait_event(slot.used)
            slot.host.copy_(slot.device, non_blocking=True)
            slot.done.record(self._stream)

        def finish() -> Array:
            slot.done.synchronize()
            return np.array(slot.host.numpy())

        return finish


def _slot(like: Tensor, streams: Streams) -> _Slot:
    return _Slot(streams.pinned(like), torch.empty_like(like), streams.event(), streams.event())
