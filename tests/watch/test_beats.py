"""What a show says to its watcher and to systemd, and what it does when the watcher is gone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

import pytest

from livedream.watch.beats import CLOSED, ENDING, PICTURE, REASON, STARTING, WATCHER_VARIABLE, Beats
from tests.test_structure import PACKAGE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherits a socket by its number")


@pytest.fixture
def watcher(monkeypatch):
    """The watcher's end of the line to a show in this process."""
    ours, theirs = socket.socketpair()
    monkeypatch.setenv(WATCHER_VARIABLE, str(theirs.detach()))
    ours.settimeout(10)
    with ours:
        yield ours


@pytest.fixture
def systemd(monkeypatch):
    """What systemd hears."""
    # The path of a socket has room for a hundred characters, which pytest's own folders may take.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears,
    ):
        path = f"{folder}/notify"
        ears.bind(path)
        ears.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield ears


def test_beats_reach_the_watcher_four_times_a_second_and_a_change_at_once(watcher):
    with Beats() as beats:
        assert beats.watched
        assert WATCHER_VARIABLE not in os.environ  # the show's own children are not watched
        for n in range(60):
            beats.send(STARTING if n < 30 else PICTURE, n / 60)
        assert watcher.recv(64) == b"sspp"


def test_systemd_hears_of_pictures_and_not_of_waiting(systemd):
    with Beats() as beats:
        for beat in (STARTING, PICTURE, CLOSED, ENDING):
            beats.send(beat, 0.0)
    heard = [systemd.recv(200).decode() for _ in range(4)]
    assert [("READY=1" in text, "WATCHDOG=1" in text) for text in heard] == [
        (False, False),
        (True, True),
        (True, True),
        (False, False),
    ]
    assert heard[3] == "STOPPING=1"


def test_a_show_that_cannot_go_on_says_why(watcher):
    with Beats() as beats:
        beats.explain("no such film " + "é" * 1000)
    said = watcher.recv(4096)
    assert said.startswith(REASON + b"no such film \xc3")
    assert len(said) < 600


def test_nobody_watching_is_no_trouble(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv(WATCHER_VARIABLE, "12345")
    with Beats() as beats:
        beats.send(PICTURE, 0.0)


def test_a_process_that_only_inherited_systemds_socket_is_not_watched(systemd, monkeypatch):
    monkeypatch.delenv("SYSTEMD_EXEC_PID", raising=False)
    with Beats() as beats:
        assert not beats.watched
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    with Beats() as beats:
        assert beats.watched


def test_a_show_whose_watcher_dies_is_told(watcher):
    told = threading.Event()
    with Beats(told.set) as beats:
        watcher.close()
        assert told.wait(10)
        beats.send(PICTURE, 0.0)  # into the void


def test_the_watcher_is_a_small_process():
    code = "import sys; from livedream.cli.main import main\n"
    code += "try: main(['watch', '--help'])\nexcept SystemExit: pass\n"
    code += "print(*sys.modules)\nif sys.platform == 'linux': print(open('/proc/self/status').read())"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert not re.search(r" (cv2|numpy|pygame|msgspec|aiohttp|multiprocessing) ", result.stdout)
    if sys.platform == "linux":
        assert int(re.search(r"VmHWM:\s+(\d+) kB", result.stdout)[1]) < 30_000
