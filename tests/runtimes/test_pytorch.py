"""The PyTorch backend: the direction is autograd's, normalised, whatever the precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from livedream.errors import BackendError, DeviceLostError, OutOfMemoryError
from livedream.networks.objective import LAYER_L2, Guide, HeldWeights, Objective
from livedream.runtimes import pytorch as backend
from livedream.runtimes.devices import choose_device
from livedream.runtimes.pytorch import TorchBackend, choose_precision


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


def picture(height, width):
    return np.random.default_rng(5).random((height, width, 3), np.float32)


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def directions(x):
    """The normalised gradient that autograd left at ``x``, (h, w, 3)."""
    return (x.grad / x.grad.abs().mean())[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("channels", [(), (3,), (19,), (2, 30)])
def test_the_direction_is_the_normalised_gradient(channels):
    image = picture(20, 24)
    found = TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", Objective(channels))
    x = tensor(image).clone().requires_grad_(True)
    a = torch.relu(Tiny().conv(x))
    chosen = a[:, [c % 16 for c in channels]] if channels else a
    (0.5 * chosen.square().sum()).backward()
    np.testing.assert_allclose(found.gradient, directions(x), rtol=1e-4, atol=1e-4)
    assert np.abs(found.gradient).mean() == pytest.approx(1.0, rel=1e-4)
    assert found.strength == pytest.approx(float(chosen.detach().norm()), rel=1e-4)
    np.testing.assert_allclose(found.activity, a.detach().square().mean((0, 2, 3)), rtol=1e-4)


def test_half_precision_points_the_same_way():
    image = picture(40, 48)
    full, half = (
        TorchBackend(Tiny(), CPU, precision).gradient(image, "any", LAYER_L2).gradient
        for precision in (torch.float32, torch.bfloat16)
    )
    assert half.dtype == np.float32
    assert (full * half).sum() / np.linalg.norm(full) / np.linalg.norm(half) > 0.99


def test_a_dead_layer_gives_no_direction_and_no_nan():
    tiny = Tiny()
    tiny.conv.weight.zero_()
    tiny.conv.bias.fill_(-1.0)
    found = TorchBackend(tiny, CPU, torch.float32).gradient(picture(8, 8), "any", LAYER_L2)
    assert not found.gradient.any()


def test_the_picture_is_left_alone():
    image = picture(8, 8)
    copy = image.copy()
    TorchBackend(Tiny(), CPU, torch.float32).gradient(image, "any", LAYER_L2)
    np.testing.assert_array_equal(image, copy)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(BackendError, match="device 'abacus' is not on this machine; possible: auto"):
        choose_device("abacus")
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("units", "precision"), [({"avx512_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)]
)
def test_a_cpu_dreams_in_bf16_only_where_it_has_units_for_it(monkeypatch, units, precision):
    monkeypatch.setattr(backend.torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert choose_precision(CPU) == precision


def test_weights_say_which_channels_count():
    assert Objective().weights(4).flatten().tolist() == [1, 1, 1, 1]
    assert Objective((1, 6)).weights(4).flatten().tolist() == [0, 1, 1, 0]


def test_emphasis_multiplies_the_weights_of_the_channels():
    emphasis = np.array([0, 0.5, 2, 1], np.float32)
    assert Objective(emphasis=emphasis).weights(4).flatten().tolist() == [0, 0.5, 2, 1]
    assert Objective((1, 6), emphasis=emphasis).weights(4).flatten().tolist() == [0, 0.5, 2, 0]
    with pytest.raises(ValueError, match=r"weights of shape \(4,\) for 5 channels"):
        Objective(emphasis=emphasis).weights(5)


def test_weights_are_the_same_array_for_the_same_emphasis():
    held, emphasis = HeldWeights(), np.ones(4, np.float32)
    first = held(Objective(emphasis=emphasis), 4)
    assert held(Objective(emphasis=emphasis), 4) is first
    assert held(Objective((1,), emphasis=emphasis), 4) is not first
    for n in range(100):  # of arrays that may get each other's place in memory
        other = np.full(4, n, np.float32)
        assert (held(Objective(emphasis=other), 4) == n).all()
    assert len(held._held) <= 16


@pytest.mark.parametrize("channels", [(), (2, 30)])
def test_words_raise_the_activation_itself_by_channels(channels):
    image, words = picture(20, 24), np.linspace(-1, 3, 16, dtype=np.float32)
    objective = Objective(channels, words=words)
    assert objective.linear
    backend = TorchBackend(Tiny(), CPU, torch.float32)
    found = backend.gradient(image, "any", objective)
    x = tensor(image).clone().requires_grad_(True)
    raised = (torch.from_numpy(objective.weights(16)) * torch.relu(Tiny().conv(x))).sum()
    raised.backward()
    np.testing.assert_allclose(found.gradient, directions(x), rtol=1e-4, atol=1e-4)
    assert found.strength == pytest.approx(max(0.0, float(raised.detach())) ** 0.5, rel=1e-4)
    on_device = backend.on_device("any", (24, 20), objective)
    again = on_device.run(tensor(image), on_device.second)[0].permute(1, 2, 0)
    np.testing.assert_allclose(again, found.gradient, rtol=1e-4, atol=1e-4)
    squared = backend.on_device("any", (24, 20), Objective(channels, emphasis=np.abs(words)))
    assert squared.key != on_device.key


@pytest.mark.parametrize("channels", [(), (2, 30)])
def test_the_direction_follows_the_emphasis(channels):
    image, emphasis = picture(20, 24), np.linspace(0, 3, 16, dtype=np.float32)
    objective = Objective(channels, emphasis=emphasis)
    backend = TorchBackend(Tiny(), CPU, torch.float32)
    found = backend.gradient(image, "any", objective)
    x = tensor(image).clone().requires_grad_(True)
    weighted = torch.from_numpy(objective.weights(16)) * torch.relu(Tiny().conv(x)).square()
    (0.5 * weighted.sum()).backward()
    np.testing.assert_allclose(found.gradient, directions(x), rtol=1e-4, atol=1e-4)
    assert found.strength == pytest.approx(float(weighted.detach().sum().sqrt()), rel=1e-4)
    on_device = backend.on_device("any", (24, 20), objective)
    again = on_device.run(tensor(image), on_device.second)[0].permute(1, 2, 0)
    np.testing.assert_allclose(again, found.gradient, rtol=1e-4, atol=1e-4)


def test_another_emphasis_is_the_same_function_on_a_device():
    backend = TorchBackend(Tiny(), CPU, torch.float32)
    keys = {
        backend.on_device("any", (24, 20), Objective(emphasis=np.full(16, n, np.float32))).key
        for n in range(3)
    }
    assert len(keys) == 1


def test_a_guide_pulls_each_position_to_its_best_match():
    backend = TorchBackend(Tiny(), CPU, torch.float32)
    image = picture(12, 12)
    features = torch.rand(16, 5)
    x = tensor(image).clone().requires_grad_(True)
    a = torch.relu(Tiny().conv(x)).flatten(2)[0]  # (C, h·w)
    scores = features.T @ a.detach()  # the notebook's A = xᵀy
    (a * features[:, scores.argmax(0)]).sum().backward()
    found = backend.gradient(image, "any", Objective(guide=Guide(features.numpy())))
    np.testing.assert_allclose(found.gradient, directions(x), rtol=1e-4, atol=1e-4)


def test_features_are_the_layers_own():
    image = picture(12, 12)
    found = TorchBackend(Tiny(), CPU, torch.float32).features(image, "any")
    expected = torch.relu(Tiny().conv(tensor(image))).flatten(2)[0]
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("reason", "error", "said"),
    [
        ("CUDA error: launch failure", DeviceLostError, "cuda failed: CUDA error: launch failure"),
        ("CUDA out of memory. Tried 2 GiB", OutOfMemoryError, "cuda: CUDA out of memory. Tried 2 GiB"),
    ],
)
def test_a_graphics_card_that_fails_is_lost_to_the_process_and_one_that_is_full_is_not(
    monkeypatch, reason, error, said
):
    def fail(*args):
        raise RuntimeError(f"{reason}\nSee the documentation.")

    card, image = TorchBackend(Tiny(), CPU, torch.float32), np.zeros((8, 8, 3), np.float32)
    monkeypatch.setattr(card, "gradient_tensors", fail)
    with pytest.raises(RuntimeError, match=reason):
        card.gradient(image, "layer", LAYER_L2)
    monkeypatch.setattr(card, "_tensor", lambda image: None)
    card.device = torch.device("cuda")
    with pytest.raises(error, match=f"^{said}$"):
        card.gradient(image, "layer", LAYER_L2)
