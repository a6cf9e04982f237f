"""Exported graphs on disk: their file names, their sidecars, and how many are kept.

A graph computes the gradient or the features of one layer, for images of any size. Each ``.onnx`` file has a
sidecar of the same name ending in ``.json``; several may share one file of kernels. No torch here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream import places
from livedream.errors import NetworkError
from livedream.files import file_hash, replace_file
from livedream.networks.catalogue import MODELS_DIR, find_weights, network_info

log = logging.getLogger(__name__)

#: Incremented whenever graphs are written differently, so that older files are exported again.
EXPORTER = 2
#: How many features of a guide a graph takes; fewer are repeated, and of more some are left out.
GUIDE_FEATURES = 256
#: The files that the mirror exported itself take no more than this; those unused for the longest go first.
CACHE_BYTES = 4 << 30
_SIDECAR_BYTES = 1 << 16
#: The graphs that livedream brings along; this folder is only read.
SHIPPED_DIR = MODELS_DIR / "graphs"
#: What a graph can compute.
KINDS = ("gradient", "guide", "features")
#: Whose gradient a max-pool has: its own, or that of an average.
POOL_GRADIENTS = ("exact", "soft")


@dataclass(frozen=True)
class GraphSpec:
    """What a graph computes, of which layer, and in which form; one graph serves every image size.

    ``kind`` is ``gradient``, whose second input is the channels' weights; ``guide``, the gradient whose
    second input is a guide's features; or ``features``, the activation alone. ``pool_gradient`` is ``exact``
    or ``soft``. ``half`` is half precision inside, for GPUs. With ``steps`` the graph makes that many ascent
    steps, at 0 it gives a single gradient.

    Raises ``ValueError`` for values that do not exist or do not go together.
    """

    network: str
    layer: str
    kind: str = "gradient"
    pool_gradient: str = "exact"
    half: bool = False
    steps: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; possible: {', '.join(KINDS)}")
        if self.pool_gradient not in POOL_GRADIENTS:
            raise ValueError(
                f"pool_gradient is {self.pool_gradient!r}; possible: {', '.join(POOL_GRADIENTS)}"
            )
        if type(self.steps) is not int or not 0 <= self.steps <= 1000:
            raise ValueError(f"steps is {self.steps!r}; possible: 0 to 1000")
        if self.kind == "features" and (self.steps or self.pool_gradient != "exact"):
            raise ValueError("features take no steps and have no gradient of pools")

    @property
    def stem(self) -> str:
        """The file's name without its suffix: ``dreamnet-parts``, ``dreamnet-parts-soft-guide``."""
        parts = [self.network, self.layer]
        parts += ["soft"] if self.pool_gradient == "soft" else []
        parts += [self.kind] if self.kind != "gradient" else []
        parts += [f"steps{self.steps}"] if self.steps else []
        parts += ["half"] if self.half else []
        return "-".join(parts)


@dataclass(frozen=True)
class GraphSidecar:
    """What the file beside a graph records of it.

    ``kernels`` names the file in the same folder that holds the graph's kernels, and ``kernels_sha256`` is
    its hash; both are empty when the graph holds them itself.
    """

    spec: GraphSpec
    channels: int
    opset: int
    sha256: str
    weights_sha256: str
    tolerance: dict[str, float]
    made_by: str = "command"
    exporter: int = EXPORTER
    kernels: str = ""
    kernels_sha256: str = ""

    def write(self, path: Path) -> None:
        """Write it beside ``path`` (the ``.onnx`` file), atomically."""
        values = dataclasses.asdict(self)
        text = json.dumps({"file": path.name} | values.pop("spec") | values, indent=2) + "\n"
        replace_file(path.with_suffix(".json"), text.encode())

    @staticmethod
    def read(path: Path) -> GraphSidecar:
        """The sidecar of ``path`` (the ``.onnx`` file).

        Raises ``NetworkError`` when it is missing, damaged or holds invalid values.
        """
        sidecar = path.with_suffix(".json")
        try:
            with sidecar.open("rb") as file:
                text = file.read(_SIDECAR_BYTES + 1)
            if len(text) > _SIDECAR_BYTES:
                raise ValueError("it is too long")
            values = json.loads(text)
            return _checked(values)
        except FileNotFoundError:
            raise NetworkError(f"{path.name} has no sidecar {sidecar.name} beside it") from None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise NetworkError(f"{sidecar} cannot be read as a sidecar: {error}") from error


def _checked(values: Any) -> GraphSidecar:
    if not isinstance(values, dict):
        raise ValueError("it is not a table")
    spec = GraphSpec(**{f.name: values[f.name] for f in dataclasses.fields(GraphSpec)})
    names = [f.name for f in dataclasses.fields(GraphSidecar) if f.name != "spec"]
    sidecar = GraphSidecar(spec, **{name: values[name] for name in names})
    for part in (spec, sidecar):
        for f in dataclasses.fields(part):
            value, kind = getattr(part, f.name), str(f.type).split("[")[0]
            if kind in _KINDS and type(value) is not _KINDS[kind]:
                raise ValueError(f"{f.name} is {value!r}")
    if sidecar.kernels != Path(sidecar.kernels).name:
        raise ValueError(f"kernels is {sidecar.kernels!r}, not a file beside it")
    if not all(type(v) in (int, float) for v in sidecar.tolerance.values()):
        raise ValueError(f"tolerance is {sidecar.tolerance!r}")
    return sidecar


_KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool, "dict": dict}


def graphs_dir() -> Path:
    """The folder of exported graphs, in the user's cache."""
    return places.graphs_dir()


def find_graph(spec: GraphSpec, weights_sha256: str, folder: Path) -> Path | None:
    """The graph of ``spec`` exported from these weights, in ``folder`` or else among the shipped ones.

    None when there is none, or when it is out of date or damaged; damage is logged.
    """
    path = _find(spec, weights_sha256, folder)
    if path is not None:
        with suppress(OSError):  # a folder that can only be read
            path.touch()  # used just now, for prune
        return path
    return None if folder == SHIPPED_DIR else _find(spec, weights_sha256, SHIPPED_DIR)


def _find(spec: GraphSpec, weights_sha256: str, folder: Path) -> Path | None:
    path = folder / f"{spec.stem}.onnx"
    if not path.is_file():
        return None
    try:
        sidecar = GraphSidecar.read(path)
        if sidecar.spec != spec or sidecar.weights_sha256 != weights_sha256 or sidecar.exporter != EXPORTER:
            return None
        check_files(path, sidecar)
    except NetworkError as error:
        log.warning("%s; exporting it again", error)
        return None
    return path


def check_files(path: Path, sidecar: GraphSidecar) -> None:
    """Compare a graph and its kernels with the hashes of its sidecar.

    Raises ``NetworkError`` when a file is missing, cannot be read or is another.
    """
    expected = {path: sidecar.sha256}
    if sidecar.kernels:
        expected[path.with_name(sidecar.kernels)] = sidecar.kernels_sha256
    for file, sha256 in expected.items():
        try:
            found = file_hash(file)
        except OSError as error:
            raise NetworkError(f"{file} cannot be read: {error.strerror or error}") from error
        if found != sha256:
            raise NetworkError(f"{file} is damaged: its hash is not the sidecar's")


def prune(folder: Path, limit_bytes: int = CACHE_BYTES) -> None:
    """Delete graphs that the mirror exported itself, those unused for the longest first, down to a size."""
    kept = 0
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            if GraphSidecar.read(path).made_by != "mirror":
                continue
        except NetworkError:
            continue
        kept += path.stat().st_size
        if kept > limit_bytes:
            path.unlink()
            path.with_suffix(".json").unlink()


def weights_hash(network: str, weights: Path | None) -> str:
    """The SHA-256 of the weight file that a network is loaded from.

    Raises ``NetworkError`` when there is none.
    """
    path = find_weights(network, weights)
    if path is None:
        raise NetworkError(f"{network} has no weights on this machine; {network_info(network).how_to_get}")
    return _hash(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _hash(path: Path, modified_ns: int) -> str:
    return file_hash(path)


def neighbours(spec: GraphSpec, layers: list[str]) -> list[GraphSpec]:
    """The graphs of the layers above and below, in the same form: what may be wanted next."""
    if spec.layer not in layers:
        return []
    at = layers.index(spec.layer)
    near = dict.fromkeys((layers[(at + 1) % len(layers)], layers[at - 1]))
    return [
        GraphSpec(spec.network, layer, spec.kind, spec.pool_gradient, spec.half)
        for layer in near
        if layer != spec.layer
    ]
