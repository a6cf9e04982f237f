"""The network of google/deepdream: what its layers give, and which weight files it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from livedream.errors import LivedreamError, NetworkError, UsageError
from livedream.networks.architectures import bvlc_googlenet
from livedream.networks.architectures.bvlc_googlenet import LAYERS, BvlcGoogLeNet, LocalResponseNorm
from livedream.networks.catalogue import network_info
from tests.networks.recognising import recognised

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Random weights under Caffe's names, small enough that activations stay finite."""
    rng = np.random.default_rng(0)
    names = bvlc_googlenet.parameters(BvlcGoogLeNet())
    return {name: rng.normal(0, 0.03, p.shape).astype(np.float32) for name, p in names.items()}


@pytest.fixture(scope="module")
def network(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> BvlcGoogLeNet:
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    np.savez(path, **tensors)
    return bvlc_googlenet.load(path)


def test_there_are_57_convolutions_and_a_classifier(tensors: Tensors) -> None:
    assert len(tensors) == 2 * 58
    assert tensors["inception_4e/5x5/weight"].shape == (128, 32, 5, 5)


def test_layers_are_those_of_the_catalogue() -> None:
    table = network_info("bvlc_googlenet").layers
    assert {layer.name: (layer.channels, layer.stride) for layer in table} == LAYERS


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_its_channels_and_stride(network: BvlcGoogLeNet, layer: str) -> None:
    channels, stride = LAYERS[layer]
    with torch.no_grad():
        a = network.truncate(layer)(torch.rand(2, 3, 64, 96))
    assert a.shape == (2, channels, 64 // stride, 96 // stride)
    assert a.min() == 0.0  # after the ReLU
    assert a.max() > 0.0


def test_pools_round_up(network: BvlcGoogLeNet) -> None:
    with torch.no_grad():
        a = network.truncate("inception_3a")(torch.rand(1, 3, 90, 160))
    assert a.shape[-2:] == (11, 20)  # rounded down it would be 10x19


def test_what_follows_the_layer_is_dropped_and_weights_are_shared(network: BvlcGoogLeNet) -> None:
    part = network.truncate("inception_3b")
    assert list(dict(part.named_children()))[-1] == "inception_3b"
    assert {p.data_ptr() for p in part.parameters()} < {p.data_ptr() for p in network.parameters()}


def test_forward_gives_what_truncation_gives(network: BvlcGoogLeNet) -> None:
    x = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        found = network(x, ["conv2", "inception_4c"])
        assert list(found) == ["conv2", "inception_4c"]
        for layer, a in found.items():
            torch.testing.assert_close(a, network.truncate(layer)(x))


def test_the_gradient_reaches_the_picture_and_nothing_else(network: BvlcGoogLeNet) -> None:
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    before = x.detach().clone()
    network.truncate("inception_4c")(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert torch.equal(x.detach(), before)
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())


def test_pictures_turn_to_bgr_levels_without_the_mean(network: BvlcGoogLeNet) -> None:
    x = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)  # RGB
    assert network.normalise(x).flatten().tolist() == [0.0 - 104, 127.5 - 117, 255.0 - 123]


@pytest.mark.parametrize("channels", [5, 64])
def test_lrn_is_caffes(channels: int) -> None:
    x = 300 * torch.rand(2, channels, 6, 7, generator=torch.Generator().manual_seed(0))
    theirs = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    torch.testing.assert_close(LocalResponseNorm(channels)(x), theirs)


def test_it_runs_in_bf16_and_channels_last(network: BvlcGoogLeNet) -> None:
    x = torch.rand(1, 3, 64, 64)
    part = network.truncate("inception_3b")
    with torch.no_grad():
        exact = part(x)
        half = part.to(torch.bfloat16, memory_format=torch.channels_last)
        rough = half(x.to(torch.bfloat16, memory_format=torch.channels_last))
        part.to(torch.float32)
    assert F.cosine_similarity(exact.flatten(), rough.float().flatten(), dim=0) > 0.99


def test_an_unknown_layer_is_named_with_those_there_are(network: BvlcGoogLeNet) -> None:
    with pytest.raises(UsageError, match=r"'inception9'.*inception_4c"):
        network.truncate("inception9")


def _without(tensors: Tensors) -> Tensors:
    return {name: t for name, t in tensors.items() if name != "inception_3a/1x1/bias"}


def _reshaped(tensors: Tensors) -> Tensors:
    return tensors | {"conv2/3x3/weight": np.zeros((192, 64, 5, 5), np.float32)}


def _spoilt(tensors: Tensors) -> Tensors:
    return tensors | {"conv2/3x3/bias": np.full(192, np.nan, np.float32)}


def _of_objects(tensors: Tensors) -> Tensors:
    return {"conv1/7x7_s2/weight": np.array([{"a": 1}], object)}


def _another(tensors: Tensors) -> Tensors:
    return {"features.0.weight": np.zeros(3)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, "inception_3a/1x1/bias"),
        (_reshaped, r"conv2/3x3/weight.*\(192, 64, 5, 5\).*\(192, 64, 3, 3\)"),
        (_spoilt, "conv2/3x3/bias"),
        (_of_objects, "cannot be read"),
        (_another, r"not bvlc_googlenet.*conv1/7x7_s2/weight.*features\.0\.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(
    tensors: Tensors, tmp_path: Path, change: Callable[[Tensors], Tensors], words: str
) -> None:
    path = tmp_path / "wrong.npz"
    np.savez(path, **change(tensors))
    _refused(path, words)


def test_a_missing_a_cut_and_a_foreign_file_are_refused_in_one_line(tensors: Tensors, tmp_path: Path) -> None:
    _refused(tmp_path / "none.npz", "no weights at")
    whole = tmp_path / "whole.npz"
    np.savez(whole, **tensors)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:100_000])
    _refused(cut, "cannot be read")
    foreign = tmp_path / "foreign.npz"
    foreign.write_bytes(b"not weights at all")
    _refused(foreign, "cannot be read")
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, np.zeros(3))
    _refused(single, "cannot be read")


def _refused(path: Path, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        bvlc_googlenet.load(path)
    assert isinstance(caught.value, LivedreamError)
    assert "\n" not in str(caught.value)


@pytest.mark.shared
@pytest.mark.parametrize(("photo", "name"), [("chelsea", "Egyptian cat"), ("coffee", "espresso")])
def test_it_recognises_what_it_was_trained_to(
    shared: Path, bvlc_weights: Path, photo: str, name: str
) -> None:
    assert name in recognised(bvlc_googlenet.load(bvlc_weights), shared, photo)
