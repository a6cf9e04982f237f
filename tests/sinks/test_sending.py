"""Senders: the newest picture only, never in the show's way, and tried again until it works."""

import threading

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.sinks.port import Stamp
from livedream.sinks.sending import Sender

STAMP = Stamp(1, 1.0)


def grey(level, width=64, height=36):
    return np.full((height, width, 3), level, np.uint8)


class Device:
    """Keeps what it is sent; waits for ``gate``; raises ``error`` once."""

    def __init__(self, width=0, height=0):
        self.size, self.detail = (width, height), "somewhere"
        self.gate, self.error = threading.Event(), None
        self.gate.set()
        self.pictures, self.news, self.closed = [], threading.Semaphore(0), 0

    def send(self, picture):
        self.news.release()
        assert self.gate.wait(60)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.pictures.append(picture.copy())

    def close(self):
        self.closed += 1


class Hall:
    """Opens devices, or refuses to."""

    def __init__(self):
        self.refuses, self.opened, self.asked = [], [], threading.Semaphore(0)

    def open(self, width, height):
        self.asked.release()
        if self.refuses:
            raise self.refuses.pop(0)
        self.opened.append(Device(width, height))
        return self.opened[-1]


@pytest.fixture
def hall():
    return Hall()


def until(condition, sender, picture=None):
    """Show pictures until something holds; the test's own time limit ends this."""
    while not condition():
        if picture is not None:
            sender.show(picture, None, STAMP)
        threading.Event().wait(0.005)


def test_pictures_arrive_without_overlay_and_the_device_is_closed(hall):
    with Sender("NDI", hall.open) as sender:
        assert sender.state.state == "opening"
        sender.show(grey(7), np.full((36, 64, 4), 255, np.uint8), STAMP)
        until(lambda: hall.opened and hall.opened[0].pictures, sender)
        state = sender.state
        assert (state.name, state.state, state.detail) == ("NDI", "on", "somewhere")
    (device,) = hall.opened
    assert device.size == (64, 36)
    assert (device.pictures[0] == 7).all()
    assert device.closed == 1
    assert sender.faults() == []


def test_the_newest_wins_and_what_it_replaced_is_counted(hall):
    with Sender("NDI", hall.open) as sender:
        until(lambda: hall.opened, sender, grey(0))
        device = hall.opened[0]
        until(lambda: device.pictures, sender)
        device.gate.clear()
        until(lambda: device.news.acquire(blocking=False), sender, grey(1))
        until(lambda: device.news.acquire(blocking=False), sender, grey(1))  # it is busy now
        before = sender.dropped
        for level in (2, 3, 4, 5):
            sender.show(grey(level), None, STAMP)  # would hang here if it waited
        assert sender.dropped - before in (3, 4)
        device.gate.set()
        until(lambda: device.pictures[-1][0, 0, 0] == 5, sender)
    assert not any((picture == level).all() for picture in device.pictures for level in (2, 3, 4))


def test_the_caller_may_use_the_picture_again(hall):
    image = grey(9)
    with Sender("NDI", hall.open) as sender:
        sender.show(image, None, STAMP)
        image[:] = 200
        until(lambda: hall.opened and hall.opened[0].pictures, sender)
    assert (hall.opened[0].pictures[0] == 9).all()


def test_pictures_of_another_shape_are_fitted_into_the_size_of_the_first(hall):
    with Sender("virtual camera", hall.open) as sender:
        sender.show(grey(9, 65, 37), None, STAMP)
        until(lambda: hall.opened and hall.opened[0].pictures, sender)
        until(lambda: hall.opened[0].pictures[-1][0, 0, 0] == 0, sender, grey(9, 36, 64))
    assert {picture.shape for picture in hall.opened[0].pictures} == {(36, 64, 3)}
    with Sender("virtual camera", hall.open, (128, 128)) as sender:
        sender.show(grey(9), None, STAMP)
        until(lambda: len(hall.opened) > 1 and hall.opened[1].pictures, sender)
    assert hall.opened[1].size == (128, 128)


def test_what_cannot_be_opened_is_said_once_and_tried_until_it_can(hall):
    hall.refuses = [
        OutputError("no such device"),
        RuntimeError("still\n none"),
        OutputError("no such device"),
    ]
    with Sender("virtual camera", hall.open, first_retry_s=0.01) as sender:
        until(lambda: sender.state.state == "failed", sender, grey(1))
        assert "no such device" in sender.state.detail
        until(lambda: len(hall.refuses) < 2, sender, grey(1))
        until(lambda: sender.state.state == "on", sender, grey(1))
        assert sender.faults() == ["no such device; retrying in 0 s", "virtual camera is back"]


def test_what_breaks_is_closed_and_opened_again(hall):
    with Sender("NDI", hall.open, first_retry_s=0.01) as sender:
        until(lambda: hall.opened, sender, grey(1))
        hall.opened[0].error = BrokenPipeError("gone")
        until(lambda: len(hall.opened) > 1 and hall.opened[1].pictures, sender, grey(1))
        assert hall.opened[0].closed == 1
        assert sender.faults() == ["NDI: gone; retrying in 0 s", "NDI is back"]


def test_it_is_tried_again_although_the_picture_stands_still(hall):
    hall.refuses = [OutputError("no")]
    with Sender("NDI", hall.open, first_retry_s=0.01) as sender:
        sender.show(grey(1), None, STAMP)
        until(lambda: hall.opened and hall.opened[0].pictures, sender)
        before = len(hall.opened[0].pictures)
        until(lambda: len(hall.opened[0].pictures) > before, sender)  # and sent again


def test_while_it_waits_to_try_again_no_picture_is_copied_for_it(hall):
    hall.refuses = [OutputError("no")]
    with Sender("NDI", hall.open, first_retry_s=600.0) as sender:
        assert sender.watched
        until(lambda: sender.state.state == "failed", sender, grey(1))
        assert not sender.watched
        sender.show(None, None, STAMP)  # type: ignore[arg-type] - it is not even looked at
    assert not hall.opened


def test_a_device_that_hangs_is_named_and_holds_nothing_up(hall):
    now = [0.0]
    sender = Sender("push", hall.open, clock=lambda: now[0])
    until(lambda: hall.opened, sender, grey(1))
    device = hall.opened[0]
    until(lambda: device.pictures, sender)
    device.gate.clear()
    now[0] = 1.0
    until(lambda: device.news.acquire(blocking=False), sender, grey(1))
    until(lambda: device.news.acquire(blocking=False), sender, grey(1))
    assert sender.state.state == "on"
    now[0] = 7.0
    assert sender.state.state == "stuck"
    assert sender.faults() == ["push has taken no picture for 5 s"]
    assert sender.faults() == []
    sender.close()
    sender.close()
    device.gate.set()
