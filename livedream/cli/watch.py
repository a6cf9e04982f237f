"""``livedream watch``: the mirror, started again whenever it dies or hangs.

Nothing heavy is imported here: this process stays beside the mirror for weeks.
"""

from __future__ import annotations

import logging
import sys

from livedream.cli.parser import Parser
from livedream.errors import UsageError
from livedream.watch.watcher import Watcher

_OTHERS = ("render", "models", "scenes", "doctor", "latency", "bench", "service", "watch")
_EPILOG = """\
The mirror is started again at once when it ends with an error, when it is killed, and when no new picture
came for 5 seconds; after failures in a row later, and up to a minute later. The scene and the settings go
on. What ends the mirror ends this command, too: Esc, Ctrl-C, SIGTERM, or a mistake in its options.
"""


def watch_command(words: list[str]) -> None:
    """Run ``livedream watch``. Ends with the mirror's exit code when that ends as asked."""
    parser = Parser(
        prog="livedream watch",
        description="The mirror, started again whenever it dies or hangs. Takes all of its options.",
        epilog=_EPILOG,
        usage="livedream watch [any option of the mirror: see livedream --help]",
    )
    parser.add_argument("options", nargs="*", help="of the mirror")
    alone = words[:1] in (["--help"], ["-h"])
    options = parser.parse_args(words if alone else ["--", *words]).options
    if options and options[0] in _OTHERS:
        raise UsageError(
            f"livedream watch is for the mirror, not for {options[0]}; see livedream watch --help"
        )
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s watch: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    code = Watcher([*options, "--resume"]).run()
    if code:
        raise SystemExit(code)
