"""The dream and the camera process fail in every way; the pictures go on. Real processes, a real mirror."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for ports and signals of Linux")

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--source", "clouds", "--headless", "--port", "0", "--size", "320x180", "--working-px", "128"]
WORDS += ["--layer", "edges", "--steps", "1", "--dream-rate-hz", "10"]
PATIENT_S = 150.0
#: The issue's limits, on a machine with nothing else to do.
GAP_S, BACK_S, NOTICED_S, FRAMES_S, CARD_S, RESET_S = 0.1, 5.0, 5.0, 10.0, 10.0, 1.0
#: A camera process is given more time until it has been open for so long.
OPENED_S = 11.0


@dataclass(frozen=True)
class Picture:
    """One that was shown: when, of which frame, how bright."""

    at_s: float
    frame: int
    brightness: float


class Mirror:
    """A small mirror of clouds, whose dream fails as ``tests.faults.failing`` says."""

    def __init__(self, folder: Path, failure: str, *words: str) -> None:
        self.record, self.log = folder / "pictures", folder / "log"
        command = [sys.executable, "-m", "tests.faults.recorded", str(self.record), failure, *WORDS, *words]
        with self.log.open("w") as log:
            env = os.environ | {"LIVEDREAM_HOME": str(folder)}
            self.process = psutil.Popen(command, cwd=ROOT, env=env, stderr=log)
        self.began_s = time.monotonic()

    def status(self) -> dict:
        """What it says of itself, {} while it says nothing."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            sockets = self.process.net_connections("tcp")
            ports = [found.laddr.port for found in sockets if found.status == psutil.CONN_LISTEN]
            for port in ports:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json", timeout=5) as answer:
                    return json.load(answer)
        return {}

    def until(self, condition, within_s: float = PATIENT_S) -> dict:
        """Wait until ``condition(status)``; that status."""
        deadline = time.monotonic() + within_s
        while True:
            status = self.status()
            if "ticks" in status and condition(status):
                return status
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{status}\n{self.log.read_text()}"
            time.sleep(0.05)

    def dreaming(self) -> dict:
        """Wait until it dreams well."""
        return self.until(lambda status: status["first_dream_s"] and status["ticks"] > 5)

    def pictures(self, since_s: float = 0.0, until_s: float = float("inf")) -> list[Picture]:
        """Those shown between these times."""
        found = [
            line.split() for line in self.record.read_text().splitlines() if not line.endswith("invalid")
        ]
        made = [Picture(float(at_s), int(frame), float(bright)) for at_s, frame, bright in found]
        return [picture for picture in made if since_s <= picture.at_s <= until_s]

    def longest_gap_s(self, since_s: float) -> float:
        """The longest time without a picture since then."""
        times = [since_s, *(picture.at_s for picture in self.pictures(since_s)), time.monotonic()]
        return max(b - a for a, b in pairwise(times))

    def invalid(self) -> int:
        """How many residuals the show was given that were no dream."""
        return self.record.read_text().count("invalid")

    def close(self) -> None:
        with suppress(psutil.Error):
            for process in [*self.process.children(recursive=True), self.process]:
                process.kill()
        self.process.wait()


@pytest.fixture
def mirror(tmp_path):
    """Starts mirrors that are ended after the test."""
    started = []

    def start(failure: str = "well", *words: str) -> Mirror:
        started.append(Mirror(tmp_path, failure, *words))
        return started[-1]

    yield start
    for one in started:
        one.close()


def again(name: str, before: dict):
    """Whether the process ``name`` is another one than in the status ``before``, and does its work."""
    counted, since = {"dream": "ticks", "camera": "frames"}[name], []

    def condition(status: dict) -> bool:
        old = before["pids"][name]
        if status["pids"].get(name, old) == old or "process has stopped" in status["message"]:
            return False
        since.append(status[counted])
        return status[counted] >= since[0] + 3

    return condition


def replaced(name: str, before: dict):
    """Whether the process ``name`` is gone, or another one than in the status ``before``."""
    return lambda status: status["pids"].get(name) != before["pids"][name]


@pytest.mark.parametrize(
    ("name", "number", "noticed_s", "back_s"),
    [
        ("dream", signal.SIGKILL, 1.0, BACK_S),
        ("dream", signal.SIGSTOP, NOTICED_S, NOTICED_S + BACK_S),
        ("camera", signal.SIGKILL, 1.0, BACK_S),
        ("camera", signal.SIGSTOP, NOTICED_S, FRAMES_S),
    ],
)
def test_a_process_that_dies_or_hangs_is_back_soon(mirror, row, slowness, name, number, noticed_s, back_s):
    show = mirror()
    before = show.dreaming()
    slow = slowness(before["first_picture_s"])
    if name == "camera":
        time.sleep(max(0.0, show.began_s + OPENED_S + before["first_picture_s"] - time.monotonic()))
    began = time.monotonic()
    os.kill(before["pids"][name], number)
    show.until(replaced(name, before))
    took_s = time.monotonic() - began
    after = show.until(again(name, before))
    all_s, gap_s = time.monotonic() - began, show.longest_gap_s(began)
    row(f"{name} {'killed' if number == signal.SIGKILL else 'stopped'}", number.name, gap_s, all_s)
    assert took_s < noticed_s * slow
    assert all_s < back_s * slow
    kind = "died" if number == signal.SIGKILL else "hung"
    assert after["faults"] >= 1
    assert (
        f"{name} {'ended with exit code -9' if kind == 'died' else 'stopped responding'}"
        in show.log.read_text()
    )


@pytest.mark.slow
def test_both_processes_killed_five_times_leave_a_dream_that_does_less(mirror, row, slowness):
    show = mirror()
    before = show.dreaming()
    slow = slowness(before["first_picture_s"])
    began, status = time.monotonic(), before
    for _ in range(5):
        for name in status["pids"].keys() & {"camera", "dream"}:
            with suppress(ProcessLookupError):
                os.kill(status["pids"][name], signal.SIGKILL)
        killed = status
        status = show.until(
            lambda status, killed=killed: len(status["pids"]) == 3 and replaced("dream", killed)(status)
        )
    status = show.until(lambda status: status["fallback"]["rung"] != "full")
    assert status["fallback"]["rung"] == "smaller"
    assert "the dream died 5 times in a" in status["fallback"]["why"]
    status = show.until(again("dream", killed))
    assert "dreaming at the smallest size" in status["message"]
    gap_s = show.longest_gap_s(began)
    row("camera and dream killed five times", "SIGKILL", gap_s, time.monotonic() - began)
    assert gap_s < GAP_S * max(1.0, 3 * slow)


@pytest.mark.parametrize(
    ("failure", "said", "words"),
    [
        ("nan", "the dream became NaN; it begins anew", ()),
        ("no_gradient", "nothing came of the dream; it begins anew", ()),
        pytest.param("exceptions", "a tick failed: ValueError: wrong", (), marks=pytest.mark.slow),
        pytest.param(
            "no_room",
            "out of memory at 320 px; dreaming at 256 px for a while",
            ("--working-px", "320"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ticks_that_fail_are_survived_said_once_and_never_shown(mirror, row, failure, said, words):
    show = mirror(failure, *words)
    status = show.until(lambda status: status["ticks"] > 5 and said in show.log.read_text())
    began, ticks, pid = time.monotonic(), status["ticks"], status["pids"]["dream"]
    status = show.until(lambda status: status["ticks"] >= ticks + 30)
    row(said.split(";")[0], "in a real dream", show.longest_gap_s(began), None)
    assert status["pids"]["dream"] == pid
    assert status["faults"] > 0
    assert show.invalid() == 0
    log = show.log.read_text()
    assert log.count(said) <= 3
    if failure == "no_room":
        assert max(status["working_size"]) <= 192
    if failure == "no_gradient":
        assert "openvino disabled: it gave no gradient" in log


def test_a_lost_graphics_card_is_replaced_by_the_processor(mirror, row, slowness):
    show = mirror("lost_card")
    slow = slowness(show.dreaming()["first_picture_s"])
    status = show.until(lambda status: status["fallback"]["rung"] == "cpu")
    began, ticks = time.monotonic(), status["ticks"]
    assert status["fallback"]["why"] == "cuda:0 failed: CUDA error: unspecified launch failure"
    status = show.until(lambda status: status["ticks"] >= ticks + 3)
    back_s = time.monotonic() - began
    row("graphics card lost (pretended)", "exit code 75", show.longest_gap_s(began), back_s)
    assert back_s < CARD_S * slow
    assert "dreaming on the CPU" in status["message"]
