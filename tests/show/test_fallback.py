"""A dream that keeps failing goes on with less; what is better is tried again, with growing patience."""

from __future__ import annotations

import pytest

from livedream.show.fallback import Chain, Fallback


def die(chain: Chain, now: float, times: int, every_s: float = 10.0) -> float:
    """The dream dies so often; when it last did."""
    for n in range(times):
        chain.died(now + n * every_s, "died")
    return now + (times - 1) * every_s


def rungs_after(chain: Chain, deaths: int) -> list[str]:
    return [chain.now.rung for _ in range(deaths) if chain.died(0.0, "died")]


def test_five_deaths_in_a_minute_are_a_step_down_and_never_past_the_last():
    assert rungs_after(Chain(), 30) == ["cpu", "smaller", "still"]


def test_the_reason_is_named():
    chain = Chain()
    die(chain, 0.0, 4)
    assert chain.now == Fallback("full", "")
    assert chain.died(50.0, "hung")
    assert chain.now == Fallback("cpu", "the dream hung 5 times in a minute")


def test_deaths_that_are_far_apart_are_not_counted_together():
    chain = Chain()
    for n in range(20):
        chain.died(16.0 * n, "died", well_s=11.0)
    assert chain.now.rung == "full"


def test_a_dream_that_is_never_well_needs_no_minute():
    chain = Chain()
    die(chain, 0.0, 5, every_s=90.0)
    assert chain.now == Fallback("cpu", "the dream died 5 times in a row")


def test_without_a_graphics_card_there_is_no_step_to_the_cpu():
    chain = Chain()
    chain.skip("cpu")
    assert rungs_after(chain, 10) == ["smaller", "still"]


def test_a_lost_card_is_left_at_once_and_tried_again_after_a_minute():
    chain = Chain()
    assert chain.lost(100.0, "cuda:0 failed: launch failure")
    assert chain.now == Fallback("cpu", "cuda:0 failed: launch failure")
    assert not chain.step(159.0, well_s=50.0)
    assert chain.step(160.0, well_s=50.0)
    assert (chain.now.rung, chain.trying) == ("full", True)


def test_a_dream_that_is_not_well_is_not_interrupted_for_a_better_one():
    chain = Chain()
    chain.lost(0.0, "gone")
    assert not chain.step(500.0, well_s=9.0)
    assert chain.step(501.0, well_s=10.0)


def test_a_try_that_fails_goes_back_at_once_and_the_next_waits_twice_as_long():
    chain, now, waits = Chain(), 0.0, []
    chain.lost(now, "gone")
    for _ in range(9):
        began = now
        while not chain.step(now, well_s=20.0):
            now += 10.0
        waits.append(now - began)
        assert chain.lost(now, "gone again")
        assert chain.now == Fallback("cpu", "gone")
    assert waits == [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]


@pytest.mark.parametrize(("well_s", "wait_s"), [(59.0, 120.0), (61.0, 60.0)])
def test_a_try_that_has_proved_itself_is_no_try_any_more(well_s, wait_s):
    chain = Chain()
    chain.lost(0.0, "gone")
    assert chain.step(60.0, well_s=20.0)
    chain.step(125.0, well_s=well_s)
    assert chain.trying == (well_s < 60)
    assert chain.lost(130.0, "gone")
    assert not chain.step(130.0 + wait_s - 1.0, well_s=20.0)
    assert chain.step(130.0 + wait_s, well_s=20.0)


def test_from_a_still_dream_the_smallest_is_tried_and_then_what_is_better():
    chain = Chain(("full", "smaller", "still"))
    rungs_after(chain, 10)
    assert chain.now.rung == "still"
    assert chain.step(60.0, well_s=0.0)
    assert chain.now.rung == "smaller"
    for now in range(61, 260):
        if chain.step(float(now), well_s=now - 61.0):
            break
    assert chain.now.rung == "full"
    assert now >= 180  # proved for a minute, and then another
