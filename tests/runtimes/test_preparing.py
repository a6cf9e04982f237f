"""The background thread: the newest wish first, spare work afterwards, and an end at any time."""

from __future__ import annotations

import threading

import pytest

from livedream.runtimes import preparing
from livedream.runtimes.preparing import Preparer

PATIENCE_S = 60.0


class Work:
    """A preparer, what it did and in which order; ``hold`` keeps it from going on."""

    def __init__(self, spare=lambda: None):
        self.done, self.failed, self.idle = [], {}, threading.Event()
        self.hold, self.begun = threading.Event(), threading.Event()
        self.preparer = Preparer(self.work, spare, self.failed.__setitem__, self.idle.set)

    def work(self, key, job):
        self.begun.set()
        assert self.hold.wait(PATIENCE_S)
        self.done.append(key)
        if isinstance(job, Exception):
            raise job


@pytest.fixture
def work():
    made = Work()
    yield made
    made.hold.set()
    made.preparer.close()


def test_the_newest_comes_first(work):
    work.preparer.ask("first", None)
    assert work.begun.wait(PATIENCE_S)
    for key in ("old", "new", "newest"):
        work.preparer.ask(key, None)
    work.preparer.ask("new", None)
    work.hold.set()
    work.preparer.wait_until(lambda: len(work.done) == 4)
    assert work.done == ["first", "new", "newest", "old"]


def test_one_that_fails_is_reported_and_the_next_goes_on(work):
    work.hold.set()
    error = ValueError("broken")
    work.preparer.ask("bad", error)
    work.preparer.wait_until(lambda: "bad" in work.failed)
    work.preparer.ask("good", None)
    work.preparer.wait_until(lambda: "good" in work.done)
    assert work.failed == {"bad": error}


def test_spare_work_is_done_when_nothing_is_asked_for():
    spares = [("a", None), ("b", None)]
    work = Work(lambda: spares.pop() if spares else None)
    work.hold.set()
    work.preparer.ask("asked", None)
    work.preparer.wait_until(lambda: len(work.done) == 3)
    work.preparer.close()
    assert work.done == ["asked", "b", "a"]


def test_it_is_busy_until_everything_is_done(work):
    assert not work.preparer.busy
    work.preparer.ask("one", None)
    assert work.preparer.busy
    work.hold.set()
    while work.preparer.busy:
        pass


def test_after_a_while_without_work_it_is_idle(work, monkeypatch):
    monkeypatch.setattr(preparing, "IDLE_S", 0.0)
    work.hold.set()
    work.preparer.ask("one", None)
    assert work.idle.wait(PATIENCE_S)


def test_closing_forgets_what_waits_and_lets_waiters_go(work):
    work.preparer.ask("one", None)
    assert work.begun.wait(PATIENCE_S)
    work.preparer.ask("two", None)
    waiter = threading.Thread(target=work.preparer.wait_until, args=(lambda: False,))
    waiter.start()
    work.preparer.interrupt()
    waiter.join(PATIENCE_S)
    assert not waiter.is_alive()
    work.hold.set()
    work.preparer.close()
    work.preparer.close()
    work.preparer.ask("three", None)
    assert work.done == ["one"]
