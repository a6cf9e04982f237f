"""``livedream cues``: what is wrong with a cue list, before it matters."""

from __future__ import annotations

import sys
from pathlib import Path

from livedream.cli.parser import Parser, folder
from livedream.errors import UsageError
from livedream.performance.cues import CueList, check_cues
from livedream.performance.scenes import Scenes


def cues_command(words: list[str]) -> None:
    """Run ``livedream cues`` with the words that follow it. Raises ``UsageError`` for mistakes."""
    parser = Parser(prog="livedream cues", description="A set: scenes in an order, played with --cues FILE.")
    parser.add_argument("what", choices=["check"], help="check: every cue, and every mistake")
    parser.add_argument("file", type=Path, metavar="FILE", help="the cue list, a TOML file")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="folder of your own scenes")
    found = parser.parse_args(words)
    cues, problems = check_cues(found.file, Scenes(found.scenes).paths())
    sys.stdout.write(listing(cues))
    if problems:
        sys.stdout.write("".join(f"{problem}\n" for problem in problems))
        raise UsageError(f"{found.file}: mistakes: {len(problems)}")


def listing(cues: CueList) -> str:
    """Every cue, and when the next one comes, in lines; how long the set takes where that is known."""
    lines = [
        f"{cues.title}: {len(cues.cues)} cue{'s' if len(cues.cues) > 1 else ''}"
        + (", round and round" if cues.loop else "")
    ]
    for number, cue in enumerate(cues.cues, 1):
        name = cue.title if cue.title == cue.scene else f"{cue.title} ({cue.scene})"
        fade = "" if cue.fade_s is None else f", fade {cue.fade_s:g} s"
        last = cues.after(number - 1) is None
        lines.append(f"{number:>3}  {name}{fade}; next {'never' if last else cue.follow}")
    holds = [cue.hold_s for cue in cues.cues if not (cue.until or cue.hold_beats)]
    if all(hold is not None for hold in holds[:-1]) and len(holds) == len(cues.cues):
        lines.append(f"plays by itself for {sum(hold or 0 for hold in holds):g} s")
    return "\n".join(lines) + "\n"
