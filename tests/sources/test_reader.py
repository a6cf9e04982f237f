"""The reader never gives up and never blocks its caller."""

import logging
import threading

import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.frame import Frame
from livedream.sources.camera import Camera
from livedream.sources.reader import Backoff, Reader
from livedream.sources.source import AbsentError, Source
from livedream.sources.watch import Watch
from tests.sources.cameras import PLUGGED, FakeCapture

GREY = np.full((32, 32, 3), 90, np.uint8)


def noisy(n):
    return GREY + np.uint8(n % 100)


def test_retries_back_off_from_half_a_second_to_two_and_start_over_after_a_healthy_run():
    backoff = Backoff()
    assert [backoff.delay_s(ran_s=0.0) for _ in range(6)] == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert backoff.delay_s(ran_s=0.2) == 2.0  # a source that only flickers is not healthy
    assert [backoff.delay_s(ran_s=60.0), backoff.delay_s(ran_s=0.0)] == [0.5, 1.0]


def test_the_first_retry_comes_before_the_source_counts_as_lost():
    assert Backoff().delay_s(ran_s=60.0) < Watch(0.0, "camera").frame_s


def test_a_device_that_is_not_there_is_looked_for_at_the_first_interval(monkeypatch):
    def open_():
        raise AbsentError("unplugged")

    def wait(delay_s):
        waits.append(delay_s)
        if len(waits) == 5:
            reader.stop()

    reader, waits = Reader(open_, retry_s=0.25), []
    monkeypatch.setattr(reader._stop, "wait", wait)
    reader._run()
    assert waits == [0.25] * 5
    assert reader.absent


class Script(Source):
    """Delivers the frames, raises the errors and waits for the events of a list."""

    name, kind, size = "script", "camera", (32, 32)

    def __init__(self, *script):
        self.script = list(script)
        self.closed = False

    def __next__(self):
        if not self.script:
            raise StopIteration
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        if isinstance(item, threading.Event):
            item.wait(30)
            return self.__next__()
        return Frame(noisy(item), item, float(item))

    def close(self):
        self.closed = True


@pytest.fixture
def reading():
    """Starts a reader that opens the given sources one after the other; stops it at the end."""
    readers, ends = [], []

    def start(*opens):
        end = threading.Event()
        left = list(opens)

        def open_():
            item = left.pop(0) if left else Script(end)
            if isinstance(item, Exception):
                raise item
            return item

        reader = Reader(open_, retry_s=0.001)
        readers.append(reader)
        ends.append(end)
        return reader.start()

    yield start
    for reader, end in zip(readers, ends, strict=True):
        reader.stop()
        end.set()


def wait_for(reader, condition):
    seen = -1
    for _ in range(1000):
        if condition():
            return
        seen = reader.wait(seen, 0.02)
    raise AssertionError("the condition never became true")


def test_it_retries_after_every_kind_of_failure(reading, caplog):
    sources = [Script(1, SourceError("gone")), Script(2), Script(3, RuntimeError("a driver's surprise"))]
    reader = reading(
        SourceError("not there"), *sources, SourceError("away"), Script(4, hold := threading.Event())
    )
    wait_for(reader, lambda: reader.frame is not None and reader.frame.index == 4)
    assert reader.error is None
    assert all(source.closed for source in sources)
    assert "a driver's surprise" in caplog.text
    hold.set()


def test_a_repeated_failure_is_logged_once_and_counted(reading, caplog):
    caplog.set_level(logging.INFO)
    hold = threading.Event()
    reader = reading(*[RuntimeError("a driver's surprise")] * 3, Script(1, hold))
    wait_for(reader, lambda: reader.frame is not None)
    assert caplog.text.count("unexpected error in the source") == 1
    assert "script is back after 3 failed attempts" in caplog.text
    assert reader.failures == 0
    hold.set()


def test_the_error_says_why_there_are_no_frames(reading):
    reader = reading(*[SourceError("not there")] * 100_000)
    wait_for(reader, lambda: reader.error is not None)
    assert reader.error == "not there"
    assert reader.frame is None


def test_reopen_closes_the_source_when_it_next_responds(reading):
    hold = threading.Event()
    first = Script(1, hold, 2, 3)
    reader = reading(first, Script(9, threading.Event()))
    wait_for(reader, lambda: reader.frame is not None)
    reader.reopen()
    hold.set()
    wait_for(reader, lambda: reader.frame is not None and reader.frame.index == 9)
    assert first.closed
    assert first.script == [3]


def test_busy_s_tells_how_long_the_source_has_not_responded():
    now = [50.0]
    hold = threading.Event()
    reader = Reader(lambda: Script(1, hold), clock=lambda: now[0])
    assert reader.busy_s(60.0) == 0.0
    reader.start()
    wait_for(reader, lambda: reader.frame is not None)
    assert reader.busy_s(61.0) == 11.0
    reader.stop()
    hold.set()


def test_a_camera_through_everything_that_can_go_wrong(reading, picture):
    unplugged = FakeCapture(picture, gives=3)
    frozen = FakeCapture(picture, gives=2, then="freeze")
    hanging = FakeCapture(picture, gives=1, then="hang")
    captures = [FakeCapture(picture, opened=False), unplugged, frozen, hanging, FakeCapture(picture, gives=0)]
    left = list(captures)
    reader = Reader(
        lambda: Camera("0", finder=PLUGGED, capture=lambda device: left.pop(0)), retry_s=0.001
    ).start()
    wait_for(reader, lambda: frozen.taken == 2)
    assert unplugged.released == 1
    wait_for(reader, lambda: reader.frame is not None and reader.frame.index > 20)  # frozen
    reader.reopen()
    assert hanging.hung.wait(30)
    assert frozen.released == 1
    assert reader.error is None
    reader.stop()
    hanging.let_go.set()
    wait_for(reader, lambda: reader.error is not None)
    assert "delivers no frame" in reader.error
