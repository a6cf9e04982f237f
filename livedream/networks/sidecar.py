"""The page of facts beside an imported weight file (``NAME.json``): where it came from.

Reading one loads nothing heavy, so that networks can be listed without torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# A sidecar is a page of text. Whatever is longer is cut, and then it is no JSON.
_LONGEST = 100_000


def import_note(path: Path) -> str | None:
    """What the sidecar of a weight file says about its import; None when it was not imported."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return None
    try:
        with sidecar.open(encoding="utf-8") as file:
            facts: Any = json.loads(file.read(_LONGEST))
        source = facts.get("imported_from")
        return None if source is None else f"from {source['file']!r}, sha256 {source['sha256'][:8]}…"
    # Whatever else a file may hold that calls itself a sidecar.
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        return f"its sidecar {sidecar} cannot be read ({type(error).__name__})"
