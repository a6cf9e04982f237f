"""The shipped network: its layers, its file, and which files it takes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from livedream.errors import NetworkError, UsageError
from livedream.networks.architectures import dreamnet
from livedream.networks.architectures.dreamnet import (
    LAYERS,
    WEIGHTS,
    DivisiveNorm,
    DreamNet,
    SmoothPool,
    ThinConvolution,
)
from livedream.networks.catalogue import network_info


@pytest.fixture(scope="module")
def network() -> DreamNet:
    torch.manual_seed(0)
    return DreamNet().requires_grad_(False)


def test_layers_are_those_of_the_catalogue() -> None:
    table = network_info("dreamnet").layers
    assert {layer.name: (layer.channels, layer.stride) for layer in table} == LAYERS


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_its_channels_and_stride(network: DreamNet, layer: str) -> None:
    channels, stride = LAYERS[layer]
    a = network.truncate(layer)(torch.rand(2, 3, 64, 96))
    assert a.shape == (2, channels, 64 // stride, 96 // stride)
    assert a.min() == 0.0  # after the ReLU


def test_forward_gives_what_truncation_gives(network: DreamNet) -> None:
    x = torch.rand(1, 3, 48, 64)
    for layer, a in network(x).items():
        torch.testing.assert_close(a, network.truncate(layer)(x))
    assert list(network(x, ["textures"])) == ["textures"]


def test_what_follows_the_layer_is_dropped_and_weights_are_shared(network: DreamNet) -> None:
    part = network.truncate("textures")
    assert [name for name, _ in part.named_children()] == ["normalise", "edges", "textures", "scale"]
    assert {p.data_ptr() for p in part.parameters()} < {p.data_ptr() for p in network.parameters()}


def test_an_untrained_network_keeps_its_signal_to_the_last_layer(network: DreamNet) -> None:
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0), requires_grad=True)
    a = network.truncate("objects")(x)
    (gradient,) = torch.autograd.grad(a.square().sum(), x)
    assert a.mean() > 0.05
    assert gradient.abs().mean() > 0


def test_it_runs_in_bf16_and_channels_last(network: DreamNet) -> None:
    x = torch.rand(1, 3, 64, 64)
    exact = network.truncate("parts")(x)
    half = DreamNet().requires_grad_(False)
    half.load_state_dict(network.state_dict())
    half.to(torch.bfloat16, memory_format=torch.channels_last)
    rough = half.truncate("parts")(x.to(torch.bfloat16, memory_format=torch.channels_last))
    assert F.cosine_similarity(exact.flatten(), rough.float().flatten(), dim=0) > 0.99


def test_an_unknown_layer_is_named_with_those_there_are(network: DreamNet) -> None:
    with pytest.raises(UsageError, match=r"'inception_4c'.*edges, textures"):
        network.truncate("inception_4c")


def test_the_shipped_weights_load_and_are_what_their_sidecar_says() -> None:
    network = dreamnet.load()
    facts = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert facts["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert facts["parameters"] == sum(p.numel() for p in network.parameters())
    assert {name: (row["channels"], row["stride"]) for name, row in facts["layers"].items()} == LAYERS
    assert all(data["licence"] and data["attribution"] for data in facts["training_data"])
    assert WEIGHTS.stat().st_size < 12e6
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())


def _tensors(network: DreamNet) -> dict[str, Tensor]:
    return {name: t.to(torch.float16) for name, t in network.state_dict().items()}


def test_half_precision_weights_load_as_single(network: DreamNet, tmp_path: Path) -> None:
    save_file(_tensors(network), tmp_path / "a.safetensors")
    loaded = dreamnet.load(tmp_path / "a.safetensors")
    x = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(loaded(x)["edges"], network(x)["edges"], rtol=1e-2, atol=1e-2)


def test_a_file_that_does_not_fit_is_refused_in_one_line(network: DreamNet, tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    _refused(path, "no weights at")
    path.write_bytes(b"\x00\x01not weights")
    _refused(path, "cannot be read")
    whole = _tensors(network)
    save_file({"conv.weight": torch.zeros(3)}, path)
    _refused(path, r"not dreamnet.*'trunk.*conv\.weight")
    save_file(whole | {"scales.parts.scale": torch.zeros(3)}, path)
    _refused(path, r"scales\.parts\.scale.*\(3,\).*\(1, 512, 1, 1\)")
    save_file(whole | {"scales.parts.scale": torch.full((1, 512, 1, 1), torch.inf)}, path)
    _refused(path, r"damaged.*scales\.parts\.scale")


def _refused(path: Path, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        dreamnet.load(path)
    assert "\n" not in str(caught.value)


def test_a_smooth_pool_lies_between_the_mean_and_the_largest_and_all_that_fires_gets_its_gradient() -> None:
    x = torch.rand(1, 4, 9, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = SmoothPool()(x)
    largest, mean = (pool(x, 3, 2, ceil_mode=True) for pool in (F.max_pool2d, F.avg_pool2d))
    assert y.shape == largest.shape == (1, 4, 4, 6)
    assert (mean[..., :-1] < y[..., :-1]).all()
    assert (y < largest).all()
    y.sum().backward()
    assert x.grad is not None
    assert (x.grad > 0).all()


def test_divisive_normalisation_leaves_faint_places_and_tames_bold_ones() -> None:
    x = torch.rand(1, 8, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    norm = DivisiveNorm()
    torch.testing.assert_close(norm(1e-3 * x), 1e-3 * x, rtol=1e-5, atol=0)
    assert norm(100 * x).max() < 10 * norm(x).max()
    torch.testing.assert_close(norm(x) / norm(x).norm(dim=1), x / x.norm(dim=1))  # the direction stays


@pytest.mark.parametrize("rank", [0, 4])
def test_a_thin_convolution_goes_through_as_many_channels_as_its_rank(rank: int) -> None:
    part = ThinConvolution(8, rank, 16, 3, 2).requires_grad_(False)
    assert part(torch.rand(1, 8, 9, 12)).shape == (1, 16, 5, 6)
    before = torch.rand(1, 8, 32, 32)
    for layer in list(part)[:-1]:
        before = layer(before)
    before = before.flatten(2)[0]
    assert torch.linalg.matrix_rank(before - before.mean(1, keepdim=True), rtol=1e-4) == (rank or 16)
