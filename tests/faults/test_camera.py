"""Cameras that fail: real processes with a network camera that misbehaves, or with a scripted one."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from livedream.ipc.mailbox import Receiver
from livedream.ipc.protocol import SourceStatus
from livedream.ipc.slots import Slot
from livedream.sources.process import SourceJob, run_source
from livedream.sources.watch import STILL_S
from tests.sources.scripted import NAME, VARIABLE, Script
from tests.sources.serving import NetworkCamera

ROOT = Path(__file__).resolve().parents[2]
PATIENT_S = 60.0
#: The limits, on a machine with nothing else to do: until what looks like pictures is found out, until the
#: dream without a camera, until the camera is back, until a driver that hangs is opened again, until the
#: first picture.
NOTICE_S, AWAY_S, BACK_S, REOPEN_S, FIRST_S = 5.0, 3.0, 5.0, 10.0, 3.0


class Camera:
    """A camera process, and what it says."""

    def __init__(self, spec: str) -> None:
        self._slots = Slot.create(1280 * 720 * 3), Slot.create(1 << 17)
        frames, status = self._slots
        self._heard = Receiver(status, SourceStatus)
        self.said = SourceStatus()
        context = multiprocessing.get_context("spawn")
        job = SourceJob(spec, frames.name, status.name)
        self._process = context.Process(target=run_source, args=(job,), daemon=True)
        self._process.start()

    def until(self, condition) -> float:
        """Listen until the status fulfils ``condition``; how long that took."""
        began = time.monotonic()
        while not condition(self.said):
            assert time.monotonic() - began < PATIENT_S, self.said
            assert self._process.is_alive()
            time.sleep(0.005)
            self.said = self._heard.newer() or self.said
        return time.monotonic() - began

    def rest(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self.until(lambda said: time.monotonic() >= until_s)

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        for slot in self._slots:
            slot.close()


@pytest.fixture
def server():
    made = NetworkCamera()
    yield made
    made.close()


@pytest.fixture
def camera(server):
    made = Camera(server.url)
    yield made
    made.close()


def live(said: SourceStatus) -> bool:
    return said.size != (0, 0) and not said.fallback


@pytest.mark.parametrize(
    ("mode", "kinds", "limit_s"),
    [
        ("refuse", {"lost"}, AWAY_S),
        pytest.param("stall", {"hung"}, AWAY_S, marks=pytest.mark.slow),
        pytest.param("garbage", {"lost", "hung"}, AWAY_S, marks=pytest.mark.slow),
        pytest.param("trickle", {"hung"}, AWAY_S, marks=pytest.mark.slow),
        pytest.param("repeat", {"frozen"}, STILL_S["stream"] + 1, marks=pytest.mark.slow),
        pytest.param("black", {"black"}, STILL_S["stream"] + 1, marks=pytest.mark.slow),
    ],
)
def test_a_stream_that_fails_gives_way_to_clouds_and_is_back(
    server, camera, slowness, row, mode, kinds, limit_s
):
    camera.until(live)
    camera.rest(1.0)
    server.mode = mode
    away_s = camera.until(lambda said: said.lost)
    camera.rest(6.0)  # longer than FFmpeg waits
    assert camera.said.lost
    assert camera.said.kind == "clouds"
    assert set(camera.said.fault_kinds) <= {f"stream {kind}" for kind in kinds}
    connections = server.connections
    server.mode = "play"
    live_s = camera.until(live)
    row(f"stream: {mode}", f"by its server; clouds after {away_s:.1f} s", None, live_s)
    assert away_s < limit_s * slowness(0.0)
    assert live_s < BACK_S * slowness(0.0)
    assert server.connections - connections <= 2
    assert camera.said.faults == 1


def test_a_stream_with_damaged_frames_and_other_sizes_goes_on(server, camera, row):
    camera.until(live)
    connections = server.connections
    sizes = {"damaged": (320, 180), "small": (160, 90), "tall": (180, 320), "play": (320, 180)}
    for mode, size in sizes.items():
        server.mode = mode
        camera.until(lambda said, size=size: said.size == size)
        camera.rest(1.0)
    row("stream: damaged frames, other sizes", "by its server", None, None)
    assert camera.said.faults == 0
    assert server.connections == connections


class Mirror:
    """A small mirror, without a window, whose only camera is the script's."""

    def __init__(self, folder: Path) -> None:
        words = ["--headless", "--port", "0", "--size", "160x90", "--working-px", "64", "--layer", "edges"]
        words += ["--steps", "1", "--attract-after-s", "600", "--no-osc"]
        env = os.environ | {VARIABLE: str(folder), "LIVEDREAM_HOME": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sources.scripted", *words],
            cwd=ROOT,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: dict = {}
        self.gap_s = 0.0  # the longest between two pictures
        self._url = ""

    def until(self, condition) -> float:
        """Wait until what the mirror says of itself fulfils ``condition``; how long that took."""
        began = time.monotonic()
        while True:
            self.said = self._status() or self.said
            if self.said.get("first_dream_s"):
                self.gap_s = max(self.gap_s, self.said["longest_interval_ms"] / 1e3)
            if self.said.get("first_picture_s") and condition(self.said):
                return time.monotonic() - began
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() - began < PATIENT_S, self.said
            time.sleep(0.02)

    def rest(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self.until(lambda said: time.monotonic() >= until_s)

    def end(self) -> str:
        """End it; its log."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENT_S)[1]

    def _status(self) -> dict:
        try:
            if not self._url:
                found = psutil.Process(self.process.pid).net_connections("tcp")
                (port,) = [c.laddr.port for c in found if c.status == psutil.CONN_LISTEN]
                self._url = f"http://127.0.0.1:{port}/status.json"
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError, psutil.Error):
            return {}


@pytest.fixture
def mirror(tmp_path):
    made = []

    def start() -> Mirror:
        made.append(Mirror(tmp_path))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        one.process.stderr.close()


def mirrors(said: dict) -> bool:
    return said["source"] == NAME and not said["attract"]


def test_without_a_camera_there_are_clouds_at_once_until_one_comes(mirror, tmp_path, slowness, row):
    script = Script(tmp_path, plugged=False)
    show = mirror()
    show.until(lambda said: said["source"] == "clouds")
    first_s = show.said["first_picture_s"]
    show.rest(3.0)
    assert not show.said["attract"]  # nothing was lost
    script.plug(0)
    live_s = show.until(mirrors)
    row("no camera at the start", f"none plugged in; picture after {first_s:.1f} s", None, live_s)
    assert first_s < FIRST_S * slowness(0.0)
    assert live_s < BACK_S * slowness(first_s)


def test_a_camera_fails_in_every_way_and_the_attract_dream_bridges_it(mirror, tmp_path, slowness, row):
    script, show = Script(tmp_path), mirror()
    show.until(lambda said: mirrors(said) and said["first_dream_s"])
    show.rest(3.0)
    slow = slowness(show.said["first_picture_s"])
    faults = {"error": AWAY_S, "unplugged": AWAY_S, "hang": AWAY_S, "frozen": NOTICE_S, "black": NOTICE_S}
    for mode, limit_s in faults.items():
        pid, reopened_s = show.said["pids"]["camera"], 0.0
        show.gap_s = 0.0
        if mode == "unplugged":
            script.unplug()
        else:
            script.mode = mode
        away_s = show.until(lambda said: said["attract"] and said["source"] == "clouds")
        if mode == "hang":
            reopened_s = away_s + show.until(lambda said, pid=pid: said["pids"].get("camera", pid) != pid)
        else:
            show.rest(1.0)
        if mode == "unplugged":
            script.plug(7)  # as another number
        else:
            script.mode = "play"
        live_s = show.until(mirrors)
        row(f"camera: {mode}", f"scripted; attract dream after {away_s:.1f} s", show.gap_s, live_s)
        assert away_s < limit_s * slow
        assert live_s < BACK_S * slow
        assert reopened_s + live_s < REOPEN_S * slow
        show.rest(1.0)
    assert "Traceback" not in show.end()
