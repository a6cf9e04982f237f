"""The PyTorch backend: the direction is autograd's, normalised, whatever the precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from livedream.errors import BackendError
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes import pytorch as backend
from livedream.runtimes.pytorch import TorchBackend, choose_device, choose_precision


class Tiny(nn.Module):
    """A seeded convolution as a network of one layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv2d(3, 16, 5, padding=2)
        self.requires_grad_(False)

    def truncate(self, layer: str) -> nn.Module:
        return nn.Sequential(self.conv, nn.ReLU())


CPU = torch.device("cpu")


@pytest.mark.parametrize("channels", [(), (3,), (19,), (2, 30)])
def test_the_direction_is_the_normalised_gradient(channels):
    image = torch.rand(1, 3, 20, 24)
    found = TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", Objective(channels))
    x = image.clone().requires_grad_(True)
    a = torch.relu(Tiny().conv(x))
    chosen = a[:, [c % 16 for c in channels]] if channels else a
    (0.5 * chosen.square().sum()).backward()
    torch.testing.assert_close(found, x.grad / x.grad.abs().mean(), rtol=1e-4, atol=1e-4)
    assert found.abs().mean() == pytest.approx(1.0, rel=1e-4)


def test_half_precision_points_the_same_way():
    image = torch.rand(1, 3, 40, 48)
    full, half = (
        TorchBackend(Tiny(), CPU, precision).gradient(image, "any", LAYER_L2).flatten()
        for precision in (torch.float32, torch.bfloat16)
    )
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(full, half, 0) > 0.99


def test_a_dead_layer_gives_no_direction_and_no_nan():
    tiny = Tiny()
    tiny.conv.weight.zero_()
    tiny.conv.bias.fill_(-1.0)
    found = TorchBackend(tiny, CPU, torch.float32).gradient(torch.rand(1, 3, 8, 8), "any", LAYER_L2)
    assert not found.any()


def test_the_picture_is_left_alone():
    image = torch.rand(1, 3, 8, 8)
    copy = image.clone()
    TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", LAYER_L2)
    torch.testing.assert_close(image, copy, rtol=0, atol=0)
    assert not image.requires_grad


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(BackendError, match="device 'abacus' is not on this machine; possible: auto"):
        choose_device("abacus")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("units", "precision"), [({"avx512_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)]
)
def test_a_cpu_dreams_in_bf16_only_where_it_has_units_for_it(monkeypatch, units, precision):
    monkeypatch.setattr(backend.torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert choose_precision(CPU) == precision


def test_weights_say_which_channels_count():
    assert Objective().weights(4).flatten().tolist() == [1, 1, 1, 1]
    assert Objective((1, 6)).weights(4).flatten().tolist() == [0, 1, 1, 0]


def test_a_guide_pulls_each_position_to_its_best_match():
    backend = TorchBackend(Tiny(), CPU, torch.float32)
    image = torch.rand(1, 3, 12, 12)
    features = torch.rand(16, 5)
    x = image.clone().requires_grad_(True)
    a = torch.relu(Tiny().conv(x)).flatten(2)[0]  # (C, h·w)
    scores = features.T @ a.detach()  # the notebook's A = xᵀy
    (a * features[:, scores.argmax(0)]).sum().backward()
    found = backend.gradient(image, "any", Objective(guide=Guide(features)))
    torch.testing.assert_close(found, x.grad / x.grad.abs().mean(), rtol=1e-4, atol=1e-4)


def test_the_activation_is_the_layers_own():
    image = torch.rand(1, 3, 12, 12)
    found = TorchBackend(Tiny(), CPU, torch.float32).activation(image, "any")
    torch.testing.assert_close(found, torch.relu(Tiny().conv(image)))
    assert not found.requires_grad
