"""Latest-value slots in shared memory: how the three processes hand frames and messages to each other.

A slot holds *the newest value only*. Writer and readers never wait for each other and hold no lock, so a
process that hangs or is killed in the middle of a write can neither block nor corrupt the others. Each slot
has one writer and any number of readers.

Layout: a head with the newest sequence number, then three cells. The writer fills the cell after the
newest one and stamps it with its sequence number before and after; a reader copies the newest cell and
accepts it only if both stamps still agree (a *seqlock*).
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import secrets
import time
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from livedream.errors import OutputError
from livedream.frame import MAX_FRAME_BYTES, Array
from livedream.ipc.abandoned import hold
from livedream.resource import Resource

#: What the name of every slot begins with; the number of its creator's process follows, and a ``-``.
NAME = "livedream-"
_CELLS = 3
_HEAD_BYTES = 64
_CELL_HEAD_BYTES = 128
_DTYPES = [np.dtype(name) for name in ("uint8", "int16", "float16", "float32")]
_MAX_DIMS = 4
# Words of a cell's head (int64): begin stamp, end stamp, index, time (float64), nbytes, dtype, order, aspect
# (float64), ndim, dims…
_BEGIN, _END, _INDEX, _TIME, _NBYTES, _DTYPE, _ORDER, _ASPECT, _NDIM, _DIMS = range(10)
_HELPS = {
    errno.ENOENT: "mount a tmpfs on /dev/shm",
    errno.EACCES: "make /dev/shm writable",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENOMEM: "allow more memory (ulimit -v), or free some",
}


def slot_bytes(capacity_bytes: int) -> int:
    """The shared memory that a slot for values of at most ``capacity_bytes`` takes once it is full."""
    pages = -(-_slot_bytes(capacity_bytes) // mmap.PAGESIZE)
    return pages * mmap.PAGESIZE


def slot_capacity(memory_bytes: int) -> int:
    """The largest values, in bytes, of a slot that takes at most ``memory_bytes``; may be negative."""
    whole_pages = memory_bytes // mmap.PAGESIZE * mmap.PAGESIZE
    return ((whole_pages - _HEAD_BYTES) // _CELLS - _CELL_HEAD_BYTES) // 64 * 64


def _cell_bytes(capacity_bytes: int) -> int:
    return _CELL_HEAD_BYTES + -(-capacity_bytes // 64) * 64


def _slot_bytes(capacity_bytes: int) -> int:
    return _HEAD_BYTES + _CELLS * _cell_bytes(capacity_bytes)


@dataclass(frozen=True)
class Value:
    """What a slot held: ``seq`` counts the writes (from 1); ``array`` is the reader's own copy.

    ``index`` and ``time_s`` are the frame's that it is, or that it was made for. A residual also names the
    ``order`` that it follows and the ``aspect`` (width / height, None: all) of the crop it was dreamt on.
    """

    seq: int
    array: Array
    index: int
    time_s: float
    order: int = 0
    aspect: float | None = None


class Slot(Resource):
    """One latest-value slot. The parent calls :meth:`create`; a child attaches with ``Slot(name)``.

    Raises ``FileNotFoundError`` when no slot of that name exists.
    """

    def __init__(self, name: str, *, create_bytes: int | None = None) -> None:
        self._owner = create_bytes is not None
        self._held: int | None = None
        if create_bytes is None:
            self._memory = SharedMemory(name)
        else:
            self._memory = _new_memory(_slot_bytes(create_bytes))
            self._held = hold(self._memory.name)
        buffer = self._memory.buf
        assert buffer is not None
        self._head = np.frombuffer(buffer, np.int64, _HEAD_BYTES // 8)
        if create_bytes is not None:
            self._head[1], self._head[2] = _cell_bytes(create_bytes), create_bytes
        # Taken from the head, not from the memory's size, which some systems round up to whole pages.
        cell_bytes, self.capacity_bytes = int(self._head[1]), int(self._head[2])
        starts = [_HEAD_BYTES + i * cell_bytes for i in range(_CELLS)]
        self._heads = [np.frombuffer(buffer, np.int64, _CELL_HEAD_BYTES // 8, start) for start in starts]
        self._times = [head.view(np.float64) for head in self._heads]
        self._data = [
            np.frombuffer(buffer, np.uint8, self.capacity_bytes, start + _CELL_HEAD_BYTES) for start in starts
        ]
        self._closed = False

    @classmethod
    def create(cls, capacity_bytes: int = MAX_FRAME_BYTES) -> Slot:
        """A new, empty slot for values of at most ``capacity_bytes``; memory is used as it is written.

        Raises ``OutputError`` when the system gives no shared memory.
        """
        return cls("", create_bytes=capacity_bytes)

    @property
    def name(self) -> str:
        """What another process attaches by."""
        return self._memory.name

    @property
    def seq(self) -> int:
        """How many values have been published so far."""
        return int(self._head[0])

    def publish(
        self,
        array: Array,
        *,
        index: int = 0,
        time_s: float | None = None,
        order: int = 0,
        aspect: float | None = None,
    ) -> int:
        """Make ``array`` the newest value and return its sequence number; the rest is as in :class:`Value`.

        Raises ``ValueError`` for a dtype, number of dimensions or size that the slot cannot hold.
        """
        array = np.ascontiguousarray(array)
        if array.dtype not in _DTYPES or array.ndim > _MAX_DIMS or array.nbytes > self.capacity_bytes:
            raise ValueError(
                f"a slot of {self.capacity_bytes} bytes cannot hold {array.dtype} {array.shape}"
                f" ({array.nbytes} bytes)"
            )
        seq = self.seq + 1
        head, times, data = (part[seq % _CELLS] for part in (self._heads, self._times, self._data))
        head[_END] = 0
        head[_BEGIN] = seq
        head[_INDEX] = index
        times[_TIME] = time.monotonic() if time_s is None else time_s
        head[_NBYTES] = array.nbytes
        head[_DTYPE] = _DTYPES.index(array.dtype)
        head[_ORDER] = order
        times[_ASPECT] = math.nan if aspect is None else aspect
        head[_NDIM] = array.ndim
        head[_DIMS : _DIMS + array.ndim] = array.shape
        data[: array.nbytes] = array.reshape(-1).view(np.uint8)
        head[_END] = seq
        self._head[0] = seq
        return seq

    def read(self, newer_than: int = 0) -> Value | None:
        """The newest value, copied, or None when there is none newer than sequence number ``newer_than``."""
        for _ in range(8):  # on a torn read the writer has lapped us: the next try reads a newer cell
            seq = self.seq
            if seq <= newer_than:
                return None
            head, times, data = (part[seq % _CELLS] for part in (self._heads, self._times, self._data))
            nbytes, ndim, dtype = int(head[_NBYTES]), int(head[_NDIM]), int(head[_DTYPE])
            index, time_s = int(head[_INDEX]), float(times[_TIME])
            order, aspect = int(head[_ORDER]), float(times[_ASPECT])
            shape = tuple(int(n) for n in head[_DIMS : _DIMS + min(ndim, _MAX_DIMS)])
            copy = data[: min(nbytes, self.capacity_bytes)].copy()
            # Two writers, as when a process is replaced that was only thought dead, may mix up a cell.
            whole = 0 <= dtype < len(_DTYPES) and math.prod(shape) * _DTYPES[dtype].itemsize == copy.nbytes
            if head[_BEGIN] == seq == head[_END] and whole:
                array = copy.view(_DTYPES[dtype]).reshape(shape)
                return Value(seq, array, index, time_s, order, None if math.isnan(aspect) else aspect)
        return None

    def wait(self, newer_than: int, timeout_s: float) -> Value | None:
        """Like :meth:`read`, but waits up to ``timeout_s`` seconds; it polls, so no lock can be left held."""
        deadline = time.monotonic() + timeout_s
        while True:
            value = self.read(newer_than)
            if value is not None or time.monotonic() >= deadline:
                return value
            time.sleep(0.001)

    def close(self) -> None:
        """Detach; the creator also removes the memory. May be called twice."""
        if self._closed:
            return
        self._closed = True
        del self._head, self._heads, self._times, self._data
        self._memory.close()
        if self._owner:
            self._memory.unlink()
        if self._held is not None:
            os.close(self._held)


def _new_memory(size_bytes: int) -> SharedMemory:
    try:
        return SharedMemory(f"{NAME}{os.getpid()}-{secrets.token_hex(4)}", create=True, size=size_bytes)
    except (OSError, MemoryError) as error:
        number = error.errno if isinstance(error, OSError) else errno.ENOMEM
        reason = getattr(error, "strerror", None) or "out of memory"
        helps = _HELPS.get(number or 0, "free some of it")
        raise OutputError(
            f"no shared memory of {size_bytes / 1e6:.1f} MB: {reason}; possible: {helps}"
        ) from error
