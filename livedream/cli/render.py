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
from livedream.cli.parser import Parser, seconds, whole
from livedream.settings import Settings

#: Scenes that are longer are cut, if many workers render: one worker would keep all others waiting.
LONGEST_SHOT_S = 120.0


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
    add = parser.add_argument_group("many workers, on Ray").add_argument
    add("--workers", type=whole(1, 1024), metavar="N", help="cut a film into shots; dream N of them at once")
    add(
        "--ray",
        metavar="ADDRESS",
        help="on the Ray there (HOST:6379), which this machine is part of; auto: the one that runs here",
    )
    add(
        "--longest-shot",
        type=seconds,
        default=LONGEST_SHOT_S,
        metavar="S",
        help=f"cut scenes that are longer, where two dreams dissolve (default: {LONGEST_SHOT_S:g} s)",
    )
    add_encoding(parser)
    add_common(parser)
    add_settings(parser, used_by("render"))
    found = parser.parse_args(words)
    refuse_unused(found, "classic" if found.classic else "render")
    require_backend(found)
    start_logging(found)
    from livedream.rendering.parallel import Crew
    from livedream.rendering.render import render

    many = found.workers is not None or found.ray is not None
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
        crew=Crew(found.workers, found.ray, found.longest_shot) if many else None,
    )
