"""The exceptions of livedream.

    LivedreamError                 exit code 1
    ├── UsageError                 exit code 2: a name, an option or a value that is invalid
    │   └── UnreadableError        a file that is there, and cannot be read
    ├── SourceError                a camera, video, photo or stream without frames
    ├── NetworkError               weights that are missing, damaged or of another network
    ├── BackendError               a device or runtime that cannot run the dream
    ├── DeviceLostError            exit code 75: a graphics card that works no more in this process
    ├── OutOfMemoryError           something that does not fit into the memory, of the machine or of a device
    ├── MissingPackageError        a package that is needed, and is not installed
    ├── OutputError                a file, screen or port that cannot be written or opened
    └── ProtocolError              an invalid message from another process or machine
        └── VersionError           one of another version of livedream

Every message says in one line what was asked, what was found and what is possible.
"""

from __future__ import annotations

#: Enough to recognise a value; a line on the screen has room for little more.
_LONGEST_QUOTE = 60
#: As many of them are for the end, which in a path is the file name.
_END = 25


def quoted(value: object) -> str:
    """``repr(value)`` for a message, of any value: one line of at most 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits; tables in tables in tables
        return f"an enormous {type(value).__name__}"
    if len(text) <= _LONGEST_QUOTE:
        return text
    return text[: _LONGEST_QUOTE - _END - 1] + "…" + text[-_END:]


def one_line(text: str, longest: int = 160) -> str:
    """What somebody else says or is called, as one printable line of at most ``longest`` characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * longest])
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class LivedreamError(Exception):
    """Base of all errors that a user can fix; ``str(error)`` is the whole message."""

    exit_code = 1


class UsageError(LivedreamError):
    """The user asked for something that does not exist or is out of range."""

    exit_code = 2


class UnreadableError(UsageError):
    """A file of the user's is there, and cannot be read: damaged, or with a mistake in it.

    ``text`` is whether it is text all the same, which somebody may be writing just now.
    """

    def __init__(self, message: str, *, text: bool = True) -> None:
        super().__init__(message)
        self.text = text


class SourceError(LivedreamError):
    """A source is missing, damaged or has stopped."""


class NetworkError(LivedreamError):
    """A network's weights are missing, damaged or belong to another network."""


class BackendError(LivedreamError):
    """A device or an inference runtime cannot run the dream."""


class DeviceLostError(LivedreamError):
    """A graphics card failed, and nothing can run on it any more in this process."""

    exit_code = 75


class OutOfMemoryError(LivedreamError):
    """Something does not fit into the memory, of the machine or of a device; something smaller may."""


class MissingPackageError(LivedreamError):
    """A package is needed that is not installed, or cannot be loaded."""


class OutputError(LivedreamError):
    """A file, screen or port cannot be written to or opened."""


class ProtocolError(LivedreamError):
    """A message is invalid, or of another protocol version."""


class VersionError(ProtocolError):
    """A message is of another protocol version."""
