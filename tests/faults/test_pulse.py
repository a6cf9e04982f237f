"""Beats come from pictures of new frames, and from nothing else in the process."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import threading

import pytest

from livedream.controls.actions import Set
from livedream.show.options import MirrorOptions
from tests.show.rig import Rig

pytestmark = pytest.mark.skipif(os.name != "posix", reason="systemd listens at a Unix socket")


@pytest.fixture
def ears(monkeypatch):
    """What systemd hears, a line for each beat."""
    # The path of a socket has room for a hundred characters, which pytest's own folders may take.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found,
    ):
        path = f"{folder}/notify"
        found.bind(path)
        found.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield found


def beats(ears: socket.socket) -> list[bytes]:
    """The beats since the last call, each a letter: w for a picture, s for none."""
    heard = []
    while True:
        try:
            heard.append(b"w" if re.search(rb"^WATCHDOG=1$", ears.recv(300), re.M) else b"s")
        except BlockingIOError:
            return heard


def hear(ears: socket.socket, show: Rig, seconds: int, frames: bool = True) -> list[bytes]:
    """The beats of so many seconds, with or without new frames."""
    heard = []
    for _ in range(seconds):  # systemd listens all the time: a socket holds ten of them
        if frames:
            show.run(1.0)
        else:
            for _ in range(30):
                show.mirror.step(show.now)
                show.now += 1 / 30
        heard += beats(ears)
    return heard


def test_pictures_are_beats_and_waiting_for_frames_ends_them(tmp_path, ears):
    show = Rig(tmp_path, MirrorOptions())
    assert set(hear(ears, show, 10, frames=False)) == {b"s"}
    assert 18 <= hear(ears, show, 5).count(b"w") <= 21
    assert set(hear(ears, show, 100, frames=False)) == {b"w"}  # the camera process is being started again
    assert hear(ears, show, 40, frames=False)[-1] == b"s"
    assert hear(ears, show, 1)[-1] == b"w"


def test_a_picture_that_somebody_froze_is_well_for_hours(tmp_path, ears):
    show = Rig(tmp_path, MirrorOptions())
    show.run(1.0)
    show.hand.actions.append(Set("freeze", True))
    assert set(hear(ears, show, 600, frames=False)) == {b"w"}


def test_a_loop_that_stalls_in_its_window_is_silent(tmp_path, ears, row):
    show = Rig(tmp_path, MirrorOptions())
    show.run(1.0)
    inside, go_on = threading.Event(), threading.Event()
    really = show.front.show

    def stalls(*picture) -> None:
        inside.set()
        go_on.wait()
        really(*picture)

    show.front.show = stalls
    loop = threading.Thread(target=show.run, args=(60.0,))
    loop.start()
    assert inside.wait(30)
    beats(ears)
    assert not go_on.wait(1.0)  # four beats' time
    assert beats(ears) == []
    row("window loop stalls", "blocked in its window", None, None)
    show.front.show = really
    go_on.set()
    loop.join()
    assert b"w" in beats(ears)


def test_a_show_that_ends_says_so_before_it_finishes_its_recording(tmp_path, ears):
    show = Rig(tmp_path, MirrorOptions())
    show.run(1.0)
    beats(ears)
    said = []
    show.front.finish = lambda: said.append(ears.recv(300))
    show.stop()
    show.mirror.run()
    assert said == [b"STOPPING=1"]
