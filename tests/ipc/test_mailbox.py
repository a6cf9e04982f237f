"""The newest typed message of another process, and how long it has been silent by one's own clock."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from livedream.ipc.mailbox import MESSAGE_BYTES, Receiver, Sender, StatusBoard
from livedream.ipc.protocol import VERSION, DreamStatus, Order
from livedream.ipc.slots import Slot
from livedream.settings import Settings


@pytest.fixture
def slot():
    with Slot.create(MESSAGE_BYTES) as slot:
        yield slot


def test_only_the_newest_message_is_received_and_only_once(slot):
    sender, receiver = Sender(slot), Receiver(slot, Order)
    assert receiver.newer() is None
    for number in (1, 2):
        sender.send(Order(number=number, settings=Settings()))
    assert receiver.newer() == Order(number=2, settings=Settings())
    assert receiver.newer() is None


def test_a_message_of_another_version_is_said_once_and_skipped(slot, caplog):
    receiver = Receiver(slot, Order)
    for _ in range(3):
        slot.publish(np.frombuffer(msgspec.msgpack.encode({"version": VERSION + 1}), np.uint8))
        assert receiver.newer() is None
    assert len(caplog.records) == 1
    Sender(slot).send(Order(number=3, settings=Settings()))
    assert receiver.newer() == Order(number=3, settings=Settings())


def test_silence_is_measured_from_the_last_progress_not_from_the_last_message(slot):
    board, sender = StatusBoard(slot, DreamStatus()), Sender(slot)
    sender.send(DreamStatus(phase="dreaming", progress=1))
    board.update(100.0)
    sender.send(DreamStatus(phase="dreaming", progress=1, message="still here"))
    assert board.update(103.0).message == "still here"
    assert board.silent_s(105.0, since_s=90.0) == 5.0
    sender.send(DreamStatus(phase="dreaming", progress=2))
    board.update(106.0)
    assert board.silent_s(107.0, since_s=90.0) == 1.0


def test_before_the_first_message_silence_counts_from_the_start(slot):
    board = StatusBoard(slot, DreamStatus())
    board.update(100.0)
    assert not board.heard
    assert board.silent_s(100.0, since_s=93.0) == 7.0


def test_what_the_process_before_said_is_no_sign_of_the_new_ones_life(slot):
    board, sender = StatusBoard(slot, DreamStatus()), Sender(slot)
    sender.send(DreamStatus(progress=5))
    board.update(100.0)
    sender.send(DreamStatus(progress=6))
    board.restarted()
    board.update(101.0)
    assert not board.heard
    sender.send(DreamStatus(progress=6))  # even where its counter happens to be the old one
    board.update(102.0)
    assert board.heard
    assert board.silent_s(104.0, since_s=101.0) == 2.0


def test_how_long_a_process_has_made_progress_counts_within_its_phase(slot):
    board, sender = StatusBoard(slot, DreamStatus()), Sender(slot)
    assert board.well_s == 0.0
    for now, phase, progress in ((100.0, "loading", 0), (130.0, "dreaming", 1), (142.0, "dreaming", 2)):
        sender.send(DreamStatus(phase=phase, progress=progress))
        board.update(now)
    assert board.well_s == 12.0
    board.update(200.0)
    assert board.well_s == 12.0  # it only lived since then
    board.restarted()
    assert board.well_s == 0.0
