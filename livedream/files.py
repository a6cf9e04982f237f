"""Checks of output paths, and atomic writes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from livedream.errors import OutputError, UsageError, quoted


def require_writable(path: Path) -> None:
    """Raise ``OutputError`` if this file cannot be written: checked at the start, not after the show."""
    folder = path.parent
    if not os.path.isdir(folder):  # unlike Path's method, for any name
        raise OutputError(f"cannot write {quoted(str(path))}: folder {quoted(str(folder))} does not exist")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not path.exists():
            tempfile.TemporaryFile(dir=folder).close()  # permissions alone don't tell: root always has them
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")
    except OSError as error:
        raise OutputError(
            f"cannot write {quoted(str(path))}: {error.strerror}; possible: another folder or name"
        ) from error


def require_room(path: Path, leave_bytes: int) -> None:
    """Raise ``OutputError`` if the disk of this file has less than so much free, or cannot be asked."""
    try:
        disk = shutil.disk_usage(path.parent)
    except OSError as error:  # it has gone: a stick, or a drive in the network
        raise OutputError(f"cannot write {quoted(str(path))}: {error.strerror}") from error
    if disk.total and disk.free < leave_bytes:  # without a size it is none
        raise OutputError(
            f"cannot write {quoted(str(path))}: {disk.free / 1e9:.1f} GB of the disk are free, and"
            f" {leave_bytes / 1e9:.1f} GB are left for everything else; possible: another disk"
        )


def require_different(source: str, *outputs: Path | None) -> None:
    """Raise ``UsageError`` if an output would overwrite the source or another output."""
    paths = [Path(source), *(path for path in outputs if path is not None)]
    for n, path in enumerate(paths):
        for other in paths[:n]:
            both = os.path.exists(path) and os.path.exists(other)  # unlike Path's method, for any name
            same = path.samefile(other) if both else path == other
            if same:
                raise UsageError(
                    f"output {quoted(str(path))} would overwrite {quoted(str(other))}; possible: another name"
                )


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def set_aside(path: Path) -> Path | None:
    """Rename a damaged file to ``NAME.damaged-2026-11-26``, which nobody reads; where it is now.

    None where that cannot be done. Another of the same day is replaced, so that they don't pile up.
    """
    aside = path.with_name(f"{path.name}.damaged-{datetime.now():%Y-%m-%d}")
    try:
        path.replace(aside)
    except OSError:
        return None
    return aside


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: readers find the old content or the new, even after a power failure.

    Raises ``OutputError`` if it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.part")  # always the same name: a kill leaves at most one behind
    try:
        try:
            with scratch.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        if os.name == "posix":  # the rename reaches the disk only with its folder
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
