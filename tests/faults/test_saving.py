"""A show that is killed while it saves leaves the old file or the new one, and never half of one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks a process with everything imported")

KILLS = 200
#: Forks writers, each of which saves one state after the other, and kills them ever later after their start.
FORK = """
import os, signal, sys, time
from pathlib import Path
from livedream.settings import Settings
from livedream.show.resume import Resume

path, kills = Path(sys.argv[1]), int(sys.argv[2])
for n in range(kills):
    ready, started = os.pipe()
    writer = os.fork()
    if writer == 0:
        resume = Resume(path)
        states = [Settings(layer="edges"), Settings(layer="textures:0.3,parts:0.7", network="bvlc_googlenet")]
        os.write(started, b"!")
        for n in range(10**6):
            resume.keep(states[n % 2], "a scene", 2.0 * n)
            time.sleep(0.0002)
    os.read(ready, 1)
    time.sleep(0.005 + n * 1e-4)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    os.close(ready), os.close(started)
    print(path.read_text() if path.exists() else "none yet")
"""


def test_two_hundred_kills_while_saving_corrupt_no_file(tmp_path, row):
    path = tmp_path / "state" / "mirror.json"
    words = [sys.executable, "-c", FORK, str(path), str(KILLS)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    states = [json.loads(line) for line in found if line != "none yet"]
    assert len(found) == KILLS
    assert len(states) > KILLS / 2
    assert {state["settings"]["layer"] for state in states} <= {"edges", "textures:0.3,parts:0.7"}
    assert len(list(path.parent.iterdir())) <= 2  # the file, and at most one that a kill left half-written
    row("killed while saving", f"{KILLS} × SIGKILL", None, None)
