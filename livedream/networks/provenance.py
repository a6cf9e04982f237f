"""The sidecar of a shipped or imported weight file (``NAME.json``): its hash, and where it came from.

Reading one loads nothing heavy, so that networks can be listed without torch.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from livedream.errors import NetworkError
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import weights_hash

log = logging.getLogger(__name__)

# A sidecar is a page of text. A longer file is truncated, and then is not valid JSON.
_LONGEST = 100_000

# What reading a damaged sidecar may raise.
_UNREADABLE = (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError)


def require_undamaged(name: str, path: Path) -> None:
    """Raise ``NetworkError`` when the weights ``path`` of a network are not those that its sidecar describes.

    A file without a sidecar is not checked.
    """
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return
    try:
        facts = _read(sidecar)
        # The sidecar does not describe a file of the same name but of another kind.
        expected = facts.get("sha256") if facts.get("file", path.name) == path.name else None
    except _UNREADABLE as error:
        log.warning("%s was not checked: its sidecar cannot be read (%s)", path, type(error).__name__)
        return
    if expected is None:
        return
    found = weights_hash(name, path)
    if found != expected:
        raise NetworkError(
            f"weights {path} are damaged or were replaced: expected sha256 {str(expected)[:12]}… as in"
            f" {sidecar.name}, found {found[:12]}…; restore both files, or delete both;"
            f" {network_info(name).how_to_get}"
        )


def import_note(path: Path) -> str | None:
    """What the sidecar of a weight file says about its import; None when it was not imported."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return None
    try:
        source = _read(sidecar).get("imported_from")
        return None if source is None else f"from {source['file']!r}, sha256 {source['sha256'][:8]}…"
    except _UNREADABLE as error:
        return f"its sidecar {sidecar} cannot be read ({type(error).__name__})"


def _read(sidecar: Path) -> Any:
    with sidecar.open(encoding="utf-8") as file:
        return json.loads(file.read(_LONGEST))
