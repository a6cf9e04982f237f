"""The log: what repeats is counted, nobody waits for the disk, and a full one is said once."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from livedream import logs
from livedream.logs import FILE_VARIABLE, Repeats, configure_logging

ROOT = Path(__file__).resolve().parents[1]
WARNING, INFO = logging.WARNING, logging.INFO


def test_a_line_is_written_once_and_then_counted():
    repeats = Repeats()
    assert [repeats.is_news(WARNING, "lost", now) for now in range(42)] == [True] + [False] * 41
    assert repeats.counted(59.0) == []
    assert repeats.counted(60.0) == [(WARNING, "lost", 41, 60.0)]


def test_what_goes_on_is_said_once_in_each_window_and_what_has_stopped_is_forgotten():
    repeats = Repeats()
    for now in range(130):
        assert repeats.is_news(WARNING, "lost", now) == (now == 0)
        counted = repeats.counted(now)
        assert [c[2] for c in counted] == ([60] if now in (60, 120) else [])
    assert [c[2] for c in repeats.counted(185.0)] == [9]
    assert repeats.counted(300.0) == []
    assert repeats.is_news(WARNING, "lost", 301.0)


def test_lines_that_differ_only_in_numbers_may_come_a_few_times():
    repeats = Repeats()
    news = [repeats.is_news(WARNING, f"retrying in {n} s", 0.1 * n) for n in range(30)]
    assert news == [True] * 10 + [False] * 20
    ((_, text, count, _),) = repeats.counted(70.0)
    assert (text, count) == ("retrying in # s (with other numbers)", 20)


def test_what_is_remembered_is_bounded():
    repeats = Repeats()
    for n in range(5000):
        repeats.is_news(INFO, "x" * n, 0.0)
    assert len(repeats._lines) <= 1000


@pytest.fixture
def root():
    """The root logger, put back after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.handlers[:], root.level = handlers, level
    os.environ.pop(FILE_VARIABLE, None)


@pytest.fixture
def kept(root, monkeypatch):
    """Keeps the test's own handlers when logging is configured."""
    monkeypatch.setattr(root, "handlers", [])
    return root


def flush(root):
    for handler in root.handlers:
        handler.flush()


def test_text_has_date_and_zone_and_the_file_has_json(kept, tmp_path, capsys):
    file = tmp_path / "show.log"
    configure_logging("show", INFO, file, rotates=True)
    log = logging.getLogger("livedream.test")
    log.warning("camera %d lost", 0)
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("failed")
    flush(kept)
    first = capsys.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d show: camera 0 lost", first)
    one, two = map(json.loads, file.read_text("utf-8").splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", one.pop("time"))
    assert one == {"level": "warning", "process": "show", "logger": "livedream.test", "text": "camera 0 lost"}
    assert "ValueError: no" in two["traceback"]


def test_what_was_only_counted_is_said_at_the_end(kept, capsys):
    configure_logging("show", INFO)
    for _ in range(4):
        logging.getLogger("livedream.test").error("stuck")
    (handler,) = kept.handlers
    handler.close()
    lines = [line.partition("show: ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["stuck", "stuck … 3 more times in 0 s"]


def test_the_file_is_moved_aside_when_it_is_large_and_another_process_follows(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_LARGEST_BYTES", 2000)
    file = tmp_path / "show.log"
    configure_logging("show", INFO, file, rotates=True)
    camera = logs.Outlet("camera", logs._lines(file, "camera", False))
    record = logging.makeLogRecord({"levelno": INFO, "name": "livedream.camera"})
    for n in range(200):
        logging.getLogger("livedream.test").info("a line of its own kind: %s", "x" * n)
        record = logging.makeLogRecord({"levelno": INFO, "name": "c", "msg": f"a frame {'y' * n}"})
        camera.emit(record)
        flush(kept)
        camera.flush()
    camera.close()
    flush(kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "show.log",
        *(f"show.log.{n}" for n in range(1, 6)),
    ]
    lines = [json.loads(line) for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert {line["process"] for line in lines} == {"show", "camera"}
    assert all(path.stat().st_size < 3000 for path in tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk: Linux has one as a device")
def test_a_full_disk_is_said_once_and_costs_nothing_else(kept, tmp_path, capsys):
    file = tmp_path / "show.log"
    file.symlink_to("/dev/full")
    configure_logging("camera", INFO, file)
    log = logging.getLogger("livedream.test")
    log.info("one")
    log.info("two")
    flush(kept)
    file.unlink()
    log.info("three")
    log.info("four")
    flush(kept)
    said = [line.partition("camera: ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "one",
        f"the log {file} cannot be written: No space left on device; going on without it",
        "two",
        "three",
        f"the log {file} is written again; 2 lines are missing",
        "four",
    ]
    assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == ["three", "four"]


def test_nobody_waits_for_a_disk_that_hangs(kept, monkeypatch, capsys):
    hang, hung = threading.Event(), threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record):
            hung.set()
            hang.wait(60)

    outlet = logs.Outlet("show", Hanging())
    monkeypatch.setattr(logs, "_FLUSH_S", 0.0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for one in letters:
        for two in letters:
            for three in letters[:8]:
                outlet.emit(logging.makeLogRecord({"msg": one + two + three, "levelno": INFO}))
    assert hung.wait(60)
    monkeypatch.setattr(logs, "_FLUSH_S", 60.0)
    hang.set()
    outlet.close()
    assert re.search(r"show: \d{4} lines of the log were lost", capsys.readouterr().err)


def test_lines_at_the_very_end_of_a_process_are_written(tmp_path):
    code = (
        "import logging, sys; from pathlib import Path; from livedream.logs import configure_logging;"
        f"configure_logging('show', 20, Path({str(tmp_path / 'a.log')!r}));"
        "logging.getLogger('livedream').error('the last word'); sys.exit(3)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert result.stderr.endswith("show: the last word\n")
    assert json.loads((tmp_path / "a.log").read_text())["text"] == "the last word"


def test_a_terminal_that_takes_nothing_holds_up_neither_the_program_nor_its_end(tmp_path):
    code = (
        "import logging, sys; from livedream.logs import configure_logging; configure_logging('show', 20)\n"
        "for n in range(1000): logging.getLogger('livedream').info('%s', chr(65 + n) * 500)\n"
        "print('done', flush=True); sys.exit(3)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"done\n"
    assert process.wait(60) == 3
    process.communicate()
