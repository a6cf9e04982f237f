"""Sessions take turns: nobody gets less than their share because another is faster or costs more."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from livedream.room.turns import Turns
from tests.clocks import Clock


class Costs:
    """Members of :class:`Turns` that always want to run, each with ticks of its own length."""

    def __init__(self, *tick_s: float, at_once: int = 1) -> None:
        self.clock = Clock()
        self.turns = Turns(at_once, self.clock)
        self.members = [self.turns.join() for _ in tick_s]
        self.tick_s = list(tick_s)
        self.used_s = [0.0] * len(tick_s)

    def run(self, seconds: float, wanting: range | None = None) -> None:
        end_s = self.clock.now + seconds
        wanting = wanting or range(len(self.members))
        while self.clock.now < end_s:
            now = self.clock.now
            n = min(wanting, key=lambda n: self.members[n].used_s(now))
            with self.turns.turn(self.members[n]):
                self.clock.now += self.tick_s[n]
            self.used_s[n] += self.tick_s[n]


def test_each_gets_the_same_time_whatever_its_ticks_cost():
    costs = Costs(0.004, 0.03, 0.1)
    costs.run(30)
    assert costs.used_s == pytest.approx([10, 10, 10], rel=0.05)


def test_who_comes_later_does_not_make_up_for_the_past():
    costs = Costs(0.01, 0.01)
    costs.run(60, range(1))
    costs.members.append(costs.turns.join())
    costs.tick_s.append(0.01)
    costs.used_s.append(0.0)
    costs.run(3)
    assert costs.used_s[2] < 2


def after(first: float, second: float, *, fresh: tuple[bool, bool]) -> list[str]:
    """Who goes first of two who wait, with these times used, and who then."""
    turns = Turns()
    holder, *members = (turns.join() for _ in range(3))
    members[0]._used_s, members[1]._used_s = first, second
    went: list[str] = []

    def go(n: int) -> None:
        with turns.turn(members[n], lambda: fresh[n]):
            went.append("first" if n == 0 else "second")

    threads = [threading.Thread(target=go, args=(n,)) for n in range(2)]
    with turns.turn(holder):
        for n, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= n:
                time.sleep(1e-3)
    for thread in threads:
        thread.join(60)
    return went


def test_of_those_who_wait_the_one_who_used_least_goes_next():
    assert after(1.0, 0.0, fresh=(False, False)) == ["second", "first"]
    assert after(0.0, 1.0, fresh=(True, True)) == ["first", "second"]


def test_new_pictures_go_before_old_ones_but_take_no_more_time():
    assert after(0.0, 0.02, fresh=(False, True)) == ["second", "first"]
    assert after(0.0, 0.5, fresh=(False, True)) == ["first", "second"]


def test_pictures_that_come_while_others_wait_hold_up_nobody():
    """Whoever looked whether it was its turn may find a moment later that it is another's."""
    turns = Turns()
    members = [turns.join() for _ in range(4)]
    rng = np.random.default_rng(0)
    counts = [0] * 4

    def go(n: int) -> None:
        for _ in range(500):
            with turns.turn(members[n], lambda: bool(rng.random() < 0.5)):
                time.sleep(1e-4)  # the others get to wait
                counts[n] += 1

    threads = [threading.Thread(target=go, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts == [500] * 4


def test_a_share_is_an_equal_part_or_what_the_others_leave():
    costs = Costs(0.01, 0.01, 0.01)
    alone = Costs(0.01)
    assert alone.turns.share(alone.members[0]) == alone.turns.equal_share() == 1
    assert costs.turns.share(costs.members[0]) == 1  # nobody has used any yet
    assert costs.turns.equal_share() == pytest.approx(1 / 3)
    costs.run(20)
    assert costs.turns.share(costs.members[0]) == pytest.approx(1 / 3, abs=0.02)
    costs.run(30, range(1, 2))  # the others have paused
    assert costs.turns.share(costs.members[1]) == pytest.approx(1, abs=0.02)
    assert costs.turns.share(costs.members[0]) == pytest.approx(1 / 2, abs=0.02)


def test_on_a_graphics_card_all_run_at_once():
    costs = Costs(0.01, 0.01, at_once=0)
    with costs.turns.turn(costs.members[0]), costs.turns.turn(costs.members[1]):
        costs.clock.now += 70
        assert costs.turns.longest_s() == 70
    assert costs.turns.longest_s() == 0
    assert costs.turns.share(costs.members[0]) == costs.turns.equal_share() == 1


def test_who_fails_in_its_turn_gives_it_back():
    turns = Turns()
    member, other = turns.join(), turns.join()
    with pytest.raises(RuntimeError), turns.turn(member):
        raise RuntimeError
    with turns.turn(other):
        pass
    turns.leave(member)
    turns.leave(other)
