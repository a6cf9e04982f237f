"""A dream that is made in a room: what the dream's loop is told to do, by a room that the test plays."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from livedream.dream.away import Away
from livedream.dream.crossfade import Crossfade, strength
from livedream.dream.room_exchange import Dreamt
from livedream.ipc.protocol import DreamStatus, Governed, Order, Unavailable
from livedream.ipc.slots import Slot, Value
from livedream.room_address import RoomKeys
from livedream.settings import Settings
from livedream.timing import Percentiles
from tests.clocks import Clock

ROOM = "ws://10.0.0.7:8850"
SIZE = (96, 54)
HERE, THERE = 10.0, 12.0


def stripes(level):
    residual = np.full((SIZE[1], SIZE[0], 3), level, np.float32)
    residual[::2] *= -1
    return residual


class Connection:
    closed = False

    def close(self):
        self.closed = True


class Rig:
    """A dream process without its loop: a camera of thirty frames a second, and a room if it is ``well``."""

    def __init__(self, slot, weights=None):
        self.clock = Clock()
        self.connections = []
        self.away = Away(slot, RoomKeys(), weights or {}, clock=self.clock, connect=self.connect)
        self.order = Order(number=1, settings=Settings(dream_at=ROOM))
        self.well, self.took_s = True, 0.03
        self.n = 0
        self.shown = []  # the mean strength of each residual that was published
        self.seeds = []

    def connect(self, address, exchange, slot, keys, mirror):
        self.exchange = exchange
        self.connections.append(Connection())
        return self.connections[-1]

    def set(self, **changes):
        settings = self.order.settings.replace(**changes)
        self.order = structs.replace(self.order, number=self.order.number + 1, settings=settings)

    def join(self, **status):
        settings = self.order.settings
        status = {"network": settings.network, "layer": settings.layer, "guide": settings.guide} | status
        self.exchange.state, self.exchange.why = "trying", ""
        self.exchange.status = DreamStatus(phase="dreaming", order=self.order.number, ticks=self.n, **status)

    def lose(self, why="the connection to the room was lost"):
        self.exchange.state, self.exchange.why, self.exchange.status = "waiting", why, None

    def run(self, seconds, **status):
        for _ in range(round(seconds * 30)):
            self.clock.now += 1 / 30
            self.n += 1
            dreamt = self.away.step(self.order)
            exchange = getattr(self, "exchange", None)
            if self.well and exchange is not None and exchange.state != "waiting":
                if exchange.state == "connecting":
                    exchange.sessions += 1
                self.join(**status)
                image = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)
                exchange.newest = Dreamt(image, stripes(THERE), index=self.n, order=1, took_s=self.took_s)
            if dreamt is not None:
                self.shown.append(strength(dreamt.residual))
            if not self.away.dreams:
                seed = self.away.take_seed()
                if seed is not None:
                    self.seeds.append(seed)
                frame = Value(self.n, np.full((108, 192, 3), 100, np.uint8), self.n, self.clock.now)
                residual = self.away.dreamt(frame, stripes(HERE), self.order)
                self.shown.append(strength(residual))

    def told(self):
        return self.away.told(DreamStatus(phase="dreaming", ticks=self.n, backend="openvino"))


@pytest.fixture
def slot():
    with Slot.create(1 << 16) as made:
        yield made


@pytest.fixture
def rig(slot):
    return Rig(slot)


def test_without_a_room_the_dream_is_here_and_nothing_is_copied(rig):
    rig.set(dream_at="")
    rig.run(1)
    assert rig.connections == []
    assert not rig.away.dreams
    told = rig.told()
    assert (told.dream_at, told.room.state, told.backend) == ("", "off", "openvino")


def test_a_room_that_is_well_dreams_and_the_dream_here_rests(rig):
    rig.run(3)
    assert rig.away.dreams
    assert rig.shown[-1] == pytest.approx(THERE)
    told = rig.told()
    assert (told.dream_at, told.room.state, told.room.reason) == (ROOM, "dreaming", "")
    assert told.working_size == SIZE


def test_one_dream_becomes_the_other_without_a_jump(rig):
    rig.run(3)
    steps = np.abs(np.diff(rig.shown))
    assert steps.max() < 0.3
    assert min(rig.shown) >= HERE - 0.01
    assert max(rig.shown) <= THERE + 0.01


def test_the_room_is_given_the_dream_that_is_shown_before_it_takes_over(rig):
    rig.run(0.5)
    assert strength(rig.exchange.seed.residual) == pytest.approx(HERE)
    assert rig.exchange.seeds == 0
    rig.run(0.7)
    assert rig.exchange.seeds == 1
    assert strength(rig.exchange.seed.residual) == pytest.approx(HERE)
    rig.run(2)  # what another replica would go on from
    assert strength(rig.exchange.seed.residual) == pytest.approx(THERE)


def test_a_lost_room_leaves_its_dream_to_be_carried_on_here(rig):
    rig.run(3)
    rig.lose()
    rig.run(0.1)
    assert not rig.away.dreams
    (seed,) = rig.seeds
    assert strength(seed[1]) == pytest.approx(THERE)
    told = rig.told()
    assert (told.dream_at, told.room.state) == ("", "waiting")
    assert told.room.reason == "the connection to the room was lost"


def test_a_silent_room_counts_as_slow(rig):
    rig.run(3)
    rig.well = False
    rig.run(1)
    assert not rig.away.dreams
    assert rig.told().room.reason == "the room does not answer"
    assert rig.told().faults == {"room slow": 1}
    assert len(rig.seeds) == 1


def test_a_room_that_is_lost_in_the_crossfade_leaves_what_was_shown(rig):
    rig.run(1.4)
    shown = rig.shown[-1]
    assert HERE < shown < THERE
    rig.lose()
    rig.run(0.1)
    assert strength(rig.seeds[0][1]) == pytest.approx(shown)


def test_a_room_that_moves_the_dream_is_not_waited_for(rig):
    rig.run(3)
    rig.exchange.sessions += 1
    rig.run(0.1)
    assert not rig.away.dreams
    (seed,) = rig.seeds
    assert strength(seed[1]) == pytest.approx(THERE)
    told = rig.told()
    assert (told.room.reason, told.faults) == ("", {"room moved": 1})
    rig.run(4)
    assert rig.away.dreams


def test_what_the_room_cannot_dream_is_dreamt_here(rig):
    rig.run(3)
    missing = Unavailable(network="dreamnet", layer="patterns")
    rig.run(0.2, unavailable=missing, error="no weights")
    assert not rig.away.dreams
    assert rig.told().room.reason == "the room cannot dream dreamnet patterns: no weights"
    assert rig.exchange.spacing_s > 0  # and it is asked seldom
    rig.set(layer="parts")
    rig.run(3)
    assert rig.away.dreams
    assert rig.exchange.spacing_s == 0


def test_a_room_that_still_loads_what_is_wanted_is_waited_for(rig):
    rig.run(4, layer="edges")
    assert not rig.away.dreams
    assert rig.told().room.reason == ""
    rig.run(2)
    assert rig.away.dreams
    rig.set(layer="parts")
    rig.run(1, layer="patterns")  # it dreams on with what it had
    assert rig.away.dreams
    assert rig.told().layer == "patterns"


def test_weights_of_this_machine_are_dreamt_here(slot):
    rig = Rig(slot, {"dreamnet": "own.pth"})
    rig.run(1)
    assert rig.connections == []
    assert "--weights" in rig.told().room.reason
    rig.set(network="googlenet", layer="mixed4c")
    rig.run(3)
    assert rig.away.dreams


def test_another_room_is_another_connection(rig):
    rig.run(3)
    rig.set(dream_at="ws://10.0.0.8:8850")
    rig.run(0.1)
    first, second = rig.connections
    assert first.closed
    assert not second.closed
    assert not rig.away.dreams
    assert len(rig.seeds) == 1
    rig.set(dream_at="")
    rig.run(0.1)
    assert second.closed
    assert rig.told().room.state == "off"


def test_ticks_never_go_back(rig):
    before = 0
    for well in (True, True, False, True):
        rig.well = well
        rig.run(1)
        ticks = rig.told().ticks
        assert ticks > before
        before = ticks


def test_nothing_that_a_room_says_harms_the_mirror(rig):
    rig.run(
        3,
        backend="\x1b[31m" + "x" * 5000,
        error="a\nb" * 1000,
        shown_layer="no such layer",
        shown_words=tuple(("w" * 1000, float("nan")) for _ in range(50)),
        sections={str(n): Percentiles(float("inf")) for n in range(100)},
        governor=Governed(working_px=10**9, steps=-5, octaves=10**6, path=((0.0, 1, 1),) * 500),
        dream_fps=float("inf"),
        faults={"x": 10**9},
    )
    told = rig.told()
    assert told.dream_at == ROOM
    assert len(told.backend) < 60
    assert told.backend.isprintable()
    assert told.error.isprintable()
    assert told.shown_layer == ""
    assert len(told.shown_words) == 4
    assert told.dream_fps == 0.0
    assert told.governor == Governed(working_px=1280, steps=0, octaves=6)
    assert len(told.sections) == 12
    assert "x" not in told.faults


def test_a_crossfade_moves_the_older_dream_to_the_newer_frame():
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (27, 60, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    before, now = (np.ascontiguousarray(wide[:, x : x + 192]) for x in (0, 6))
    blob = np.zeros((108, 192, 3), np.float32)
    blob[40:60, 100:120] = 50
    mixed = Crossfade()((now, np.zeros_like(blob)), (before, blob), 1.0)
    assert mixed[40:60, 94:114].mean() > 40
    assert np.abs(mixed[40:60, 115:].mean()) < 10
