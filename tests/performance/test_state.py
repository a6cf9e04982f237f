"""The running show's settings stay possible: a layer of the network, a channel of the layer."""

from __future__ import annotations

import shutil

import pytest

from livedream import extras
from livedream.controls.actions import Cycle, Nudge, Set, Toggle
from livedream.errors import MissingPackageError, NetworkError, UsageError
from livedream.networks import dreamable
from livedream.networks.catalogue import MODELS_DIR
from livedream.performance.state import PlayState, consistent
from livedream.settings import WORD_SETTINGS, Settings


@pytest.mark.parametrize(
    ("network", "layer", "name"),
    [
        ("bvlc_googlenet", "parts", "inception_4c"),
        ("bvlc_googlenet", "inception_4c/output", "inception_4c"),
        ("bvlc_googlenet", "4c", "inception_4c"),
        ("googlenet", "3b", "inception3b"),
        ("vgg16", "conv4_3", "features.22"),
        ("resnet34", "edges", "layer1.2"),
        ("dreamnet", "edges", "edges"),
    ],
)
def test_a_layer_may_be_called_by_word_by_name_or_in_short(network, layer, name):
    assert consistent(Settings(network=network, layer=layer)).layer == name


def test_another_network_keeps_what_is_seen():
    before = consistent(Settings(network="bvlc_googlenet", layer="inception_3a"))
    assert consistent(before.replace(network="dreamnet"), before).layer == "textures"


def test_several_layers_keep_their_weights():
    blend = consistent(Settings(network="bvlc_googlenet", layer="textures:1, 4c:3"))
    assert blend.layer == "inception_3b:0.25,inception_4c:0.75"
    assert consistent(blend) == blend
    assert consistent(blend.replace(network="dreamnet"), blend).layer == "textures:0.25,parts:0.75"


@pytest.mark.parametrize("layer", ["edges:much", "edges:-1", "edges:0", "edges,", "edges:inf"])
def test_layers_without_sensible_names_and_weights_are_refused(layer):
    with pytest.raises(UsageError, match="layer"):
        consistent(Settings(layer=layer))


def test_a_channel_that_the_layer_does_not_have_is_refused_at_the_start():
    with pytest.raises(UsageError, match="layer edges of dreamnet has no channel 500; expected 0–191"):
        PlayState.begin(Settings(layer="edges", channels="3,500"), None)


def test_layers_are_walked_in_the_networks_order():
    state = PlayState.begin(Settings(layer="edges"), None)
    seen = []
    for _ in range(6):
        seen.append(state.settings.layer)
        state = state.after(Cycle("layer", 1))
    assert seen == ["edges", "textures", "patterns", "parts", "objects", "edges"]


def test_only_networks_with_weights_are_walked(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "resnet34-b627a593.pth").touch()
    state = PlayState.begin(Settings(network="vgg16"), None)  # this one is still to be downloaded
    walked = []
    for _ in range(len(state.networks)):
        walked.append(state.settings.network)
        state = state.after(Cycle("network", 1))
    assert {"vgg16", "dreamnet", "resnet34"} <= set(walked)
    assert not {"vgg19", "resnet18", "googlenet"} & set(walked)
    assert state.settings.network == "vgg16"


def test_an_impossible_action_is_refused():
    state = PlayState.begin(Settings(), None)
    with pytest.raises(UsageError, match="unknown layer"):
        state.after(Set("layer", "inception9"))
    assert state.after(Nudge("steps", 1)).settings.steps == 3


def test_a_show_without_weights_does_not_begin(tmp_path):
    with pytest.raises(NetworkError, match="no such file"):
        PlayState.begin(Settings(network="bvlc_googlenet"), tmp_path / "weights.npz")


def test_a_show_with_damaged_weights_does_not_begin(models):
    shutil.copy(MODELS_DIR / "dreamnet.json", models)
    weights = models / "dreamnet.safetensors"
    content = bytearray((MODELS_DIR / "dreamnet.safetensors").read_bytes())
    weights.write_bytes(content)
    PlayState.begin(Settings(), None)
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(NetworkError, match=r"dreamnet\.safetensors are damaged") as caught:
        PlayState.begin(Settings(), None)
    assert caught.value.exit_code == 1


def test_words_step_through_the_palette_and_to_none():
    state = PlayState.begin(Settings(palette="castle, xyzzy, birds"), None)
    seen = []
    for _ in range(4):
        seen.append(state.settings.dream_of)
        state = state.after(Cycle("dream_of", 1))
    assert seen == ["", "castle", "birds", ""]


def test_the_fader_leads_to_another_word_than_the_one_that_is_dreamt():
    state = PlayState.begin(Settings(palette="castle, birds, sea", dream_of="birds"), None)
    seen = []
    for _ in range(3):
        state = state.after(Cycle("dream_to", 1))
        seen.append(state.settings.dream_to)
    assert seen == ["sea", "castle", ""]


def test_words_need_a_graph_of_their_own(monkeypatch):
    """A lean install cannot export one; the graphs of dreamnet are shipped."""
    state = PlayState.begin(Settings(), None)
    monkeypatch.setattr(dreamable, "installed", lambda package: False)
    assert state.after(Set("dream_of", "castle")).settings.dream_of == "castle"
    monkeypatch.setattr(extras, "installed", lambda package: False)
    monkeypatch.setattr(dreamable, "_exported", lambda specs: all(spec.kind == "gradient" for spec in specs))
    with pytest.raises(MissingPackageError, match="by words"):
        state.after(Set("dream_of", "castle"))
    with pytest.raises(MissingPackageError, match="by words"):
        state.after(Toggle("surprise"))


def test_a_palette_without_a_word_of_the_network_is_refused():
    state = PlayState.begin(Settings(palette="xyzzy"), None)
    with pytest.raises(UsageError, match="dreamnet has no word of the palette 'xyzzy'"):
        state.after(Cycle("dream_of", 1))


def test_with_words_only_layers_that_have_some_are_stepped_through():
    state = PlayState.begin(Settings(dream_of="castle", layer="patterns"), None)
    seen = []
    for _ in range(4):
        seen.append(state.settings.layer)
        state = state.after(Cycle("layer", -1))
    assert seen == ["patterns", "objects", "parts", "patterns"]
    assert state.settings.dream_of == "castle"


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (Set("dream_of", "castel"), "did you mean 'castle'"),
        (Set("layer", "edges"), "layer edges of dreamnet has no words; possible: patterns, parts, objects"),
        (Set("palette", "a,,b"), "palette"),
    ],
)
def test_words_that_cannot_be_dreamt_are_refused_and_the_dream_stays(action, told):
    state = PlayState.begin(Settings(dream_of="castle"), None)
    with pytest.raises(UsageError, match=told):
        state.after(action)


PLAIN = ("", "", False, False)


@pytest.mark.parametrize(
    ("before", "action", "words"),
    [
        ({"dream_of": "castle"}, Set("guide", "cat.png"), PLAIN),
        ({"dream_of": "castle"}, Set("channels", "3"), PLAIN),
        ({"surprise": True}, Set("channels", ""), PLAIN),  # key L: the whole layer
        ({"guide": "cat.png"}, Set("dream_of", "castle"), ("castle", "", False, False)),
        ({"channels": "3"}, Toggle("surprise"), ("", "", False, True)),
        ({"dream_of": "castle", "surprise": True}, Set("dream_of", "sea"), ("sea", "", False, False)),
        ({"dream_of": "castle", "surprise": True}, Toggle("surprise"), ("castle", "", False, False)),
        ({"dream_of": "castle", "word_walk": True}, Toggle("surprise"), ("castle", "", False, True)),
        ({"dream_of": "castle", "surprise": True}, Toggle("word_walk"), ("castle", "", True, False)),
        ({"dream_of": "castle", "word_walk": True}, Set("dream_of", "sea"), ("sea", "", False, False)),
        ({"word_walk": True}, Set("dream_of", "sea, castle"), ("sea, castle", "", True, False)),
        ({"word_walk": True}, Set("dream_to", "sea"), ("", "sea", True, False)),
        ({"dream_of": "castle", "dream_to": "sea"}, Nudge("strength", 1), ("castle", "sea", False, False)),
    ],
)
def test_what_is_asked_for_last_wins(before, action, words):
    settings = PlayState.begin(Settings(**before), None).after(action).settings
    assert tuple(getattr(settings, name) for name in WORD_SETTINGS) == words
    assert not (settings.by_words and (settings.guide or settings.channels))
