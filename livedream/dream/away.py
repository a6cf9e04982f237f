"""A dream that is made in a room: whether it is, what comes of it, and how the dream here takes over.

The dream's loop asks :class:`Away` what to do. Nothing here waits for the network: a
:class:`~livedream.dream.room_client.RoomClient` does, in a thread of its own.
"""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from livedream.dream.choosing import Choosing
from livedream.dream.crossfade import Crossfade, strength
from livedream.dream.residual import Residual
from livedream.dream.room_exchange import Dreamt, Exchange
from livedream.dream.room_status import RoomsDream
from livedream.frame import Image, crop_to_aspect, resize
from livedream.ipc.protocol import DreamStatus, Order, RoomStatus
from livedream.ipc.slots import Slot, Value
from livedream.room_address import RoomAddress, RoomKeys, room_address
from livedream.settings import Settings
from livedream.timing import now_s

if TYPE_CHECKING:
    from livedream.dream.room_client import RoomClient

log = logging.getLogger(__name__)

#: A room that cannot dream what is wanted is asked so often whether it can by now.
_ASKED_S = 0.5
#: The dream here is kept for a new session so often, while it may be wanted.
_KEPT_S = 0.2
#: A room that is to take over is as strong as this share of the dream here.
_AS_STRONG = 0.6
#: A dream weaker than this, in levels of 255, need not be waited for.
_WEAK_LEVELS = 1.0
#: What is said while a session begins anew, in another process of the room.
_MOVES = "the room moves the dream to another of its processes"


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """End it."""


#: Starts to talk with a room.
Connect = Callable[[RoomAddress, Exchange, Slot, RoomKeys, str], Closable]


def connect(
    address: RoomAddress, exchange: Exchange, frames: Slot, keys: RoomKeys, mirror: str
) -> RoomClient:
    """Start to talk with the room at ``address``."""
    from livedream.dream.room_client import RoomClient

    return RoomClient(address, exchange, frames, keys, mirror)


class Away:
    """``frames`` is the camera's slot; ``weights`` maps networks to weight files that no room has.

    ``dreams`` is whether the room's dream alone is shown, so that none is needed here. Once that ends, the
    dream here has to go on from it: :meth:`take_seed` before each tick.
    """

    def __init__(
        self,
        frames: Slot,
        keys: RoomKeys,
        weights: dict[str, str | None],
        *,
        clock: Callable[[], float] = now_s,
        connect: Connect = connect,
    ) -> None:
        self._frames, self._keys, self._weights = frames, keys, weights
        self._clock, self._connect = clock, connect
        self._text, self._reason = "", ""
        self._client: Closable | None = None
        self._exchange: Exchange | None = None  # with the room, if there is one to ask
        self._choosing, self._crossfade = Choosing(), Crossfade()
        self._room = RoomsDream()
        self._newest: Dreamt | None = None  # of this room
        self._seen: Dreamt | None = None
        self._seed: tuple[Image, Residual] | None = None
        self._faded: tuple[Image, Residual] | None = None  # of both, what was shown last
        self._sessions = 0
        self._kept_s = 0.0
        self._strength, self._as_strong = 0.0, False  # of the dream here, and whether the room's is
        self._counted: Counter[str] = Counter()
        self._ticks = 0  # of rooms that were left

    @property
    def dreams(self) -> bool:
        """Whether the room's dream alone is shown."""
        return self._choosing.where == "there"

    @property
    def faults(self) -> Counter[str]:
        """What has failed, by its kind."""
        return self._counted + (self._exchange.faults if self._exchange else Counter())

    def step(self, order: Order) -> Dreamt | None:
        """Follow the newest order; what the room has dreamt since the last call."""
        now = self._clock()
        self._follow(order.settings)
        exchange, choosing = self._exchange, self._choosing
        if exchange is None:
            return None
        exchange.order = order
        self._room.heard(exchange.status, order)
        exchange.spacing_s = _ASKED_S if self._room.missing else 0.0
        came = exchange.newest if exchange.newest is not self._seen else None
        if came is not None:
            self._seen = came
        where, trouble = choosing.where, exchange.why if exchange.state != "trying" else self._room.missing
        if exchange.sessions != self._sessions:  # one that begins, with the dream so far
            if choosing.lost("", now):
                trouble = _MOVES
                self._counted["room moved"] += 1
            self._sessions, choosing.why = exchange.sessions, ""
        elif exchange.state != "trying" or trouble or not (self._room.follows or where != "here"):
            choosing.lost(trouble, now)
        elif came is not None:
            choosing.answered(came.took_s, now)
            self._newest, self._as_strong = came, self._is_as_strong(came)
        choosing.step(now, as_strong=self._as_strong, every_s=1 / order.settings.dream_rate_hz)
        if choosing.where == "here":
            if where != "here":
                self._counted["room slow"] += not trouble
                self._take_over(choosing.why or trouble)
            return None
        if where == "here":
            exchange.reseed()
            log.info("dreaming at %s", self._text)
        if choosing.where == "fading":
            return None
        self._faded = None
        if came is not None:
            exchange.seed = came
        return came

    def wait(self, seconds: float) -> None:
        """Wait until the room has dreamt something, so long at most."""
        if self._exchange is not None and self._exchange.arrived.wait(seconds):
            self._exchange.arrived.clear()

    def dreamt(self, frame: Value, residual: Residual, order: Order) -> Residual:
        """A tick here made ``residual`` of ``frame``; what to show of it and of the room's dream."""
        exchange = self._exchange
        if exchange is None:
            return residual
        now = self._clock()
        share = self._choosing.share(now)
        if share == 0 and now - self._kept_s < _KEPT_S:
            return residual
        height, width = residual.shape[:2]
        image = resize(crop_to_aspect(frame.array, order.aspect), width, height)
        if share == 0:
            self._kept_s, self._strength = now, strength(residual)
            exchange.seed = Dreamt(image, residual.copy())
            return residual
        newest = self._newest
        if newest is not None and newest.aspect == order.aspect:
            residual = self._crossfade((image, residual), (newest.frame, newest.residual), share)
            self._faded = image, residual
        return residual

    def take_seed(self) -> tuple[Image, Residual] | None:
        """The room's last frame and residual, once, after it has ended: the dream here goes on from them."""
        seed, self._seed = self._seed, None
        return seed

    def told(self, status: DreamStatus) -> DreamStatus:
        """What the dream here says of itself, with what there is to say of the room."""
        exchange, choosing, newest = self._exchange, self._choosing, self._newest
        faults, ticks = {**status.faults, **self.faults}, status.ticks + self._ticks + self._room.ticks
        status = structs.replace(status, faults=faults, ticks=ticks)
        if exchange is None:
            return structs.replace(status, room=RoomStatus(address=self._text, reason=self._reason))
        up, down = exchange.measures.bytes_s(self._clock())
        room = RoomStatus(
            state=exchange.state,
            address=self._text,
            reason=exchange.why,
            name=exchange.name,
            round_trip_ms=exchange.measures.round_trip_ms,
            up_bytes_s=up,
            down_bytes_s=down,
        )
        if choosing.where != "here":
            room = structs.replace(room, state="dreaming", reason="")
        elif room.state == "trying":
            reason = "" if choosing.trying else self._room.missing or choosing.why
            room = structs.replace(room, reason=reason)
        status = structs.replace(status, room=room)
        if not self.dreams or newest is None:
            return status
        height, width = newest.residual.shape[:2]
        return structs.replace(self._room.told(status, (width, height)), dream_at=self._text)

    def close(self) -> None:
        """Leave the room. May be called twice."""
        if self._client is not None:
            self._client.close()

    def _follow(self, settings: Settings) -> None:
        """Be with the room that is wanted now."""
        text, reason = settings.dream_at, ""
        if text and self._weights.get(settings.network):
            reason = f"--weights is a file of this machine, and no room has {settings.network} from it"
        if (text, reason) == (self._text, self._reason):
            return
        if self._client is not None and self._exchange is not None:
            if self._choosing.where != "here":
                self._take_over(reason or "somebody has chosen so")
            self._counted += self._exchange.faults
            self._client.close()
        self._text, self._reason = text, reason
        address = None if reason else room_address(text)
        self._ticks += self._room.ticks
        self._client = self._exchange = None
        self._choosing, self._room = Choosing(), RoomsDream()
        self._newest = self._seen = self._faded = None
        self._sessions = 0
        if reason:
            log.warning("%s", reason)
        if address is None:
            return
        self._exchange = Exchange()
        self._client = self._connect(address, self._exchange, self._frames, self._keys, socket.gethostname())

    def _take_over(self, why: str) -> None:
        """The dream here goes on from the room's last."""
        newest = self._newest
        self._seed = self._faded or (None if newest is None else (newest.frame, newest.residual))
        self._faded = None
        log.warning("dreaming here, not at %s: %s", self._text, why)

    def _is_as_strong(self, came: Dreamt) -> bool:
        strong_enough = _AS_STRONG * self._strength if self._strength > _WEAK_LEVELS else 0.0
        return self._choosing.where != "here" or strength(came.residual) >= strong_enough
