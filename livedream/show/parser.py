"""The command line's parser, for every command."""

from __future__ import annotations

import argparse
from typing import NoReturn

from livedream.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")
