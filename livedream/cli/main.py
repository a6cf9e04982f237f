"""The command line: which command is meant, and what its errors look like.

Each command loads what it needs when it runs: every child process imports this module, too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from livedream.errors import LivedreamError

#: The commands besides the mirror: ``render`` is ``render_command`` in ``livedream/cli/render.py``.
COMMANDS = (
    "render",
    "models",
    "scenes",
    "cues",
    "doctor",
    "latency",
    "osc",
    "dmx",
    "midi",
    "bench",
    "room",
    "watch",
    "service",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 ended as asked, 2 wrong usage, 1 anything else."""
    # The interpreter's processor time so far is nearly all that has passed since the command was given. (The
    # system's own start time of a process is only accurate to a second.)
    started_s = time.monotonic() - time.process_time()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] in COMMANDS:
            command = import_module(f"livedream.cli.{words[0]}")
            getattr(command, f"{words[0]}_command")(words[1:])
        else:
            from livedream.cli.mirror import mirror_command

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
