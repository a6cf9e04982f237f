"""What is recorded of ticks that run as one batch, and when a batch is begun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from livedream.runtimes.cuda_graphs import Recorded
from livedream.runtimes.recording_budget import Budget
from tests.dream.fake_device import DEVICE
from tests.dream.tickers import Clock, Ticker, assert_as_alone, batches, run, stand_in


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_a_tick_is_recorded_once_for_all(pool, clock):
    captured = []

    def capture(function, written):
        """Runs the function first and restores what it wrote, as the capture of a CUDA graph does."""
        kept = [tensor.clone() for tensor in written]
        function()
        for tensor, before in zip(written, kept, strict=True):
            tensor.copy_(before)
        captured.append(function)
        return function

    together = batches(clock, recorded=Recorded(DEVICE, capture))
    tickers = [Ticker(n, stand_in, together) for n in range(4)]
    run(pool, clock, tickers, 12)
    assert together.recording
    assert all(ticker.dream.recording for ticker in tickers)
    assert_as_alone(tickers, stand_in)
    # Beginning, end, and steps at three octaves: for four, and for one or two before it is known who comes.
    assert len(captured) <= 15


def test_while_nothing_may_be_recorded_dreams_tick_alone_as_recorded(pool, clock):
    """A batch that is not recorded would take many times as long."""
    captured, now = [], Clock()

    def capture(function, written):
        captured.append(function)
        now.now += 1.0  # so long it takes
        return function

    budget = Budget(credit_s=4.0, share=0.1, worth=2, clock=now)
    together = batches(clock, recorded=Recorded(DEVICE, capture, budget=budget))
    counts, begin = [], together._together

    def note(ticks):
        counts.append(len(ticks))
        begin(ticks)

    together._together = note
    run(pool, clock, tickers := [Ticker(0, stand_in, together)], 6)
    assert len(captured) == 5  # beginning, end, three octaves
    tickers.append(Ticker(1, stand_in, together))
    run(pool, clock, tickers, 12)
    assert set(counts) == {1}
    now.now += 60.0
    run(pool, clock, tickers, 6)
    assert 2 in counts
    assert_as_alone(tickers[:1], stand_in)


def test_a_batch_is_begun_only_once_it_is_worth_it(pool, clock):
    together = batches(clock, worth=4)
    counts, begin = [], together._together

    def note(ticks):
        counts.append(len(ticks))
        begin(ticks)

    together._together = note
    tickers = [Ticker(n, stand_in, together) for n in range(2)]
    run(pool, clock, tickers, 20)
    assert set(counts[:12]) == {1}
    assert counts[-6:] == [2] * 6
    assert_as_alone(tickers, stand_in)
