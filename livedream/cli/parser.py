"""The command line's parser, for every command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from livedream.errors import UsageError, quoted


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, without printing the whole usage first."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` for argparse, which accepts only its own kind of error."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers in ``low`` to ``high``."""

    def parse(text: str) -> int:
        number = _number(text)
        if number is None or not low <= number <= high:
            raise UsageError(f"invalid value {quoted(text)}: expected {low}–{high}")
        return number

    return checked(parse)


def _number(text: str) -> int | None:
    """The whole number in ``text``; None for another text, and for more digits than anything here has."""
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _size(text: str) -> tuple[int, int]:
    width, _, height = map(_number, text.lower().partition("x"))
    if width is None or height is None or not all(16 <= side <= 7680 for side in (width, height)):
        raise UsageError(f"invalid size {quoted(text)}: expected WIDTHxHEIGHT, 16x16 to 7680x7680")
    return width, height


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise UsageError(f"invalid duration {quoted(text)}: expected seconds, more than 0")
    return seconds


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise UsageError(f"invalid snapshot {quoted(text)}: expected a .png file, which holds settings")
    return Path(text)


def _folder(text: str) -> Path:
    if not os.path.isdir(text):  # unlike Path's method, for any text, even none
        found = "a file" if os.path.isfile(text) else "no such folder"
        raise UsageError(f"{quoted(text)}: found {found}; expected an existing folder")
    return Path(text)


size = checked(_size)
png = checked(_png)
seconds = checked(_seconds)
folder = checked(_folder)
