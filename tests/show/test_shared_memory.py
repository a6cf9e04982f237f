"""Too little shared memory is said before it kills anybody, and a little less than enough is made do with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from livedream.errors import OutputError
from livedream.frame import MAX_FRAME_BYTES
from livedream.ipc.slots import slot_bytes
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.processes import Processes
from livedream.show.shared_memory import frame_capacity

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [20_000_000, 1 << 16]


@pytest.fixture
def free(monkeypatch):
    """Says how many bytes /dev/shm has free; None takes the folder away."""

    def set_free(free_bytes):
        def statvfs(path):
            assert path == "/dev/shm"
            if free_bytes is None:
                raise FileNotFoundError(path)
            return SimpleNamespace(f_bavail=free_bytes // 4096, f_frsize=4096, f_blocks=1 << 30)

        monkeypatch.setattr(os, "statvfs", statvfs, raising=False)

    return set_free


@pytest.mark.parametrize("free_bytes", [1 << 30, None])
def test_with_enough_memory_or_none_to_measure_frames_are_4k(free, free_bytes):
    free(free_bytes)
    assert frame_capacity(OTHERS) == (MAX_FRAME_BYTES, "")


def test_a_limit_of_nothing_is_no_limit(monkeypatch):
    unlimited = SimpleNamespace(f_bavail=0, f_frsize=4096, f_blocks=0)
    monkeypatch.setattr(os, "statvfs", lambda path: unlimited, raising=False)
    assert frame_capacity(OTHERS) == (MAX_FRAME_BYTES, "")


def test_with_little_memory_frames_are_smaller_and_that_is_said(free):
    free(70_000_000)
    capacity, warning = frame_capacity(OTHERS)
    assert 640 * 360 * 3 < capacity < MAX_FRAME_BYTES
    assert sum(map(slot_bytes, [capacity, *OTHERS])) <= 70_000_000
    assert "/dev/shm has 69 MB free, 4K needs 135 MB: frames larger than 1390×782 are scaled" in warning
    assert "--shm-size" in warning


def test_too_little_memory_is_an_error_that_says_how_much_is_needed_and_where(free):
    free(1 << 20)
    with pytest.raises(OutputError) as caught:
        frame_capacity(OTHERS)
    assert "/dev/shm has 1 MB free; expected 63 MB, or 135 MB for 4K" in str(caught.value)
    assert "--shm-size" in str(caught.value)


def test_a_show_with_little_memory_says_so_once_and_shows_pictures_that_fit(free):
    free(64 << 20)
    with Processes(MirrorOptions(source="clouds", log_level=40), Settings(), print) as processes:
        assert "are scaled down" in processes.check(0.0)[0]
        assert processes.check(0.0) == []
        deadline = time.monotonic() + 60
        while (frame := processes.frame()) is None:
            assert time.monotonic() < deadline, "60 s without a frame"
            time.sleep(0.01)
    picture = frame.array
    assert picture.nbytes < 1280 * 720 * 3
    assert picture.shape[1] / picture.shape[0] == pytest.approx(16 / 9, rel=0.01)


def test_a_mirror_in_a_megabyte_of_shared_memory_ends_with_one_line():
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("a /dev/shm of its own needs root")
    mirror = f"exec {sys.executable} {ROOT / 'live.py'} --source clouds --headless --port 8471 --frames 1"
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{mount} && {mirror}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("livedream: too little shared memory: /dev/shm has 1 MB free; expected ")
    assert result.stderr.count("\n") == 1
