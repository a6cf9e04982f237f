"""Which livedream this is."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def version() -> str:
    """The installed version, or that of the checkout which this file is in; ``unknown`` without either."""
    try:
        return metadata.version("livedream")
    except metadata.PackageNotFoundError:
        try:
            project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
            return str(project["project"]["version"])
        except (OSError, ValueError, KeyError):
            return "unknown"
