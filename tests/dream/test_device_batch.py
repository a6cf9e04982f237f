"""Ticks of several dreams as one batch are the ticks of each."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from livedream.dream.device import DeviceDream, DeviceTarget
from livedream.dream.device_dreamer import DeviceDreamer
from livedream.dream.dreamer import Dreamer
from livedream.dream.graphics import Graphics
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GUIDE_FEATURES, SHIPPED_DIR, GraphSpec
from livedream.runtimes import torch_graph
from livedream.runtimes.cuda_graphs import Recorded
from livedream.runtimes.on_device import DeviceGradient
from tests.dream.fake_device import DEVICE, SETTINGS, FakeBackend, direction, film
from tests.dream.tickers import LONG_S, SIZES, STEPS, Clock, Ticker, assert_as_alone, batches, run, stand_in


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_batch_of_any_number_is_each_of_them(pool, clock, count):
    together = batches(clock)
    tickers = [Ticker(n, stand_in, together) for n in range(count)]
    run(pool, clock, tickers, 7)
    assert together.sizes[count] >= 5
    assert_as_alone(tickers, stand_in)


@pytest.mark.parametrize(
    "changes",
    [{"feedback": 0.6}, {"gradient_shaping": "none"}, {"gradient_shaping": "colour"}, {"zoom": 6.0}],
    ids=str,
)
def test_a_batch_is_each_of_them_with_any_settings(pool, clock, changes):
    together, settings = batches(clock), SETTINGS.replace(**changes)
    tickers = [Ticker(n, stand_in, together, settings) for n in range(3)]
    run(pool, clock, tickers, 7)
    assert together.sizes[3] >= 5
    assert_as_alone(tickers, stand_in, settings)


@pytest.fixture(scope="module")
def sessions():
    """The shipped network's gradients by layer, kind and size, as rooms share them."""
    opened = {}

    def open_session(layer, kind, size):
        if (layer, kind, size) not in opened:
            path = SHIPPED_DIR / f"{GraphSpec('dreamnet', layer, kind).stem}.onnx"
            with pytest.MonkeyPatch.context() as patch:  # rounding would hide what is wrong
                patch.setattr(torch_graph, "choose_precision", lambda device: torch.float32)
                opened[layer, kind, size] = torch_graph.TorchGraphSession(path, size[::-1], str(DEVICE))
        return opened[layer, kind, size]

    return open_session


@pytest.mark.parametrize(
    ("mix", "kind"),
    [({"parts": 1.0}, "gradient"), ({"parts": 0.6, "edges": 0.4}, "gradient"), ({"parts": 1.0}, "guide")],
    ids=["layer", "two layers", "guide"],
)
def test_real_networks_dream_in_a_batch_what_they_dream_alone(pool, clock, sessions, monkeypatch, mix, kind):
    """Each dream has other channels, or another guide."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    held = {}

    def second(n, layer):
        if (n, layer) not in held:
            count = network_info("dreamnet").layer(layer).channels
            shape = (1, count, 1, 1) if kind == "gradient" else (count, GUIDE_FEATURES)
            held[n, layer] = np.random.default_rng(n).random(shape, np.float32)
        return held[n, layer]

    def targets(n):
        return [
            DeviceTarget(
                weight,
                {size: sessions(layer, kind, size).on_device(second(n, layer)) for size in SIZES},
                layer == "edges",
                layer,
            )
            for layer, weight in mix.items()
        ]

    together = batches(clock)
    tickers = [Ticker(n, targets, together) for n in range(3)]
    run(pool, clock, tickers, 5)
    assert together.sizes[3] >= 3
    # Networks make more of a rounding error with each tick; a card convolves a batch in another order.
    on_card = {"within": 3e-2, "ticks": 3, "ties": 0.2}
    assert_as_alone(tickers, targets, **({"within": 6e-3} if DEVICE.type == "cpu" else on_card))


def test_dreams_come_and_go(pool, clock):
    together = batches(clock)
    tickers = [Ticker(n, stand_in, together) for n in range(3)]
    run(pool, clock, tickers[:2], 4)
    run(pool, clock, tickers, 6)
    gone = tickers.pop(0)
    assert_as_alone([gone], stand_in)
    del gone
    run(pool, clock, tickers, 6)
    assert_as_alone(tickers, stand_in)
    assert together.sizes[3] >= 4
    assert together.sizes[2] >= 6


def test_dreams_at_other_steps_do_not_wait_for_each_other(pool, clock):
    together = batches(clock)
    tickers = [Ticker(n, stand_in, together) for n in range(4)]
    for count in range(6):
        submitted = [pool.submit(ticker.tick, count + ticker.n % 2) for ticker in tickers]
        for done in submitted:
            done.result(LONG_S)
        clock.now += 1.0
    assert together.sizes[2] >= 6
    assert together.sizes[4] == 0


def test_what_is_not_finite_concerns_nobody_else(pool, clock):
    def targets(n):
        return stand_in(n, float("nan") if n == 1 else None)

    together = batches(clock)
    tickers = [Ticker(n, targets, together) for n in range(3)]
    run(pool, clock, tickers, 5)
    assert [ticker.finite for ticker in tickers] == [[True] * 5, [False] * 5, [True] * 5]
    assert all(np.isfinite(found).all() for ticker in tickers for found in ticker.found)
    assert_as_alone([tickers[0], tickers[2]], targets)


def test_what_cannot_run_together_runs_alone_and_says_so_once(pool, clock, caplog):
    def single(image, second):
        if torch._C._functorch.is_batchedtensor(image):
            raise RuntimeError("not inside of vmap")
        return direction(image, second)

    def targets(n):
        given = torch.tensor(1.0 + n, device=DEVICE)
        gradient = DeviceGradient("layer", single, given, batchable=True)
        return [DeviceTarget(1.0, dict.fromkeys(SIZES, gradient), False, "layer")]

    together = batches(clock)
    tickers = [Ticker(n, targets, together) for n in range(3)]
    run(pool, clock, tickers, 8)
    assert_as_alone(tickers, targets)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(STEPS)
    pattern = re.compile(r"a batch of [23] ticks failed, each goes alone: not inside of vmap")
    assert all(map(pattern.fullmatch, messages))


def test_an_error_of_one_is_told_to_that_one(pool, clock):
    """Together they fail, and then one of them fails alone."""

    def run_it(image, second):
        if torch._C._functorch.is_batchedtensor(image) or second.item() == 2.0:
            raise RuntimeError("no room")
        return direction(image, second)

    def targets(n):
        given = torch.tensor(1.0 + n, device=DEVICE)
        gradient = DeviceGradient("layer", run_it, given, batchable=True)
        return [DeviceTarget(1.0, dict.fromkeys(SIZES, gradient), False, "layer")]

    together = batches(clock, recorded=Recorded(DEVICE, None))
    tickers = [Ticker(n, targets, together) for n in range(3)]
    for count in range(5):
        submitted = [pool.submit(ticker.tick, count) for ticker in tickers]
        with pytest.raises(RuntimeError, match="no room"):
            submitted[1].result(LONG_S)
        for n in (0, 2):
            submitted[n].result(LONG_S)
        clock.now += 1.0
    assert_as_alone([tickers[0], tickers[2]], targets)


def test_whole_dreamers_dream_together_what_they_dream_alone(pool, clock, monkeypatch):
    """They began at other times, at other places in the round of octaves."""
    from livedream.dream import dreamer as dreamer_module

    monkeypatch.setattr(dreamer_module, "open_backend", lambda *args, **options: FakeBackend())

    def dreamer(shared):
        made = Dreamer("dreamnet", batches=shared)
        made.graphics = Graphics(
            made._gradients,
            True,
            lambda b, g, w: DeviceDreamer(DEVICE, g, w, DeviceDream(DEVICE, batches=shared)),
        )
        return made

    together = batches(clock)
    dreamers, films = [dreamer(together) for _ in range(3)], [list(film(seed=n)) for n in range(3)]
    strengths = []
    for count in range(40):
        present = dreamers[: 1 + min(2, count // 4)]
        found = [
            pool.submit(dreamer.tick, frames[count % 5], SETTINGS, time_s=count / 30)
            for dreamer, frames in zip(present, films, strict=False)
        ]
        residuals = [residual.result(LONG_S) for residual in found]
        strengths.append([float(np.abs(residual).mean()) for residual in residuals])
        clock.now += 1.0
    assert together.sizes[3] >= 8
    for n, frames in enumerate(films):
        lone, first = dreamer(None), 4 * n
        alone = [
            float(np.abs(lone.tick(frames[count % 5], SETTINGS, time_s=count / 30)).mean())
            for count in range(first, 40)
        ]
        # Brought into step it takes other octaves first; it is as strong.
        assert np.mean([s[n] for s in strengths[first + 6 :]]) == pytest.approx(np.mean(alone[6:]), rel=0.05)
