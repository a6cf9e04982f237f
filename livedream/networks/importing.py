"""Imports a weight file of any kind into the user's folder, where the mirror finds it by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from livedream.errors import OutputError
from livedream.extras import require
from livedream.files import file_hash, replace_file, require_different, require_writable
from livedream.networks.catalogue import imported_weights, network_info
from livedream.networks.load import read_weights
from livedream.places import create


@dataclass(frozen=True)
class Imported:
    """The result of an import: the file written, its SHA-256, and its number of tensors."""

    path: Path
    sha256: str
    tensors: int


def import_weights(file: Path, name: str, *, force: bool = False, url: str | None = None) -> Imported:
    """Read ``file``, check that it fits the network called ``name``, write ``NAME.safetensors``.

    It is written to the user's networks, with ``NAME.json`` beside it, which says where it came from; ``url``
    is added to that. Nothing is written unless every tensor fits, and an existing file is only ever replaced
    as a whole. Raises ``UsageError`` for an unknown network, ``MissingPackageError`` without PyTorch,
    ``NetworkError`` for a file that does not fit, ``OutputError`` when there is one already (unless
    ``force``) or nothing can be written.
    """
    info = network_info(name)
    path = require_importable(name, force=force)
    require_different(str(file), path)
    tensors = read_weights(name, file)
    from safetensors.torch import save

    replace_file(path, save(tensors))
    sha256 = file_hash(path)
    source = {"file": file.name, "sha256": file_hash(file)} | ({"url": url} if url else {})
    facts = {
        "name": name,
        "file": path.name,
        "sha256": sha256,
        "imported_from": source,
        "origin": info.origin,
        "licence": info.licence,
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    replace_file(path.with_suffix(".json"), text.encode())
    return Imported(path, sha256, len(tensors))


def require_importable(name: str, *, force: bool) -> Path:
    """Where a network's weights will be written; its folder is created.

    Raises ``OutputError`` when they cannot be written, or are there and may not be replaced, and
    ``MissingPackageError`` without PyTorch, which checks them.
    """
    path = imported_weights(name)
    require("torch", f"installing the weights of {name}")
    if path.exists() and not force:
        raise OutputError(f"{path} already exists; --force replaces it")
    create(path.parent)
    require_writable(path)
    return path
