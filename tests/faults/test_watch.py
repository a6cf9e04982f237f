"""Nobody watches a show but the watcher: real processes are killed and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from livedream.show.resume import state_path
from livedream.watch.judge import PATIENCE_S
from tests.sources.videos import make_video

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks for shared memory and signals of Linux"
)

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["--source", "clouds", "--headless", "--port", "0", "--size", "160x90", "--working-px", "64"]
WORDS += ["--layer", "edges", "--steps", "0", "--dream-rate-hz", "5"]
#: The issue's limits, on a machine with nothing else to do.
RESTART_S, NOTICE_S, ORPHANS_S = 5.0, 10.0, 2.0
PATIENT_S = 120.0


class Watched:
    """A watcher of a small mirror, and what it has started."""

    def __init__(self, home: Path, more: Sequence[str] = ()) -> None:
        env = os.environ | {"LIVEDREAM_HOME": str(home)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "live.py"), "watch", *WORDS, *more],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.watcher = psutil.Process(self.process.pid)

    def status(self) -> dict:
        """What the show says of itself, {} while there is none that does."""
        try:
            (show,) = self.watcher.children()
            ports = [c.laddr.port for c in show.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/status.json", timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError, IndexError, psutil.Error):
            return {}

    def shown(self, but: int = 0) -> dict:
        """Wait until a show other than process ``but`` has shown a picture; what it says."""
        deadline = time.monotonic() + PATIENT_S
        while True:
            said = self.status()
            pids = said.get("pids", {})
            if said.get("first_picture_s") and pids["show"] != but and len(pids) == 3:
                return said
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, f"no picture within {PATIENT_S:.0f} s"
            time.sleep(0.02)

    def everything(self) -> tuple[list[psutil.Process], set[Path]]:
        """All processes of the show, and the shared memory that it owns."""
        processes = self.watcher.children(recursive=True)
        maps = Path(f"/proc/{processes[0].pid}/maps").read_text()
        memory = {Path(name) for name in re.findall(r"/dev/shm/livedream-\S+", maps)}
        assert len(processes) >= 4  # with the one that frees the memory
        assert len(memory) == 5
        return processes, memory


@pytest.fixture
def watched(tmp_path):
    """Starts watchers that are ended, with everything that they have started, after the test."""
    started = []

    def start(*more: str) -> Watched:
        started.append(Watched(tmp_path, more))
        return started[-1]

    yield start
    for watched in started:
        with suppress(psutil.Error):
            for process in watched.watcher.children(recursive=True):
                process.kill()
        watched.process.kill()
        watched.process.wait()
        watched.process.stderr.close()


def left(process: psutil.Process) -> bool:
    """Whether a process is left; one that is dead and was not taken away by init yet is not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone_s(processes: list[psutil.Process], memory: set[Path]) -> float:
    """Wait until none of them is left; how long that took."""
    began = time.monotonic()
    while any(map(left, processes)) or any(path.exists() for path in memory):
        assert time.monotonic() - began < PATIENT_S, (processes, memory)
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_show_that_is_killed_or_hangs_is_started_again_and_goes_on(
    watched, tmp_path, monkeypatch, row, slowness
):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    state = state_path(WORDS)
    state.parent.mkdir(parents=True)
    kept = {"layer": "textures", "rotate": 90, "strength": 0.5, "blackout": True}
    state.write_text(json.dumps({"scene": "eyes", "settings": kept}))  # the power was cut
    mirror = watched()
    said = mirror.shown()
    slow = slowness(said["first_picture_s"])
    assert (said["scene"], said["layer"]) == ("eyes", "textures")
    for fault, number, limit_s in (
        ("show killed", signal.SIGKILL, RESTART_S),
        ("show hangs", signal.SIGSTOP, NOTICE_S),
    ):
        processes, memory = mirror.everything()
        began = time.monotonic()
        os.kill(said["pids"]["show"], number)
        said = mirror.shown(but=said["pids"]["show"])
        gap_s = time.monotonic() - began
        row(fault, signal.Signals(number).name, gap_s, gap_s)
        assert gap_s < limit_s * slow
        assert (said["scene"], said["layer"]) == ("eyes", "textures")
        assert not [process for process in processes if left(process)]
        assert not [path for path in memory if path.exists()]
    processes, memory = mirror.everything()
    mirror.process.terminate()
    assert mirror.process.wait(PATIENT_S) == 0
    all_gone_s(processes, memory)
    assert json.loads(state.read_text())["scene"] == "eyes"  # the system was shut down
    log = mirror.process.stderr.read()
    assert "the show ended with exit code -9; restarting now" in log
    assert f"the show made no new picture for {PATIENCE_S[b'p']:.0f}" in log
    assert "Traceback" not in log


def test_killing_show_and_watcher_leaves_nothing_behind(watched, row, slowness):
    mirror = watched()
    slow = slowness(mirror.shown()["first_picture_s"])
    processes, memory = mirror.everything()
    os.kill(mirror.status()["pids"]["dream"], signal.SIGSTOP)  # even a child that hangs
    for process in (mirror.watcher, processes[0]):
        process.kill()
    gone_s = all_gone_s(processes, memory)
    row("show and watcher killed", "SIGKILL", None, gone_s)
    assert gone_s < ORPHANS_S * slow


def test_a_show_ends_with_its_watcher_and_goes_on_with_the_next(watched, tmp_path, monkeypatch, row):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    mirror = watched()
    said = mirror.shown()
    processes, memory = mirror.everything()
    mirror.watcher.kill()
    row("watcher killed", "SIGKILL", None, all_gone_s(processes, memory))
    kept = json.loads(state_path(WORDS).read_text())
    assert kept["settings"]["layer"] == said["layer"] == "edges"


def test_a_show_that_ends_as_asked_ends_its_watcher(watched, tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    mirror = watched()
    pids = mirror.shown()["pids"]
    os.kill(pids["show"], signal.SIGINT)
    assert mirror.process.wait(PATIENT_S) == 0
    assert not state_path(WORDS).exists()  # somebody wanted it: the next show begins as its command says


def test_what_is_missing_is_named_and_waited_for_and_a_command_that_was_right_is_kept(watched, tmp_path, row):
    film, scenes = tmp_path / "film.mp4", tmp_path / "scenes of mine"
    scenes.mkdir()
    mirror = watched("--source", str(film), "--scenes", str(scenes))

    def until(words: str) -> str:
        for line in mirror.process.stderr:
            assert "Traceback" not in line
            if words in line:
                return line
        raise AssertionError(words)

    assert re.search(r"exit code 1: source '.*film.mp4': found no such file", until("restarting now"))
    until("restarting in 1 s")
    make_video(film)
    show = mirror.shown()["pids"]["show"]
    scenes.rmdir()
    os.kill(show, signal.SIGKILL)
    until("ended with exit code 2; restarting in")
    scenes.mkdir()
    mirror.shown(but=show)
    row("film missing, folder of scenes missing", "named, waited for", None, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "inception9"], "unknown layer 'inception9'"),
        (["doctor"], "livedream watch is for the mirror, not for doctor"),
        (["midi", "list"], "livedream watch is for the mirror, not for midi"),
    ],
)
def test_a_mistake_is_not_tried_again(words, said):
    command = [sys.executable, str(ROOT / "live.py"), "watch", *words, "--headless", "--port", "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT_S, check=False)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.returncode == 2
