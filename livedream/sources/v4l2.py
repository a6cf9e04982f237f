"""Video4Linux: what a device node is, and the controls of a camera, by ioctl."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from livedream.errors import SourceError, quoted
from livedream.resource import Resource

if sys.platform.startswith("linux"):
    from fcntl import ioctl as _ioctl
else:

    def _ioctl(fd: int, request: int, data: Any, /) -> int:
        raise OSError("no Video4Linux on this system")


#: ``ioctl(fd, request, structure)``, as in :mod:`fcntl`: changes the structure, raises ``OSError``.
Ioctl = Callable[[int, int, Any], int]

_U32, _S32 = ctypes.c_uint32, ctypes.c_int32


class _Capability(ctypes.Structure):
    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _U32),
        ("capabilities", _U32),
        ("device_caps", _U32),
        ("reserved", _U32 * 3),
    )


class _QueryControl(ctypes.Structure):
    _fields_ = (
        ("id", _U32),
        ("type", _U32),
        ("name", ctypes.c_char * 32),
        ("minimum", _S32),
        ("maximum", _S32),
        ("step", _S32),
        ("default_value", _S32),
        ("flags", _U32),
        ("reserved", _U32 * 2),
    )


class _QueryMenu(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("id", _U32), ("index", _U32), ("name", ctypes.c_char * 32), ("reserved", _U32))


class _Value(ctypes.Structure):
    _fields_ = (("id", _U32), ("value", _S32))


def _request(direction: int, number: int, structure: type[ctypes.Structure]) -> int:
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


_READ, _BOTH = 2, 3
QUERYCAP = _request(_READ, 0, _Capability)
G_CTRL, S_CTRL = _request(_BOTH, 27, _Value), _request(_BOTH, 28, _Value)
QUERYCTRL, QUERYMENU = _request(_BOTH, 36, _QueryControl), _request(_BOTH, 37, _QueryMenu)

_CAPTURE, _CAPTURE_MPLANE, _DEVICE_CAPS = 0x1, 0x1000, 0x8000_0000
_NEXT = 0x8000_0000
_INTEGER, _BOOLEAN, _MENU, _INTEGER_MENU = 1, 2, 3, 9
_DISABLED, _READ_ONLY, _WRITE_ONLY = 0x1, 0x4, 0x40
_MOST_CONTROLS = 500


def captures(node: str, ioctl: Ioctl = _ioctl) -> bool | None:
    """Whether a device node delivers video, and not metadata or codecs; None when it cannot be asked."""
    found = _Capability()
    try:
        fd = os.open(node, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        ioctl(fd, QUERYCAP, found)
    except OSError:
        return None
    finally:
        os.close(fd)
    flags = found.device_caps if found.capabilities & _DEVICE_CAPS else found.capabilities
    return bool(flags & (_CAPTURE | _CAPTURE_MPLANE))


@dataclass(frozen=True)
class Control:
    """A control of a camera: its name as ``v4l2-ctl`` writes it, its range, and what a menu's values mean."""

    number: int
    name: str
    minimum: int
    maximum: int
    step: int = 1
    default: int = 0
    menu: dict[int, str] = field(default_factory=dict)

    @property
    def possible(self) -> str:
        """The possible values, in words."""
        if self.menu:
            return ", ".join(f"{value} ({text})" if text else str(value) for value, text in self.menu.items())
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.minimum}–{self.maximum}{step}"

    def check(self, value: int) -> None:
        """Raises ``SourceError`` when the control cannot have this value."""
        in_range = self.minimum <= value <= self.maximum and (value - self.minimum) % max(1, self.step) == 0
        if value not in self.menu if self.menu else not in_range:
            raise SourceError(f"camera control {self.name}={value}: expected {self.possible}")


class Controls(Resource):
    """The controls of the camera at ``node``. Raises ``SourceError`` when it cannot be opened."""

    def __init__(self, node: str, *, ioctl: Ioctl = _ioctl) -> None:
        self._ioctl = ioctl
        try:
            self._fd: int | None = os.open(node, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise SourceError(f"camera {quoted(node)} cannot be opened: {error.strerror}") from error
        self.all = {control.name: control for control in self._list()}

    def named(self, name: str) -> Control:
        """The control of this name. Raises ``SourceError``, which names the possible ones."""
        if name not in self.all:
            known = ", ".join(f"{c.name} ({c.minimum}–{c.maximum})" for c in self.all.values())
            raise SourceError(f"camera control {quoted(name)} is unknown; this camera has: {known or 'none'}")
        return self.all[name]

    def get(self, name: str) -> int:
        """The present value. Raises ``SourceError``."""
        value = _Value(id=self.named(name).number)
        self._do(G_CTRL, value, f"{name} cannot be read")
        return int(value.value)

    def set(self, name: str, value: int) -> None:
        """Set a value. Raises ``SourceError`` for one that is not possible, or that the camera refuses."""
        control = self.named(name)
        control.check(value)
        self._do(S_CTRL, _Value(id=control.number, value=value), f"{name}={value} is refused")

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _do(self, request: int, structure: ctypes.Structure, failed: str) -> None:
        try:
            self._ioctl(-1 if self._fd is None else self._fd, request, structure)
        except OSError as error:
            raise SourceError(f"camera control {failed}: {error.strerror or error}") from error

    def _list(self) -> list[Control]:
        found: list[Control] = []
        query = _QueryControl(id=_NEXT)
        for _ in range(_MOST_CONTROLS):
            try:
                self._ioctl(-1 if self._fd is None else self._fd, QUERYCTRL, query)
            except OSError:  # there is no next one
                break
            kinds = (_INTEGER, _BOOLEAN, _MENU, _INTEGER_MENU)
            if query.type in kinds and not query.flags & (_DISABLED | _READ_ONLY | _WRITE_ONLY):
                name = re.sub(r"[^a-z0-9]+", "_", query.name.decode("utf-8", "replace").lower()).strip("_")
                limits = (query.minimum, query.maximum, query.step, query.default_value)
                found.append(Control(query.id, name, *limits, self._menu(query)))
            query = _QueryControl(id=query.id | _NEXT)
        return found

    def _menu(self, query: _QueryControl) -> dict[int, str]:
        texts = {}
        if query.type in (_MENU, _INTEGER_MENU):
            for index in range(query.minimum, min(query.maximum, query.minimum + 100) + 1):
                item = _QueryMenu(id=query.id, index=index)
                try:
                    self._ioctl(-1 if self._fd is None else self._fd, QUERYMENU, item)
                except OSError:  # some numbers of a menu may be free
                    continue
                texts[index] = item.name.decode("utf-8", "replace") if query.type == _MENU else ""
        return texts
