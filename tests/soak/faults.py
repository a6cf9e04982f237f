"""The faults of a soak. Each is a generator: it injects, then takes statuses until all is well, and ends."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

from tests.soak.mirror import Mirror, Status

#: Yields nothing of use; is sent what the show says.
Fault = Generator[None, Status, None]

#: A source that comes back may take its time: the issue allows 5 s after its return.
_AWAY_S = 8.0
_RECORDING_S = 6.0
#: Few: the dream keeps what it has opened for each shape, up to a gigabyte.
_SIZES = ((640, 360), (960, 540), (480, 480))
_DAMAGED = (
    b"a = " + b"[" * 5000 + b"]" * 5000,
    b"[settings]\nstrength = " + b"9" * 6000,
    b"\x00\xff\xfe not a scene",
    b"[settings\nlayer = ",
    b"".join(b"k%d = 1\n" % n for n in range(5000)),
    b"x" * 200_000,
)


def _signalled(name: str, number: signal.Signals) -> Callable[[Mirror, random.Random], Fault]:
    def fault(mirror: Mirror, _: random.Random) -> Fault:
        before = yield
        while name not in before.get("pids", {}):
            before = yield
        pid = before["pids"][name]
        with suppress(ProcessLookupError):  # it has just ended by itself, and will be started again
            os.kill(pid, number)
        counted = "ticks" if name == "dream" else "frames"
        since: int | None = None  # counted by the next process
        while True:
            status = yield
            if status.get("pids", {}).get(name, pid) == pid:
                continue
            since = status[counted] if since is None else since
            if status[counted] >= since + 3 and status["source"] != "clouds":
                return

    return fault


def damaged_scene(mirror: Mirror, rng: random.Random) -> Fault:
    """A scene that cannot be read wins over the shipped one on its key, and is recalled."""
    yield
    scenes = mirror.home / "scenes"
    scenes.mkdir(exist_ok=True)
    damaged = scenes / "damaged.toml"
    damaged.write_bytes(b"key = 9\n" + rng.choice(_DAMAGED))
    mirror.press("9")
    while "damaged" not in (yield).get("message", ""):
        pass
    for path in scenes.glob("damaged*"):
        path.unlink()


def recalled_scene(mirror: Mirror, rng: random.Random) -> Fault:
    """One of two scenes, so that the dream knows them after a while."""
    yield
    key, name = rng.choice([("1", "menagerie"), ("5", "twofold")])
    mirror.press(key)
    while (yield).get("scene") != name:
        pass


def resized(mirror: Mirror, rng: random.Random) -> Fault:
    """The window is resized ten times quickly, as by hand."""
    size = _SIZES[0]
    yield
    for _ in range(10):
        size = rng.choice([other for other in _SIZES if other != size])
        mirror.resize(*size)
        time.sleep(0.05)
    while tuple((yield).get("picture_size", ())) != size:
        pass


def recorded(mirror: Mirror, _: random.Random) -> Fault:
    """A recording is started and stopped; it must play."""
    yield
    mirror.press("r")
    until_s = time.monotonic() + _RECORDING_S
    while time.monotonic() < until_s:
        yield
    mirror.press("r")
    while not (found := [p for p in (mirror.folder / "recordings").glob("*.mp4") if _plays(p)]):
        yield
    for path in found:
        path.unlink()


def snapshot(mirror: Mirror, _: random.Random) -> Fault:
    """A snapshot is saved."""
    yield
    mirror.press("s")
    while not (found := list((mirror.folder / "snapshots").glob("livedream*.png"))):
        yield
    for path in found:
        path.unlink()


def _stream(how: str) -> Callable[[Mirror, random.Random], Fault]:
    def fault(mirror: Mirror, _: random.Random) -> Fault:
        yield
        mirror.stream.failing = how
        until_s, noticed = time.monotonic() + _AWAY_S, False
        try:
            while time.monotonic() < until_s:
                noticed |= (yield).get("source") == "clouds"
        finally:
            mirror.stream.failing = ""
        since: int | None = None
        while True:
            status = yield
            noticed |= status.get("source") == "clouds"
            if not noticed or status.get("source") in ("clouds", None):
                continue
            since = status["frames"] if since is None else since
            if status["frames"] >= since + 10:
                return

    return fault


def _plays(path: Path) -> bool:
    import av

    with suppress(av.FFmpegError, OSError), av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) > 10
    return False


FAULTS: dict[str, Callable[[Mirror, random.Random], Fault]] = {
    "dream killed": _signalled("dream", signal.SIGKILL),
    "dream stopped": _signalled("dream", signal.SIGSTOP),
    "camera killed": _signalled("camera", signal.SIGKILL),
    "camera stopped": _signalled("camera", signal.SIGSTOP),
    "stream dropped, 8 s": _stream("dropped"),
    "stream stalled, 8 s": _stream("stalled"),
    "stream garbled, 8 s": _stream("garbled"),
    "damaged scene recalled": damaged_scene,
    "scene recalled": recalled_scene,
    "window resized 10×": resized,
    "recording, 6 s": recorded,
    "snapshot": snapshot,
}
