"""Exported gradients on the disk: what they are called, what is said beside them, how many are kept.

Each ``.onnx`` file has a sidecar of the same name ending in ``.json``. No torch here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream import places
from livedream.errors import NetworkError
from livedream.files import file_hash, replace_file
from livedream.networks.catalogue import find_weights, network_info

log = logging.getLogger(__name__)

#: Grows whenever graphs are written differently, so that files of before are made anew.
EXPORTER = 1
#: Features of a guide that a graph takes; others are thinned out or repeated.
GUIDE_FEATURES = 256
#: The mirror's own files take no more than this; the ones unused for the longest go first.
CACHE_BYTES = 4 << 30
_SIDECAR_BYTES = 1 << 16


@dataclass(frozen=True)
class GraphSpec:
    """Which gradient: of what layer, at what picture size, in what form.

    ``steps`` is 0 for a single gradient, else that many ascent steps in one graph. ``pool_gradient`` is
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
        """The file's name without its ending: ``bvlc_googlenet-inception_4c-320x180``."""
        parts = [self.network, self.layer, f"{self.width}x{self.height}"]
        parts += [f"steps{self.steps}"] if self.steps else []
        parts += ["soft"] if self.pool_gradient == "soft" else []
        parts += ["guide"] if self.guide else []
        parts += ["half"] if self.half else []
        return "-".join(parts)


@dataclass(frozen=True)
class Sidecar:
    """What is said beside an exported file."""

    spec: GraphSpec
    channels: int
    opset: int
    sha256: str
    weights_sha256: str
    tolerance: dict[str, float]
    made_by: str = "command"
    exporter: int = EXPORTER

    def write(self, path: Path) -> None:
        """Write it beside ``path`` (the ``.onnx`` file), at once or not at all."""
        values = dataclasses.asdict(self)
        text = json.dumps({"file": path.name} | values.pop("spec") | values, indent=2) + "\n"
        replace_file(path.with_suffix(".json"), text.encode())

    @staticmethod
    def read(path: Path) -> Sidecar:
        """The sidecar of ``path`` (the ``.onnx`` file).

        Raises ``NetworkError`` when it is missing, damaged or says what cannot be.
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


def _checked(values: Any) -> Sidecar:
    if not isinstance(values, dict):
        raise ValueError("it is no table")
    spec = GraphSpec(**{f.name: values[f.name] for f in dataclasses.fields(GraphSpec)})
    names = [f.name for f in dataclasses.fields(Sidecar) if f.name != "spec"]
    found = Sidecar(spec, **{name: values[name] for name in names})
    for part in (spec, found):
        for f in dataclasses.fields(part):
            value, kind = getattr(part, f.name), str(f.type).split("[")[0]
            if kind in _KINDS and type(value) is not _KINDS[kind]:
                raise ValueError(f"{f.name} is {value!r}")
    if not (0 < spec.width <= 8192 and 0 < spec.height <= 8192 and 0 <= spec.steps <= 1000):
        raise ValueError(f"the size {spec.width}x{spec.height} or the steps {spec.steps} cannot be")
    if not all(type(v) in (int, float) for v in found.tolerance.values()):
        raise ValueError(f"tolerance is {found.tolerance!r}")
    return found


_KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool, "dict": dict}


def exported_dir() -> Path:
    """Where exported files are kept: in the user's cache."""
    return places.exported_dir()


def find_exported(spec: GraphSpec, weights_sha256: str, folder: Path) -> Path | None:
    """The file of ``spec`` made from these weights; None when there is none or it is out of date."""
    path = folder / f"{spec.stem}.onnx"
    if not path.is_file():
        return None
    try:
        sidecar = Sidecar.read(path)
    except NetworkError as error:
        log.warning("%s; it is made anew", error)
        return None
    if sidecar.spec != spec or sidecar.weights_sha256 != weights_sha256 or sidecar.exporter != EXPORTER:
        return None
    if sidecar.sha256 != file_hash(path):
        log.warning("%s is damaged; it is made anew", path)
        return None
    path.touch()  # used just now: see prune
    return path


def prune(folder: Path, limit_bytes: int = CACHE_BYTES) -> None:
    """Delete files that the mirror made for itself, those unused for the longest first, down to a size."""
    kept = 0
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            if Sidecar.read(path).made_by != "mirror":
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
def _hash(path: Path, _time: int) -> str:
    return file_hash(path)
