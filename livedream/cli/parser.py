"""The command line's parser, for every command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from livedream.errors import UsageError, quoted


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` for argparse, which understands only its own kind of error."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise UsageError(f"{text!r} cannot be; possible: {low} to {high}")
        return int(text)

    return checked(parse)


def _size(text: str) -> tuple[int, int]:
    width, x, height = text.lower().partition("x")
    if not (x and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 16):
        raise UsageError(f"a size is WIDTHxHEIGHT, at least 16x16, such as 1280x720; found {text!r}")
    if max(int(width), int(height)) > 7680:
        raise UsageError(f"size {text!r} is too large; possible: up to 7680 pixels a side")
    return int(width), int(height)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise UsageError(f"a duration is a number of seconds above 0; found {text!r}")
    return seconds


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise UsageError(f"a snapshot is a .png file, which can hold its settings; found {text!r}")
    return Path(text)


def _folder(text: str) -> Path:
    if not os.path.isdir(text):  # unlike Path's, for any text, also for none
        found = "a file" if os.path.isfile(text) else "no such folder"
        raise UsageError(f"{quoted(text)}: found {found}; possible: a folder that is there")
    return Path(text)


size = checked(_size)
png = checked(_png)
seconds = checked(_seconds)
folder = checked(_folder)
