"""A session keeps the newest of everything, follows the mirror's clock, and tells how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from livedream.dream.dreamer import Dreamer
from livedream.errors import DeviceLostError, UsageError
from livedream.frame import resize
from livedream.ipc.protocol import Order
from livedream.ipc.room_messages import GuideImage, Picture, RoomResidual, from_room
from livedream.room import session as session_module
from livedream.room.guides import SentGuides
from livedream.room.machine import Machine
from livedream.room.session import Session
from livedream.settings import Settings
from tests.clocks import Clock
from tests.room.mirrors import PATIENCE_S

ORDER = Order(number=1, settings=Settings(working_px=128, layer="edges"))


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine("cpu") as found:
        yield found


@pytest.fixture
def begin(machine):
    """Begins sessions, and closes them."""
    begun = []

    def make(order: Order = ORDER) -> Session:
        begun.append(Session("a test", order, machine, lambda: None))
        return begun[-1]

    yield make
    for session in begun:
        session.close()
        session.join(PATIENCE_S)


def until(true: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def show(session: Session, image, index: int, time_s: float = 0.0) -> None:
    size = image.shape[1], image.shape[0]
    message = Picture(index=index, time_s=time_s, size=size, visible=(640, 480))
    session.take(message, memoryview(image.tobytes()))


def answer(session: Session) -> RoomResidual:
    message, _ = from_room(until(session.residual))
    assert isinstance(message, RoomResidual)
    return message


def test_of_several_pictures_only_the_newest_is_dreamt_on(machine, begin, picture):
    image, session = resize(picture, 128, 96), begin()
    show(session, image, 0)
    assert answer(session).index == 0
    with machine.turns.turn(machine.turns.join()):  # nobody else can tick
        for index in (1, 2, 3):
            show(session, image, index)
    found = answer(session)
    assert found.index == 3
    assert found.waited_s > 0


def test_what_is_not_fetched_is_replaced(begin, picture):
    image, session = resize(picture, 128, 96), begin()
    show(session, image, 0)
    until(lambda: session._residual)
    show(session, image, 1)
    until(lambda: from_room(session._residual)[0].index == 1)
    assert answer(session).index == 1
    assert session.residual() is None
    until(session.status)


def test_the_beat_is_by_the_mirrors_clock(monkeypatch, begin, picture):
    session = begin()
    clock = Clock(1000.0)
    monkeypatch.setattr(session_module, "now_s", clock)
    image = resize(picture, 128, 96)
    show(session, image, 0, time_s=400.0)  # 40 ms on its way, say
    clock.now += 1
    show(session, image, 1, time_s=401.02)  # this one only 20
    clock.now += 1
    show(session, image, 2, time_s=401.5)
    found = session._dreamt(Order(number=2, settings=ORDER.settings, leg_s=390.0))
    assert found.leg_s == pytest.approx(390.0 + 599.98)


def test_a_size_that_is_asked_for_is_the_largest_that_is_dreamt_at(begin, picture):
    session = begin()
    image = resize(picture, 640, 480)
    for index in range(8):
        show(session, image, index)
        found = answer(session)
    assert max(found.size) <= 128


@pytest.mark.parametrize(
    ("error", "why", "lost"),
    [
        (UsageError("there is no such thing"), "invalid", False),
        (DeviceLostError("the card is gone"), None, True),
        (ValueError("a bug"), None, False),
    ],
)
def test_it_says_why_it_has_ended(monkeypatch, machine, begin, caplog, error, why, lost):
    def fail(*args):
        raise error

    monkeypatch.setattr(machine, "dreamer", fail)
    session = begin()
    ended = until(lambda: session.ended)
    assert (ended.why, session.lost) == (why, lost)
    assert str(error) in ended.message


def test_a_tick_that_fails_is_survived(monkeypatch, begin, picture):
    image, session = resize(picture, 128, 96), begin()
    show(session, image, 0)
    answer(session)
    really, calls = Dreamer.tick, []

    def failing(self, *args, **options):
        calls.append(1)
        if len(calls) % 2:
            raise RuntimeError("wrong")
        return really(self, *args, **options)

    monkeypatch.setattr(Dreamer, "tick", failing)
    for index in range(1, 5):
        show(session, image, index)
        assert answer(session).index == index
    until(lambda: (session.status() or session._told).faults.get("dream tick failed"))
    assert session.ended is None


def test_guides_come_from_the_mirror_or_not_at_all(monkeypatch, picture):
    guides = SentGuides()
    _, png = cv2.imencode(".png", picture)
    guides.add("/etc/leaf.png", png.tobytes())
    found = guides.load("/etc/leaf.png")
    assert found.shape == (192, 256, 3)
    assert np.abs(found.mean() - picture.mean()) < 20
    guides.add("text.png", b"this is no picture")
    with pytest.raises(UsageError, match=r"guide 'text.png': that is not an image"):
        guides.load("text.png")
    monkeypatch.setattr("livedream.room.guides._WAIT_S", 0.0)
    with pytest.raises(UsageError, match="the mirror has not sent it"):
        guides.load("another.png")
    for n in range(20):
        guides.add(f"{n}.png", png.tobytes())
    assert len(guides._files) <= 4


def test_a_guide_is_kept_for_the_session_that_it_was_sent_to(begin, picture):
    _, png = cv2.imencode(".png", picture)
    session = begin()
    session.take(GuideImage(path="leaf.png"), memoryview(png.tobytes()))
    assert "leaf.png" in session._guides._files
    assert "leaf.png" not in begin()._guides._files
