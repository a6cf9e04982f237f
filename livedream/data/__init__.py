"""What is shipped with livedream: scenes, networks, and a photograph to check exported graphs on."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal


def shipped(kind: Literal["scenes", "cues", "midi", "gamepad", "models"]) -> Path:
    """The folder of the shipped scenes, cue lists, maps of controllers or models, which is only ever read.

    An installed package has all in this folder; in a checkout the models are at the top level.
    """
    folder = Path(str(files(__name__))) / kind
    return folder if folder.is_dir() else folder.parents[2] / kind
