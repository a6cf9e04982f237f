"""What is heard in synthetic sound: drums, tones, noise and silence, loud and quiet."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.audio.analysis import Analyser, Heard

RATE = 48000
DICE = np.random.default_rng(3)


def tone(hz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def noise(seconds: float, amplitude: float) -> np.ndarray:
    return (amplitude * DICE.standard_normal(int(seconds * RATE))).astype(np.float32)


def drums(seconds: float, bpm: float = 120.0) -> np.ndarray:
    """A kick on each beat and a hi-hat between two, over a quiet pad."""
    sound = tone(440, seconds, 0.02) + noise(seconds, 0.002)
    beat = int(60 / bpm * RATE)
    for start in range(0, len(sound) - beat + 1, beat):
        t = np.arange(beat // 2) / RATE
        sound[start : start + beat // 2] += 0.7 * np.sin(2 * np.pi * 60 * t) * np.exp(-12 * t)
        half = start + beat // 2
        hat = np.diff(DICE.standard_normal(beat // 2 + 1)) * np.exp(-60 * t)
        sound[half : half + beat // 2] += 0.15 * hat
    return sound.astype(np.float32)


def heard(sound: np.ndarray, block: int = 512, rate: float = RATE) -> list[Heard]:
    """What is heard after each block."""
    analyser = Analyser(rate)
    return [analyser.feed(sound[n : n + block]) for n in range(0, len(sound), block)]


@pytest.mark.parametrize(("hz", "band"), [(60, "bass"), (800, "mid"), (6000, "treble")])
def test_a_tone_is_in_its_band(hz, band):
    last = heard(tone(hz, 2.0))[-1]
    assert getattr(last, band) > 0.95
    assert last.level > 0.95
    assert all(getattr(last, other) < 0.3 for other in {"bass", "mid", "treble"} - {band})


def test_a_steady_tone_stays_loud():
    assert heard(tone(60, 60.0))[-1].bass > 0.9


def test_a_kick_is_bass_that_comes_and_goes():
    bass = [h.bass for h in heard(drums(10.0))][400:]
    assert max(bass) > 0.9
    assert min(bass) < 0.1


def test_every_drum_is_an_onset_and_little_else_is():
    onsets = heard(drums(20.0))[-1].onsets
    assert 72 <= onsets <= 84  # 40 kicks and 40 hats, and the first second learns


@pytest.mark.parametrize("gain", [0.2, 3.0])
def test_a_quiet_and_a_loud_input_are_heard_alike(gain):
    sound = drums(12.0)
    usual, other = heard(sound)[600:], heard((gain * sound).astype(np.float32))[600:]
    for name in ("bass", "mid", "treble", "level"):
        mean = np.mean([getattr(h, name) for h in usual])
        assert np.mean([getattr(h, name) for h in other]) == pytest.approx(mean, abs=0.08)
    assert other[-1].onsets - other[0].onsets == pytest.approx(usual[-1].onsets - usual[0].onsets, abs=3)


def test_the_gain_comes_back_after_a_loud_part():
    quiet = drums(60.0) * 0.05
    sound = np.concatenate((drums(5.0), quiet)).astype(np.float32)
    bass = [h.bass for h in heard(sound)]
    assert max(bass[500:650]) < 0.15
    assert max(bass[-200:]) > 0.8


def test_silence_and_the_noise_of_an_input_are_nothing():
    for sound in (np.zeros(5 * RATE, np.float32), noise(5.0, 0.0001)):
        last = heard(sound)[-1]
        assert max(last.bass, last.mid, last.treble, last.level) < 0.15
        assert last.onsets == 0


def test_steady_noise_has_few_onsets():
    assert heard(noise(20.0, 0.1))[-1].onsets < 12


def test_any_size_of_block_is_heard_alike():
    sound = drums(5.0)
    assert heard(sound, 100)[-1] == heard(sound, 4800)[-1]


def test_samples_that_are_no_numbers_do_no_harm():
    analyser = Analyser(RATE)
    analyser.feed(np.full(4800, np.nan, np.float32))
    analyser.feed(np.full(4800, np.inf, np.float32))
    assert analyser.feed(tone(60, 1.0)).bass > 0.9


@pytest.mark.parametrize("rate", [16000, 44100, 96000])
def test_other_rates_are_heard(rate):
    sound = np.sin(2 * np.pi * 60 * np.arange(2 * rate) / rate).astype(np.float32)
    assert heard(sound, 512, rate)[-1].bass > 0.9
