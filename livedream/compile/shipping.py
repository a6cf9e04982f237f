"""The graphs that livedream brings along, all of one network, whose kernels lie in one file.

Half of a gradient's kernels are those of the network, and every layer's graph has the kernels of the layers
below. In one file they take 7 MB instead of 100. Kernels that half precision holds exactly are stored so, and
converted by the runtime when it opens the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from livedream.compile.export import Progress, build, check
from livedream.compile.onnx_writer import OPSET
from livedream.files import file_hash, replace_file
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import POOL_GRADIENTS, GraphSidecar, GraphSpec, weights_hash
from livedream.places import create

#: Smaller constants stay in the graph.
_LEAST_VALUES = 64
#: Where each kernel begins in the file is a multiple of this, for the sake of vector instructions.
_ALIGNMENT = 64


def shipped_specs(network: str) -> Iterator[GraphSpec]:
    """Every graph that livedream ships of a network: all that the mirror asks for on a processor."""
    for layer in network_info(network).layers:
        for kind in ("gradient", "guide"):
            for pool_gradient in POOL_GRADIENTS:
                yield GraphSpec(network, layer.name, kind, pool_gradient)
        yield GraphSpec(network, layer.name, "features")


def export_shipped(network: str, folder: Path, progress: Progress) -> list[Path]:
    """Write and check all graphs of :func:`shipped_specs` and their kernels; the paths of the graphs.

    ``progress`` is called with the name of each graph as it begins. Raises ``NetworkError`` when one does not
    match autograd, and ``OutputError`` when the folder cannot be written to.
    """
    folder = create(folder)
    kernels = Kernels(folder / f"{network}.kernels")
    models = {}
    for spec in shipped_specs(network):
        progress(spec.stem)
        models[spec] = build(spec, None)
        kernels.take_out(models[spec])
    kernels.write()
    paths = []
    for spec, model in models.items():
        path = folder / f"{spec.stem}.onnx"
        replace_file(path, model.SerializeToString(deterministic=True))
        progress(f"{spec.stem} (checking)")
        GraphSidecar(
            spec=spec,
            channels=network_info(network).layer(spec.layer).channels,
            opset=OPSET,
            sha256=file_hash(path),
            weights_sha256=weights_hash(network, None),
            tolerance=check(str(path), spec, None),
            made_by=f"livedream models export {network} --shipped",
            kernels=kernels.path.name,
            kernels_sha256=file_hash(kernels.path),
        ).write(path)
        paths.append(path)
    return paths


class Kernels:
    """The kernels of several graphs, each once, for a file beside them at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = bytearray()
        self._offsets: dict[bytes, int] = {}

    def take_out(self, model: onnx.ModelProto) -> None:
        """Replace the kernels of ``model`` by references to the file."""
        converted = []
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype != np.float32 or values.size < _LEAST_VALUES:
                continue
            half = _as_half(values)
            if half is not None:
                name, tensor.name = tensor.name, f"{tensor.name} as half"
                converted.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
                tensor.data_type = TensorProto.FLOAT16
            self._refer(tensor, values if half is None else half)
        for node in reversed(converted):
            model.graph.node.insert(0, node)

    def write(self) -> None:
        """Write the file, atomically."""
        replace_file(self.path, bytes(self._content))

    def _refer(self, tensor: onnx.TensorProto, values: NDArray[np.floating]) -> None:
        content = values.tobytes()
        if content not in self._offsets:
            self._content += bytes(-len(self._content) % _ALIGNMENT)
            self._offsets[content] = len(self._content)
            self._content += content
        place = {"location": self.path.name, "offset": self._offsets[content], "length": len(content)}
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))


def _as_half(values: NDArray[np.float32]) -> NDArray[np.float16] | None:
    """The same values in half precision; None when it cannot hold them."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else None
