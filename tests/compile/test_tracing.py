"""The exported gradient is autograd's, for every kind of layer, run by a runtime that has no autograd."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from livedream.compile import tracing
from livedream.compile.onnx_operations import write_onnx
from livedream.compile.tracing import input_names, output_names, reference, trace
from livedream.errors import BackendError
from livedream.networks.autograd import pools
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec

FORBIDDEN = {"ScatterElements", "ScatterND", "ConvTranspose", "MaxUnpool", "Loop", "If", "Scan"}
CHANNELS = 8


def conv(*arguments, **named) -> nn.Conv2d:
    return nn.Conv2d(*arguments, **named)


class SqueezeAndExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.squeeze = conv(3, 8, 3), conv(8, 8, 1)

    def forward(self, x):
        x = self.conv(x)
        return x * F.hardsigmoid(self.squeeze(F.adaptive_avg_pool2d(x, 1)))


class ChannelsLast(nn.Module):
    """ConvNeXt's way: LayerNorm and Linear over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = conv(3, 8, 3), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        return F.gelu(self.linear(self.norm(self.conv(x).permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


def after_a_conv(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(conv(3, 8, 3), *layers, conv(8, 8, 1))


NETWORKS = {
    "stride 2, kernel 7": nn.Sequential(conv(3, 8, 7, 2, 3), nn.ReLU(), conv(8, 8, 3, 2, 1)),
    "stride 3, kernel 2": nn.Sequential(conv(3, 8, 2, 3), nn.Sigmoid()),
    "stride 2, kernel 1": nn.Sequential(conv(3, 8, 1, 2), nn.ReLU()),
    "dilated": nn.Sequential(conv(3, 8, 3, 1, 2, 2), nn.ReLU(), conv(8, 8, 3, 2, 2, 2)),
    "grouped": nn.Sequential(
        conv(3, 8, 3), conv(8, 16, 3, 1, 1, groups=4), nn.ReLU(), conv(16, 8, 3, 2, 1, groups=2)
    ),
    "depthwise": nn.Sequential(conv(3, 8, 3), nn.ReLU(), conv(8, 8, 5, 2, 2, groups=8)),
    "padding wider than the kernel": nn.Sequential(conv(3, 8, 1, 1, 2), nn.ReLU()),
    "not square": nn.Sequential(conv(3, 8, (1, 7), 1, (0, 3)), nn.ReLU(), conv(8, 8, (3, 1), (2, 1), (1, 0))),
    "squeeze and excite": SqueezeAndExcite(),
    "channels last": ChannelsLast(),
    "local response": after_a_conv(nn.LocalResponseNorm(5, alpha=0.1)),
    "adaptive pool": after_a_conv(nn.AdaptiveAvgPool2d((3, 5))),
}
for _kernel, _stride, _padding, _ceil in (
    (3, 2, 0, True),
    (3, 2, 1, False),
    (3, 1, 1, False),
    (2, 2, 0, True),
):
    _name = f"{_kernel}x{_kernel} stride {_stride} padding {_padding}{' ceil' * _ceil}"
    _shape = {"kernel_size": _kernel, "stride": _stride, "padding": _padding, "ceil_mode": _ceil}
    # A pool on a pooled map, after ReLU: full of equal values.
    NETWORKS[f"max {_name}"] = after_a_conv(nn.ReLU(), nn.MaxPool2d(**_shape), nn.MaxPool2d(3, 1, 1))
    NETWORKS[f"average {_name}"] = after_a_conv(nn.AvgPool2d(**_shape))
    NETWORKS[f"average inside {_name}"] = after_a_conv(nn.AvgPool2d(**_shape, count_include_pad=False))
for _activation in (
    *(nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU6(), nn.LeakyReLU(0.1)),
    *(nn.ELU(), nn.Tanh(), nn.Softplus(), nn.Mish()),
):
    NETWORKS[str(_activation)] = after_a_conv(_activation)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def exported(network: nn.Module, spec: GraphSpec):
    """What ONNX Runtime makes of the exported graph, as a function of tensors."""
    model = write_onnx(trace(network, CHANNELS, spec), input_names(spec), output_names(spec))
    assert not {node.op_type for node in model.graph.node} & FORBIDDEN
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(*inputs):
        named = {name: value.numpy() for name, value in zip(input_names(spec), inputs, strict=True)}
        return [torch.from_numpy(np.asarray(out)) for out in session.run(None, named)]

    return run


def frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)


#: Landscape and portrait, even and odd, and both remainders of what strides divide.
SIZES = ((20, 24), (33, 47), (46, 35), (25, 18))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_is_the_gradient_of_autograd_at_every_size(name):
    network = frozen(NETWORKS[name])
    run = exported(network, GraphSpec("test", "test"))
    for size in SIZES:
        image, weights = torch.rand(1, 3, *size), torch.rand(1, CHANNELS, 1, 1)
        gradient, strength, activity = run(image, weights)
        x = image.clone().requires_grad_()
        a = network(x)
        (0.5 * (weights * a * a).sum()).backward()
        torch.testing.assert_close(gradient, x.grad / x.grad.abs().mean(), rtol=1e-3, atol=1e-4)
        a = a.detach()
        torch.testing.assert_close(strength, (weights * a * a).sum().sqrt(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(activity, (a * a).mean((0, 2, 3)), rtol=1e-4, atol=1e-6)


def test_weights_choose_a_channel_without_a_new_export():
    network = frozen(after_a_conv(nn.ReLU()))
    run = exported(network, GraphSpec("test", "test"))
    image = torch.rand(1, 3, 20, 24)
    for channel in (2, 5):
        x = image.clone().requires_grad_()
        (0.5 * network(x)[:, channel].square().sum()).backward()
        weights = torch.zeros(1, CHANNELS, 1, 1)
        weights[:, channel] = 1
        torch.testing.assert_close(run(image, weights)[0], x.grad / x.grad.abs().mean(), rtol=1e-3, atol=1e-4)


def test_a_dead_layer_gives_zeros():
    network = frozen(nn.Sequential(conv(3, 8, 3), nn.ReLU()))
    network[0].bias.fill_(-100.0)
    gradient, strength, activity = exported(network, GraphSpec("test", "test"))(
        torch.rand(1, 3, 20, 24), torch.ones(1, CHANNELS, 1, 1)
    )
    assert not gradient.any()
    assert strength == 0
    assert not activity.any()


def test_a_guide_pulls_each_position_to_its_best_match():
    network = frozen(after_a_conv(nn.ReLU()))
    run = exported(network, GraphSpec("test", "test", "guide"))
    image, features = torch.rand(1, 3, 20, 24), torch.rand(CHANNELS, GUIDE_FEATURES)
    x = image.clone().requires_grad_()
    a = network(x).flatten(2)[0]
    (a * features[:, (features.T @ a.detach()).argmax(0)]).sum().backward()
    torch.testing.assert_close(run(image, features)[0], x.grad / x.grad.abs().mean(), rtol=1e-3, atol=1e-4)


def test_unrolled_steps_are_the_steps_one_by_one():
    network = frozen(nn.Sequential(conv(3, 8, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)))
    image, weights = torch.rand(1, 3, 21, 30), torch.ones(1, CHANNELS, 1, 1)
    step = exported(network, GraphSpec("test", "test"))
    x = image
    for _ in range(3):
        x = (x + 2 / 255 * step(x, weights)[0]).clamp(0, 1)
    run = exported(network, GraphSpec("test", "test", steps=3))
    dream, *_ = run(image, weights, torch.tensor(2.0), torch.tensor(1.0))
    torch.testing.assert_close(dream, x, rtol=0, atol=1e-4)
    limited, *_ = run(image, weights, torch.tensor(2.0), torch.tensor(0.02))
    assert (limited - image).abs().max() <= 0.02 + 1e-6
    assert (x - image).abs().max() > 0.02


def test_half_precision_points_the_same_way():
    network = frozen(
        nn.Sequential(
            conv(3, 8, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5), conv(8, 8, 3)
        )
    )
    spec = GraphSpec("test", "test", half=True)
    image, weights = torch.rand(1, 3, 48, 64), torch.ones(1, CHANNELS, 1, 1)
    gradient, *_ = exported(network, spec)(image, weights)
    expected, *_ = reference(network, GraphSpec("test", "test"))(image, weights)
    assert torch.cosine_similarity(gradient.flatten(), expected.flatten(), 0) > 0.99
    assert next(network.parameters()).dtype == torch.float32  # the network that was given is left alone


def test_the_soft_pool_gradient_is_an_averages():
    network = frozen(nn.Sequential(conv(3, 8, 3), nn.MaxPool2d(3, 2, 1)))
    image, weights = torch.rand(1, 3, 20, 24), torch.ones(1, CHANNELS, 1, 1)
    gradient, *_ = exported(network, GraphSpec("test", "test", pool_gradient="soft"))(image, weights)
    x = image.clone().requires_grad_()
    features = network[0](x)
    seed = network[1](features).detach()
    (seed * F.avg_pool2d(features, 3, 2, 1)).sum().backward()
    torch.testing.assert_close(gradient, x.grad / x.grad.abs().mean(), rtol=1e-3, atol=1e-4)
    with pools("soft"):
        eager, *_ = reference(network, GraphSpec("test", "test"))(image, weights)
    torch.testing.assert_close(gradient, eager, rtol=1e-3, atol=1e-4)


def test_an_operation_without_counterpart_is_refused_by_name():
    class Unusual(nn.Module):
        def forward(self, x):
            return x.cumsum(1)

    with pytest.raises(BackendError, match=r"cumsum.* cannot be exported"):
        exported(frozen(after_a_conv(Unusual())), GraphSpec("test", "test"))


class SquareOnly(nn.Module):
    """Behaves differently on pictures of one height."""

    def forward(self, x):
        return x * 2 if x.shape[2] == tracing._TRACED_HEIGHT - 2 else x


def test_a_network_that_knows_one_size_only_is_refused():
    with pytest.raises(BackendError, match="test of test cannot be exported for every size"):
        exported(frozen(after_a_conv(SquareOnly())), GraphSpec("test", "test"))
