"""The performance: keys, scenes and visitors change the settings, in fades, without waiting for a disk."""

from __future__ import annotations

import time

import pytest

from livedream.controls.actions import (
    Beat,
    Clock,
    Cycle,
    Delete,
    Nudge,
    Recall,
    RecallKey,
    RemoveModulation,
    Rename,
    Set,
    SetLfo,
    SetModulation,
    SetUnit,
    Store,
    Toggle,
)
from livedream.controls.port import Change
from livedream.curves import decay
from livedream.errors import UsageError
from livedream.performance.possible import possible
from livedream.performance.scenes import SHIPPED_DIR, Scene, Scenes, read_scene
from livedream.performance.state import Dreamt, PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from tests.performance.playing import until_read

FOG = 'title = "Fog"\nfade_s = 2.0\nkey = 4\n[settings]\nlayer = "edges"\nstrength = 2.0\nmix = "luminance"\n'


@pytest.fixture
def play(tmp_path):
    """Makes players whose scenes are in ``tmp_path``; the last is closed after the test."""
    (tmp_path / "fog.toml").write_text(FOG)
    (tmp_path / "attract.toml").write_text('fade_s = 2.0\n[settings]\nmix = "dream"\nzoom = 4.0\n')
    players = []

    def begin(**settings) -> Performance:
        players.append(Performance(PlayState.begin(Settings(**settings), None), Scenes(tmp_path), 0.0))
        return players[-1]

    yield begin
    for performance in players:
        performance.close()


def test_a_recalled_scene_is_faded_to(play):
    performance = play(strength=1.0)
    performance.act(RecallKey(4), 0.0)
    assert until_read(performance, 10.0) == [("scene: Fog", False)]
    assert (performance.settings.layer, performance.settings.mix, performance.settings.strength) == (
        "edges",
        "luminance",
        1.0,
    )
    performance.step(11.0, None)
    assert performance.settings.strength == pytest.approx(1.5)
    assert performance.played.transition_s == 2.0
    performance.step(12.0, None)
    assert performance.settings.strength == 2.0
    assert performance.played.transition_s is None
    assert performance.scene == "fog"


def test_a_key_during_a_fade_changes_what_is_faded_to(play):
    performance = play()
    performance.act(RecallKey(4), 0.0)
    until_read(performance, 10.0)
    performance.act(Nudge("steps", 3), 11.0)
    performance.act(Set("strength", 0.3), 11.0)
    performance.step(30.0, None)
    settings = performance.settings
    assert (settings.steps, settings.strength, settings.layer) == (5, 0.3, "edges")


def test_a_digit_without_a_scene_is_said(play, tmp_path, monkeypatch):
    monkeypatch.setattr("livedream.performance.scenes.SHIPPED_DIR", tmp_path)
    performance = play()
    performance.act(RecallKey(9), 0.0)
    ((text, alarm),) = until_read(performance, 1.0)
    assert "key 9" in text
    assert alarm


def test_a_damaged_scene_is_said_and_the_show_goes_on(play, tmp_path):
    (tmp_path / "bad.toml").write_text('key = 7\n[settings]\nlayer = "inception9"\nsteps = 4\nfog = 1\n')
    performance = play()
    performance.act(RecallKey(7), 0.0)
    news = until_read(performance, 1.0)
    assert any("layer: unknown layer 'inception9'" in text and alarm for text, alarm in news)
    assert any("bad.toml: fog: unknown setting" in text and alarm for text, alarm in news)
    performance.step(20.0, None)
    assert (performance.settings.layer, performance.settings.steps) == ("patterns", 4)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_a_scene_that_cannot_be_read_leaves_the_show_as_it_is(play, tmp_path, text):
    (tmp_path / "bad.toml").write_text(text)
    performance = play(strength=1.5)
    before = performance.settings
    performance.act(Recall("bad"), 0.0)
    ((said, alarm),) = until_read(performance, 1.0)
    assert "bad.toml: cannot be read" in said
    assert alarm
    assert performance.settings == before
    performance.act(RecallKey(4), 0.0)
    assert ("scene: Fog", False) in until_read(performance, 40.0, False)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000, "\0" * 300])
def test_an_empty_room_gets_the_shipped_attract_dream_where_ones_own_is_damaged(play, tmp_path, text):
    (tmp_path / "attract.toml").write_text(text)
    performance = play(strength=1.5)
    news = until_read(performance, 30.0, False)
    assert any("attract.toml: cannot be read" in said and alarm for said, alarm in news)
    performance.step(60.0, False)
    for name, value in read_scene(SHIPPED_DIR / "attract.toml").settings.items():
        assert getattr(performance.settings, name) == value


def test_channels_with_an_enormous_number_are_said_and_the_rest_works(play, tmp_path):
    channels = "top " + "9" * 5000
    text = f'key = 7\nfade_s = 0\n[settings]\nchannels = "{channels}"\nsteps = 4\n'
    (tmp_path / "bad.toml").write_text(text)
    performance = play()
    performance.act(RecallKey(7), 0.0)
    assert "channels: invalid value 'top 9999" in until_read(performance, 1.0)[-1][0]
    assert performance.settings.steps == 4


def test_a_fault_while_a_scene_is_read_is_logged_with_its_name_and_the_show_goes_on(tmp_path, caplog):
    class Faulty(Scenes):
        def named(self, name: str, *, tidy: bool = False) -> Scene:
            raise RuntimeError(f"no {name}")

        on_key = named  # type: ignore[assignment]

    performance = Performance(PlayState.begin(Settings(), None), Faulty(tmp_path), 0.0)
    before = performance.settings
    performance.act(RecallKey(4), 0.0)
    assert until_read(performance, 1.0) == [("scene on key 4 cannot be recalled: RuntimeError: no 4", True)]
    until_read(performance, 30.0, False)
    assert [record.getMessage() for record in caplog.records] == [
        "scene on key 4 cannot be recalled",
        "scene attract cannot be recalled",
    ]
    assert performance.settings == before
    performance.close()


def test_what_is_shown_is_stored_and_comes_back(play, tmp_path):
    performance = play(strength=1.7)
    performance.act(Store("scene-8", 8), 0.0)
    ((text, alarm),) = until_read(performance, 1.0)
    assert text == f"scene stored: {tmp_path / 'scene-8.toml'}"
    assert not alarm
    performance.act(Set("strength", 0.1), 2.0)
    performance.act(RecallKey(8), 0.0)
    until_read(performance, 3.0)
    performance.step(30.0, None)
    assert performance.settings.strength == 1.7


def test_an_empty_room_leads_into_the_attract_dream_and_a_visitor_back_within_a_second(play):
    performance = play(layer="textures", strength=1.5)
    performance.step(19.0, False)
    assert performance.settings.zoom == 0
    until_read(performance, 20.0, False)
    performance.step(21.0, False)
    assert performance.settings.mix == "dream"
    assert 0 < performance.settings.zoom < 4  # a fade
    performance.step(40.0, False)
    assert performance.settings.zoom == 4
    performance.step(41.0, True)
    assert performance.settings.mix == "over"
    assert performance.settings.zoom > 0  # a fade, too
    performance.step(41.8, True)
    assert performance.settings == PlayState.begin(Settings(layer="textures", strength=1.5), None).settings
    assert performance.attract.times == 1


@pytest.mark.parametrize("ticks_per_s", [5, 60])
def test_little_of_the_attract_dream_is_left_after_a_second_however_slow_the_dream(play, ticks_per_s):
    performance = play()
    until_read(performance, 20.0, False)
    performance.step(30.0, False)
    left = 1.0
    for n in range(ticks_per_s):
        performance.step(31.0 + n / ticks_per_s, True)
        limit_s = performance.played.persistence_limit_s
        left *= 1.0 if limit_s is None else decay(limit_s, 1 / ticks_per_s)
    assert left < 0.15
    assert performance.played.persistence_limit_s is None


def test_a_key_ends_the_attract_dream_and_acts_on_what_was_before(play):
    performance = play(strength=1.5)
    until_read(performance, 20.0, False)
    performance.step(30.0, False)
    performance.act(Nudge("strength", 1), 31.0)
    performance.step(40.0, False)
    assert (performance.settings.strength, performance.settings.zoom) == (1.6, 0.0)


def test_somebody_who_comes_before_the_attract_scene_was_read_is_not_disturbed(play):
    performance = play()
    performance.step(20.0, False)
    performance.attract.wake(20.0)
    until_read(performance, 20.0, True)
    assert performance.settings == PlayState.begin(Settings(), None).settings


def test_nobody_looks_for_visitors_in_a_video(play):
    performance = play()
    performance.step(1e6, None)
    assert not performance.attract.active


def test_a_journey_for_visitors_lasts_as_long_as_they_stay(play):
    performance = play(journey_for_visitors=True)
    journeys = []
    for now, somebody in ((1.0, False), (2.0, True), (3.0, True), (4.0, False)):
        performance.step(now, somebody)
        journeys.append(performance.settings.journey)
    assert journeys == [False, True, True, False]


def test_leaving_a_journey_stays_at_its_layer(play):
    performance = play(journey=True)
    performance.act(Cycle("layer", 1), 1.0, Dreamt(layer="edges"))
    assert performance.settings.layer == "textures"


@pytest.mark.parametrize(("action", "word"), [(Toggle("word_walk"), "daisy"), (Cycle("dream_of", 1), "sea")])
def test_leaving_a_walk_stays_at_its_word(play, action, word):
    performance = play(word_walk=True, palette="castle, daisy, sea")
    performance.act(action, 1.0, Dreamt(word="daisy"))
    assert (performance.settings.dream_of, performance.settings.word_walk) == (word, False)


@pytest.mark.parametrize(
    ("begun", "action", "told"),
    [
        ({}, Cycle("dream_of", 1), "dream of castle"),
        ({"dream_of": "castle"}, Set("channels", ""), "dream of the whole layer"),
        ({"dream_of": "castle"}, Cycle("dream_to", -1), "dream of castle; fader to sea"),
        ({}, Toggle("surprise"), "dream of what the camera shows"),
        ({}, Toggle("word_walk"), "dream of castle, daisy, sea in turn"),
    ],
)
def test_the_operator_is_told_at_once_what_is_going_to_be_dreamt(play, begun, action, told):
    performance = play(palette="castle, daisy, sea", **begun)
    performance.act(action, 1.0)
    assert performance.step(1.1, None) == [(told, False)]
    assert performance.step(1.2, None) == []
    performance.act(Nudge("dream_blend", 1), 2.0)
    assert performance.step(2.1, None) == []


def test_after_a_surprise_what_was_asked_for_is_dreamt_again(play):
    performance = play(dream_of="castle", surprise=True)
    performance.act(Toggle("surprise"), 1.0, Dreamt(word="mask"))
    assert (performance.settings.dream_of, performance.settings.surprise) == ("castle", False)


def test_a_scene_names_its_words_and_the_next_ends_them(play, tmp_path):
    (tmp_path / "stars.toml").write_text(
        'key = 7\nfade_s = 0\n[settings]\nlayer = "objects"\ndream_of = "jellyfish, sea:0.5"\n'
    )
    (tmp_path / "lines.toml").write_text('key = 8\nfade_s = 0\n[settings]\nlayer = "edges"\n')
    performance = play()
    performance.act(RecallKey(7), 0.0)
    assert not [text for text, alarm in until_read(performance, 1.0) if alarm]
    assert performance.settings.dream_of == "jellyfish, sea:0.5"
    performance.act(RecallKey(8), 2.0)
    assert not [text for text, alarm in until_read(performance, 3.0) if alarm]
    assert (performance.settings.dream_of, performance.settings.layer) == ("", "edges")


def test_words_that_a_scene_cannot_have_are_left_out_and_named(play, tmp_path):
    (tmp_path / "odd.toml").write_text(
        'key = 7\nfade_s = 0\n[settings]\nlayer = "edges"\ndream_of = "castle"\nsurprise = true\nsteps = 4\n'
    )
    performance = play()
    performance.act(RecallKey(7), 0.0)
    told = [text for text, alarm in until_read(performance, 1.0) if alarm]
    assert [text.partition(" has no")[0] for text in told] == [
        f"scene odd: {name}: layer edges of dreamnet" for name in ("dream_of", "surprise")
    ]
    assert (performance.settings.steps, performance.settings.by_words) == (4, False)


def test_an_impossible_setting_is_refused(play):
    with pytest.raises(UsageError, match="unknown layer"):
        play().act(Set("layer", "inception9"), 1.0)


@pytest.mark.parametrize("attracts", [False, True])
def test_a_scene_of_a_network_without_weights_keeps_the_network_until_they_are_fetched(
    play, tmp_path, models, attracts
):
    (models / "dreamnet.safetensors").touch()
    text = 'fade_s = 0\n[settings]\nnetwork = "vgg16"\nlayer = "textures"\nsteps = 4\n'
    (tmp_path / "attract.toml").write_text(text)
    (tmp_path / "vgg.toml").write_text("key = 7\n" + text)
    performance = play()

    def show(now: float) -> list[tuple[str, bool]]:
        if attracts:
            return until_read(performance, now, False)
        performance.act(RecallKey(7), 0.0)
        return until_read(performance, now)

    name = "attract" if attracts else "vgg"
    refusal = (
        f"scene {name}: network: vgg16 has no weights on this machine; run: livedream models fetch vgg16"
    )
    assert show(30.0)[-1] == (refusal, True)
    assert (performance.settings.network, performance.settings.layer, performance.settings.steps) == (
        "dreamnet",
        "textures",
        4,
    )
    (models / "vgg16.safetensors").touch()  # by livedream models fetch, beside the show
    performance.step(40.0, True)
    assert not [text for text, alarm in show(80.0) if alarm]
    assert performance.settings.network == "vgg16"


def test_a_scene_of_the_network_that_the_show_began_with_is_no_new_download(play, tmp_path, models):
    (models / "dreamnet.safetensors").touch()
    (tmp_path / "vgg.toml").write_text('key = 7\nfade_s = 0\n[settings]\nnetwork = "vgg16"\n')
    performance = play(network="vgg16")
    performance.act(Cycle("network", 1), 1.0)
    assert performance.settings.network == "dreamnet"
    performance.act(RecallKey(7), 0.0)
    until_read(performance, 2.0)
    assert performance.settings.network == "vgg16"


def test_no_control_changes_to_a_network_without_weights(play, models):
    (models / "dreamnet.safetensors").touch()
    with pytest.raises(UsageError, match=r"vgg16 has no weights .*; run: livedream models fetch vgg16"):
        play().act(Set("network", "vgg16"), 1.0)


def test_a_scene_at_the_start_may_name_any_network(models):
    found, problems = possible(Scene("a", {"network": "vgg16"}), Settings())
    assert (found.network, problems) == ("vgg16", ())


def test_a_scene_for_another_network_takes_its_layer_too():
    scene = Scene("a", {"network": "bvlc_googlenet", "layer": "3b"})
    found, problems = possible(scene, Settings())
    assert (found.network, found.layer, problems) == ("bvlc_googlenet", "inception_3b", ())


def test_words_of_layers_hold_for_every_network():
    found, problems = possible(Scene("a", {"layer": "textures"}), Settings(network="bvlc_googlenet"))
    assert (found.layer, problems) == ("inception_3b", ())


def test_a_scene_is_recalled_by_name_in_a_time_of_ones_own(play):
    performance = play(strength=1.0)
    performance.act(Recall("fog", fade_s=10.0), 0.0, origin="osc")
    until_read(performance, 10.0)
    performance.step(15.0, None)
    assert performance.settings.strength == pytest.approx(1.5)
    assert performance.played.transition_s == 10.0


def test_a_scene_is_stored_and_recalled_by_name(play, tmp_path):
    performance = play(strength=1.7)
    performance.act(Store("my scene"), 0.0)
    assert until_read(performance, 1.0) == [(f"scene stored: {tmp_path / 'my scene.toml'}", False)]
    performance.act(Set("strength", 0.1), 2.0)
    performance.act(Recall("my scene", 0.0), 3.0)
    until_read(performance, 3.0)
    assert performance.settings.strength == 1.7


@pytest.mark.parametrize("name", ["", "../fog", "a/b", ".hidden", "x" * 61, "a\n"])
def test_a_scene_is_not_stored_under_a_name_that_is_no_files(play, name):
    with pytest.raises(UsageError, match="invalid scene name"):
        play().act(Store(name), 0.0)


def test_every_accepted_change_is_announced_with_its_origin(play):
    performance = play(strength=1.0)
    performance.act(SetUnit("strength", 1.0), 1.0, origin="fader")
    performance.act(Set("strength", 3.0), 2.0, origin="page")  # changes nothing
    with pytest.raises(UsageError):
        performance.act(Set("strength", 99.0), 3.0, origin="page")
    assert performance.changes() == [Change("fader", ("strength",), performance.settings)]
    assert performance.changes() == []
    performance.act(RecallKey(4), 4.0, origin="keyboard")
    until_read(performance, 4.0)
    (change,) = performance.changes()
    assert (change.origin, change.scene) == ("keyboard", "fog")
    assert set(change.names) == {"layer", "strength", "mix"}
    assert change.settings.strength == 2.0  # where the fade leads


def test_a_restored_scene_leaves_the_place_as_it_is(play):
    performance = play(layer="edges")
    good = performance.settings
    performance.act(Set("layer", "objects"), 1.0)
    performance.act(Set("rotate", 90), 1.0)
    performance.restore(good, "dream")
    performance.step(2.0, None)
    assert (performance.settings.layer, performance.settings.rotate) == ("edges", 90)


def test_scenes_are_renamed_deleted_and_listed_without_waiting(play):
    performance = play()
    until_read(performance, 0.0)
    performance.act(Rename("fog", "mist"), 1.0)
    assert until_read(performance, 1.0) == [("scene fog renamed: mist", False)]
    performance.act(Delete("attract-me"), 2.0)
    [(said, alarm)] = until_read(performance, 2.0)
    assert alarm
    assert said.startswith("unknown scene 'attract-me'")
    deadline = time.monotonic() + 30
    while not any(title.name == "mist" for title in performance.scenes) and time.monotonic() < deadline:
        performance.step(3.0, None)
        time.sleep(0.001)
    assert {"mist", "attract"} <= {title.name for title in performance.scenes if title.own}


def test_lists_have_what_a_control_can_choose(play):
    lists = play(network="dreamnet").lists
    assert "patterns" in lists["layer"]
    assert lists["dream_of"][0] == ""
    assert "castle" in lists["dream_of"]


PULSE = 'title = "Pulse"\nfade_s = 2.0\nkey = 5\n[[modulation]]\n'
PULSE += 'source = "level"\nsetting = "strength"\namount = 0.5\n'


def loud(name: str) -> float:
    return 1.0


def test_a_scenes_modulation_is_faded_in_and_never_becomes_what_is_wanted(play, tmp_path):
    (tmp_path / "pulse.toml").write_text(PULSE)
    performance = play()
    performance.sense = loud
    performance.act(RecallKey(5), 0.0)
    until_read(performance, 10.0)
    assert performance.settings.strength == 1.0
    performance.step(11.0, None)
    assert performance.settings.strength == pytest.approx(1.75)
    performance.step(12.0, None)
    assert performance.settings.strength == pytest.approx(2.5)
    assert performance.lasting.strength == performance.wanted.strength == 1.0
    assert performance.played.centre.strength == 1.0
    performance.act(Nudge("strength", 1), 12.0)
    assert performance.wanted.strength == pytest.approx(1.1)
    performance.act(RecallKey(4), 13.0)
    until_read(performance, 13.0)
    performance.step(16.0, None)
    assert performance.settings.strength == 2.0
    assert performance.played.centre is None


def test_a_modulation_is_changed_by_hand_and_stored_with_the_scene(play, tmp_path):
    performance = play()
    performance.act(SetModulation(1, {"source": "lfo1", "setting": "zoom", "amount": 0.5}), 0.0)
    performance.act(SetLfo("lfo1", {"shape": "square", "period_s": 4.0}), 0.0)
    performance.step(1.0, None)
    assert abs(performance.settings.zoom) == pytest.approx(20.0)
    performance.act(Store("mine", 6), 1.0)
    until_read(performance, 1.0)
    assert Scenes(tmp_path).named("mine").patch == performance.patch
    performance.act(RemoveModulation(1), 2.0)
    performance.step(3.0, None)
    assert performance.settings.zoom == 0
    with pytest.raises(UsageError, match="unknown modulation 1"):
        performance.act(RemoveModulation(1), 3.0)


def test_the_attract_dream_has_its_own_modulation_and_gives_back_the_scenes(play, tmp_path):
    (tmp_path / "pulse.toml").write_text(PULSE)
    performance = play(attract_after_s=5.0)
    performance.act(RecallKey(5), 0.0)
    until_read(performance, 0.0, True)
    patch = performance.patch
    until_read(performance, 10.0, False)
    assert performance.attract.active
    assert performance.patch.modulations == ()
    performance.step(20.0, True)
    assert performance.patch == patch


def test_the_tempo_and_its_setting_follow_each_other(play):
    performance = play()
    for n in range(4):
        performance.tap(n / 2)
    assert performance.settings.bpm == 0  # played from the next step on
    performance.step(2.0, None)
    assert performance.settings.bpm == 120.0
    change = performance.changes()[0]
    assert (change.origin, change.names) == ("tap", ("bpm",))
    performance.act(Set("bpm", 90.0), 2.0)
    performance.step(2.1, None)
    assert performance.tempo.bpm == 90
    for n in range(49):
        performance.act(Clock("tick", 3 + n * 0.5 / 24), 3.0)
    performance.step(4.0, None)
    assert performance.settings.bpm == 120.0
    performance.act(Beat(100.0, 7.25, 5.0), 5.0, origin="link")
    performance.step(5.1, None)
    assert performance.settings.bpm == 100.0
    assert performance.tempo.beats(5.0) == 7.25


def test_a_tempo_that_is_tapped_during_the_attract_dream_stays(play):
    performance = play(attract_after_s=5.0)
    until_read(performance, 10.0, False)
    assert performance.attract.active
    performance.tap(11.0)
    performance.tap(11.5)
    performance.step(12.0, True)
    performance.step(20.0, True)
    assert performance.settings.bpm == 120.0
