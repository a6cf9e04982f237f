"""What is wanted drifts slowly, the same at any rate of ticks, and only among what was chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.dream.drift import Drift
from livedream.dream.targets import Target
from livedream.settings import Settings

PARTS = Target("dreamnet", "parts")
FAST = Settings(working_px=128, steps=1, octaves=2, layer="textures")


def after(seconds: float, rate_hz: int, amount: float = 1.0, target: Target = PARTS, seed: int = 0):
    drift = Drift(seed)
    for _ in range(round(seconds * rate_hz)):
        drift.step(amount, 1 / rate_hz)
    return drift.emphasis(target)


def test_it_is_the_same_at_any_rate_and_for_the_same_seed_only():
    np.testing.assert_allclose(after(20, 10), after(20, 60), rtol=0.05)
    assert np.corrcoef(after(20, 10), after(20, 10, seed=1))[0, 1] < 0.3


def test_channels_lead_by_turns():
    first, later, much_later = (np.log(after(at, 10)) for at in (40.0, 40.5, 100.0))
    assert np.corrcoef(first, later)[0, 1] > 0.98
    assert np.corrcoef(first, much_later)[0, 1] < 0.5
    assert 1.2 < first.std() < 2


def test_all_channels_count_on_average_and_no_weight_jumps():
    drift, logs = Drift(), []
    for n in range(3000):
        drift.step(1.0, 1 / 10)
        if n > 600:
            logs.append(np.log(drift.emphasis(PARTS)))
    logs = np.array(logs)
    assert np.abs(logs.mean(0) - logs.mean()).max() < 0.7
    assert np.abs(np.diff(logs, axis=0)).max() < 0.15


def test_a_dream_begins_without_and_none_means_none():
    drift = Drift()
    assert drift.emphasis(PARTS) is None
    drift.step(1.0, 0.05)
    assert np.log(drift.emphasis(PARTS)).std() < 0.05
    drift = Drift()
    drift.step(0.0, 30.0)
    assert drift.emphasis(PARTS) is None


def test_words_stay_what_they_are_and_a_guide_too():
    drift = Drift()
    for _ in range(400):
        drift.step(1.0, 0.1)
    words = drift.emphasis(replace(PARTS, words=(("castle", 1.0),)))
    assert np.log(words).std() < 0.6 * np.log(drift.emphasis(PARTS)).std()
    assert drift.emphasis(replace(PARTS, words=(("daisy", 1.0),))) is words
    assert drift.emphasis(replace(PARTS, guide="cat.png")) is None


def test_a_dreamer_drifts_again_after_a_reset_and_never_in_the_classic_loop(picture):
    dreamer = Dreamer(backend="auto")
    try:

        def drifted():
            return dreamer._gradients._objective(Target("dreamnet", "textures")).emphasis

        for n in range(20):
            dreamer.tick(picture, FAST.replace(steps=0), time_s=n / 2)
        assert drifted().std() > 0.3
        dreamer.classic(picture, FAST)
        assert drifted() is None
        dreamer.reset()
        assert drifted() is None
    finally:
        dreamer.close()
