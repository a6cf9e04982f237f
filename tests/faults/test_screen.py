"""Screens that come, go and change, on a real X server: the picture is always on one that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ImageGrab

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path("/usr/lib/xorg/modules/drivers/dummy_drv.so")
NEEDED = ("Xorg", "xrandr")
pytestmark = pytest.mark.skipif(
    not (DRIVER.exists() and all(map(shutil.which, NEEDED)) and os.getuid() == 0),
    reason="needs an X server with screens to plug in: as root, xserver-xorg-video-dummy and xrandr",
)

#: A server with sixteen outputs, of which the first is plugged in. It touches no keyboard, and no console.
CONFIGURATION = """
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 64000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 5-1000
  VertRefresh 5-200
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Modes "640x360"
    Virtual 2560 1440
  EndSubSection
EndSection
Section "ServerFlags"
  Option "AutoAddDevices" "false"
EndSection
"""
WORDS = [
    "--source",
    "clouds",
    "--working-px",
    "64",
    "--layer",
    "edges",
    "--steps",
    "0",
    "--dream-rate-hz",
    "5",
]
PATIENT_S = 30.0


class Server:
    """An X server whose screens a test plugs in and out."""

    def __init__(self, folder: Path) -> None:
        (folder / "xorg.conf").write_text(CONFIGURATION)
        told, tell = os.pipe()
        words = ["Xorg", "-displayfd", str(tell), "-config", str(folder / "xorg.conf"), "-noreset"]
        words += ["-nolisten", "tcp", "-sharevts", "-novtswitch", "-logfile", str(folder / "log"), "vt9"]
        self.process = subprocess.Popen(words, pass_fds=[tell], stderr=subprocess.DEVNULL)
        os.close(tell)
        with os.fdopen(told) as answer:
            number = answer.readline().strip()
        if not number:
            self.process.wait()
            pytest.skip("needs an X server with screens to plug in: Xorg does not start here")
        self.environment = os.environ | {"DISPLAY": f":{number}"}

    def screens(self, *words: str) -> None:
        """Arrange the screens, and have the server look what is plugged in, as a real one does."""
        for arguments in (words, ("--query",)):
            subprocess.run(
                ["xrandr", *arguments], env=self.environment, check=True, stdout=subprocess.DEVNULL
            )

    def picture(self) -> tuple[int, ...]:
        """Width, height, x and y of all that is not black; nothing where all is."""
        shot = np.asarray(ImageGrab.grab(xdisplay=self.environment["DISPLAY"]).convert("L"))
        bright = (shot > 20).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(bright)
        whole = bright[y : y + height, x : x + width].mean() > 0.3 if width else False
        return (width, height, x, y) if whole else ()

    def until(self, *picture: int) -> float:
        """Wait until the mirror's picture is there, and nowhere else; how long that took, in seconds."""
        begun = time.monotonic()
        while (found := self.picture()) != picture:
            assert time.monotonic() - begun < PATIENT_S, f"the picture is at {found}, not at {picture}"
            time.sleep(0.1)
        return time.monotonic() - begun


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.process.terminate()
    made.process.wait()


def test_the_mirror_goes_to_its_screen_whenever_that_is_there(server, tmp_path, row):
    env = server.environment | {"LIVEDREAM_HOME": str(tmp_path)}
    words = [sys.executable, str(ROOT / "live.py"), *WORDS, "--display", "dummy1"]
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as mirror:
        try:
            server.until(640, 360, 0, 0)
            server.screens("--addmode", "DUMMY1", "800x600")
            plug = ("--output", "DUMMY1", "--mode", "800x600", "--right-of", "DUMMY0")
            server.screens(*plug)
            row("screen absent at start", "plugged in later", None, server.until(800, 600, 640, 0))
            server.screens("--output", "DUMMY1", "--off")
            row("second screen unplugged", "xrandr --off", None, server.until(640, 360, 0, 0))
            server.screens(*plug)
            row("second screen back", "xrandr --mode", None, server.until(800, 600, 640, 0))
            server.screens(
                "--output", "DUMMY0", "--mode", "1280x720", "--output", "DUMMY1", "--pos", "1280x0"
            )
            row("resolution of the other screen", "xrandr --mode", None, server.until(800, 600, 1280, 0))
            server.screens("--output", "DUMMY1", "--off", "--output", "DUMMY0", "--mode", "640x360")
            row("its own resolution", "xrandr --mode", None, server.until(640, 360, 0, 0))
            assert mirror.poll() is None
        finally:
            mirror.terminate()
            said = mirror.communicate()[1]
    assert "no screen 'dummy1'; found 0 (DUMMY0, 640x360); showing on 0 until it comes" in said
    assert "window on screen 1 (DUMMY1, 800x600)" in said
    assert "Traceback" not in said
