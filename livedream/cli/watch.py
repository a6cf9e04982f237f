"""``livedream watch``: the mirror, started again whenever it dies or hangs.

Nothing heavy is imported here: this process stays beside the mirror for weeks.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from livedream.cli.main import COMMANDS
from livedream.cli.parser import Parser, checked
from livedream.errors import UsageError
from livedream.logs import configure_logging
from livedream.watch.alerts import parse_hook
from livedream.watch.watcher import Watcher

_EPILOG = """\
The mirror is started again at once when it ends with an error, when it is killed, and when no new picture
came for 5 seconds; after failures in a row later, and up to a minute later. The scene and the settings go
on. What ends the mirror ends this command, too: Esc, Ctrl-C, SIGTERM, or a mistake in its options
before there was any picture.
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
    if options and options[0] in COMMANDS:
        raise UsageError(
            f"livedream watch is for the mirror, not for {options[0]}; see livedream watch --help"
        )
    own = _own(options)
    configure_logging("watch", logging.INFO, own.log)
    code = Watcher([*options, "--resume"], own.alert).run()
    if code:
        raise SystemExit(code)


def _own(options: Sequence[str]) -> argparse.Namespace:
    """What of the mirror's options is for the watcher, too. Mistakes in them are the mirror's to report."""
    parser = Parser(add_help=False)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--alert", type=checked(parse_hook), action="append", default=[])
    try:
        return parser.parse_known_args(options)[0]
    except UsageError:
        return parser.parse_args([])
