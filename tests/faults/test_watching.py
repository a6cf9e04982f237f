"""Whoever watches from afar hears of what is wrong: from a loop that hangs, and of shows that are killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from livedream.show.options import MirrorOptions
from livedream.show.resume import day_path, state_path
from livedream.web.preview import Preview
from tests.faults.test_watch import PATIENT_S, WORDS, watched  # noqa: F401
from tests.show.rig import Rig


def test_a_loop_that_hangs_is_told_by_the_server_beside_it(tmp_path, row):
    show = Rig(tmp_path, MirrorOptions())
    show.run(1.0)
    inside, go_on = threading.Event(), threading.Event()
    really = show.front.show

    def stalls(*picture) -> None:
        inside.set()
        go_on.wait()
        really(*picture)

    def health() -> tuple[int, dict]:
        try:
            with urllib.request.urlopen(f"{preview.url}healthz", timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    with Preview(port=0, vitals=show.vitals) as preview:
        assert health()[0] == 200
        show.front.show = stalls
        loop = threading.Thread(target=show.run, args=(1.0,))
        loop.start()
        assert inside.wait(30)
        show.now += 7
        status, said = health()
        show.front.show = really
        go_on.set()
        loop.join()
        assert status == 503
        assert said["why"] == ["no new picture for 7 s: the loop hangs"]
        assert health()[0] == 200
    row("window loop stalls, /healthz asked", "blocked in its window", None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as on Linux")
def test_shows_that_are_killed_again_and_again_are_told_counted_and_logged(
    watched,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    told, log = tmp_path / "told", tmp_path / "show.log"
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\necho "$LIVEDREAM_ALERT_EVENT $LIVEDREAM_ALERT_KIND" >> {told}\n')
    script.chmod(0o700)
    # A camera that is not there makes the camera process say so: each of the four has a line in the log.
    more = ["--alert", str(script), "--log", str(log), "--source", "camera:nobody"]
    mirror = watched(*more)
    said = mirror.shown()
    for _ in range(3):
        os.kill(said["pids"]["show"], signal.SIGKILL)
        said = mirror.shown(but=said["pids"]["show"])
    deadline = time.monotonic() + PATIENT_S
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    kept = day_path(state_path([*WORDS, *more]))
    day: dict = {}
    while not (told.exists() and day.get("restarts") == 3 and day["longest_gap_s"] > 0.5):
        assert time.monotonic() < deadline, day
        time.sleep(0.05)
        day = json.loads(kept.read_text()) if kept.exists() else {}
    assert told.read_text() == "degraded restarts\n"
    assert day["pictures"] > 0
    mirror.process.terminate()
    mirror.process.wait(PATIENT_S)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {line["process"] for line in lines} == {"watch", "show", "camera", "dream"}
    restarts = [line["text"] for line in lines if "(restart " in line["text"]]
    assert len(restarts) == 3
    assert restarts[2].endswith("(restart 3)")
