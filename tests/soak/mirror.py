"""The real mirror, watched, with a network camera, in a window of its own screen; what it says and takes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from livedream.resource import Resource
from tests.soak.figures import Process, Sample
from tests.soak.stream import StreamServer

ROOT = Path(__file__).resolve().parents[2]
#: A small dream, in scenes that may want more: the soak is of the processes, not of the dream.
WORDS = [
    "--size",
    "640x360",
    "--working-px",
    "128",
    "--octaves",
    "2",
    "--steps",
    "2",
    "--dream-rate-hz",
    "10",
]
_PATIENT_S = 120.0

Status = dict[str, Any]


class Mirror(Resource):
    """Runs until it is closed. ``folder`` becomes its home and its current folder."""

    def __init__(self, folder: Path, video: Path | None) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.stream = StreamServer(video)
        self._screen, display = screen()
        self._environment = os.environ | {"DISPLAY": display, "LIVEDREAM_HOME": str(self.home)}
        self._environment.setdefault("OMP_NUM_THREADS", "1")
        self._log = (folder / "log").open("w+")
        words = ["watch", "--windowed", "--preview", "--port", "0", "--source", self.stream.url, *WORDS]
        self.watcher = psutil.Popen(
            [sys.executable, str(ROOT / "live.py"), *words],
            cwd=folder,
            env=self._environment,
            stderr=self._log,
            stdout=self._log,
        )
        self._address = ""

    def begin(self) -> Status:
        """Wait for the first dream; what the show says then."""
        until_s = time.monotonic() + _PATIENT_S
        while time.monotonic() < until_s and self.watcher.is_running():
            status = self.status()
            if status.get("first_dream_s") and len(status["pids"]) == 3:
                return status
            time.sleep(0.1)
        raise RuntimeError(f"no dream within {_PATIENT_S:.0f} s; the log is {self.folder / 'log'}")

    def status(self) -> Status:
        """What the show says of itself, {} while there is none that does."""
        for _ in range(2):
            with suppress(OSError, ValueError):
                if self._address:
                    with urllib.request.urlopen(self._address + "status.json", timeout=2) as answer:
                        return dict(json.load(answer))
            addresses = re.findall(r"page: (\S+)", (self.folder / "log").read_text(errors="replace"))
            self._address = addresses[-1] if addresses else ""
        return {}

    def sample(self, status: Status, at_s: float) -> Sample:
        """What the processes take now."""
        numbers = {"watcher": self.watcher.pid, **status.get("pids", {})}
        processes = {}
        for name, pid in numbers.items():
            with suppress(psutil.Error, OSError, KeyError):
                processes[name] = _process(pid)
        sizes = []
        for name in set(
            re.findall(r"/dev/shm/(livedream-\S+)", _read(f"/proc/{numbers.get('show', 0)}/maps"))
        ):
            with suppress(OSError):
                sizes.append(os.stat(f"/dev/shm/{name}").st_blocks * 512)
        p99_ms = float(status.get("interval_ms", {}).get("p99", 0.0))
        return Sample(at_s, processes, sum(sizes) / 2**20, len(sizes), p99_ms, os.getloadavg()[0])

    def press(self, *keys: str) -> None:
        """Press keys on its screen."""
        self._xdotool("key", *keys)

    def resize(self, width: int, height: int) -> None:
        """Give its window another size."""
        self._xdotool("search", "--class", "livedream", "windowsize", "%@", str(width), str(height))

    def _xdotool(self, *words: str) -> None:
        """Whether it worked shows in what the mirror says."""
        command = ["xdotool", *words]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, env=self._environment, check=False, timeout=20, stderr=self._log)

    def tracebacks(self) -> int:
        """How many there are in its log."""
        return (self.folder / "log").read_text(errors="replace").count("Traceback (most recent call last)")

    def close(self) -> None:
        if self.watcher.poll() is None:
            self.watcher.send_signal(signal.SIGTERM)
            with suppress(psutil.TimeoutExpired):
                self.watcher.wait(30)
        if self.watcher.poll() is None:
            for process in [*self.watcher.children(recursive=True), self.watcher]:
                with suppress(psutil.Error):
                    process.kill()
        self.stream.close()
        self._screen.terminate()
        self._screen.wait()
        self._log.close()


def screen(size: str = "1280x720") -> tuple[subprocess.Popen[bytes], str]:
    """A virtual screen of its own, and its display: the keys are for nobody else."""
    ours, theirs = os.pipe()
    words = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", f"{size}x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(words, pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with os.fdopen(ours) as number:
        return screen, f":{number.readline().strip()}"


def _process(pid: int) -> Process:
    process = psutil.Process(pid)
    fields = dict(re.findall(r"^(\w+):\s+(\d+)", _read(f"/proc/{pid}/status"), re.M))
    kilobytes = int(fields["VmRSS"]) - int(fields["RssShmem"]) + int(fields.get("VmSwap", 0))
    age_s = time.time() - process.create_time()
    return Process(pid, age_s, kilobytes / 1024, process.num_fds(), process.num_threads())


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
