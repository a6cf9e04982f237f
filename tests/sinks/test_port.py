"""Sinks: one that fails is retired, reported and retried; the others never notice."""

import logging

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.sinks.port import Sinks, Stamp

PICTURE = np.zeros((2, 2, 3), np.uint8)


class FakeSink:
    """Counts pictures; raises ``error`` instead if there is one."""

    def __init__(self, name="fake", error=None):
        self.name, self.error = name, error
        self.stamps, self.closed = [], 0

    def show(self, picture, overlay, stamp):
        if self.error is not None:
            raise self.error
        self.stamps.append(stamp)

    def close(self):
        self.closed += 1


def show(sinks, now, index=0):
    sinks.show(PICTURE, None, Stamp(index, now), now)


def test_every_sink_gets_every_picture():
    sinks, one, two = Sinks(), FakeSink(), FakeSink()
    sinks.add(one)
    sinks.add(two)
    show(sinks, 1.0, 7)
    assert one.stamps == two.stamps == [Stamp(7, 1.0)]


def test_a_sink_that_raises_is_closed_and_reported_once_while_the_others_go_on(caplog):
    sinks, broken, fine = Sinks(), FakeSink("projector", RuntimeError("no lamp")), FakeSink()
    sinks.add(broken)
    sinks.add(fine)
    for now in (0.0, 1.0, 2.0):
        show(sinks, now)
    assert len(fine.stamps) == 3
    assert broken.closed == 1
    assert broken not in sinks
    assert sinks.faults() == ["projector failed: no lamp"]
    assert sinks.faults() == []
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_an_error_of_our_own_is_the_whole_message():
    sinks = Sinks()
    sinks.add(FakeSink("recording", OutputError("recording to a.mp4 stopped after 3 s: disk full")))
    show(sinks, 0.0)
    assert sinks.faults() == ["recording to a.mp4 stopped after 3 s: disk full"]


def test_retries_back_off_until_the_sink_is_back():
    attempts, working = [], FakeSink()

    def reopen():
        attempts.append(now)
        if now < 30:
            raise OutputError("still no screen")
        return working

    sinks = Sinks()
    sinks.add(FakeSink("window", RuntimeError("gone")), reopen)
    for now in range(40):
        show(sinks, float(now))
    assert attempts == [2, 6, 14, 30]
    assert len(working.stamps) == 10
    assert sinks.faults() == ["window failed: gone; retrying in 2 s", "window is back"]


@pytest.mark.parametrize(("healthy_s", "next_retry_s"), [(1, 4), (10, 2)])
def test_a_healthy_run_ends_the_back_off(healthy_s, next_retry_s):
    second = FakeSink("window")
    sinks = Sinks()
    sinks.add(FakeSink("window", RuntimeError("gone")), lambda: second)
    show(sinks, 0.0)
    show(sinks, 2.0)
    show(sinks, 2.0 + healthy_s)
    second.error = RuntimeError("gone again")
    show(sinks, 2.0 + healthy_s)
    assert sinks.faults()[-1] == f"window failed: gone again; retrying in {next_retry_s} s"


def test_a_sink_added_later_is_opened_with_the_next_picture_and_retried():
    sink, failures = FakeSink(), [OutputError("port taken"), OutputError("port taken")]

    def open():
        if failures:
            raise failures.pop()
        return sink

    sinks = Sinks()
    sinks.add_later("page", open)
    for now in range(10):
        show(sinks, float(now))
    assert [stamp.captured_s for stamp in sink.stamps] == [6.0, 7.0, 8.0, 9.0]
    assert sinks.faults() == ["port taken; retrying in 2 s", "page is back"]


def test_other_calls_are_guarded_too():
    sinks, sink = Sinks(), FakeSink("window")
    sinks.add(sink)
    with sinks.guarded(sink, 0.0):
        raise RuntimeError("cannot rotate")
    assert sink not in sinks
    assert sinks.faults() == ["window failed: cannot rotate"]


def test_a_removed_sink_stays_open_but_gets_no_pictures():
    sinks, sink = Sinks(), FakeSink()
    sinks.add(sink, FakeSink)
    sinks.remove(sink)
    show(sinks, 0.0)
    assert not sink.stamps
    assert not sink.closed


def test_one_that_cannot_be_closed_keeps_no_other_open():
    sinks, last = Sinks(), FakeSink()

    class Stubborn(FakeSink):
        def close(self):
            raise RuntimeError("stuck")

    with sinks:
        sinks.add(Stubborn())
        sinks.add(last)
    sinks.close()
    assert last.closed == 1


def test_how_each_is_can_be_asked():
    sinks, broken = Sinks(), FakeSink("projector", OutputError("no lamp"))
    page = FakeSink("page")
    page.dropped, page.detail = 3, "http://here"
    sinks.add(page)
    sinks.add(broken, lambda: FakeSink("projector"))
    sinks.add_later("window", lambda: FakeSink("window"))
    assert [(s.name, s.state) for s in sinks.states] == [
        ("page", "on"),
        ("projector", "on"),
        ("window", "opening"),
    ]
    show(sinks, 0.0)
    assert [(s.name, s.state, s.dropped, s.detail) for s in sinks.states] == [
        ("page", "on", 3, "http://here"),
        ("projector", "failed", 0, "no lamp"),
        ("window", "on", 0, ""),
    ]
    assert sinks.failing == ("projector",)
    show(sinks, 3.0)
    assert [state.state for state in sinks.states] == ["on", "on", "on"]
