"""``livedream latency``: how long light takes from the screen through the camera into the program."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livedream.cli.parser import Parser, size, whole
from livedream.errors import UsageError, quoted
from livedream.show.options import RENDERERS

if TYPE_CHECKING:
    from livedream.show.latency import Latency
    from livedream.sinks.window import Window

_INCLUDED = "the flip, the screen, exposure, transfer and decoding"
_NOT_INCLUDED = "what the mirror does with a frame: latency_ms in its --stats"


def latency_command(words: list[str]) -> None:
    """Run ``livedream latency`` with the words that follow it."""
    parser = Parser(
        prog="livedream latency",
        description="Flash the screen about twice a second, see the flashes through the camera, and tell how"
        " long that takes. The camera has to see the screen.",
    )
    add = parser.add_argument
    add("--source", default="0", metavar="SPEC", help="the camera that sees the screen (default: 0)")
    add("--windowed", action="store_true", help="in a window, not full screen")
    add(
        "--display",
        default="",
        metavar="X",
        help="the screen to use: its number from 0, or a part of its name",
    )
    add("--size", type=size, default=(1280, 720), metavar="WxH", help="of the window (default: 1280x720)")
    add("--renderer", choices=RENDERERS, default="auto", help="what draws, as for the mirror")
    add("--flashes", type=whole(1, 1000), default=30, metavar="N", help="how many (default: 30)")
    add("--json", type=Path, metavar="FILE", help="write every flash, and what is included")
    found = parser.parse_args(words)
    from tqdm import tqdm

    from livedream.files import require_writable
    from livedream.show.latency import Measurement, Watch
    from livedream.sinks.window import Window
    from livedream.sources.spec import open_source, parse_spec
    from livedream.stage.renderer import Renderer

    kind = parse_spec(found.source).kind
    if kind not in ("camera", "stream"):
        raise UsageError(
            f"no latency of {quoted(found.source)}: found {kind}; expected a camera, which sees the screen"
        )
    if found.json is not None:
        require_writable(found.json)
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(open_source(found.source)))
        window = stack.enter_context(
            Window(
                full_screen=not found.windowed,
                display=found.display,
                size=found.size,
                renderer=found.renderer,
                painter=Renderer,
            )
        )
        driver, screen = window.driver, _Screen(window)
        with tqdm(total=found.flashes, unit="flash", disable=None, leave=False) as bar:
            latency = Measurement(screen.flash, watch.take, tend=screen.tend, progress=bar.update).run(
                found.flashes
            )
    sys.stdout.write(report(latency))
    if found.json is not None:
        write_json(found.json, latency, found.source, driver)


class _Screen:
    """A window, white or black."""

    def __init__(self, window: Window) -> None:
        self._window, self._on = window, False

    def flash(self, on: bool) -> None:
        self._on = on
        width, height = self._window.picture_size
        self._window.show(np.full((height, width, 3), 255 if on else 0, np.uint8))

    def tend(self) -> None:
        """Answer the window. Raises ``KeyboardInterrupt`` when it is closed, or on Escape."""
        from livedream.sinks.window import Closed, Exposed, KeyPressed, Resized

        for event in self._window.poll():
            if isinstance(event, Closed) or (isinstance(event, KeyPressed) and event.key == "escape"):
                raise KeyboardInterrupt
            if isinstance(event, Exposed | Resized):
                self.flash(self._on)


def report(latency: Latency) -> str:
    """What is printed."""
    found = latency.percentiles
    missed = f", {latency.missed} flashes not seen" if latency.missed else ""
    return (
        f"median {found.p50:.1f} ms, p95 {found.p95:.1f} ms, n {len(latency.ms)}{missed}\n"
        f"included: {_INCLUDED}\nnot included: {_NOT_INCLUDED}\n"
    )


def write_json(path: Path, latency: Latency, source: str, driver: str) -> None:
    """Write the figures. Raises ``OutputError``."""
    import msgspec

    from livedream.files import replace_file

    found = latency.percentiles
    values = {
        "median_ms": found.p50,
        "p95_ms": found.p95,
        "n": len(latency.ms),
        "missed": latency.missed,
        "contrast": latency.contrast,
        "source": source,
        "window": driver,
        "included": _INCLUDED,
        "not_included": _NOT_INCLUDED,
        "flashes_ms": [round(ms, 2) for ms in latency.ms],
    }
    replace_file(path, msgspec.json.format(msgspec.json.encode(values), indent=2) + b"\n")
