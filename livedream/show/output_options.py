"""What the outputs beside window and page are started with: recordings, and other programs."""

from __future__ import annotations

from dataclasses import dataclass

from livedream.sinks.encoders import Encoding


@dataclass(frozen=True)
class OutputOptions:
    """``encoding`` is how recordings are written."""

    encoding: Encoding = Encoding()  # noqa: RUF009 - frozen
