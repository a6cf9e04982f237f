"""Reads TOML files that people write, whatever is in them, and writes values for them."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from livedream.errors import UnreadableError, quoted

#: A scene has a few hundred bytes; a file that takes seconds to read is none.
LARGEST_BYTES = 64 * 1024
#: More unknown names than this are counted.
_NAMED = 5


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """What the file of a ``what`` says. Raises ``UnreadableError`` in one line, whatever the file is."""
    cannot = f"{what} {path}: cannot be read"
    text = b""
    try:
        text = beginning(path)
        if len(text) > LARGEST_BYTES:
            most = f"the most that a {what} may have"
            raise UnreadableError(
                f"{cannot}: found more than {LARGEST_BYTES // 1024} KiB, {most}", text=False
            )
        return tomllib.loads(text.decode("utf-8"))
    except RecursionError as error:
        raise UnreadableError(f"{cannot}: it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{cannot}: {error}", text=False) from error
    except OSError as error:
        raise UnreadableError(f"{cannot}: {error.strerror or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(f"{cannot}: {error}", text=b"\0" not in text) from error
    except ValueError as error:  # Python's, whose advice is for programmers
        raise UnreadableError(f"{cannot}: a number in it has too many digits") from error


def beginning(path: Path) -> bytes:
    """A file, or enough of a larger one to see that it is too large."""
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


def some(names: Collection[str]) -> str:
    """Names from a file for one line."""
    first = [name if name.isidentifier() and len(name) < 40 else quoted(name) for name in [*names][:_NAMED]]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def toml(value: Any) -> str:
    """A value in TOML. JSON's strings are TOML's, but for what only escapes can say."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
    return repr(value)
