"""Files that the operator named."""

from __future__ import annotations

import os
from pathlib import Path

from livedream.errors import OutputError, UsageError


def require_writable(path: Path) -> None:
    """Raise ``OutputError`` when no file of this name can be written: at the start, not after the show."""
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {str(folder)!r}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise OutputError(
            f"cannot write {path}: it may not be written here; possible: another folder or name"
        )


def require_different(source: str, *outputs: Path | None) -> None:
    """Raise ``UsageError`` when an output would overwrite what is read, or another output."""
    paths = [Path(source), *(path for path in outputs if path is not None)]
    for n, path in enumerate(paths):
        for other in paths[:n]:
            same = path.samefile(other) if path.exists() and other.exists() else path == other
            if same:
                raise UsageError(
                    f"{path} is named twice, as {other} and as an output; possible: another name"
                )
