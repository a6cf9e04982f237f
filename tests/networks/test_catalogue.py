"""The tables of networks agree with themselves and with the networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from livedream.errors import NetworkError, UsageError
from livedream.networks import catalogue
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import DreamNet
from livedream.networks.catalogue import (
    CLASSIFIERS,
    NETWORKS,
    WORDS,
    find_weights,
    installed_networks,
    network_info,
)
from livedream.networks.listing import network_text, networks_text
from livedream.networks.load import PROVIDERS


@pytest.mark.parametrize("info", [*NETWORKS.values(), *CLASSIFIERS.values()], ids=lambda info: info.name)
def test_every_word_is_a_layer_and_says_what_the_layer_sees(info):
    assert set(info.words) == set(WORDS)
    for word in WORDS:
        assert info.layer(word).word == word
    depth = [(WORDS.index(layer.word), layer.stride) for layer in info.layers]
    assert depth == sorted(depth)
    names = [name for layer in info.layers for name in (layer.name, layer.short) if name]
    assert len(names) == len(set(names))


def test_a_layer_may_be_called_by_its_name_in_short_by_word_or_as_in_the_notebook():
    info = network_info("bvlc_googlenet")
    names = ("inception_4a", "4a", "patterns", "inception_4a/output")
    assert {info.layer(name) for name in names} == {info.layer(info.default_layer)}
    assert network_info("vgg16").layer("conv4_3").name == "features.22"


@pytest.mark.parametrize(("network", "model"), [("bvlc_googlenet", BvlcGoogLeNet), ("dreamnet", DreamNet)])
def test_our_own_networks_normalise_as_the_table_says(network, model):
    info, x = network_info(network), torch.rand(1, 3, 4, 4)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (info.mean, info.std))
    expected = (x - mean) / std
    if info.channel_order == "BGR":
        expected = expected.flip(1)
    torch.testing.assert_close(model().normalise(x), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("info", [*NETWORKS.values(), *CLASSIFIERS.values()], ids=lambda info: info.name)
def test_every_network_has_something_that_loads_it(info):
    assert info.provider in PROVIDERS


def test_unknown_names_are_answered_with_the_names_there_are():
    with pytest.raises(UsageError, match="unknown network 'x'; possible: dreamnet, bvlc_googlenet"):
        network_info("x")
    with pytest.raises(UsageError, match=r"dreamnet has: edges, textures, patterns, parts, objects$"):
        network_info("dreamnet").layer("9z")
    with pytest.raises(UsageError, match=r"unknown layer '9z'; bvlc_googlenet has: conv1, .* \(or edges"):
        network_info("bvlc_googlenet").layer("9z")


def test_a_vision_transformer_is_refused_with_what_is_possible():
    with pytest.raises(UsageError, match=r"'vit_b_16' is a vision transformer.*possible: dreamnet.*resnet34"):
        network_info("vit_b_16")


def test_the_users_networks_come_before_the_shipped_ones_and_those_before_torchvisions_cache(
    models, monkeypatch, tmp_path
):
    shipped, cache = tmp_path / "shipped", tmp_path / "torch" / "hub" / "checkpoints"
    monkeypatch.setattr(catalogue, "MODELS_DIR", shipped)
    assert find_weights("googlenet") is None
    for folder in (cache, shipped, models):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "googlenet-1378be20.pth").touch()
        assert find_weights("googlenet") == folder / "googlenet-1378be20.pth"
    (cache / network_info("resnet34").weights_file).touch()
    assert installed_networks() == ("googlenet", "resnet34")
    assert f"\nresnet34                 13  layer3.2             {cache}" in networks_text()
    (models / "googlenet.safetensors").touch()  # what an import writes
    assert find_weights("googlenet") == models / "googlenet.safetensors"


def test_torchvisions_cache_is_where_torch_says(monkeypatch):
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert catalogue._torch_hub_checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"


def test_weights_that_were_named_must_be_there(tmp_path):
    with pytest.raises(NetworkError, match=r"none\.npz.*no such file; run: livedream models fetch bvlc"):
        find_weights("bvlc_googlenet", tmp_path / "none.npz")


def test_the_listing_names_every_network_and_says_which_are_installed():
    text = networks_text()
    assert all(name in text for name in (*NETWORKS, *CLASSIFIERS))
    (line,) = (line for line in text.splitlines() if line.startswith("dreamnet "))
    assert line.split() == ["dreamnet", "5", "patterns", str(find_weights("dreamnet"))]


@pytest.mark.parametrize("info", NETWORKS.values(), ids=lambda info: info.name)
def test_the_listing_of_a_network_names_its_layers_origin_and_licence(info):
    text = network_text(info.name)
    assert all(layer.name in text and layer.short in text for layer in info.layers)
    assert info.origin in text
    assert info.licence in text
