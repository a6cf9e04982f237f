"""A camera that does what a file says, for real processes: a mirror of its own, which no option can reach."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import numpy as np

from livedream.sources import camera, process
from livedream.sources.devices import CameraInfo, Finder
from livedream.sources.process import SourceJob, run_source
from tests.sources.cameras import FakeCapture

#: The folder of the script: a file ``mode``, and a file for each device node of the camera.
VARIABLE = "SCRIPTED_CAMERA"
NAME = "Scripted Camera"


class Script:
    """The hand of the test. Modes: ``play``, ``error``, ``hang``, ``frozen``, ``black``."""

    def __init__(self, folder: Path, plugged: bool = True) -> None:
        self.folder = folder
        self.mode = "play"
        if plugged:
            self.plug(0)

    @property
    def mode(self) -> str:
        return (self.folder / "mode").read_text()

    @mode.setter
    def mode(self, mode: str) -> None:
        new = self.folder / "new"
        new.write_text(mode)
        new.replace(self.folder / "mode")

    def plug(self, number: int) -> None:
        (self.folder / f"video{number}").touch()

    def unplug(self) -> None:
        for node in self.folder.glob("video*"):
            node.unlink()

    def cameras(self) -> list[CameraInfo]:
        nodes = sorted(self.folder.glob("video*"))
        return [CameraInfo(str(node), NAME, "046d:082d", "8F2B", "1-2") for node in nodes]


class Capture(FakeCapture):
    """What OpenCV would open."""

    def __init__(self, folder: Path, node: str) -> None:
        x = np.linspace(40, 200, 320, dtype=np.uint8)
        super().__init__(np.dstack([np.tile(x, (180, 1))] * 3))
        self._folder, self._node = folder, Path(node)

    def grab(self) -> bool:
        time.sleep(1 / 30)
        mode = (self._folder / "mode").read_text()
        if mode == "hang":
            time.sleep(1000)
        if mode == "error" or not self._node.exists():
            return False
        if mode == "frozen" and self.taken:
            return True
        super().grab()
        if mode == "black":
            self._shown = next(self._noise) + np.zeros_like(self.picture)
        return True


def scripted_source(job: SourceJob) -> None:
    """The body of a camera process whose camera is the script's."""
    folder = Path(os.environ[VARIABLE])
    script = Script.__new__(Script)
    script.folder = folder
    camera._open_device = partial(Capture, folder)
    process.Finder = partial(Finder, cameras=script.cameras)
    run_source(job)


def main() -> None:
    """The mirror's command, with the script's camera as the only one."""
    from livedream.cli.main import main
    from livedream.show import camera_keeper

    camera_keeper.run_source = scripted_source
    main()


if __name__ == "__main__":
    main()
