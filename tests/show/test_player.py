"""The player: keys, scenes and visitors change the settings, in fades, without waiting for a disk."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from livedream.controls.actions import Cycle, Nudge, Set
from livedream.errors import UsageError
from livedream.scenes import Scene, Scenes
from livedream.settings import DreamSettings
from livedream.show.player import Player, listing, possible
from livedream.show.state import State

FOG = 'title = "Fog"\nfade_s = 2.0\nkey = 4\n[settings]\nlayer = "edges"\nstrength = 2.0\nmix = "luminance"\n'


@pytest.fixture
def play(tmp_path):
    """Makes players whose scenes are in ``tmp_path``; the last is closed after the test."""
    (tmp_path / "fog.toml").write_text(FOG)
    (tmp_path / "attract.toml").write_text('fade_s = 2.0\n[settings]\nmix = "dream"\nzoom = 4.0\n')
    players = []

    def begin(**settings) -> Player:
        players.append(Player(State.begin(DreamSettings(**settings), None), Scenes(tmp_path), 0.0))
        return players[-1]

    yield begin
    for player in players:
        player.close()


def until_read(player: Player, now: float, somebody: bool | None = None) -> list[tuple[str, bool]]:
    """Play at one moment until the disk has answered."""
    deadline = time.monotonic() + 30
    news = player.step(now, somebody)
    while player.busy and time.monotonic() < deadline:
        time.sleep(0.001)
        news += player.step(now, somebody)
    return news


def test_a_recalled_scene_is_faded_to(play):
    player = play(strength=1.0)
    player.recall(4)
    assert until_read(player, 10.0) == [("scene: Fog", False)]
    assert (player.settings.layer, player.settings.mix, player.settings.strength) == (
        "edges",
        "luminance",
        1.0,
    )
    player.step(11.0, None)
    assert player.settings.strength == pytest.approx(1.5)
    assert player.settings.crossfade_s == 2.0
    player.step(12.0, None)
    assert player.settings.strength == 2.0
    assert player.scene == "fog"


def test_a_key_during_a_fade_changes_what_is_faded_to(play):
    player = play()
    player.recall(4)
    until_read(player, 10.0)
    player.act(Nudge("steps", 3), 11.0, {})
    player.act(Set("strength", 0.3), 11.0, {})
    player.step(30.0, None)
    assert (player.settings.steps, player.settings.strength, player.settings.layer) == (5, 0.3, "edges")


def test_a_digit_without_a_scene_is_said(play, tmp_path, monkeypatch):
    monkeypatch.setattr("livedream.scenes.SHIPPED_DIR", tmp_path)
    player = play()
    player.recall(9)
    ((text, alarm),) = until_read(player, 1.0)
    assert "key 9" in text
    assert alarm


def test_a_damaged_scene_is_said_and_the_show_goes_on(play, tmp_path):
    (tmp_path / "bad.toml").write_text('key = 7\n[settings]\nlayer = "inception9"\nsteps = 4\nfog = 1\n')
    player = play()
    player.recall(7)
    news = until_read(player, 1.0)
    assert any("layer: unknown layer 'inception9'" in text and alarm for text, alarm in news)
    assert any("bad.toml: fog: unknown setting" in text and alarm for text, alarm in news)
    player.step(20.0, None)
    assert (player.settings.layer, player.settings.steps) == ("parts", 4)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_a_scene_that_cannot_be_read_leaves_the_show_as_it_is(play, tmp_path, text):
    (tmp_path / "bad.toml").write_text(f"key = 7\n{text}")
    (tmp_path / "attract.toml").write_text(text)
    player = play(strength=1.5)
    before = player.settings
    player.recall(7)
    ((said, alarm),) = until_read(player, 1.0)
    assert "bad.toml: cannot be read" in said
    assert alarm
    ((said, alarm),) = until_read(player, 30.0, False)
    assert "attract.toml: cannot be read" in said
    assert alarm
    assert player.settings == before
    player.recall(4)
    assert ("scene: Fog", False) in until_read(player, 40.0, False)


def test_channels_with_an_enormous_number_are_said_and_the_rest_works(play, tmp_path):
    channels = "top " + "9" * 5000
    text = f'key = 7\nfade_s = 0\n[settings]\nchannels = "{channels}"\nsteps = 4\n'
    (tmp_path / "bad.toml").write_text(text)
    player = play()
    player.recall(7)
    assert "channels: setting channels cannot be 'top 9999" in until_read(player, 1.0)[-1][0]
    assert player.settings.steps == 4


def test_a_fault_while_a_scene_is_read_is_logged_with_its_name_and_the_show_goes_on(tmp_path, caplog):
    class Faulty(Scenes):
        def named(self, name: str) -> Scene:
            raise RuntimeError(f"no {name}")

        on_key = named  # type: ignore[assignment]

    player = Player(State.begin(DreamSettings(), None), Faulty(tmp_path), 0.0)
    before = player.settings
    player.recall(4)
    assert until_read(player, 1.0) == [("scene on key 4 cannot be shown: RuntimeError: no 4", True)]
    until_read(player, 30.0, False)
    assert [record.getMessage() for record in caplog.records] == [
        "scene on key 4 cannot be shown",
        "scene attract cannot be shown",
    ]
    assert player.settings == before
    player.close()


def test_what_is_shown_is_stored_and_comes_back(play, tmp_path):
    player = play(strength=1.7)
    player.store(8)
    ((text, alarm),) = until_read(player, 1.0)
    assert text == f"scene stored: {tmp_path / 'scene-8.toml'}"
    assert not alarm
    player.act(Set("strength", 0.1), 2.0, {})
    player.recall(8)
    until_read(player, 3.0)
    player.step(30.0, None)
    assert player.settings.strength == 1.7


def test_an_empty_room_leads_into_the_attract_dream_and_a_visitor_back_within_a_second(play):
    player = play(layer="textures", strength=1.5)
    player.step(19.0, False)
    assert player.settings.zoom == 0
    until_read(player, 20.0, False)
    player.step(21.0, False)
    assert player.settings.mix == "dream"
    assert 0 < player.settings.zoom < 4  # a fade
    player.step(40.0, False)
    assert player.settings.zoom == 4
    player.step(41.0, True)
    assert player.settings.mix == "over"
    assert player.settings.zoom > 0  # a fade, too
    player.step(41.8, True)
    assert player.settings == State.begin(DreamSettings(layer="textures", strength=1.5), None).settings
    assert player.attract.times == 1


@pytest.mark.parametrize("dream_fps", [0.0, 5.0, 60.0])
def test_little_of_the_attract_dream_is_left_after_a_second_however_slow_the_dream(play, dream_fps):
    player = play()
    until_read(player, 20.0, False)
    player.step(30.0, False)
    now, carried = 31.0, []
    while now < 32.0:
        player.step(now, True, dream_fps)
        carried.append(player.settings.persistence)
        now += 1 / max(dream_fps, 2.0)
    assert math.prod(carried) < 0.25


def test_a_key_ends_the_attract_dream_and_acts_on_what_was_before(play):
    player = play(strength=1.5)
    until_read(player, 20.0, False)
    player.step(30.0, False)
    player.act(Nudge("strength", 1), 31.0, {})
    player.step(40.0, False)
    assert (player.settings.strength, player.settings.zoom) == (1.6, 0.0)


def test_somebody_who_comes_before_the_attract_scene_was_read_is_not_disturbed(play):
    player = play()
    player.step(20.0, False)
    player.attract.wake(20.0)
    until_read(player, 20.0, True)
    assert player.settings == State.begin(DreamSettings(), None).settings


def test_nobody_looks_for_visitors_in_a_film(play):
    player = play()
    player.step(1e6, None)
    assert not player.attract.active


def test_a_journey_for_visitors_lasts_as_long_as_they_stay(play):
    player = play(journey_for_visitors=True)
    journeys = []
    for now, somebody in ((1.0, False), (2.0, True), (3.0, True), (4.0, False)):
        player.step(now, somebody)
        journeys.append(player.settings.journey)
    assert journeys == [False, True, True, False]


def test_leaving_a_journey_stays_at_its_layer(play):
    player = play(journey=True)
    player.act(Cycle("layer", 1), 1.0, {"shown": {"layer": "edges"}})
    assert player.settings.layer == "textures"


def test_an_impossible_setting_is_refused(play):
    with pytest.raises(UsageError, match="unknown layer"):
        play().act(Set("layer", "inception9"), 1.0, {})


@pytest.mark.parametrize("attracts", [False, True])
def test_a_scene_of_a_network_without_weights_keeps_the_network_until_they_are_fetched(
    play, tmp_path, models, attracts
):
    (models / "dreamnet.safetensors").touch()
    text = 'fade_s = 0\n[settings]\nnetwork = "vgg16"\nlayer = "textures"\nsteps = 4\n'
    (tmp_path / "attract.toml").write_text(text)
    (tmp_path / "vgg.toml").write_text("key = 7\n" + text)
    player = play()

    def show(now: float) -> list[tuple[str, bool]]:
        if attracts:
            return until_read(player, now, False)
        player.recall(7)
        return until_read(player, now)

    name = "attract" if attracts else "vgg"
    refusal = f"scene {name}: network: vgg16 has no weights on this machine; run: live.py models fetch vgg16"
    assert show(30.0)[-1] == (refusal, True)
    assert (player.settings.network, player.settings.layer, player.settings.steps) == (
        "dreamnet",
        "textures",
        4,
    )
    (models / "vgg16.safetensors").touch()  # by live.py models fetch, beside the show
    player.step(40.0, True)
    assert not [text for text, alarm in show(80.0) if alarm]
    assert player.settings.network == "vgg16"


def test_a_scene_of_the_network_that_the_show_began_with_is_no_new_download(play, tmp_path, models):
    (models / "dreamnet.safetensors").touch()
    (tmp_path / "vgg.toml").write_text('key = 7\nfade_s = 0\n[settings]\nnetwork = "vgg16"\n')
    player = play(network="vgg16")
    player.act(Cycle("network", 1), 1.0, {})
    assert player.settings.network == "dreamnet"
    player.recall(7)
    until_read(player, 2.0)
    assert player.settings.network == "vgg16"


def test_no_control_changes_to_a_network_without_weights(play, models):
    (models / "dreamnet.safetensors").touch()
    with pytest.raises(UsageError, match=r"vgg16 has no weights .*; run: live.py models fetch vgg16"):
        play().act(Set("network", "vgg16"), 1.0, {})


def test_a_scene_at_the_start_may_name_any_network(models):
    found, problems = possible(Scene("a", {"network": "vgg16"}), DreamSettings())
    assert (found.network, problems) == ("vgg16", ())


def test_a_scene_for_another_network_takes_its_layer_too():
    scene = Scene("a", {"network": "bvlc_googlenet", "layer": "3b"})
    found, problems = possible(scene, DreamSettings())
    assert (found.network, found.layer, problems) == ("bvlc_googlenet", "inception_3b", ())


def test_words_of_layers_hold_for_every_network():
    found, problems = possible(Scene("a", {"layer": "textures"}), DreamSettings(network="bvlc_googlenet"))
    assert (found.layer, problems) == ("inception_3b", ())


def test_the_list_names_a_network_without_weights(tmp_path, models):
    (tmp_path / "a.toml").write_text('[settings]\nnetwork = "bvlc_googlenet"\n')
    assert "network: bvlc_googlenet has no weights on this machine; run: live.py" in listing(Scenes(tmp_path))


def test_the_list_names_every_scene_its_key_and_its_mistakes(tmp_path):
    (tmp_path / "fog.toml").write_text(FOG)
    (tmp_path / "bad.toml").write_text("[settings]\nfog = 1\n")
    (tmp_path / "worse.toml").write_text("fog")
    text = listing(Scenes(Path(tmp_path)))
    assert f"  4  fog          Fog ({tmp_path / 'fog.toml'})" in text
    assert "fog: unknown setting" in text
    assert "worse.toml: cannot be read" in text
    assert "attract" in text


def test_what_cannot_be_dreamt_is_no_longer_wanted(play, monkeypatch):
    monkeypatch.setattr("livedream.show.state.networks_here", lambda: ("dreamnet", "bvlc_googlenet"))
    player = play(layer="parts")
    dreamt = {"network": "dreamnet", "layer": "edges", "channels": "3", "guide": ""}
    player.fall_back(dreamt)  # a layer that is only on its way
    player.fall_back(dreamt | {"failed": {"network": "dreamnet", "layer": "objects"}})  # an older wish
    player.step(1.0, None)
    assert player.settings.layer == "parts"
    player.fall_back(dreamt | {"failed": {"network": "dreamnet", "layer": "parts"}})
    player.step(2.0, None)
    assert (player.settings.layer, player.settings.channels) == ("edges", "3")
    player.act(Set("network", "bvlc_googlenet"), 3.0, {})
    player.fall_back(dreamt | {"failed": {"network": "bvlc_googlenet"}})
    player.step(3.0, None)
    assert (player.settings.network, player.settings.layer) == ("dreamnet", "edges")
