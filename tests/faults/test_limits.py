"""A system that gives too little: what can run does, and what cannot says so in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.test_watch import PATIENT_S, watched  # noqa: F401 - a fixture

resource = pytest.importorskip("resource")

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--source", "clouds", "--headless", "--size", "160x90", "--working-px", "64", "--layer", "edges"]


def with_open_files(most: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A small mirror that may have so many files open."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    command = [sys.executable, str(ROOT / "live.py"), *WORDS, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, preexec_fn=limit)


def test_64_open_files_are_enough(tmp_path, row):
    stats = tmp_path / "stats.json"
    result = with_open_files(64, "--preview", "--port", "0", "--frames", "20", "--stats", str(stats))
    assert result.returncode == 0, result.stderr
    found = json.loads(stats.read_text())
    assert found["frames"] >= 20
    assert found["faults"] == 0
    row("only 64 open files", "ulimit -n 64", None, None)


def test_too_few_open_files_are_one_line(row):
    result = with_open_files(20, "--frames", "1")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "Too many open files; possible: allow more open files (ulimit -n)" in line


def live(**environment: str | None) -> subprocess.CompletedProcess[str]:
    """A short show in this environment (None: without the variable) that would be resumed."""
    env = {name: value for name, value in os.environ.items() if name not in environment}
    env |= {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, str(ROOT / "live.py"), *WORDS, "--port", "0", "--frames", "10", "--resume"]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert "Traceback" not in result.stderr, result.stderr
    return result


@pytest.mark.parametrize("home", ["a file", "no folder can be made", "HOME is missing"])
def test_a_home_that_cannot_be_written_costs_only_what_would_be_kept(home, tmp_path, row):
    (tmp_path / "file").write_text("")
    folders = {"a file": str(tmp_path / "file"), "no folder can be made": "/proc/nowhere"}
    if home in folders:
        result = live(LIVEDREAM_HOME=folders[home])
        said = [line for line in result.stderr.splitlines() if "what is shown cannot be kept" in line]
        assert len(said) == 1
        assert "possible: another one, by LIVEDREAM_HOME=FOLDER" in said[0]
    else:  # the system still knows who we are; the test's own folder stands for theirs
        result = live(HOME=None, LIVEDREAM_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    row("home cannot be written", home, None, None)


def test_without_room_for_temporary_files_the_show_goes_on(tmp_path, row):
    result = live(TMPDIR="/proc/nowhere", LIVEDREAM_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    row("no folder for temporary files", "TMPDIR", None, None)


#: A clock on the wall that is off by the seconds in a file, for all processes that load this. libfaketime
#: 0.9.10 does more, and Python's sleep fails under it.
SHIM = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *offset(void) {
    static volatile long *found;
    if (!found) found = mmap(0, 8, PROT_READ, MAP_SHARED, open(getenv("WALL_OFFSET"), O_RDONLY), 0);
    return found;
}
int clock_gettime(clockid_t which, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, which, now);
    if (!result && which == CLOCK_REALTIME) now->tv_sec += *offset();
    return result;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec, now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return kept ? *kept = now.tv_sec : now.tv_sec;
}
"""


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)
def test_a_wall_clock_that_jumps_by_an_hour_raises_no_alarm(watched, tmp_path, monkeypatch, row):  # noqa: F811
    shim, offset = tmp_path / "shim.so", tmp_path / "offset"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, "-xc", "-"], input=SHIM, text=True, check=True)
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(shim))
        patch.setenv("WALL_OFFSET", str(offset))
        offset.write_bytes(struct.pack("=q", 3600))
        told = subprocess.check_output([sys.executable, "-c", "import time; print(time.time())"], text=True)
        assert 3500 < float(told) - time.time() < 3700
        offset.write_bytes(struct.pack("=q", 0))
        mirror = watched("--hours", "00:00-24:00")
    pids = mirror.shown()["pids"]
    for hours in (1, -1, 0):
        with offset.open("r+b") as file:
            file.write(struct.pack("=q", hours * 3600))
        pictures, until_s = mirror.status().get("pictures", 0), time.monotonic() + PATIENT_S
        while (said := mirror.status()).get("pictures", 0) < pictures + 250:  # longer than any patience
            assert time.monotonic() < until_s, said
            time.sleep(0.1)
        assert said["pids"] == pids
    mirror.process.terminate()
    log = mirror.process.communicate(timeout=PATIENT_S)[1]
    assert not re.search("restarting|outside the opening hours|Traceback", log), log
    row("clock on the wall jumps", "±1 h", None, None)
