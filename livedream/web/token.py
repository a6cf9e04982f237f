"""The token of a page or a room that others can reach: made once, kept where only this user can read it."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from livedream.errors import OutputError, UsageError
from livedream.places import create, settings_dir

#: Without letters and digits that are taken for one another: it may have to be typed.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH, _GROUP = 16, 4  # 31**16: 79 bits
_SHORTEST, _LONGEST = 8, 200
_POSSIBLE = f"{_SHORTEST} to {_LONGEST} letters, digits, - and _"


def check_token(token: str) -> str:
    """``token``, if it can be one. Raises ``UsageError``, which does not repeat it."""
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{{_SHORTEST},{_LONGEST}}}", token):
        raise UsageError(f"invalid token of {len(token)} characters: expected {_POSSIBLE}")
    return token


def new_token() -> str:
    """A token that nobody guesses: ``k7mq-2xtp-9fhd-w3zs``."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(letters[n : n + _GROUP] for n in range(0, _LENGTH, _GROUP))


def token_path(of: str = "page") -> Path:
    """The file that keeps the token of the page, or of another door of this machine."""
    return settings_dir() / f"{of}-token"


def read_token(path: Path) -> str | None:
    """The token in a file, None where there is no such file. Raises ``OutputError`` if it is not one."""
    try:
        return check_token(path.read_text("utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise OutputError(
            f"the token in {path} cannot be used: {error}; possible: delete that file, or --token TOKEN"
        ) from error


def kept_token(of: str = "page") -> str:
    """The token of this machine; made when there is none. Raises ``OutputError`` if it cannot be kept."""
    path = token_path(of)
    if (kept := read_token(path)) is not None:
        return kept
    create(path.parent)
    token = new_token()
    try:
        # Only its owner may ever have been able to read it, so it is created that way.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(token + "\n")
    except OSError as error:
        raise OutputError(
            f"cannot keep a token in {path}: {error.strerror}; possible: --token TOKEN"
        ) from error
    return token
