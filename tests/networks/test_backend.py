"""The PyTorch backend: the direction is autograd's, normalised, whatever the precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from livedream.dream.objective import layer_l2, objective_for
from livedream.errors import BackendError
from livedream.networks import backend
from livedream.networks.backend import TorchBackend, choose_device, choose_precision


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


@pytest.mark.parametrize("channel", [-1, 3, 19])
def test_the_direction_is_the_normalised_gradient(channel):
    image = torch.rand(1, 3, 20, 24)
    found = TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", objective_for(channel))
    x = image.clone().requires_grad_(True)
    a = torch.relu(Tiny().conv(x))
    chosen = a if channel < 0 else a[:, channel % 16]
    (0.5 * chosen.square().sum()).backward()
    torch.testing.assert_close(found, x.grad / x.grad.abs().mean(), rtol=1e-4, atol=1e-4)
    assert found.abs().mean() == pytest.approx(1.0, rel=1e-4)


def test_half_precision_points_the_same_way():
    image = torch.rand(1, 3, 40, 48)
    full, half = (
        TorchBackend(Tiny(), CPU, precision).gradient(image, "any", layer_l2).flatten()
        for precision in (torch.float32, torch.bfloat16)
    )
    assert half.dtype == torch.float32
    assert torch.cosine_similarity(full, half, 0) > 0.99


def test_a_dead_layer_gives_no_direction_and_no_nan():
    tiny = Tiny()
    tiny.conv.weight.zero_()
    tiny.conv.bias.fill_(-1.0)
    found = TorchBackend(tiny, CPU, torch.float32).gradient(torch.rand(1, 3, 8, 8), "any", layer_l2)
    assert not found.any()


def test_the_picture_is_left_alone():
    image = torch.rand(1, 3, 8, 8)
    copy = image.clone()
    TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", layer_l2)
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
