"""Exported graphs on disk: their file names, their sidecars, and how many are kept.

A graph computes the gradient of one layer at one size. Each ``.onnx`` file has a sidecar of the same name
ending in ``.json``. No torch here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream.errors import NetworkError
from livedream.files import file_hash, replace_file
from livedream.networks.catalogue import MODELS_DIR, find_weights, network_info

log = logging.getLogger(__name__)

#: Incremented whenever graphs are written differently, so that older files are exported again.
EXPORTER = 1
#: How many features of a guide a graph takes; fewer are repeated, and of more some are left out.
GUIDE_FEATURES = 256
#: The files that the mirror exported itself take no more than this; those unused for the longest go first.
CACHE_BYTES = 4 << 30
_SIDECAR_BYTES = 1 << 16


@dataclass(frozen=True)
class GraphSpec:
    """What a graph computes: the gradient of which layer, at which image size, in which form.

    With ``steps`` it is that many ascent steps in one graph, at 0 a single gradient. ``pool_gradient`` is
    ``exact`` or ``soft``; with ``guide`` the second input is a guide's features instead of channel weights.
    """

    network: str
    layer: str
    width: int
    height: int
    half: bool = False
    steps: int = 0
    pool_gradient: str = "exact"
    guide: bool = False

    @property
    def stem(self) -> str:
        """The file's name without its suffix: ``bvlc_googlenet-inception_4c-320x180``."""
        parts = [self.network, self.layer, f"{self.width}x{self.height}"]
        parts += [f"steps{self.steps}"] if self.steps else []
        parts += ["soft"] if self.pool_gradient == "soft" else []
        parts += ["guide"] if self.guide else []
        parts += ["half"] if self.half else []
        return "-".join(parts)


@dataclass(frozen=True)
class GraphSidecar:
    """What the file beside a graph records of it."""

    spec: GraphSpec
    channels: int
    opset: int
    sha256: str
    weights_sha256: str
    tolerance: dict[str, float]
    made_by: str = "command"
    exporter: int = EXPORTER

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
    if not (0 < spec.width <= 8192 and 0 < spec.height <= 8192 and 0 <= spec.steps <= 1000):
        raise ValueError(f"invalid size {spec.width}x{spec.height} or steps {spec.steps}")
    if not all(type(v) in (int, float) for v in sidecar.tolerance.values()):
        raise ValueError(f"tolerance is {sidecar.tolerance!r}")
    return sidecar


_KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool, "dict": dict}


def graphs_dir() -> Path:
    """The folder of exported graphs: ``models/exported``, or the user's cache where that is not writable."""
    folder = MODELS_DIR / "exported"
    if os.access(folder if folder.exists() else MODELS_DIR, os.W_OK):
        return folder
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "livedream" / "exported"


def find_graph(spec: GraphSpec, weights_sha256: str, folder: Path) -> Path | None:
    """The graph of ``spec`` exported from these weights; None when there is none or it is out of date."""
    path = folder / f"{spec.stem}.onnx"
    if not path.is_file():
        return None
    try:
        sidecar = GraphSidecar.read(path)
    except NetworkError as error:
        log.warning("%s; exporting it again", error)
        return None
    if sidecar.spec != spec or sidecar.weights_sha256 != weights_sha256 or sidecar.exporter != EXPORTER:
        return None
    if sidecar.sha256 != file_hash(path):
        log.warning("%s is damaged; exporting it again", path)
        return None
    path.touch()  # used just now, for prune
    return path


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
