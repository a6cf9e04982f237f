"""Work says that it goes on, and how long it may take: as its own kind took before, and never too short."""

from __future__ import annotations

import threading

import pytest

from livedream.ipc.heartbeat import LEAST_S, UNKNOWN_S, Heartbeat


class Work:
    """Work that takes what the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[int, float]] = []
        self.heart = Heartbeat(lambda: self.now)
        self.heart.listen(lambda beats, patience_s: self.told.append((beats, patience_s)))

    def do(self, work: str, seconds: float, **more: float) -> float:
        """The patience with which ``work`` of so many seconds was waited for."""
        self.heart.begins(work, **more)
        self.now += seconds
        return self.heart.patience_s


@pytest.fixture
def work() -> Work:
    return Work()


def test_new_work_may_take_long_and_known_work_as_its_like(work):
    assert work.do("quick", 0.01) == UNKNOWN_S
    assert work.do("slow", 3.0) == UNKNOWN_S
    assert work.do("quick", 0.01) == LEAST_S
    assert work.do("slow", 3.0) == 12.0
    assert work.do("slow", 9.0) == 12.0
    assert work.do("slow", 9.0) == 36.0


def test_one_pause_is_forgotten(work):
    work.do("step", 0.0)
    work.do("step", 30.0)
    assert [work.do("step", 0.01) for _ in range(20)][-1] == LEAST_S


def test_patience_is_told_at_once_and_beats_ten_times_a_second(work):
    for _ in range(300):
        work.do("a", 0.005)
        work.do("b", 0.005)
    assert work.told[:2] == [(1, UNKNOWN_S), (3, LEAST_S)]
    assert 28 <= len(work.told) <= 33
    beats = [beats for beats, _ in work.told]
    assert beats == sorted(set(beats))


def test_loading_has_a_limit_of_its_own_each_time(work):
    for _ in range(3):
        assert work.do("loading", 0.1, at_least_s=180.0) == 180.0


def test_another_threads_work_is_no_sign_of_life(work):
    work.do("step", 0.01)
    beside = threading.Thread(target=work.do, args=("loading", 0.0))
    beside.start()
    beside.join()
    assert work.heart.beats == 1


def test_kinds_of_work_are_bounded(work):
    for n in range(2000):
        work.do(f"layer {n}", 0.01)
    assert len(work.heart._slowest_s) <= 512


def test_nobody_need_listen():
    heart = Heartbeat()
    heart.begins("render")
    assert heart.beats == 0
