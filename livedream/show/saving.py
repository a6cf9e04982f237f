"""Recordings and snapshots: under names that are free, and while there is room on the disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from livedream.errors import OutputError
from livedream.files import require_room
from livedream.sinks.encoding import Encoding
from livedream.sinks.recorder import Recorder, automatic_path, unused_path

#: Where the keys S and R save their files, in the current folder.
_SNAPSHOTS, _RECORDINGS = Path("snapshots"), Path("recordings")
#: What recordings and snapshots leave free of the disk: the log, the scenes and the system need some.
_LEAVE_BYTES = 500_000_000


class Saving:
    """Gives no name twice, also to files that are not there yet."""

    def __init__(self) -> None:
        self._used: set[Path] = set()

    def recorder(self, encoding: Encoding) -> Recorder:
        """A recorder with an automatic name. Raises ``OutputError``."""
        return Recorder(self._new_path(_RECORDINGS, "mp4"), leave_bytes=_LEAVE_BYTES, encoding=encoding)

    def snapshot_path(self) -> Path:
        """An automatic name for a snapshot. Raises ``OutputError``."""
        path = self._new_path(_SNAPSHOTS, "png")
        require_room(path, _LEAVE_BYTES)
        return path

    def _new_path(self, folder: Path, kind: str) -> Path:
        """An unused path in ``folder``, which is created if necessary."""
        try:
            folder.mkdir(exist_ok=True)
            path = automatic_path(folder, kind, datetime.now(), self._used)
        except OSError as error:
            raise OutputError(
                f"cannot write to the folder {str(folder)!r} where the mirror was started: {error.strerror}"
            ) from error
        self._used.add(path)
        return path


def requested_recorder(path: Path, resuming: bool, encoding: Encoding) -> Recorder:
    """The recorder of ``--record``. A show that goes on after a crash leaves what was recorded before it."""
    free = unused_path(path) if resuming else path
    return Recorder(free, leave_bytes=_LEAVE_BYTES, encoding=encoding)
