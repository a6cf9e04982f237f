"""One mirror's dream in a room: a thread that ticks on the newest picture that the mirror has sent.

What comes and what goes waits in places for one: the newest order, picture and seed, and the newest residual
and status. Nothing queues, so a mirror that sends too much, or reads too slowly, only misses something.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
from msgspec import structs

from livedream.dream.care import HopelessError
from livedream.dream.live import LiveDream
from livedream.dream.loading import Loader
from livedream.dream.residual import Residual
from livedream.errors import DeviceLostError, LivedreamError, ProtocolError, UsageError
from livedream.frame import Image
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.room_messages import FromMirror, GuideImage, Picture, Refusal, RoomResidual, Seed, pack
from livedream.ipc.room_pixels import decode_picture, decode_residual, encode_residual
from livedream.room.admission import Load, least_s
from livedream.room.checking import checked_order, checked_picture
from livedream.room.guides import SentGuides
from livedream.room.machine import Machine
from livedream.room.pace import Pace
from livedream.timing import Pacer, RateMeter, now_s

log = logging.getLogger(__name__)

#: Without a new picture for so long nobody sees the dream: ticks stop, and the statuses are fewer.
_UNSEEN_S = 0.5
_STATUS_HZ, _UNSEEN_STATUS_HZ = 8.0, 2.0
#: A picture's part in the mean time between two.
_GAP_PART = 0.1
#: The mirror's clock is compared anew after so long: clocks drift.
_COMPARED_S = 10.0
#: A session that has ticked for so long has a rate, and its cost is known.
_KNOWN_S = 3.0


@dataclass(frozen=True)
class _Sent:
    """A picture as it came: with the order that it was cropped for."""

    picture: Picture
    pixels: bytes
    order: Order
    arrived_s: float


@dataclass(frozen=True)
class Ended:
    """Why a session has ended by itself: what to tell the mirror; ``why`` is None where the room failed, and
    another replica may go on."""

    why: Refusal | None
    message: str


class Session:
    """Dreams for the mirror called ``name`` on ``machine``, from ``order`` on, until it is closed.

    ``ready()`` is called from its thread when there is something to send, or it has ended.
    """

    def __init__(self, name: str, order: Order, machine: Machine, ready: Callable[[], None]) -> None:
        self.name, self._machine, self._ready = name, machine, ready
        self._order = checked_order(order)
        self._member = machine.turns.join()
        #: The working size to begin with.
        self.first_px = machine.first_px(order, machine.turns.equal_share())
        self._guides = SentGuides()
        self._sent: _Sent | None = None
        self._answered: _Sent | None = None  # the last picture with a residual
        self._seen: tuple[_Sent, Image] | None = None  # the last picture that was dreamt on, decoded
        self._seed: tuple[Seed, bytes] | None = None
        self._residual: bytes | None = None
        self._status: DreamStatus | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._dream: LiveDream | None = None
        self._clock: tuple[float, float] | None = None  # the mirror's is so far behind; compared when
        self._ticking_s: float | None = None  # since when it ticks without a pause
        self._pictures = RateMeter()
        self._arrived_s = self._gap_s = 0.0  # when the last picture came; the mean time between two
        self._waited_s = 0.0
        self._told = DreamStatus(phase="loading", message="the room opens the network", order=order.number)
        #: Why it has ended by itself; None: it goes on, or was closed.
        self.ended: Ended | None = None
        #: Whether its device works no more in this process.
        self.lost = False
        self._thread = threading.Thread(target=self._run, name=f"session {name}", daemon=True)
        self._thread.start()

    def take(self, message: FromMirror, pixels: memoryview) -> None:
        """Take what the mirror has sent; returns at once. Raises ``LivedreamError`` for what is not possible.

        Pixels are looked at later, when it is this session's turn.
        """
        now = now_s()
        with self._changed:
            if isinstance(message, Order):
                self._order = checked_order(message)
            elif isinstance(message, Picture):
                self._sent = _Sent(checked_picture(message), bytes(pixels), self._order, now)
                self._compare_clocks(message.time_s, now)
                self._gap_s += _GAP_PART * (min(now - self._arrived_s, _UNSEEN_S) - self._gap_s)
                self._arrived_s = now
                self._pictures.tick(now)
            elif isinstance(message, Seed):
                self._seed = message, bytes(pixels)
            elif isinstance(message, GuideImage):
                self._guides.add(message.path, bytes(pixels))
                if self._dream is not None:
                    self._dream.loader.retry_guides()
            self._changed.notify_all()

    def residual(self) -> bytes | None:
        """The newest residual, once, as a message."""
        with self._changed:
            residual, self._residual = self._residual, None
            return residual

    def status(self) -> DreamStatus | None:
        """The newest status, once."""
        with self._changed:
            status, self._status = self._status, None
            return status

    def load(self) -> Load:
        """What it costs, for :mod:`livedream.room.admission`."""
        dream, since_s = self._dream, self._ticking_s
        if dream is None or since_s is None or now_s() - since_s < _KNOWN_S:
            return Load()
        governed = self._told.governor
        cost_s = least_s(dream.tick_s, governed.working_px or 1, governed.steps, dream.rate_hz)
        return Load(cost_s, dream.rate_hz if self._wants_more(dream.rate_hz) else None)

    def figures(self) -> dict[str, Any]:
        """What it does, for people: rates a second, times in milliseconds."""
        told, dream = self._told, self._dream
        return {
            "name": self.name,
            "network": told.network,
            "layer": told.layer,
            "size": list(told.working_size),
            "steps": told.governor.steps,
            "ticks": told.ticks,
            "ticks_hz": round(dream.rate_hz, 1) if dream else 0.0,
            "pictures_hz": round(self._pictures.rate(now_s()), 1),
            "tick_ms": round(1e3 * dream.tick_s, 1) if dream else 0.0,
            "waited_ms": round(1e3 * self._waited_s, 1),
        }

    def close(self) -> None:
        """End it, without waiting for its tick. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait until its thread has ended."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        cv2.setNumThreads(1)
        try:
            dreamer = self._machine.dreamer(self._order.settings.network, self._guides.load)
            try:
                loader = Loader(dreamer, {}, self._guides.load)
                self._dream = LiveDream(dreamer, loader, first_px=self.first_px)
                first = self._dream.follow(self._order)
                dreamer.prepare(first.settings.replace(working_px=self.first_px), first.aspect)
                self._go_on(self._dream)
            finally:
                dreamer.close()
        except (ProtocolError, UsageError) as error:
            self.ended = Ended("invalid", str(error))
        except (LivedreamError, HopelessError) as error:
            log.error("the dream of %s: %s", self.name, error)
            self.lost = isinstance(error, DeviceLostError)
            self.ended = Ended(None, str(error))
        except Exception as error:
            log.exception("the session of %s crashed", self.name)
            self.ended = Ended(None, f"the session crashed: {type(error).__name__}: {error}")
        finally:
            self._machine.turns.leave(self._member)
            self._ready()

    def _go_on(self, dream: LiveDream) -> None:
        pace, report = Pace(), Pacer(_STATUS_HZ)
        answered_s = 0.0
        begun = False  # until something is open the mirror's own dream is better, and the seed waits
        while not self._closed:
            order = dream.follow(self._dreamt(self._order))
            interval_s = 1.0 / order.settings.dream_rate_hz
            before = self._sent
            seen = before is not None and (before is not self._answered or now_s() - answered_s < _UNSEEN_S)
            report.interval_s = 1.0 / (_STATUS_HZ if seen else _UNSEEN_STATUS_HZ)
            if not seen:
                self._ticking_s = None
                with self._changed:
                    self._changed.wait_for(
                        partial(self._has_other, before), report.wait_s(now_s()) or report.interval_s
                    )
            elif (wait_s := self._wait_s(pace, interval_s, before is not self._answered)) > 0:
                with self._changed:
                    self._changed.wait_for(partial(self._has_other, before), wait_s)
            else:
                pace.ticks(now_s(), interval_s, fresh=before is not self._answered)
                self._ticking_s = self._ticking_s or now_s()
                with self._machine.turns.turn(self._member, lambda: self._sent is not self._answered):
                    sent = self._sent
                    assert sent is not None
                    started_s = now_s()
                    if begun:
                        self._carry_on_seed(dream)
                    residual = self._tick(dream, order, sent)
                if not begun:
                    begun = dream.dreamer.dreaming or not order.settings.steps
                elif residual is not None and sent is not self._answered:
                    self._answered, answered_s = sent, now_s()
                    self._answer(sent, order, residual, dream.tick_s, started_s - sent.arrived_s)
            if report.due(now_s()):
                self._tell(dream.status(order), "dreaming" if begun else "loading")

    def _wait_s(self, pace: Pace, interval_s: float, fresh: bool) -> float:
        return pace.wait_s(now_s(), interval_s, fresh=fresh, expected_s=self._arrived_s + self._gap_s)

    def _has_other(self, sent: _Sent | None) -> bool:
        """Whether there is another picture than ``sent``, or nothing more to do."""
        return self._closed or self._sent is not sent

    def _carry_on_seed(self, dream: LiveDream) -> None:
        with self._changed:
            seed, self._seed = self._seed, None
        if seed is not None:
            dream.dreamer.seed(*_opened_seed(*seed))

    def _tick(self, dream: LiveDream, order: Order, sent: _Sent) -> Residual | None:
        if self._seen is None or self._seen[0] is not sent:
            self._seen = sent, decode_picture(sent.pixels, sent.picture.size, sent.picture.coding)
        image = self._seen[1]
        wanted_px = self._order.settings.working_px
        share = self._machine.turns.share(self._member)
        visible = sent.picture.visible
        return dream.tick(image, order, visible=visible, largest_px=wanted_px or None, share=share)

    def _answer(self, sent: _Sent, order: Order, residual: Residual, tick_s: float, waited_s: float) -> None:
        picture = sent.picture
        pixels, scale = encode_residual(residual, picture.coding)
        message = RoomResidual(
            index=picture.index,
            time_s=picture.time_s,
            order=order.number,
            aspect=sent.order.aspect,
            size=(residual.shape[1], residual.shape[0]),
            scale=scale,
            coding=picture.coding,
            tick_s=tick_s,
            waited_s=waited_s,
        )
        self._waited_s = waited_s
        with self._changed:
            self._residual = pack(message, pixels)
        self._ready()

    def _tell(self, status: DreamStatus, phase: Any) -> None:
        self._told = structs.replace(status, phase=phase, progress=status.ticks)
        with self._changed:
            self._status = self._told
        self._ready()

    def _dreamt(self, order: Order) -> Order:
        """``order`` for the dreamer: the governor chooses the size, here at most what is asked for, and times
        are by this machine's clock."""
        leg_s = order.leg_s
        if leg_s is not None and self._clock is not None:
            leg_s += self._clock[0]
        settings = order.settings
        if settings.working_px:
            settings = settings.replace(working_px=0)
        return structs.replace(order, settings=settings, late=0.0, leg_s=leg_s)

    def _compare_clocks(self, time_s: float, now: float) -> None:
        """The smallest difference is the best: it has the least of the picture's way in it."""
        found = now - time_s
        if self._clock is None or found < self._clock[0] or now - self._clock[1] > _COMPARED_S:
            self._clock = found, now

    def _wants_more(self, rate_hz: float) -> bool:
        """Whether ``rate_hz`` is less than what the mirror has asked for."""
        return rate_hz < 0.8 * self._order.settings.dream_rate_hz


def _opened_seed(seed: Seed, data: bytes) -> tuple[Image, Residual]:
    """A seed's frame and residual. Raises ``ProtocolError``."""
    image = decode_picture(data[: seed.image_bytes], seed.size, "jpeg")
    return image, decode_residual(data[seed.image_bytes :], seed.size, seed.scale, seed.coding)
