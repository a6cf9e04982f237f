"""The log of every process: text on the standard error, and JSON lines in a file where that is asked for.

A thread writes, so nobody waits for a terminal or a disk. A line that repeats is counted, not repeated.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import queue
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Any

#: The environment variable by which the other processes of a mirror find the file; the show rotates it.
FILE_VARIABLE = "LIVEDREAM_LOG"
#: A file of this size is moved aside, and so many are kept: with the newest 60 MB, months of a mirror.
_LARGEST_BYTES, _KEPT = 10_000_000, 5
#: A line that comes again within this time is only counted. Lines that differ in their numbers alone, such as
#: the seconds until a retry, may come a few times in it.
_WINDOW_S = 60.0
_ALIKE = 10
_NUMBER = re.compile(r"\d+(\.\d+)?")
#: So many lines wait for a disk that is slow, and are kept in mind to be counted.
_WAITING, _REMEMBERED = 2000, 1000
_TICK_S, _FLUSH_S = 1.0, 1.0


def configure_logging(name: str, level: int, file: Path | None = None, *, rotates: bool = False) -> None:
    """Log to the standard error, each line with date, time, zone and the process's name.

    With ``file`` also to that, as JSON lines, and so do the processes that this one starts; without one, to
    that of the process that started this one, if any. ``rotates``: this process moves it aside when it is
    large. Exactly one of a mirror's processes may.
    """
    if file is not None:
        os.environ[FILE_VARIABLE] = str(file.absolute())
    inherited = os.environ.get(FILE_VARIABLE)
    lines = None if not inherited else _lines(Path(inherited), name, rotates)
    logging.basicConfig(level=level, handlers=[Outlet(name, lines)], force=True)


@dataclass
class _Seen:
    since_s: float
    count: int = 0


class Repeats:
    """Which lines are news, and how often the others came. Pure: the caller passes the time, in seconds."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, str], _Seen] = {}
        self._alike: dict[tuple[int, str], _Seen] = {}

    def is_news(self, level: int, text: str, now: float) -> bool:
        """Whether a line is to be written. One that is not is counted."""
        line, alike = (level, text), (level, _NUMBER.sub("#", text))
        seen = self._lines.get(line)
        if seen is None:
            kind = self._alike.setdefault(alike, _Seen(now))
            kind.count += 1
            if kind.count <= _ALIKE:
                if len(self._lines) < _REMEMBERED:
                    self._lines[line] = _Seen(now)
                return True
            seen = self._lines.setdefault((level, f"{alike[1]} (with other numbers)"), _Seen(now))
        seen.count += 1
        return False

    def counted(self, now: float, *, all: bool = False) -> list[tuple[int, str, int, float]]:
        """(level, text, count, seconds) of what came again: after a minute of counting, or ``all``."""
        old = [item for item in self._lines.items() if all or now - item[1].since_s >= _WINDOW_S]
        for line, seen in old:
            del self._lines[line]
            if seen.count and not all:
                self._lines[line] = _Seen(now)  # what goes on repeating is said once in each window
        for alike, seen in list(self._alike.items()):
            if now - seen.since_s >= _WINDOW_S:
                del self._alike[alike]
        return [(*line, seen.count, now - seen.since_s) for line, seen in old if seen.count]


class Outlet(logging.Handler):
    """Takes records from any thread, and writes them on a thread of its own: never waits, never raises."""

    def __init__(self, name: str, lines: logging.Handler | None = None) -> None:
        super().__init__()
        text: logging.Handler = _Text(sys.stderr)
        text.setFormatter(_TextFormatter(name))
        self._outputs = [text] if lines is None else [text, lines]
        self._waiting: queue.Queue[logging.LogRecord | threading.Event | None] = queue.Queue(_WAITING)
        self._lost = 0
        self._repeats = Repeats()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written soon; what is in it may change afterwards."""
        try:
            record.msg, record.args = record.getMessage(), None
            self._waiting.put_nowait(record)
        except queue.Full:
            self._lost += 1
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all is written, a second at most."""
        done = threading.Event()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            with suppress(queue.Full):
                self._waiting.put(done, timeout=_FLUSH_S)
                done.wait(_FLUSH_S)

    def close(self) -> None:
        """Write what waits, and what was only counted. May be called twice."""
        if not self._closed:
            self._closed = True
            with suppress(queue.Full):
                self._waiting.put(None, timeout=_FLUSH_S)
                self._thread.join(_FLUSH_S)
        atexit.unregister(self.close)
        super().close()

    def _run(self) -> None:
        while True:
            with suppress(queue.Empty):
                record = self._waiting.get(timeout=_TICK_S)
                if record is None:
                    break
                if isinstance(record, threading.Event):
                    record.set()
                elif self._repeats.is_news(record.levelno, record.getMessage(), time.monotonic()):
                    self._write(record)
            self._write_counts()
        self._write_counts(all=True)
        for output in self._outputs:
            output.close()

    def _write_counts(self, *, all: bool = False) -> None:
        for level, text, count, seconds in self._repeats.counted(time.monotonic(), all=all):
            times = "once more" if count == 1 else f"{count} more times"
            self._say(level, f"{text} … {times} in {seconds:.0f} s", more=count)
        lost, self._lost = self._lost, 0
        if lost:
            self._say(
                logging.WARNING, f"{lost} lines of the log were lost: they could not be written in time"
            )

    def _say(self, level: int, text: str, **more: Any) -> None:
        self._write(logging.makeLogRecord({"levelno": level, "msg": text, "name": __name__} | more))

    def _write(self, record: logging.LogRecord) -> None:
        for output in self._outputs:
            output.emit(record)  # without its lock, for which the interpreter would wait at its end
        trouble = getattr(self._outputs[-1], "news", None)
        if trouble is not None and (text := trouble()):
            self._outputs[0].emit(
                logging.makeLogRecord({"levelno": logging.ERROR, "msg": text, "name": __name__})
            )


class _Text(logging.Handler):
    """Writes past Python's own buffer: a terminal that takes nothing would hold its lock, and the end."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{self.format(record)}\n"
        with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            try:
                number = self._stream.fileno()
            except (OSError, ValueError, AttributeError):  # a stream of Python's alone
                self._stream.write(text)
                self._stream.flush()
            else:
                data = text.encode("utf-8", "backslashreplace")
                while data:
                    data = data[os.write(number, data) :]


class _TextFormatter(logging.Formatter):
    def __init__(self, name: str) -> None:
        super().__init__(f"%(asctime)s {name}: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "seconds")


class _JsonFormatter(logging.Formatter):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._process = name

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(record.levelno).lower(),
            "process": self._process,
            "logger": record.name,
            "text": record.getMessage(),
        }
        if more := getattr(record, "more", 0):
            line["more"] = more
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Lines(logging.FileHandler):
    """What both kinds of file share: each line in one write, as others write, too; trouble is said once."""

    trouble, unwritten, said = "", 0, False

    def _open(self) -> Any:
        raw = io.FileIO(self.baseFilename, "a")
        return io.TextIOWrapper(raw, "utf-8", errors="replace", write_through=True)

    def handleError(self, record: logging.LogRecord) -> None:
        """The disk is full, or gone: count the lines, and go on."""
        error = sys.exc_info()[1]
        self.trouble = getattr(error, "strerror", None) or str(error)
        self.unwritten += 1

    def news(self) -> str:
        """What has changed about the file since the last call, in words, or ""."""
        if self.trouble and not self.said:
            self.said = True
            return f"the log {self.baseFilename} cannot be written: {self.trouble}; going on without it"
        unwritten, worked = self.unwritten, not self.trouble
        self.trouble = ""  # until the next line fails, too
        if self.said and worked:
            self.said, self.unwritten = False, 0
            return f"the log {self.baseFilename} is written again; {unwritten} lines are missing"
        return ""


class _Rotated(_Lines, RotatingFileHandler):
    """The file of the process that moves it aside."""


class _Followed(_Lines, WatchedFileHandler):
    """The file of a process that notices when it was moved aside."""


def _lines(path: Path, name: str, rotates: bool) -> logging.Handler:
    if os.name != "posix" and not rotates:  # elsewhere a file that is open cannot be moved: each has its own
        path, rotates = path.with_name(f"{path.stem}.{name}{path.suffix}"), True
    handler: logging.Handler
    if rotates:
        handler = _Rotated(path, maxBytes=_LARGEST_BYTES, backupCount=_KEPT, encoding="utf-8", delay=True)
    else:
        handler = _Followed(path, encoding="utf-8", delay=True)
    handler.setFormatter(_JsonFormatter(name))
    return handler
