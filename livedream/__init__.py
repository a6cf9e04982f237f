"""livedream: a mirror that dreams.

The library in five lines::

    from livedream import Dreamer, Settings, open_source

    dreamer = Dreamer("dreamnet")
    with open_source("clouds") as source:
        for frame in source:
            show(dreamer(frame.image, Settings(layer="parts", steps=2)))  # RGB uint8 in and out

Nothing heavy is loaded before it is used: the names below are imported when they are first asked for.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.errors import LivedreamError
    from livedream.settings import Settings
    from livedream.sources import open_source

# ONNX Runtime, from 1.29 on, calls its makers unless this is set before its first import, here or in a child.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["Dreamer", "LivedreamError", "Settings", "open_source"]

_HOMES = {
    "Settings": "livedream.settings",
    "Dreamer": "livedream.dream.dreamer",
    "LivedreamError": "livedream.errors",
    "open_source": "livedream.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'livedream' has no {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
