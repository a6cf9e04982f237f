"""The command line. The flags of all settings are made from the settings' own fields."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from livedream.cli.parser import Parser, checked, folder, png, seconds, size, whole
from livedream.errors import LivedreamError, UsageError
from livedream.ipc.child import configure_logging
from livedream.runtimes.names import BACKENDS
from livedream.settings import SPECS, Settings, parse_assignment
from livedream.specs import Spec

_EPILOG = """\
other commands, each with its own --help:
  live.py render IN OUT      dream every frame of a video, or a photograph
  live.py scenes list        the scenes, and what is wrong with any
  live.py models list        the networks, and what is on this machine; with NAME, its layers
  live.py models fetch NAME  download a network's weights
  live.py models import FILE --as NAME
                             take a weight file from elsewhere
  live.py models export|verify
                             a layer's gradient as an ONNX file
  live.py doctor             cameras, screens, GPU, networks: what is there, what is missing, how to mend it
"""

_RENDER_SETTINGS = [name for name, spec in SPECS.items() if "render" in spec.used_by]
_CLASSIC_SETTINGS = [name for name, spec in SPECS.items() if "classic" in spec.used_by]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 ended as asked, 2 wrong usage, 1 anything else."""
    # What the interpreter has worked so far is nearly all that passed since the command was given. (The
    # system's own start time of a process is only good to a second.)
    started_s = time.monotonic() - time.process_time()
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], None]] = {
        "render": _render,
        "models": _models,
        "scenes": _scenes,
        "doctor": _doctor,
    }
    try:
        if words and words[0] in commands:
            commands[words[0]](words[1:])
        else:
            _mirror(words, started_s)
    except LivedreamError as error:
        sys.stderr.write(f"livedream: {error}\n")
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough; nothing can be flushed to it any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("livedream: stopped\n")
        return 1
    return 0


def _mirror(words: list[str], started_s: float) -> None:
    parser = Parser(
        prog="live.py",
        description="A mirror that dreams: camera in, DeepDream out, full screen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--source",
        default="auto",
        metavar="SPEC",
        help="0, /dev/v4l/by-id/…, clouds, video.mp4, photo.png, http://…/stream, rtsp://…"
        " (default: camera 0, and clouds until there is one)",
    )
    add("--windowed", action="store_true", help="in a window, not full screen")
    add("--display", type=int, default=0, metavar="N", help="the screen to use, counted from 0")
    add(
        "--size",
        type=size,
        default=(1280, 720),
        metavar="WxH",
        help="of the window, or of the picture without a screen (default: 1280x720)",
    )
    add("--headless", action="store_true", help="no window: the picture is on the preview page only")
    add("--preview", action="store_true", help="show the preview page beside the window")
    add(
        "--port", type=whole(0, 65525), default=8400, metavar="N", help="of the preview page; 0: any free one"
    )
    add("--record", type=Path, metavar="OUT.mp4", help="record from the first dreamt picture on")
    add("--snapshot", type=png, metavar="OUT.png", help="save the last picture, with its settings")
    add("--frames", type=whole(1, 10**9), metavar="N", help="end after N dreamt camera frames")
    add("--duration", type=seconds, metavar="S", help="end after S seconds with the dream")
    add("--stats", type=Path, metavar="OUT.json", help="write rates, latency and memory at the end")
    _add_common(parser)
    _add_settings(parser)
    found = parser.parse_args(words)
    level = _log(found)
    from livedream.show.options import MirrorOptions
    from livedream.show.run import run_mirror

    options = MirrorOptions(
        source=found.source,
        weights=found.weights,
        device=found.device,
        backend=found.backend,
        full_screen=not found.windowed,
        display=found.display,
        size=found.size,
        headless=found.headless,
        preview=found.preview,
        port=found.port,
        record=found.record,
        snapshot=found.snapshot,
        frames=found.frames,
        duration_s=found.duration,
        stats=found.stats,
        log_level=level,
        scene=found.scene or "",
        scenes=found.scenes,
    )
    run_mirror(options, _settings(found, Settings()), started_s)


def _render(words: list[str]) -> None:
    parser = Parser(
        prog="live.py render", description="Dream every frame of a video in order, or a photograph."
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
    _add_common(parser)
    _add_settings(parser, _RENDER_SETTINGS)
    found = parser.parse_args(words)
    _refuse_unused(found)
    _log(found)
    from livedream.cli.render import render

    render(
        found.input,
        found.output,
        _settings(found, Settings(mirror=False)),
        weights=found.weights,
        device=found.device,
        backend=found.backend,
        frames=found.frames,
        classic=found.classic,
    )


def _models(words: list[str]) -> None:
    from livedream.cli.models import models_command

    models_command(words)


def _scenes(words: list[str]) -> None:
    parser = Parser(prog="live.py scenes", description="Settings under a name, recalled by a digit.")
    parser.add_argument("what", choices=["list"], help="list: every scene, its key, its file, its mistakes")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="your own scenes' folder")
    found = parser.parse_args(words)
    from livedream.cli.scenes import listing
    from livedream.performance.scenes import Scenes

    sys.stdout.write(listing(Scenes(found.scenes)))


def _doctor(words: list[str]) -> None:
    parser = Parser(
        prog="live.py doctor", description="Says what this machine has, what it lacks, how to mend it."
    )
    parser.parse_args(words)
    from livedream.cli.doctor import report

    for line in report():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the weight file of --network")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")
    parser.add_argument("--scene", metavar="NAME", help="begin with this scene; live.py scenes list has them")
    parser.add_argument(
        "--scenes",
        type=folder,
        metavar="DIR",
        help="your own scenes' folder (default: a folder of your user)",
    )
    parser.add_argument(
        "--backend",
        default="auto",
        choices=("auto", *BACKENDS),
        metavar="NAME",
        help=f"what runs the network: auto (the fastest here), {', '.join(BACKENDS)}",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any setting; may be repeated"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")


def _add_settings(parser: argparse.ArgumentParser, names: Collection[str] = tuple(SPECS)) -> None:
    group = parser.add_argument_group("settings")
    for spec in (SPECS[name] for name in names):
        note = f"{spec.help} (default: {_word(spec.default)}; {spec.possible})"
        if spec.kind is bool:
            group.add_argument(spec.flag, action=argparse.BooleanOptionalAction, help=note, default=None)
        else:
            group.add_argument(spec.flag, type=_setting(spec), help=note.replace("%", "%%"), metavar="X")


def _settings(found: argparse.Namespace, base: Settings) -> Settings:
    """The base settings, changed by the scene, then by the flags, then by each ``--set``."""
    if found.scene is not None:
        from livedream.performance.scenes import Scenes
        from livedream.performance.store import possible

        base, problems = possible(Scenes(found.scenes).named(found.scene), base)
        for problem in problems:
            logging.getLogger(__name__).error("%s", problem)
    return base.replace(**_changes(found))


def _changes(found: argparse.Namespace) -> dict[str, Any]:
    changes = {name: value for name in SPECS if (value := getattr(found, name, None)) is not None}
    for text in found.set:
        changes |= parse_assignment(text)
    return changes


def _refuse_unused(found: argparse.Namespace) -> None:
    """A setting that would change nothing is a misunderstanding. Raises ``UsageError``."""
    used = _CLASSIC_SETTINGS if found.classic else _RENDER_SETTINGS
    unused = [name for name in _changes(found) if name not in used]
    if unused:
        how = "render --classic has its own values and" if found.classic else "render"
        raise UsageError(f"{how} does not use {', '.join(unused)}; possible: {', '.join(used)}")


def _log(found: argparse.Namespace) -> int:
    level = logging.DEBUG if found.verbose else logging.INFO
    configure_logging("show", level)
    return level


def _word(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _setting(spec: Spec) -> Callable[[str], Any]:
    return checked(spec.parse)
