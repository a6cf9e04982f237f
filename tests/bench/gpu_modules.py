"""A gradient graph as a PyTorch module on a GPU: eager, as a CUDA graph, compiled, in each precision.

    python -m tests.bench.gpu_modules --network bvlc_googlenet --layer parts --size 640x360 --json FILE

Each form takes turns with plain PyTorch in fp32. Compiling by trial takes minutes: ``--seconds`` bounds the
whole, and what is not reached is named. Without a GPU, ``--device cpu`` tries the forms that run there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from livedream.bench.subjects import EAGER, Subjects
from livedream.bench.timing import take_turns
from livedream.errors import LivedreamError
from livedream.networks.catalogue import network_info
from livedream.networks.objective import LAYER_L2

Run = Callable[[], object]
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.gpu_modules", description=__doc__)
    p.add_argument("--network", default="dreamnet")
    p.add_argument("--layer", default="parts")
    p.add_argument("--size", default="640x360")
    p.add_argument("--device", default="cuda")
    p.add_argument("--seconds", type=float, default=180.0)
    p.add_argument("--json", type=Path, required=True)
    options = p.parse_args()
    width, height = map(int, options.size.split("x"))
    layer = network_info(options.network).layer(options.layer)
    report: dict[str, Any] = {"network": options.network, "layer": layer.name, "size": options.size}
    report |= {"device": options.device, "ms": {}, "ratio_to_eager": {}, "missing": []}
    try:
        _measure(options, layer.name, layer.channels, (width, height), report)
    finally:  # what was measured stays
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(report) + "\n")


def _measure(
    options: argparse.Namespace, layer: str, channels: int, size: tuple[int, int], report: dict[str, Any]
) -> None:
    from livedream.runtimes.graph_module import read_graph

    device, ends_s = torch.device(options.device), time.monotonic() + options.seconds
    torch.manual_seed(0)
    image = torch.rand(1, 3, size[1], size[0], device=device)
    weights = torch.ones(1, channels, 1, 1, device=device)
    with Subjects(options.network, None, options.device, 1) as subjects:
        plain, path = subjects.pytorch(EAGER), subjects.graph(layer)
        eager = _waited(lambda: plain.gradient_tensors(image, layer, LAYER_L2), device)
        for name, precision in _PRECISIONS.items():
            if name == "fp16" and device.type == "cpu":
                continue
            for form, make in _FORMS.items():
                if time.monotonic() > ends_s:
                    report["missing"].append(f"{form} {name}: no time left")
                    continue
                if form != "eager" and device.type != "cuda":
                    report["missing"].append(f"{form} {name}: needs CUDA")
                    continue
                try:
                    module = read_graph(path, size, device=device, precision=precision)
                    with torch.no_grad():
                        run = _waited(make(module, image, weights), device)
                        times = take_turns({EAGER: eager, form: run}, 2.0)
                except (LivedreamError, RuntimeError, ImportError) as error:
                    report["missing"].append(f"{form} {name}: {str(error).splitlines()[0]}")
                    continue
                report["ms"][f"{form} {name}"] = round(times[form], 4)
                report["ms"][EAGER] = round(times[EAGER], 4)
                report["ratio_to_eager"][f"{form} {name}"] = round(times[EAGER] / times[form], 3)


def _eager(module: Any, image: Tensor, weights: Tensor) -> Run:
    return lambda: module(image, weights)


def _captured(module: Any, image: Tensor, weights: Tensor) -> Run:
    from livedream.runtimes.cuda_graphs import capture

    replay = capture(image, lambda x: module(x, weights)[0])
    return lambda: replay(image)


def _compiled(module: Any, image: Tensor, weights: Tensor) -> Run:
    compiled: Any = torch.compile(module, mode="max-autotune")
    return lambda: compiled(image, weights)


_FORMS: dict[str, Callable[[Any, Tensor, Tensor], Run]] = {
    "eager": _eager,
    "CUDA graph": _captured,
    "compiled": _compiled,
}


def _waited(run: Run, device: torch.device) -> Run:
    if device.type != "cuda":
        return run

    def waited() -> None:
        with torch.no_grad():
            run()
        torch.cuda.synchronize()

    return waited


if __name__ == "__main__":
    main()
