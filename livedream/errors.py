"""What can go wrong, as one small tree.

    LivedreamError                 exit code 1
    ├── UsageError                 exit code 2: a name, a flag or a value that is not possible
    ├── SourceError                a camera, video, photograph or stream that gives no picture
    ├── NetworkError               weights that are missing, damaged or of another network
    ├── BackendError               a device or runtime that cannot run the dream
    ├── OutputError                a file, screen or port that cannot be written or opened
    └── ProtocolError              a message from another process or machine that is not understood

Every message says what was asked, what was found and what is possible, in one line.
"""

from __future__ import annotations

#: Enough to recognize a value in its file; a screen's line has little more.
_LONGEST_QUOTE = 60
#: Of it, for the end: of a path that is the file's name.
_END = 25


def quoted(value: object) -> str:
    """``repr(value)`` for a message: one line, shortened to 60 characters by its middle, for any value."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits; tables in tables in tables
        return f"an enormous {type(value).__name__}"
    if len(text) <= _LONGEST_QUOTE:
        return text
    return text[: _LONGEST_QUOTE - _END - 1] + "…" + text[-_END:]


class LivedreamError(Exception):
    """Base of every error that a user can mend; ``str(error)`` is the whole message."""

    exit_code = 1


class UsageError(LivedreamError):
    """Something was asked for that does not exist or is out of range."""

    exit_code = 2


class SourceError(LivedreamError):
    """A source of pictures is missing, damaged or stopped."""


class NetworkError(LivedreamError):
    """A network's weights are missing, damaged or belong to another network."""


class BackendError(LivedreamError):
    """A device or an inference runtime cannot run the dream."""


class OutputError(LivedreamError):
    """A file, a screen or a port that the picture should go to cannot be used."""


class ProtocolError(LivedreamError):
    """A message is of another protocol version, or is none."""
