"""A journey goes up and down, holds, fades smoothly, and keeps a beat."""

from __future__ import annotations

import pytest

from livedream.dream.journey import Journey, leg_s, stations
from livedream.dream.targets import Target
from livedream.settings import Settings


def test_it_goes_up_and_down_from_where_it_starts():
    walked = [stations(4, 1, n, 0.5)[0][0] for n in range(10)]
    assert walked == [1, 2, 3, 2, 1, 0, 1, 2, 3, 2]


def test_it_holds_then_fades():
    assert stations(4, 0, 0.0, 0.25) == stations(4, 0, 0.74, 0.25) == ((0, 1.0),)
    ((here, less), (there, more)) = stations(4, 0, 0.95, 0.25)
    assert (here, there) == (0, 1)
    assert less + more == pytest.approx(1)
    assert more > less


@pytest.mark.parametrize("fade_fraction", [0.0, 0.3, 1.0])
def test_weights_never_jump_unless_there_is_no_fade(fade_fraction):
    before = dict(stations(5, 2, 0.0, fade_fraction))
    for n in range(1, 2000):
        now = dict(stations(5, 2, n / 200, fade_fraction))
        change = max(abs(now.get(layer, 0) - before.get(layer, 0)) for layer in now.keys() | before.keys())
        assert change < 0.05 or fade_fraction == 0
        before = now


def test_a_network_of_one_layer_stays_at_it():
    assert stations(1, 0, 7.3, 0.5) == ((0, 1.0),)


def test_a_tempo_counts_whole_beats():
    settings = Settings(journey_bpm=120, journey_beats=8, journey_fade_s=1.0)
    assert leg_s(settings) == (3.0, 1.0)
    assert leg_s(settings.replace(journey_beats=1, journey_fade_s=6.0)) == (0.25, 0.25)


def test_another_tempo_on_the_way_causes_no_jump():
    start = {Target("dreamnet", "edges"): 1.0}
    slow = Settings(journey_hold_s=0, journey_fade_s=10)
    journey = Journey()
    before = [journey.mix(slow, start, 0.5) for _ in range(7)][-1]
    after = journey.mix(slow.replace(journey_fade_s=1), start, 0.0)
    assert after == before


def test_on_the_beat_it_follows_the_tempo_and_ends_its_fades_with_the_music():
    settings = Settings(
        bpm=120, journey_on_beat=True, journey_beats=4, journey_bpm=7, journey=True, journey_fade_s=0.5
    )
    assert leg_s(settings) == (1.5, 0.5)
    assert sum(leg_s(settings.replace(journey_on_beat=False))) == pytest.approx(4 * 60 / 7)
    assert leg_s(settings.replace(bpm=0)) == (12.0, 0.5)  # its own durations, without a tempo
    start = {Target("dreamnet", "edges"): 1.0}
    journey, late_s = Journey(), 0.7
    changes = []
    for n in range(1, 1201):
        time_s = n / 60
        heaviest = journey.mix(settings, start, 1 / 60, (time_s - late_s) % 2.0)
        if all(weight == 1.0 for weight in heaviest.values()) and (not changes or heaviest != changes[-1][1]):
            changes.append((time_s, heaviest))
    ends = [(time_s - late_s) % 2.0 for time_s, _ in changes[5:]]
    assert ends == pytest.approx([0.0] * len(ends), abs=0.05)
    assert len(ends) >= 3
