"""The tables of networks agree with themselves and with the networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from livedream.errors import NetworkError, UsageError
from livedream.networks import catalogue
from livedream.networks.catalogue import NETWORKS, WORDS, find_weights, network_info
from livedream.networks.listing import networks_text


@pytest.mark.parametrize("info", NETWORKS.values(), ids=lambda info: info.name)
def test_every_word_is_a_layer_and_says_what_the_layer_sees(info):
    assert set(info.words) == set(WORDS)
    for word in WORDS:
        assert info.layer(word).word == word
    assert [layer.stride for layer in info.layers] == sorted(layer.stride for layer in info.layers)


def test_unknown_names_are_answered_with_the_names_there_are():
    with pytest.raises(UsageError, match="unknown network 'x'; possible: dreamnet, bvlc_googlenet"):
        network_info("x")
    with pytest.raises(UsageError, match=r"unknown layer '9z'; bvlc_googlenet has: conv1, .* \(or edges"):
        network_info("bvlc_googlenet").layer("9z")


def test_weights_are_looked_for_in_models_and_in_torchvisions_cache(monkeypatch, tmp_path):
    models, cache = tmp_path / "models", tmp_path / "torch" / "hub" / "checkpoints"
    monkeypatch.setattr(catalogue, "MODELS_DIR", models)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert find_weights("googlenet") is None
    for folder in (cache, models):
        folder.mkdir(parents=True)
        (folder / "googlenet-1378be20.pth").touch()
        assert find_weights("googlenet") == folder / "googlenet-1378be20.pth"
    (models / "googlenet.safetensors").touch()  # what an import writes
    assert find_weights("googlenet") == models / "googlenet.safetensors"


def test_torchvisions_cache_is_where_torch_says(monkeypatch):
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert catalogue._torch_hub_checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"


def test_weights_that_were_named_must_be_there(tmp_path):
    with pytest.raises(NetworkError, match=r"none\.npz.*no such file; run: live\.py models fetch bvlc"):
        find_weights("bvlc_googlenet", tmp_path / "none.npz")


def test_the_listing_names_every_layer():
    text = networks_text()
    assert all(layer.name in text for info in NETWORKS.values() for layer in info.layers)
