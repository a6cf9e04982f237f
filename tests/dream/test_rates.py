"""A slow machine and a fast one dream the same dream."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from livedream.dream.dreamer import Dreamer
from livedream.frame import resize
from livedream.settings import Settings
from livedream.sources import open_source
from tests.bench.rates import AT_S, FPS, dreamt_at


@pytest.mark.full
def test_strength_and_change_are_the_same_at_15_30_and_60_ticks_a_second():
    with open_source("clouds", loop=False, realtime=False) as source:
        frames = [resize(frame.image, 112, 64) for frame in islice(source, AT_S[-1] * FPS + 1)]
    dreamer = Dreamer("dreamnet", device="cpu", backend="pytorch")
    settings = Settings(layer="textures", working_px=112, octaves=2, jitter=8)
    slow, usual, fast = (dreamt_at(hz, frames, dreamer, settings, "textures") for hz in (15, 30, 60))
    for at in AT_S:
        assert [slow.strength[at], fast.strength[at]] == pytest.approx([usual.strength[at]] * 2, rel=0.1)
        assert [slow.rms_change[at], fast.rms_change[at]] == pytest.approx(
            [usual.rms_change[at]] * 2, rel=0.1
        )
    assert np.mean(list(usual.strength.values())) > 0.3
