"""What the outputs beside window and page are started with: recordings, and other programs."""

from __future__ import annotations

from dataclasses import dataclass

from livedream.sinks.encoding import Encoding

Size = tuple[int, int]


@dataclass(frozen=True)
class OutputOptions:
    """``encoding`` is how recordings are written, and what is pushed.

    ``virtual_camera`` is a device, empty for the first; ``ndi``, ``spout`` and ``syphon`` are the names under
    which others find the picture; None: not at all. ``push`` are the addresses of media servers. ``size`` is
    (width, height) for all of these, None: that of the screen.
    """

    encoding: Encoding = Encoding()  # noqa: RUF009 - frozen
    virtual_camera: str | None = None
    ndi: str | None = None
    spout: str | None = None
    syphon: str | None = None
    push: tuple[str, ...] = ()
    size: Size | None = None
