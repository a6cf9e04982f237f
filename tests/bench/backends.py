"""How long one gradient step takes, by every backend that runs here, as ratios to plain PyTorch in fp32.

    uv run python -m tests.bench.backends --weights bvlc_googlenet.npz --threads 1

All backends of a row take turns in one process, so that whatever else the machine does hits all alike. On a
processor what counts is processor time, unless ``--wall``; on a GPU it is always the clock.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from livedream.networks.catalogue import LayerInfo
    from livedream.networks.load import Trunk

Step = Callable[[], object]
Row = dict[str, Any]


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.backends", description=__doc__)
    p.add_argument("--networks", nargs="+", default=["bvlc_googlenet", "dreamnet"])
    p.add_argument("--weights", type=Path, metavar="FILE", help="of bvlc_googlenet")
    p.add_argument("--layers", nargs="+", default=["textures", "parts"], help="names or words")
    p.add_argument("--sizes", nargs="+", default=["256x144", "320x180", "640x360"])
    p.add_argument("--device", default="auto")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--wall", action="store_true", help="by the clock, not by processor time")
    p.add_argument("--tensorrt", action="store_true", help="TensorRT too; an engine takes minutes")
    p.add_argument("--random", action="store_true", help="random weights where there are none: same speed")
    p.add_argument("--json", type=Path)
    options = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    rows = [
        row
        for network in options.networks
        for layer in options.layers
        for size in options.sizes
        if (row := _measure(options, network, layer, *map(int, size.split("x")))) is not None
    ]
    _print(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _measure(options: argparse.Namespace, network: str, word: str, width: int, height: int) -> Row | None:
    import torch

    from livedream.networks.catalogue import network_info
    from livedream.networks.objective import LAYER_L2
    from livedream.runtimes.pytorch import TorchBackend, choose_device

    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    layer = network_info(network).layer(word)
    torch.manual_seed(0)
    image = torch.rand(1, 3, height, width, device=device)
    steps: dict[str, Step] = {}
    for precision in (torch.float32, torch.bfloat16, torch.float16)[: 2 + (device.type == "cuda")]:
        for graphs in (False, True)[: 1 + (device.type == "cuda")]:
            backend = TorchBackend(_trunk(options, network), device, precision, cuda_graphs=graphs)
            name = backend.name
            steps[name] = functools.partial(backend.gradient, image, layer.name, LAYER_L2)
            steps[name]()
    with tempfile.TemporaryDirectory() as folder:
        steps |= _exported(options, network, layer, image, Path(folder))
        times = _take_turns(steps, options.rounds, device.type == "cuda", options.wall)
    plain = next(iter(times))
    row = {"network": network, "layer": layer.name, "size": f"{width}x{height}", "plain": plain, "ms": times}
    _report(row)
    return row


def _trunk(options: argparse.Namespace, network: str) -> Trunk:
    """A fresh copy of the network: truncated networks share their weights, and so their precision."""
    from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
    from livedream.networks.catalogue import find_weights
    from livedream.networks.load import load_network

    weights = options.weights if network == "bvlc_googlenet" else None
    if weights is None and find_weights(network) is None and options.random:
        if network == "bvlc_googlenet":
            return BvlcGoogLeNet()
        from livedream.networks.architectures import classifier
        from livedream.networks.catalogue import network_info

        return classifier.Classifier(network_info(network), classifier.build(network))
    return load_network(network, weights)


def _exported(
    options: argparse.Namespace, network: str, layer: LayerInfo, image: Tensor, folder: Path
) -> dict[str, Step]:
    import torch

    from livedream.compile.onnx_operations import write_onnx
    from livedream.compile.tracing import input_names, output_names, trace
    from livedream.errors import BackendError
    from livedream.networks.graphs import GraphSpec
    from livedream.runtimes.registry import candidates, open_session

    cuda = image.device.type == "cuda"
    height, width = image.shape[-2:]
    module = _trunk(options, network).truncate(layer.name).float()
    steps: dict[str, Step] = {}
    runtimes = candidates(image.device) + ["openvino-fp32"] * (not cuda) + ["tensorrt"] * options.tensorrt
    for half in (False, True)[: 1 + cuda]:
        spec = GraphSpec(network, layer.name, width, height, half=half)
        path = folder / f"{spec.stem}.onnx"
        graph = write_onnx(trace(module, layer.channels, spec), input_names(spec), output_names(spec))
        path.write_bytes(graph.SerializeToString())
        weights = torch.ones(1, layer.channels, 1, 1, device=image.device)
        for runtime in runtimes:
            try:
                session = open_session(runtime, path, options.threads)
            except BackendError as error:
                sys.stderr.write(f"{error}\n")
                continue
            name = session.name + " fp16" * half
            steps[name] = functools.partial(session, image, weights)
            steps[name]()
    return steps


def _take_turns(steps: dict[str, Step], rounds: int, cuda: bool, wall: bool) -> dict[str, float]:
    """The median milliseconds of each step."""
    import numpy as np
    import torch

    clock = time.perf_counter if cuda or wall else time.process_time
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            if cuda:
                torch.cuda.synchronize()
            start = clock()
            step()
            if cuda:
                torch.cuda.synchronize()
            times[name].append((clock() - start) * 1e3)
    return {name: round(float(np.median(found)), 3) for name, found in times.items()}


def _report(row: Row) -> None:
    sys.stderr.write(f"{row['network']} {row['layer']} {row['size']}: {row['ms']}\n")


def _print(rows: list[Row]) -> None:
    """A table in Markdown: plain PyTorch in ms, the others as how many times faster."""
    names = list(dict.fromkeys(name for row in rows for name in row["ms"]))
    plain = rows[0]["plain"]
    others = [name for name in names if name != plain]
    print(f"| network, layer, size | {plain}, ms | {' | '.join(others)} |")  # noqa: T201
    print("| --- " * (2 + len(others)) + "|")  # noqa: T201
    for row in rows:
        base = row["ms"][plain]
        cells = [f"{base / row['ms'][name]:.2f}×" if name in row["ms"] else "–" for name in others]
        label = f"{row['network']} {row['layer']}, {row['size']}"
        print(f"| {label} | {base:.1f} | {' | '.join(cells)} |")  # noqa: T201


if __name__ == "__main__":
    main()
