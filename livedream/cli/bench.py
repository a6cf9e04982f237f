"""``livedream bench``: how fast this machine is, and what of it the mirror uses."""

from __future__ import annotations

import sys
from pathlib import Path

from livedream.cli.parser import Parser, checked
from livedream.errors import UsageError, quoted
from livedream.files import replace_file, require_writable
from livedream.frame import LARGEST_SIDE_PX, SMALLEST_SIDE_PX
from livedream.logs import configure_logging

_EPILOG = """\
Of eager: how many times as fast as plain PyTorch in fp32. Of ceiling: the fraction of this machine's own
fastest matrix product in the same precision. Everything runs on as many threads as the mirror gives the
network. Nothing else should run meanwhile. Ctrl-C prints what was measured so far.
"""


def bench_command(words: list[str]) -> None:
    """Run ``livedream bench`` with the words that follow it."""
    parser = Parser(
        prog="livedream bench",
        description="Measures this machine: its ceilings, a gradient step in each runtime, the mirror on a"
        " video, and on the same video the classic loop and that of earlier live programs.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="in a minute: dreamnet's parts at two sizes")
    add("--no-mirror", action="store_true", help="without the mirror and the other loops")
    add("--curve", action="store_true", help="also a tick from 128x72 to 1280x720, with 1 to 16 steps")
    add("--json", type=Path, metavar="FILE", help="write everything to a file, too")
    add(
        "--network",
        nargs="+",
        default=[],
        metavar="NAME",
        help="(default: all that are installed); the mirror dreams with the first",
    )
    add(
        "--layer",
        nargs="+",
        default=[],
        metavar="NAME",
        help="layers or words (default: textures parts); the mirror dreams on the last",
    )
    add(
        "--size",
        nargs="+",
        default=[],
        type=checked(_size),
        metavar="WxH",
        help="(default: 160x90 320x180 640x360)",
    )
    add("--runtime", nargs="+", default=[], metavar="NAME", help="(default: all that suit this machine)")
    add("--source", default="clouds", metavar="SPEC", help="the mirror's video (default: clouds)")
    add("--weights", type=Path, metavar="FILE", help="the weight file of --network")
    add("--device", default="auto", help="auto, cuda, cuda:1, mps or cpu (default: auto)")
    add("--verbose", action="store_true", help="log more")
    found = parser.parse_args(words)
    import logging

    configure_logging("bench", logging.DEBUG if found.verbose else logging.WARNING)
    from livedream.bench.report import Report
    from livedream.bench.run import Plan, require_possible, run

    plan = Plan(
        networks=tuple(dict.fromkeys(found.network)),
        layers=tuple(found.layer),
        sizes=tuple(dict.fromkeys(found.size)),
        runtimes=tuple(dict.fromkeys(found.runtime)),
        source=found.source,
        weights=found.weights,
        device=found.device,
        quick=found.quick,
        curve=found.curve,
        mirror=not found.no_mirror,
    ).filled()
    require_possible(plan)
    if found.json is not None:
        require_writable(found.json)
    from tqdm import tqdm

    report = Report()

    def save() -> None:
        if found.json is not None:
            replace_file(found.json, report.json().encode())

    try:
        with tqdm(total=plan.total, bar_format="{l_bar}{bar}| {elapsed}") as bar:
            run(plan, report, bar, save)
    finally:  # also after Ctrl-C, and after an error in the middle
        if not report.empty:
            sys.stdout.write(report.text())
            save()


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdecimal() and len(part) < 5 for part in parts):
        width, height = map(int, parts)
        if all(SMALLEST_SIDE_PX <= side <= LARGEST_SIDE_PX for side in (width, height)):
            return width, height
    least, most = SMALLEST_SIDE_PX, LARGEST_SIDE_PX
    raise UsageError(f"invalid size {quoted(text)}: expected WIDTHxHEIGHT, {least}x{least} to {most}x{most}")
