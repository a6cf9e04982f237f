"""The command line: which command is meant, and what its errors look like."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from livedream.cli.mirror import mirror_command
from livedream.cli.parser import Parser, folder
from livedream.cli.render import render_command
from livedream.errors import LivedreamError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 ended as asked, 2 wrong usage, 1 anything else."""
    # The interpreter's processor time so far is nearly all that has passed since the command was given. (The
    # system's own start time of a process is only accurate to a second.)
    started_s = time.monotonic() - time.process_time()
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], None]] = {
        "render": render_command,
        "models": _models,
        "scenes": _scenes,
        "doctor": _doctor,
    }
    try:
        if words and words[0] in commands:
            commands[words[0]](words[1:])
        else:
            mirror_command(words, started_s)
    except LivedreamError as error:
        sys.stderr.write(f"livedream: {error}\n")
        return error.exit_code
    except BrokenPipeError:  # the reader of our output is gone; nothing more can be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("livedream: stopped\n")
        return 1
    return 0


def _models(words: list[str]) -> None:
    from livedream.cli.models import models_command

    models_command(words)


def _scenes(words: list[str]) -> None:
    parser = Parser(prog="livedream scenes", description="Settings under a name, recalled by a digit.")
    parser.add_argument("what", choices=["list"], help="list: every scene, its key, its file, its mistakes")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="your own scenes' folder")
    found = parser.parse_args(words)
    from livedream.cli.scenes import listing
    from livedream.performance.scenes import Scenes

    sys.stdout.write(listing(Scenes(found.scenes)))


def _doctor(words: list[str]) -> None:
    parser = Parser(
        prog="livedream doctor",
        description="Reports what this machine has, what is missing, how to fix it.",
    )
    parser.parse_args(words)
    from livedream.cli.doctor import report

    for line in report():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
