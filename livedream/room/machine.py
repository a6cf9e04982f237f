"""What all sessions of a process share: its device, the networks that are open there, whose turn it is."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.dream.governor import SIZES, target_rate_hz, work
from livedream.dream.graphics import open_batches
from livedream.dream.loading import SHIPPED
from livedream.errors import LivedreamError
from livedream.frame import USUAL_PX, Image
from livedream.ipc.protocol import Order
from livedream.resource import Resource
from livedream.room.admission import LEAST_HZ
from livedream.room.networks import SharedNetworks
from livedream.room.turns import Turns
from livedream.runtimes.devices import choose_device
from livedream.settings import Settings
from livedream.timing import SectionTimer, now_s

log = logging.getLogger(__name__)

#: So many ticks are measured, once all that they need is open; which takes at most this long.
_MEASURED_TICKS, _OPENING_S, _POLL_S = 12, 60.0, 0.02
#: Percentiles of a tick's parts are of so many: each status has them, and there are many statuses.
_TIMED_TICKS = 200
#: A session begins at a size at which its ticks fill at most this part of its share.
_FIRST_PART = 0.7


class Machine(Resource):
    """Makes dreamers on ``device`` with ``backend`` and ``threads``, which share what is open.

    On a processor one session ticks at a time; on a graphics card all may, and what they do alike runs as one
    batch. Raises ``BackendError`` for a device that is not here.
    """

    def __init__(
        self,
        device: str = "auto",
        backend: str = "auto",
        threads: int = 1,
    ) -> None:
        self.device = choose_device(device)
        self.on_graphics = self.device != "cpu"
        self.turns = Turns(0 if self.on_graphics else 1)
        #: How long a tick of the shipped network takes at the smallest size, in seconds; 0.0: not measured.
        self.tick_s = 0.0
        self._networks = SharedNetworks(self.device, backend, threads)
        self._batches = open_batches(self.device)

    def dreamer(self, network: str, load_guide: Callable[[str], Image]) -> Dreamer:
        """A dreamer that waits for nothing, with ``network``, or the shipped one where that is not here.

        Raises ``MissingPackageError`` when nothing here can run a network.
        """
        make = partial(
            Dreamer,
            wait=False,
            hasty=True,
            opening=self._networks.open,
            load_guide=load_guide,
            batches=self._batches,
        )
        try:
            dreamer = make(network)
        except LivedreamError:  # the loader then says what is wrong with it
            if network == SHIPPED:
                raise
            dreamer = make(SHIPPED)
        dreamer.timer = SectionTimer(_TIMED_TICKS)
        return dreamer

    def measure(self) -> None:
        """Find out how long a tick takes; some seconds, when no session is there yet."""
        dreamer = Dreamer(SHIPPED, wait=False, opening=self._networks.open)
        settings = Settings(network=SHIPPED, working_px=SIZES[0], steps=1, octaves=2)
        rng = np.random.default_rng(0)
        times = itertools.count(0.0, 1 / LEAST_HZ)

        def tick() -> float:
            image = rng.integers(0, 255, (72, 128, 3), np.uint8)
            began_s = now_s()
            dreamer.tick(image, settings, time_s=next(times))
            return now_s() - began_s

        tick()
        until_s = now_s() + _OPENING_S
        while not dreamer.ready(settings, 128 / 72) and now_s() < until_s:
            tick()
            time.sleep(_POLL_S)
        self._networks.compare(SHIPPED)
        took_s = sorted(tick() for _ in range(_MEASURED_TICKS))
        # Replicas start at the same time, and slow each other: the faster ticks are those of later.
        self.tick_s = took_s[_MEASURED_TICKS // 4]
        log.info("a tick at %d px takes %.1f ms on %s", SIZES[0], 1e3 * self.tick_s, self.device)
        dreamer.close()

    def first_px(self, order: Order, share: float) -> int:
        """The working size at which a session with this ``share`` of the time can hold its rate."""
        if not self.tick_s:
            return min(SIZES[0], order.settings.working_px or SIZES[0])
        rate_hz = target_rate_hz(order.camera_hz, order.settings.dream_rate_hz)
        least = self.tick_s / work((SIZES[0], 1)) * rate_hz / share
        largest_px = order.settings.working_px or USUAL_PX
        fitting = [px for px in (*SIZES, largest_px) if least * work((px, 1)) <= _FIRST_PART]
        return min(largest_px, max(fitting, default=SIZES[0]))

    def close(self) -> None:
        """Stop all background work. May be called twice."""
        self._networks.close()
