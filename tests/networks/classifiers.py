"""torchvision's models with seeded values, and what their modules give: the reference for ours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from livedream.networks.architectures.classifier import build
from livedream.networks.catalogue import NetworkInfo


def seeded(name: str) -> nn.Module:
    """A model with values that keep its signal alive, and norms that do something; not in the dense head."""
    torch.manual_seed(5)
    model = build(name).requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) or (isinstance(module, nn.Linear) and module.in_features < 4096):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.05)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.1, 0.5)
    return model


def activations(model: nn.Module, info: NetworkInfo, image: Tensor) -> dict[str, Tensor]:
    """What torchvision's own model gives at each layer of the table, for RGB (1, 3, H, W) in [0, 1]."""
    seen: dict[str, Tensor] = {}

    class Enough(Exception):
        pass

    def keep(name: str, value: Tensor) -> None:
        seen[name] = value.clone()  # what follows may work in place
        if name == info.layers[-1].name:
            raise Enough

    hooks = [
        model.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, out, name=layer.name: keep(name, out)
        )
        for layer in info.layers
    ]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (info.mean, info.std))
    try:
        with torch.no_grad():
            model((image - mean) / std)
    except Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return seen
