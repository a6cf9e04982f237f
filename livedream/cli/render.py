"""``livedream render``: a video or a photograph, dreamt into a file."""

from __future__ import annotations

from pathlib import Path

from livedream.cli.flags import (
    add_common,
    add_settings,
    refuse_unused,
    require_backend,
    settings_from,
    start_logging,
    used_by,
)
from livedream.cli.output_flags import add_encoding, encoding_from
from livedream.cli.parser import Parser, whole
from livedream.settings import Settings


def render_command(words: list[str]) -> None:
    """Render as ``words`` say."""
    parser = Parser(
        prog="livedream render", description="Dream every frame of a video in order, or a photograph."
    )
    parser.add_argument("input", metavar="IN", help="a video or a photograph (or clouds, with --frames)")
    parser.add_argument(
        "output", type=Path, metavar="OUT", help="a video (.mp4, .mkv, .mov) or a picture (.png, .jpg)"
    )
    parser.add_argument(
        "--frames", type=whole(1, 10**9), metavar="N", help="the first N frames; of a photo, N ticks"
    )
    parser.add_argument(
        "--classic", action="store_true", help="the original algorithm: 4 octaves, 10 iterations"
    )
    add_encoding(parser)
    add_common(parser)
    add_settings(parser, used_by("render"))
    found = parser.parse_args(words)
    refuse_unused(found, "classic" if found.classic else "render")
    require_backend(found)
    start_logging(found)
    from livedream.rendering.render import render

    render(
        found.input,
        found.output,
        settings_from(found, Settings(mirror=False)),
        weights=found.weights,
        device=found.device,
        backend=found.backend,
        frames=found.frames,
        classic=found.classic,
        encoding=encoding_from(found),
    )
