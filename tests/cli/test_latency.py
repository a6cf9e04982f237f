"""``livedream latency``: what it refuses, prints and writes, and one measurement on a real screen."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from livedream.cli import latency as module
from livedream.cli.latency import latency_command, report, write_json
from livedream.errors import OutputError, UsageError
from livedream.frame import Frame
from livedream.show.latency import Latency
from livedream.sources import spec

FOUND = Latency((40.0, 50.0, 60.0), 1, 123.4)


def test_median_p95_and_n_are_printed_with_what_they_include():
    text = report(FOUND)
    assert "median 50.0 ms, p95 60.0 ms, n 3, 1 flashes not seen" in text
    assert "included: the flip, the screen, exposure" in text
    assert "not included: what the mirror does" in text


def test_json_has_every_flash(tmp_path):
    write_json(tmp_path / "latency.json", FOUND, "0", "software")
    found = json.loads((tmp_path / "latency.json").read_text())
    assert (found["median_ms"], found["p95_ms"], found["n"], found["missed"]) == (50, 60, 3, 1)
    assert found["flashes_ms"] == [40, 50, 60]
    assert found["source"] == "0"
    assert "exposure" in found["included"]


def test_what_cannot_see_the_screen_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no latency of 'clouds': found clouds; expected a camera"):
        latency_command(["--source", "clouds"])
    with pytest.raises(OutputError, match="does not exist"):
        latency_command(["--source", "0", "--json", str(tmp_path / "none" / "latency.json")])


class ScreenCamera:
    """Films the real screen, and hands its frames over a known time later."""

    name, kind, delay_s = "screen", "camera", 0.1

    def __iter__(self):
        return self

    def __next__(self):
        from PIL import ImageGrab

        image = np.asarray(ImageGrab.grab(bbox=(0, 0, 1000, 600)).convert("RGB"))
        time.sleep(self.delay_s)
        return Frame(image, 0, 0.0)

    def close(self):
        pass


@pytest.mark.screen
def test_a_camera_that_films_the_window_measures_its_own_delay(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(spec, "open_source", lambda what: ScreenCamera())
    path = tmp_path / "latency.json"
    latency_command(
        ["--source", "0", "--flashes", "3", "--windowed", "--size", "900x500", "--json", str(path)]
    )
    found = json.loads(path.read_text())
    assert found["n"] == 3
    assert found["median_ms"] >= 100
    assert found["contrast"] > 200
    assert "median" in capsys.readouterr().out
    assert found["included"] == module._INCLUDED
