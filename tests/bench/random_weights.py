"""Random weights where a network has none, in the user's folder: for timing alone, they run as fast as any.

    LIVEDREAM_HOME=FOLDER python -m tests.bench.random_weights bvlc_googlenet googlenet

Variances are kept from layer to layer, so that nothing overflows in half precision.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import torch
from safetensors.torch import save_file
from torch import Tensor

from livedream.networks.catalogue import find_weights, imported_weights, network_info
from livedream.places import create


def main(names: list[str]) -> None:
    """Write the weights of the networks called ``names``, except those that have some."""
    for name in names:
        if find_weights(name) is None:
            path = imported_weights(name)
            create(path.parent)
            save_file({key: _random(key, tensor) for key, tensor in _parameters(name).items()}, path)
            origin = {"name": name, "origin": "random, for timing", "file": path.name}
            path.with_suffix(".json").write_text(json.dumps(origin) + "\n")


def _parameters(name: str) -> Mapping[str, Tensor]:
    if network_info(name).provider == "caffe":
        from livedream.networks.architectures import bvlc_googlenet

        return dict(bvlc_googlenet.parameters(bvlc_googlenet.BvlcGoogLeNet()))
    from livedream.networks.architectures import classifier

    return classifier.parameters(classifier.build(name))


def _random(name: str, tensor: Tensor) -> Tensor:
    torch.manual_seed(sum(name.encode()))
    if tensor.dim() > 1:
        scale = float((2 / tensor[0].numel()) ** 0.5)
        return torch.randn(tensor.shape) * scale
    scales = name.endswith(("running_var", "weight"))
    return torch.ones(tensor.shape) if scales else torch.zeros(tensor.shape)


if __name__ == "__main__":
    main(sys.argv[1:])
