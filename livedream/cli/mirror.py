"""``livedream`` itself: the mirror."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

from livedream.cli.control_flags import add_controls, control_options
from livedream.cli.flags import (
    add_common,
    add_settings,
    changes_from,
    require_backend,
    settings_from,
    start_logging,
    used_by,
)
from livedream.cli.output_flags import add_outputs, output_options
from livedream.cli.parser import Parser, checked, png, seconds, size, whole
from livedream.cli.room_flags import add_room, room_keys
from livedream.errors import UnreadableError, UsageError, quoted
from livedream.files import require_different, require_writable
from livedream.hours import parse_hours
from livedream.settings import Settings
from livedream.show.options import RENDERERS, MirrorOptions
from livedream.watch.alerts import parse_hook

log = logging.getLogger(__name__)

_EPILOG = """\
other commands, each with its own --help:
  livedream watch …          the mirror, started again whenever it dies or hangs
  livedream service install  have the system start the mirror, and start it again when it fails
  livedream render IN OUT    dream every frame of a video, or a photograph
  livedream scenes list      the scenes, and any mistakes in them
  livedream cues check FILE  what is wrong with a cue list
  livedream models list      the networks, and which are installed; with NAME, its layers
  livedream models fetch NAME
                             download and install a network's weights
  livedream models import FILE --as NAME
                             install a weight file from elsewhere
  livedream models export|verify
                             a layer's gradient as an ONNX file
  livedream latency          milliseconds from the screen through the camera into the program
  livedream dmx --map        a map for a lighting desk, to begin with; with MAP.toml, what is in it
  livedream midi list        the MIDI controllers that are there, with their maps
  livedream osc              the addresses for OSC, with what each takes
  livedream doctor           cameras, screens, GPU, networks: what was found, what is missing, how to fix it
  livedream bench            how fast this machine is: each runtime, the mirror, other loops
  livedream room serve       dream for mirrors on other machines; room status shows who is there
"""


#: Automatics of cameras settle in a second or two; a slow one gets some more.
_CAMERA_LOCK_S = 8.0


def _control(text: str) -> tuple[str, int]:
    """The name and the value in ``NAME=NUMBER``."""
    name, equals, value = text.partition("=")
    try:
        if name and equals:
            return name.strip(), int(value)
    except ValueError:
        pass
    raise UsageError(f"invalid value {quoted(text)}: expected CONTROL=NUMBER, such as brightness=128")


class _ShowVersion(argparse.Action):
    """Looked up only when it is asked for: reading the package's metadata takes time from every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from livedream.version import version

        sys.stdout.write(f"livedream {version()}\n")
        parser.exit()


def mirror_parser() -> Parser:
    """The parser of the mirror's options."""
    parser = Parser(
        prog="livedream",
        usage="livedream [options] [settings]",
        description="A mirror that dreams: camera in, DeepDream out, full screen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    add(
        "--source",
        default="auto",
        metavar="SPEC",
        help="0, /dev/v4l/by-id/…, camera:NAME, usb:VVVV:PPPP, clouds, video.mp4, photo.png, http://…/stream, rtsp://…"
        " (default: camera 0, and clouds until there is one)",
    )
    add(
        "--camera-lock",
        type=seconds,
        nargs="?",
        const=_CAMERA_LOCK_S,
        metavar="S",
        help="switch off the camera's automatic exposure, white balance and focus, S seconds after it was"
        f" opened, and keep what they found (default: {_CAMERA_LOCK_S:g} s; Linux)",
    )
    add(
        "--camera-set",
        type=checked(_control),
        nargs="+",
        default=[],
        metavar="CONTROL=N",
        help="keep controls of the camera at these values, such as exposure_time_absolute=200 (Linux; doctor"
        " --camera lists them)",
    )
    add("--windowed", action="store_true", help="in a window, not full screen")
    add(
        "--size",
        type=size,
        default=(1280, 720),
        metavar="WxH",
        help="of the window, or of the picture without a screen (default: 1280x720)",
    )
    add(
        "--renderer",
        choices=RENDERERS,
        default="auto",
        help="what composites: cpu, gl (OpenGL), or auto: gl on a graphics card, if moderngl is installed",
    )
    add("--headless", action="store_true", help="no window: the picture is on the page only")
    add(
        "--preview",
        "--page",
        action="store_true",
        help="serve the page, with all controls, beside the window",
    )
    add("--port", type=whole(0, 65525), default=8400, metavar="N", help="of the page; 0: any free one")
    add("--record", type=Path, metavar="OUT.mp4", help="record from the first dreamt picture on")
    add("--snapshot", type=png, metavar="OUT.png", help="save the last picture, with its settings")
    add("--frames", type=whole(1, 10**9), metavar="N", help="end after N dreamt camera frames")
    add("--duration", type=seconds, metavar="S", help="end after S seconds with the dream")
    add("--stats", type=Path, metavar="OUT.json", help="write rates, latency and memory at the end")
    add(
        "--log",
        type=Path,
        metavar="FILE",
        help="also log to this file, as JSON lines; moved aside at 10 MB, 60 MB at most",
    )
    add(
        "--alert",
        action="append",
        default=[],
        type=checked(parse_hook),
        metavar="URL|COMMAND",
        help="tell this address (POST, JSON) or command when something is wrong, when it is well again, and"
        " each day; may be repeated",
    )
    add(
        "--hud-display",
        default="",
        metavar="SCREEN",
        help="show information, values and help on another screen than the picture: its number, or a part of"
        " its name; page: on no screen, only on the page",
    )
    add("--lock-keys", action="store_true", help="no key does anything until Esc has been held for 3 seconds")
    add(
        "--hours",
        type=checked(parse_hours),
        metavar="HOURS",
        help="opening hours, black and idle outside, such as 10:00-18:00, or 'Tue-Fri 10:00-18:00; Sat"
        " 20:00-02:00 @Europe/Berlin'",
    )
    add(
        "--resume",
        action="store_true",
        help="after a crash or a power cut, go on with the scene and the settings of then; to begin anew,"
        " quit with Esc",
    )
    add(
        "--place",
        type=Path,
        metavar="FILE",
        help="keep what is set for this place (screen, corners, visitors) in this file, not in the usual one;"
        " two mirrors on one machine need two",
    )
    add_outputs(parser)
    add_controls(parser)
    add_room(parser)
    add_common(parser)
    add_settings(parser, used_by("mirror"))
    return parser


def mirror_command(words: list[str], started_s: float) -> None:
    """Run the mirror as ``words`` say. ``started_s`` is when the command was given (monotonic)."""
    found = mirror_parser().parse_args(words)
    require_backend(found)
    if found.hours and found.record:
        raise UsageError(
            "--record with --hours would replace each day's recording by the next; possible: key R"
        )
    require_different(found.source, found.log, found.record, found.snapshot, found.stats)
    level = start_logging(found, found.log)
    if found.place is not None:
        require_writable(found.place)
    from livedream.show.place import read_place, usual_place
    from livedream.show.resume import state_path
    from livedream.show.run import run_mirror

    place = found.place or usual_place()
    kept, notices = read_place(place)
    for notice in notices:
        log.error("%s", notice)
    if kept:
        log.info("as set for this place in %s: %s", place, ", ".join(kept))
    options = MirrorOptions(
        source=found.source,
        camera_lock_s=found.camera_lock,
        camera_set=tuple(found.camera_set),
        weights=found.weights,
        device=found.device,
        backend=found.backend,
        full_screen=not found.windowed,
        size=found.size,
        renderer=found.renderer,
        headless=found.headless,
        preview=found.preview,
        port=found.port,
        record=found.record,
        snapshot=found.snapshot,
        frames=found.frames,
        duration_s=found.duration,
        stats=found.stats,
        controls=control_options(found),
        outputs=output_options(found),
        room_keys=room_keys(found, changes_from(found)),
        log_level=level,
        scene=found.scene or "",
        scenes=found.scenes,
        hours=found.hours,
        lock_keys=found.lock_keys,
        hud_display=found.hud_display,
        place=place,
        alerts=tuple(found.alert),
        resume=state_path([word for word in words if word != "--resume"]) if found.resume else None,
        notices=notices,
    )
    base = Settings().replace(**kept)
    try:
        settings = settings_from(found, base)
    except UnreadableError as error:  # the scene's; whoever starts a show with --resume may not be there
        if not found.resume:
            raise
        notice = f"beginning without the scene: {error}"
        log.error("%s", notice)
        found.scene = None
        settings = settings_from(found, base)
        options = replace(options, scene="", notices=(*notices, notice))
    run_mirror(options, settings, started_s)
