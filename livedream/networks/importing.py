"""Takes a weight file of any kind into ``models/``, where the mirror finds it by itself."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save

from livedream.errors import OutputError
from livedream.files import require_different, require_writable
from livedream.networks.catalogue import imported_weights, network_info
from livedream.networks.load import read_weights


@dataclass(frozen=True)
class Imported:
    """What an import did: the file that it wrote, its SHA-256, and how many tensors are in it."""

    path: Path
    sha256: str
    tensors: int


def import_weights(file: Path, name: str, *, force: bool = False, url: str | None = None) -> Imported:
    """Read ``file``, check that it fits the network called ``name``, write ``models/NAME.safetensors``.

    Beside it comes ``NAME.json``, which says where it came from; ``url`` is added to that. Nothing is
    written unless every tensor fits, and an existing file only gives way to a whole new one. Raises
    ``UsageError`` for an unknown network, ``NetworkError`` for a file that does not fit, ``OutputError``
    when there is one already (unless ``force``) or nothing can be written.
    """
    info = network_info(name)
    path = imported_weights(name)
    require_room(name, force=force)
    require_different(str(file), path)
    tensors = read_weights(name, file)
    _replace(path, save(tensors))
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
    _replace(path.with_suffix(".json"), text.encode())
    return Imported(path, sha256, len(tensors))


def require_room(name: str, *, force: bool) -> None:
    """Raise ``OutputError`` when a network's weights cannot be written, or may not be replaced."""
    path = imported_weights(name)
    if path.exists() and not force:
        raise OutputError(f"{path} is there already; --force replaces it")
    require_writable(path)


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside ``path`` and put it in its place, so that ``path`` is whole at any moment."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
