"""What the dream's loop and its connection to a room hand over to each other: of everything the newest."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from livedream.dream.room_measures import RoomMeasures
from livedream.frame import Array, Image
from livedream.ipc.protocol import DreamStatus, Order


@dataclass(frozen=True)
class Dreamt:
    """What was dreamt: a frame (RGB uint8 (h, w, 3)) and its residual (h, w, 3) in levels of 255.

    ``index``, ``time_s`` and ``aspect`` are the frame's and its crop's, ``order`` the number of the order
    that was followed. A room's came ``took_s`` after the picture had been sent.
    """

    frame: Image
    residual: Array
    index: int = 0
    time_s: float = 0.0
    aspect: float | None = None
    order: int = 0
    took_s: float = 0.0


class Exchange:
    """Each field is written by one of the two threads.

    The loop says what to dream (``order``), how far pictures are apart at least (``spacing_s``), and what a
    session goes on from (``seed``); :meth:`reseed` has it go on from there now.

    The connection says how it is: its ``state``, ``why`` there is no room (empty while there is one), the
    room's ``name``, what the room said last (``status``), how many ``sessions`` have begun, and what was
    dreamt last (``newest``). ``arrived`` is set when that is new.
    """

    def __init__(self) -> None:
        self.order: Order | None = None
        self.spacing_s = 0.0
        self.seed: Dreamt | None = None
        self.seeds = 0

        self.state: Literal["connecting", "trying", "waiting"] = "connecting"
        self.why, self.name = "", ""
        self.status: DreamStatus | None = None
        self.sessions = 0
        self.newest: Dreamt | None = None
        self.arrived = threading.Event()
        self.faults: Counter[str] = Counter()
        self.measures = RoomMeasures()

    def reseed(self) -> None:
        """Have the room go on from ``seed``."""
        self.seeds += 1
