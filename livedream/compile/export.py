"""Exports the gradient or the features of a layer as an ONNX graph, and checks it against PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from livedream.compile.onnx_operations import write_onnx
from livedream.compile.onnx_writer import OPSET
from livedream.compile.tracing import input_names, output_names, reference, trace
from livedream.errors import NetworkError
from livedream.files import file_hash, replace_file
from livedream.frame import resize
from livedream.networks.autograd import pools
from livedream.networks.catalogue import MODELS_DIR, network_info
from livedream.networks.graphs import (
    GUIDE_FEATURES,
    GraphSidecar,
    GraphSpec,
    check_files,
    graphs_dir,
    weights_hash,
)
from livedream.networks.load import load_network
from livedream.places import create

#: What an export must reach against autograd in full precision: cosine at least, relative error at most.
TOLERANCES = {False: (0.9999, 1e-3), True: (0.99, 0.2)}
#: An image that misses them may be replaced twice.
_ATTEMPTS = 3
#: At which sizes (width, height): even and odd, landscape and portrait.
CHECKED_SIZES = ((160, 96), (97, 151))
PHOTOGRAPH = MODELS_DIR / "photograph.jpg"


#: Called with the name of each stage of an export as it begins: ``tracing``.
Progress = Callable[[str], object]


def _silent(stage: str) -> None:
    pass


def export(
    spec: GraphSpec,
    weights: Path | None = None,
    folder: Path | None = None,
    made_by: str = "command",
    progress: Progress = _silent,
) -> Path:
    """Trace, write and check one graph; the path of the ``.onnx`` file, with its sidecar beside it.

    Raises ``NetworkError`` and writes no file when it does not match autograd (see :data:`TOLERANCES`), and
    ``OutputError`` when the folder cannot be written to.
    """
    folder = create(graphs_dir() if folder is None else folder)
    layer = network_info(spec.network).layer(spec.layer)
    path = folder / f"{spec.stem}.onnx"
    model = build(spec, weights, progress).SerializeToString()
    tolerance = check(model, spec, weights, progress)
    replace_file(path, model)
    sidecar = GraphSidecar(
        spec=spec,
        channels=layer.channels,
        opset=OPSET,
        sha256=file_hash(path),
        weights_sha256=weights_hash(spec.network, weights),
        tolerance=tolerance,
        made_by=made_by,
    )
    sidecar.write(path)
    return path


def build(spec: GraphSpec, weights: Path | None, progress: Progress = _silent) -> onnx.ModelProto:
    """Trace and write one graph; it is not checked."""
    progress("loading")
    network = _truncated(spec, weights)
    progress("tracing")
    module = trace(network, network_info(spec.network).layer(spec.layer).channels, spec)
    progress("writing")
    return write_onnx(module, input_names(spec), output_names(spec))


def verify(path: Path, weights: Path | None = None) -> dict[str, float]:
    """Check an exported file again, against autograd; the tolerance reached.

    Raises ``NetworkError`` when it does not match, was made from other weights, or is damaged.
    """
    sidecar = GraphSidecar.read(path)
    check_files(path, sidecar)
    if weights_hash(sidecar.spec.network, weights) != sidecar.weights_sha256:
        raise NetworkError(f"{path.name} was made from other weights than this machine has; export it again")
    return check(str(path), sidecar.spec, weights)


@functools.lru_cache(maxsize=2)
def _trunk(network: str, weights: Path | None) -> Any:
    return load_network(network, weights)


def _truncated(spec: GraphSpec, weights: Path | None) -> nn.Module:
    module: nn.Module = _trunk(spec.network, weights).truncate(
        network_info(spec.network).layer(spec.layer).name
    )
    return module


def check(
    model: bytes | str, spec: GraphSpec, weights: Path | None, progress: Progress = _silent
) -> dict[str, float]:
    """Compare a graph (or the file of that name), run by ONNX Runtime, with autograd in full precision.

    At each of :data:`CHECKED_SIZES` on two random images and a photograph. Returns the lowest ``cosine`` and
    the largest ``relative_error``.

    Where two values nearly tie, in a max-pool or at a ReLU, rounding decides whose gradient counts, and
    autograd itself is off by up to 6e-3 from double precision. So an image that misses is replaced by
    another, at most twice. A network with such ties on every image passes when its traced gradient, run by
    PyTorch and so rounded alike, is within the tolerances, and only the runtime is not.

    Raises ``NetworkError`` when they are not within :data:`TOLERANCES`.
    """
    import onnxruntime

    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    network = _truncated(spec, weights)
    generator = torch.Generator().manual_seed(0)
    reached = []
    for width, height in CHECKED_SIZES:
        photograph = _photograph(width, height)
        for base, noise in ((torch.zeros(1), 1.0), (torch.zeros(1), 1.0), (photograph, 0.02)):

            def image(base: Tensor = base, noise: float = noise, shape: Any = photograph.shape) -> Tensor:
                progress("checking")
                return (base + noise * torch.rand(shape, generator=generator)).clamp(0.0, 1.0)

            reached.append(_compare(session, spec, network, image, generator))
    cosines, errors = zip(*reached, strict=True)
    return {"cosine": round(min(cosines), 7), "relative_error": float(f"{max(errors):.3g}")}


def _compare(
    session: Any,
    spec: GraphSpec,
    network: nn.Module,
    image: Callable[[], Tensor],
    generator: torch.Generator,
) -> tuple[float, float]:
    """Cosine and relative error on an ``image``, or on another of its kind when it misses."""
    least, most = TOLERANCES[spec.half]
    channels = network_info(spec.network).layer(spec.layer).channels
    for _ in range(_ATTEMPTS):
        inputs = (image(), *_other_inputs(spec, channels, generator))
        with pools(spec.pool_gradient):
            expected = reference(network, spec)(*inputs)
        found = session.run(None, dict(zip(input_names(spec), (i.numpy() for i in inputs), strict=True)))
        cosine, error = _distance(found, expected, inputs[0].numpy() if spec.steps else 0.0)
        if cosine > least and error < most:
            return cosine, error
    if not spec.half and cosine > least and _traced_error(spec, network, inputs, expected) < most:
        return cosine, error
    raise NetworkError(
        f"the exported {spec.stem} does not match autograd: cosine {cosine:.5f} (required: {least}),"
        f" relative error {error:.2g} (required: {most:g})"
    )


def _traced_error(
    spec: GraphSpec, network: nn.Module, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]
) -> float:
    """The relative error of the traced gradient, before it is written as ONNX and run elsewhere."""
    found = trace(network, network_info(spec.network).layer(spec.layer).channels, spec)(*inputs)
    outputs = [value.detach().numpy() for value in found]
    return _distance(outputs, expected, inputs[0].numpy() if spec.steps else 0.0)[1]


def _other_inputs(spec: GraphSpec, channels: int, generator: torch.Generator) -> list[Tensor]:
    shape = (channels, GUIDE_FEATURES) if spec.kind == "guide" else (1, channels, 1, 1)
    inputs = [torch.rand(shape, generator=generator), torch.tensor(1.5), torch.tensor(0.4)]
    return inputs[: len(input_names(spec)) - 1]


def _photograph(width: int, height: int) -> Tensor:
    from PIL import Image

    try:
        with Image.open(PHOTOGRAPH) as file:
            pixels = resize(np.asarray(file.convert("RGB")), width, height)
    except OSError as error:
        raise NetworkError(
            f"exports are checked on {PHOTOGRAPH}, which cannot be read: {error}; install livedream again"
        ) from error
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None].contiguous()


def _distance(found: Any, expected: tuple[Tensor, ...], base: Any) -> tuple[float, float]:
    """The cosine of the first outputs (or their changes of ``base``), and the largest relative error."""
    first, *others = (
        (np.asarray(a, np.float64).ravel(), b.numpy().astype(np.float64).ravel())
        for a, b in zip(found, expected, strict=True)
    )
    a, b = (values - np.ravel(base) for values in first)
    if not (a.any() and b.any()):
        return (1.0, 0.0) if not a.any() and not b.any() else (0.0, 1.0)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    errors = [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in ((a, b), *others)]
    return float(a @ b) / lengths, max(errors)
