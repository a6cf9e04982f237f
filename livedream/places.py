"""The user's own folders: scenes, maps, networks, exported graphs, and what was shown last.

They are where the system keeps such things (``~/.config``, ``~/.local/share``, ``~/.cache`` and
``~/.local/state`` on Linux), or all in one folder when the environment variable ``LIVEDREAM_HOME`` names one.
Nothing is ever written into the package or a checkout. A folder is created when something is first written
to it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs

from livedream.errors import OutputError

#: The environment variable that puts all of them into one folder: for exhibitions and tests.
HOME_VARIABLE = "LIVEDREAM_HOME"


def scenes_dir() -> Path:
    """The user's own scenes."""
    # Roaming on Windows: scenes are small, and follow their author to another machine.
    return _folder(platformdirs.user_config_path("livedream", False, roaming=True), "scenes")


def settings_dir() -> Path:
    """What belongs to this machine and its place: ``place.toml``, the page's token."""
    return _folder(platformdirs.user_config_path("livedream", False), "settings")


def guides_dir() -> Path:
    """Guide images that were given to the page."""
    return _folder(platformdirs.user_data_path("livedream", False), "guides")


def midi_dir() -> Path:
    """The user's own MIDI maps, and what was learnt."""
    return _folder(platformdirs.user_config_path("livedream", False, roaming=True), "midi")


def networks_dir() -> Path:
    """Imported and downloaded networks."""
    return _folder(platformdirs.user_data_path("livedream", False), "networks")


def graphs_dir() -> Path:
    """Exported graphs, which can be made again at any time."""
    return _folder(platformdirs.user_cache_path("livedream", False), "exported")


def measured_dir() -> Path:
    """What was measured on this machine, which can be measured again at any time."""
    return _folder(platformdirs.user_cache_path("livedream", False), "measured")


def state_dir() -> Path:
    """What a mirror was showing, to go on with after a crash."""
    return _folder(platformdirs.user_state_path("livedream", False), "state")


def downloads_dir() -> Path:
    """Downloads that are not complete yet."""
    return _folder(platformdirs.user_cache_path("livedream", False), "partial")


def create(folder: Path) -> Path:
    """Create a folder, with its parents, and return it. Raises ``OutputError`` if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK):
        raise _unwritable(folder, os.strerror(errno.EACCES))
    return folder


def can_be_written(folder: Path) -> bool:
    """Whether a folder, or the nearest existing one above it, can be written to; nothing is created."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _folder(system: Path, name: str) -> Path:
    home = os.environ.get(HOME_VARIABLE)
    return (Path(home).expanduser().absolute() if home else system) / name


def _unwritable(folder: Path, reason: str) -> OutputError:
    return OutputError(
        f"cannot write to the folder {folder}: {reason}; possible: another one, by {HOME_VARIABLE}=FOLDER"
    )
