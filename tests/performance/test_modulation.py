"""The modulation matrix: what moves settings, by how much, and that nothing jumps or is written back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from livedream.controls.patch import LFOS, MODULABLE, SENSES, SHAPES, Lfo, Modulation, Patch
from livedream.errors import UsageError
from livedream.performance.lfo import level
from livedream.performance.modulation import Matrix, no_sense
from livedream.settings import SPECS, Settings

SETTINGS = Settings(strength=1.5, zoom=0.0)


def run(matrix: Matrix, seconds: float, start_s: float = 0.0, settings=SETTINGS, sense=no_sense, beats=None):
    """The modulated settings at 60 Hz."""
    times = [start_s + n / 60 for n in range(int(seconds * 60) + 1)]
    return [matrix.over(settings, t, None if beats is None else beats(t), sense) for t in times]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_lfo_uses_its_whole_range_and_repeats_in_its_period(shape):
    lfo = Lfo(shape, period_s=4.0)
    values = [level(lfo, n / 100, None) for n in range(40000)]
    assert min(values) >= -1
    assert max(values) <= 1
    assert max(values) - min(values) > 1.9
    if "random" not in shape:
        assert values[:400] == pytest.approx(values[800:1200], abs=1e-6)


@pytest.mark.parametrize("shape", ["sine", "triangle", "smooth random"])
def test_a_smooth_shape_does_not_jump(shape):
    values = [level(Lfo(shape, period_s=4.0), n / 100, None) for n in range(4000)]
    assert max(abs(b - a) for a, b in pairwise(values)) < 0.05


def test_a_phase_is_a_part_of_a_cycle():
    assert level(Lfo("sine", 4.0, phase=0.25), 0.0, None) == pytest.approx(1.0)
    assert level(Lfo("saw up", 4.0, phase=0.5), 0.0, None) == pytest.approx(0.0)


def test_an_lfo_on_the_beat_follows_the_tempo_and_rests_without_one():
    lfo = Lfo("saw up", beats=4.0)
    assert [level(lfo, 99.0, beats) for beats in (0.0, 2.0, 3.0, 4.0)] == [-1.0, 0.0, 0.5, -1.0]
    assert level(lfo, 99.0, None) == 0.0


def test_nothing_modulated_is_the_same_object():
    assert Matrix().over(SETTINGS, 0.0, None, no_sense) is SETTINGS


def test_an_lfo_moves_a_setting_around_what_is_wanted():
    patch = Patch((Modulation("lfo1", "strength", 0.2),), {"lfo1": Lfo("sine", period_s=2.0)})
    values = [s.strength for s in run(Matrix(patch), 4.0)]
    assert min(values) == pytest.approx(0.9, abs=0.01)  # 0.2 of 0–3 to either side
    assert max(values) == pytest.approx(2.1, abs=0.01)
    assert sum(values) / len(values) == pytest.approx(1.5, abs=0.01)


def test_a_modulated_value_stays_in_the_range():
    patch = Patch((Modulation("lfo1", "strength", 1.0),), {"lfo1": Lfo("square", period_s=2.0)})
    assert {s.strength for s in run(Matrix(patch), 4.0)} == {0.0, 3.0}


def test_several_sources_add_up():
    patch = Patch((Modulation("level", "strength", 0.1), Modulation("bass", "strength", 0.2)))
    assert run(Matrix(patch), 0.0, sense=lambda name: 1.0)[0].strength == pytest.approx(2.4)


def test_the_beat_pulses_the_zoom():
    values = [
        s.zoom for s in run(Matrix(Patch((Modulation("beat", "zoom", 0.25),))), 2.0, beats=lambda t: 2 * t)
    ]
    assert values[0] == values[30] == values[60] == pytest.approx(10.0)
    assert values[29] < 0.1
    assert run(Matrix(Patch((Modulation("beat", "zoom", 0.25),))), 0.0)[0] is SETTINGS


def test_attack_and_release_are_half_lives():
    matrix = Matrix(Patch((Modulation("level", "strength", 0.5, attack_s=0.5, release_s=2.0),)))
    run(matrix, 0.0, sense=lambda name: 0.0)
    up = run(matrix, 0.5, sense=lambda name: 1.0)
    assert up[-1].strength == pytest.approx(1.5 + 1.5 * 0.5, abs=0.03)
    run(matrix, 20.0, 0.5, sense=lambda name: 1.0)
    down = run(matrix, 2.0, 20.5, sense=lambda name: 0.0)
    assert down[-1].strength == pytest.approx(2.25, abs=0.03)


def test_another_patch_is_faded_to_without_a_jump():
    matrix = Matrix(Patch((Modulation("level", "strength", 0.5), Modulation("level", "zoom", 0.5))))
    run(matrix, 1.0, sense=lambda name: 1.0)
    matrix.begin(Patch((Modulation("level", "strength", 0.1), Modulation("level", "spin", 0.5))), 1.0, 2.0)
    fade = run(matrix, 2.5, 1.0, sense=lambda name: 1.0)
    for name, before, after in (("strength", 3.0, 1.8), ("zoom", 20.0, 0.0), ("spin", 0.0, 90.0)):
        values = [getattr(s, name) for s in fade]
        assert (values[0], values[-1]) == (pytest.approx(before), pytest.approx(after))
        most = abs(after - before) / 2 * 1.5 / 60 + 0.01
        assert max(abs(b - a) for a, b in pairwise(values)) < most
    matrix.begin(Patch(), 4.0, 0.0)
    assert run(matrix, 0.1, 4.0, sense=lambda name: 1.0)[-1] is SETTINGS
    assert not matrix.active


def test_a_knob_moves_the_centre_at_once():
    matrix = Matrix(Patch((Modulation("level", "strength", 0.1),)))
    assert matrix.over(SETTINGS, 0.0, None, lambda name: 1.0).strength == pytest.approx(1.8)
    louder = SETTINGS.replace(strength=2.0)
    assert matrix.over(louder, 0.001, None, lambda name: 1.0).strength == pytest.approx(2.3)


def test_all_modulation_can_be_switched_off_and_on():
    matrix = Matrix(Patch((Modulation("level", "strength", 0.5),)))
    run(matrix, 0.1, sense=lambda name: 1.0)
    off = SETTINGS.replace(modulation=False)
    assert run(matrix, 0.5, 0.1, off, sense=lambda name: 1.0)[-1] is off
    assert run(matrix, 0.5, 0.7, sense=lambda name: 1.0)[-1].strength == 3.0


def test_what_would_open_graphs_or_belongs_to_the_machine_is_not_modulated():
    assert {"strength", "zoom", "dream_blend", "feedback", "steps"} <= set(MODULABLE)
    assert not {"layer", "network", "octaves", "octave_scale", "working_px", "dream_rate_hz"} & set(MODULABLE)
    assert not {"mirror", "rotate", "bpm", "attract_after_s", "blackout"} & set(MODULABLE)


@pytest.mark.parametrize("name", MODULABLE)
def test_every_setting_that_can_be_modulated_takes_any_movement(name):
    for amount in (-1.0, -0.3, 0.3, 1.0):
        matrix = Matrix(Patch((Modulation("level", name, amount),)))
        for value in (SPECS[name].minimum, SPECS[name].default, SPECS[name].maximum):
            moved = run(matrix, 0.0, settings=Settings(**{name: value}), sense=lambda name: 0.7)[0]
            assert SPECS[name].check(getattr(moved, name)) is not None
    assert len(SENSES) + len(LFOS) == 18


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "sun"}, "source: invalid value 'sun': expected lfo1–lfo8, beat, bass"),
        ({"setting": "layer"}, "setting: invalid value 'layer': expected dream_blend, steps,"),
        ({"amount": 2}, "amount: invalid value 2: expected -1–1"),
        ({"amount": float("nan")}, "amount: invalid value nan"),
        ({"attack_s": "soon"}, "attack_s: invalid value 'soon': expected 0–60 s"),
        ({"depth": 1}, "unknown field 'depth'; possible: source, setting, amount"),
    ],
)
def test_an_impossible_modulation_is_refused(values, said):
    patch = Patch((Modulation("beat", "zoom"),))
    with pytest.raises(UsageError) as error:
        patch.with_modulation(1, values)
    assert said in str(error.value)


def test_modulations_are_changed_added_and_removed_by_number():
    patch = Patch().with_modulation(1, {"source": "beat", "setting": "zoom"})
    patch = patch.with_modulation(2, {"source": "bass", "setting": "strength", "amount": "0.5"})
    patch = patch.with_modulation(1, {"amount": -1})
    assert patch.modulations == (Modulation("beat", "zoom", -1.0), Modulation("bass", "strength", 0.5))
    assert patch.without_modulation(1).modulations == (Modulation("bass", "strength", 0.5),)
    with pytest.raises(UsageError, match="unknown modulation 9; possible: 1–2"):
        patch.without_modulation(9)
    with pytest.raises(UsageError, match="unknown LFO 'lfo9'"):
        patch.with_lfo("lfo9", {"shape": "sine"})
    assert patch.with_lfo("lfo2", {"beats": 4}).lfo("lfo2") == Lfo(beats=4.0)
