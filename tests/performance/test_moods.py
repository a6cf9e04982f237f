"""A scene's moods: how it begins for a visitor, what standing still does, and what nobody's being there."""

from __future__ import annotations

import pytest

from livedream.controls.actions import RecallKey, Set, Store
from livedream.performance.moods import RETURN_S, STILL_AFTER_S, Mood, Moods
from livedream.performance.possible import usable_moods
from livedream.performance.scenes import SHIPPED_DIR, Scenes, read_scene
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from tests.performance.playing import until_read

STILL, WALKING = 0.1, 0.9
BLOOM = """fade_s = 0
key = 4
[settings]
strength = 0.4
[arrival]
fade_s = 10
strength = 0.0
[still]
fade_s = 60
layer = "textures"
strength = 2.0
[alone]
fade_s = 5
feedback = 1.0
"""


@pytest.fixture
def bloom(tmp_path):
    """A performance of a scene with all moods, recalled at second 0."""
    (tmp_path / "bloom.toml").write_text(BLOOM)
    performance = Performance(PlayState.begin(Settings(), None), Scenes(tmp_path), 0.0)
    performance.act(RecallKey(4), 0.0)
    assert [text for text, alarm in until_read(performance, 0.0) if alarm] == []
    yield performance
    performance.close()


def played(
    performance: Performance, until_s: float, somebody: bool, motion: float, since_s: float
) -> Settings:
    """What is played at a moment, after a step every 50 ms."""
    for n in range(round((until_s - since_s) * 20) + 1):
        performance.step(since_s + n / 20, somebody, motion)
    return performance.settings


def test_a_visitor_who_arrives_is_met_by_the_arrival_and_then_by_the_scene(bloom):
    assert played(bloom, 1.0 + RETURN_S, True, WALKING, 1.0).strength == pytest.approx(0.0, abs=0.01)
    assert played(bloom, 7.0, True, WALKING, 1.7).strength == pytest.approx(0.2, abs=0.05)
    assert played(bloom, 12.0, True, WALKING, 7.0).strength == pytest.approx(0.4)


def test_standing_still_fades_to_another_mood_and_a_movement_takes_it_back_at_once(bloom):
    played(bloom, 20.0, True, WALKING, 0.0)
    still = played(bloom, 20.0 + STILL_AFTER_S + 30, True, STILL, 20.0)
    assert (still.strength, still.layer) == (pytest.approx(1.2, abs=0.05), "textures")
    assert bloom.played.transition_s == 60.0
    assert played(bloom, 120.0, True, STILL, 51.5).strength == 2.0
    moved = played(bloom, 120.1 + RETURN_S, True, WALKING, 120.0)
    assert (moved.strength, moved.layer) == (0.4, "patterns")


def test_a_pause_between_two_gestures_is_no_standing_still(bloom):
    played(bloom, 20.0, True, WALKING, 0.0)
    assert played(bloom, 21.0, True, STILL, 20.0).strength == 0.4
    assert played(bloom, 22.0, True, WALKING, 21.0).strength == 0.4


def test_nobody_there_is_answered_by_the_scene_itself_instead_of_the_attract_scene(bloom):
    played(bloom, 3.0, True, WALKING, 0.0)
    alone = played(bloom, 30.0, False, WALKING, 3.0)
    assert (alone.feedback, alone.strength, alone.zoom) == (1.0, 0.4, 0.0)
    assert bloom.attract.active
    back = played(bloom, 30.0 + RETURN_S, True, WALKING, 30.0)
    assert (back.feedback, back.strength) == (0.0, pytest.approx(0.0, abs=0.05))
    assert bloom.played.persistence_limit_s is not None


def test_where_nobody_looks_for_visitors_there_are_no_moods(bloom):
    for n in range(100):
        bloom.step(float(n), None, STILL)
    assert bloom.settings.strength == 0.4


def test_who_sets_a_setting_has_it_from_every_mood(bloom):
    played(bloom, 20.0, True, WALKING, 0.0)
    played(bloom, 90.0, True, STILL, 20.0)
    bloom.act(Set("strength", 1.0), 90.0)
    assert played(bloom, 91.0, True, STILL, 90.0).strength == 1.0
    assert bloom.settings.layer == "textures"


def test_a_scene_without_moods_ends_them(bloom, tmp_path):
    (tmp_path / "plain.toml").write_text("key = 5\nfade_s = 0\n[settings]\nsteps = 3\n")
    played(bloom, 20.0, True, WALKING, 0.0)
    played(bloom, 90.0, True, STILL, 20.0)
    bloom.act(RecallKey(5), 90.0)
    until_read(bloom, 90.0, True)
    assert (bloom.settings.strength, bloom.settings.layer) == (1.0, "patterns")


def test_a_stored_scene_keeps_its_moods(bloom, tmp_path):
    bloom.act(Store("scene-8", 8), 0.0)
    until_read(bloom, 1.0)
    assert read_scene(tmp_path / "scene-8.toml").moods == read_scene(tmp_path / "bloom.toml").moods


def test_a_show_that_begins_with_a_scene_has_its_moods(tmp_path):
    (tmp_path / "bloom.toml").write_text(BLOOM)
    performance = Performance(PlayState.begin(Settings(strength=0.4), None), Scenes(tmp_path), 0.0, "bloom")
    played(performance, 20.0, True, WALKING, 0.0)
    assert played(performance, 90.0, True, STILL, 20.0).strength == 2.0
    performance.close()


def test_what_was_set_beside_a_scene_at_the_start_is_left_alone_by_its_moods(tmp_path):
    (tmp_path / "bloom.toml").write_text(BLOOM)
    performance = Performance(PlayState.begin(Settings(strength=0.9), None), Scenes(tmp_path), 0.0, "bloom")
    played(performance, 20.0, True, WALKING, 0.0)
    still = played(performance, 90.0, True, STILL, 20.0)
    assert (still.strength, still.layer) == (0.9, "textures")
    performance.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("still = 3", "still: invalid value 3: expected a table [still]"),
        ("[still]\nfade_s = -1", "still: fade_s: invalid value -1: expected 0–600 s"),
        ("[alone]\nstrength = 9.0", "alone: setting strength: invalid value 9.0"),
        ('[alone]\nnetwork = "vgg16"', "alone: network: only the whole scene can have one"),
        (
            "[asleep]\nstrength = 1.0",
            "asleep: unknown; possible: title, fade_s, key, settings, arrival, still",
        ),
    ],
)
def test_a_mistake_in_a_mood_names_it_and_the_rest_works(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(f"{text}\n[settings]\nsteps = 3\n")
    scene = read_scene(path)
    (problem,) = scene.problems
    assert said in problem
    assert scene.settings == {"steps": 3}


def test_the_moods_of_the_shipped_scenes_are_possible():
    for path in SHIPPED_DIR.glob("*.toml"):
        scene = read_scene(path)
        assert usable_moods(scene, Settings())[1] == (), path


def test_every_digit_has_a_shipped_scene_and_only_one(tmp_path):
    keys = sorted(read_scene(path).key for path in SHIPPED_DIR.glob("*.toml"))
    assert [key for key in keys if key] == list(range(1, 10))


def test_a_mood_that_is_impossible_is_said_when_the_scene_is_recalled(tmp_path):
    (tmp_path / "a.toml").write_text('key = 4\nfade_s = 0\n[settings]\nsteps = 3\n[still]\nlayer = "hats"\n')
    performance = Performance(PlayState.begin(Settings(), None), Scenes(tmp_path), 0.0)
    performance.act(RecallKey(4), 0.0)
    alarms = [text for text, alarm in until_read(performance, 0.0) if alarm]
    assert len(alarms) == 1
    assert alarms[0].startswith("scene a: still: layer: unknown layer 'hats'")
    assert performance.settings.steps == 3
    performance.close()


def test_moods_know_a_visitor_who_stands_from_one_who_walks():
    moods = Moods()
    moods.begin({"still": Mood({}, 7.0)})
    motions = [
        (0.0, 0.9),
        (1.0, 0.2),
        (1.4, 0.5),
        (1.5, 0.2),
        (2.8, 0.2),
        (3.1, 0.3),
        (5.0, 0.4),
        (5.1, 0.5),
        (5.2, 0.3),
        (9.0, 0.3),
    ]
    names = []
    for now, motion in motions:
        moods.step(now, True, motion, False)
        names.append(moods.name)
    assert names == ["", "", "", "", "", "still", "still", "", "", ""]
