"""torchvision's classifiers: any of them, with its weights, truncated after any of its modules.

Importing torchvision takes four seconds, so only these networks do it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from livedream.errors import NetworkError, UsageError
from livedream.networks.architectures.truncation import TruncatableModel
from livedream.networks.catalogue import NetworkInfo
from livedream.networks.weights import fill, read_tensors

#: For the networks with auxiliary heads, which are only used in training.
_WITHOUT_AUXILIARY_HEADS = {"aux_logits": False, "init_weights": False}
_ARGUMENTS = {"googlenet": _WITHOUT_AUXILIARY_HEADS, "inception_v3": _WITHOUT_AUXILIARY_HEADS}


class Normalise(nn.Module):
    """RGB (B, 3, H, W) in [0, 1], normalised as in training and padded with the mean to the smallest size."""

    scale: Tensor
    shift: Tensor

    def __init__(self, info: NetworkInfo) -> None:
        super().__init__()
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (info.mean, info.std))
        self.register_buffer("scale", 1.0 / std)
        self.register_buffer("shift", -mean / std)
        self._smallest_px = info.smallest_px

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.scale + self.shift
        if self._smallest_px == 1:
            return x
        # For an export the size is a symbol, so how far to pad must not depend on it.
        least = self._smallest_px
        rows, columns = (torch.sym_max(side, least) for side in x.shape[-2:])
        return F.pad(x, (0, least - 1, 0, least - 1))[..., :rows, :columns]


class Classifier:
    """One of torchvision's classifiers: a :class:`livedream.networks.load.Trunk`."""

    def __init__(self, info: NetworkInfo, model: nn.Module) -> None:
        self._info = info
        self._graph = TruncatableModel(model)
        self._normalise = Normalise(info)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every module after which it can be truncated, by torchvision's dotted names, in order."""
        return tuple(self._graph.results)

    def truncate(self, layer: str) -> nn.Module:
        """The network up to ``layer``: any name of the catalogue's table, or any of :attr:`layers`.

        Batch norm is folded, nothing is in place, and the weights, which need no gradients, are shared with
        other layers. Raises ``UsageError`` for an unknown layer.
        """
        name = layer if layer in self._graph.results else self._info.layer(layer).name
        if name not in self._graph.results:
            raise UsageError(f"{self._info.name} of this torchvision has no layer {name!r}")
        network = self._graph.cut(name)
        return nn.Sequential(OrderedDict(normalise=self._normalise, network=network)).eval()


class _WithoutInitialValues(TorchFunctionMode):
    """Skips the initialisation of parameters, which takes seconds in a large network, and is overwritten."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def build(name: str) -> nn.Module:
    """torchvision's model called ``name`` in eval mode, its parameters uninitialised."""
    from torchvision import models

    with _WithoutInitialValues():
        model: nn.Module = models.get_model(name, weights=None, **_ARGUMENTS.get(name, {}))
    return model.eval()


def load(info: NetworkInfo, weights: Path | None) -> Classifier:
    """A classifier with the weights of a file, or through torchvision's download when None.

    Raises ``NetworkError`` when the file is damaged or of another network, or the download fails.
    """
    return Classifier(info, read(info, weights))


def read(info: NetworkInfo, weights: Path | None) -> nn.Module:
    """torchvision's model with the weights of a file or a download; raises as :func:`load`."""
    tensors = _downloaded(info) if weights is None else read_tensors(weights)
    model = build(info.name)
    fill(parameters(model), _renamed(tensors), weights or Path(info.weights_file), info.name)
    return model


def parameters(model: nn.Module) -> dict[str, Tensor]:
    """What a weight file must hold: everything but the number of batches each norm was trained on."""
    return {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def _downloaded(info: NetworkInfo) -> dict[str, Tensor]:
    from torchvision import models

    weights = next(iter(models.get_model_weights(info.name)))
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    # urllib's errors are OSErrors; torch.hub raises RuntimeError for a file with a wrong hash.
    except (OSError, RuntimeError, HTTPException) as error:
        raise NetworkError(f"{info.name} could not be downloaded ({error}); {info.how_to_get}") from error


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Today's names for those in the DenseNets' published files, such as ``norm.1.weight``."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
    return {old.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}
