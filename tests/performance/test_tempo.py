"""The tempo: taps with slips, MIDI's clock with jitter, and a beat that goes on when they stop."""

from __future__ import annotations

import random

import pytest

from livedream.controls.actions import Clock
from livedream.performance.tempo import Legs, Tempo
from livedream.settings import Settings


def tapped(*times: float) -> Tempo:
    tempo = Tempo()
    for time_s in times:
        tempo.tap(time_s)
    return tempo


def test_without_a_tempo_there_are_no_beats():
    assert Tempo().beats(10.0) is None


def test_two_taps_make_a_tempo_and_the_last_is_on_the_beat():
    tempo = tapped(10.0, 10.5)
    assert tempo.bpm == pytest.approx(120)
    assert tempo.beats(10.5) % 1 == pytest.approx(0)
    assert tempo.beats(12.75) - tempo.beats(10.5) == pytest.approx(4.5)


def test_unsteady_taps_are_averaged():
    dice = random.Random(1)
    tempo = tapped(*(n * 0.5 + dice.uniform(-0.025, 0.025) for n in range(12)))
    assert tempo.bpm == pytest.approx(120, abs=0.6)


@pytest.mark.parametrize(
    "times",
    [
        (0.0, 0.5, 1.0, 1.05, 1.5, 2.0),  # a key that bounces
        (0.0, 0.5, 1.0, 2.0, 2.5, 3.0),  # a beat left out
        (0.0, 0.5, 1.0, 1.5, 2.0, 2.35, 3.0, 3.5),  # a slip
    ],
)
def test_slips_do_not_change_the_tempo(times):
    tempo = tapped(*times)
    assert tempo.bpm == pytest.approx(120, rel=0.01)
    assert tempo.beats(times[-1]) % 1 == pytest.approx(0, abs=0.05)


def test_after_a_pause_a_new_series_begins():
    tempo = tapped(0.0, 0.5, 1.0, 60.0)
    assert tempo.bpm == pytest.approx(120)
    tempo.tap(60.3)
    assert tempo.bpm == pytest.approx(200)


def test_impossible_taps_change_nothing():
    tempo = tapped(0.0, 0.5, 1.0)
    for n in range(20):
        tempo.tap(60.0 + n / 100)
    assert tempo.bpm == pytest.approx(120)


def test_another_tempo_goes_on_from_the_present_beat():
    tempo = tapped(0.0, 0.5)
    before = tempo.beats(1.3)
    tempo.set(90.0, 1.3)
    assert tempo.beats(1.3) == pytest.approx(before)
    assert tempo.beats(1.3 + 60 / 90) == pytest.approx(before + 1)


def test_resync_begins_a_bar():
    tempo = tapped(0.0, 0.5)
    tempo.resync(3.8)
    assert tempo.beats(3.8) % 4 == 0
    assert tempo.bpm == pytest.approx(120)


def clock(tempo: Tempo, bpm: float, start_s: float, beats: float, jitter_s: float = 0.0) -> float:
    """Give it MIDI's ticks; when the last one came."""
    dice = random.Random(2)
    for n in range(int(beats * 24) + 1):
        time_s = start_s + n * 60 / bpm / 24 + dice.uniform(-jitter_s, jitter_s)
        tempo.act(Clock("tick", time_s), "midi")
    return start_s + int(beats * 24) * 60 / bpm / 24


def test_midis_clock_sets_tempo_and_phase():
    tempo = Tempo()
    tempo.act(Clock("start", 5.0), "midi")
    end_s = clock(tempo, 132.0, 5.0, 8.0, jitter_s=0.003)
    assert tempo.bpm == pytest.approx(132, rel=0.005)
    assert tempo.beats(end_s) == pytest.approx(8, abs=0.02)
    assert tempo.origin == "midi"


def test_the_beat_goes_on_when_the_clock_stops_and_follows_it_when_it_is_back():
    tempo = Tempo()
    tempo.act(Clock("start", 0.0), "midi")
    end_s = clock(tempo, 120.0, 0.0, 4.0)
    assert tempo.beats(end_s + 1) == pytest.approx(6)
    clock(tempo, 90.0, end_s + 30, 4.0)
    assert tempo.bpm == pytest.approx(90)


def test_resync_holds_against_the_clock():
    tempo = Tempo()
    tempo.act(Clock("start", 0.0), "midi")
    end_s = clock(tempo, 120.0, 0.0, 4.25)
    tempo.resync(end_s)
    shifted = tempo.beats(end_s)
    for n in range(1, 25):
        tempo.act(Clock("tick", end_s + n * 0.5 / 24), "midi")
    assert tempo.beats(end_s + 0.5) == pytest.approx(shifted + 1, abs=0.01)


@pytest.mark.parametrize("bpm", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_impossible_tempo_of_others_is_ignored(bpm):
    tempo = Tempo()
    tempo.follow(bpm, 1.0, 1.0, "link")
    assert tempo.bpm == 0


def test_a_leg_of_a_journey_begins_with_the_music_and_small_corrections_change_nothing():
    settings = Settings(journey=True, journey_on_beat=True, journey_beats=4, bpm=120.0)
    legs = Legs()
    legs.step(settings, 9.0, 100.0)
    assert legs.began_s == pytest.approx(99.5)
    before = legs.began_s
    legs.step(settings, 10.02, 100.5)
    assert legs.began_s == before
    legs.step(settings, 12.5, 101.75)
    assert legs.began_s == pytest.approx(101.5)
    legs.step(settings, None, 102.0)
    assert legs.began_s is None
    legs.step(settings.replace(journey=False), 12.0, 102.0)
    assert legs.began_s is None
