"""A set of three minutes: one mirror, played by every control at once, and its recording as contact sheets.

``DISPLAY=:N python -m tests.bench.set --data DIR OUT`` runs it on the footage in ``DIR/video`` and writes
``OUT/set.mp4``, ``OUT/sheet-1.png`` … with a picture each two seconds, ``OUT/mirror.log`` and
``OUT/log.txt``: what was played when, by which control. A control that is not installed here is left out,
and said.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from tests.bench.wired import MIDI, PAD

OSC, PAGE, ARTNET = 9077, 8477, 6454
BPM = 120.0
CUES = """title = "The set"

[[cue]]
scene = "patience"
title = "Opening"
fade_s = 1.0

[[cue]]
scene = "pulse"
title = "Pulse"
hold_beats = 48

[[cue]]
scene = "ink"
fade_s = 3.0
hold_s = 18.0

[[cue]]
scene = "garden"
title = "Garden, until the desk says GO"

[[cue]]
scene = "zoom"
title = "Climax"

[[cue]]
scene = "web"
title = "The page plays"

[[cue]]
scene = "journey"
title = "Journey on the beat"

[[cue]]
scene = "menagerie"
title = "Ending"
fade_s = 8.0
"""
PULSE = """title = "Pulse"
fade_s = 2.0

[settings]
layer = "patterns"
strength = 0.7

[[modulation]]
source = "beat"
setting = "zoom"
amount = 0.3

[[modulation]]
source = "bass"
setting = "strength"
amount = 0.3
release_s = 0.15

[[modulation]]
source = "lfo1"
setting = "spin"
amount = 0.06

[lfo.1]
shape = "sine"
beats = 16.0
"""
JOURNEY = """title = "Journey"
fade_s = 2.0

[settings]
journey = true
journey_on_beat = true
journey_beats = 8
journey_fade_s = 1.0
"""
DMX = """protocol = "artnet"
listen = "127.0.0.1"
universe = 0

[[channel]]
channel = 1
setting = "vignette"

[[channel]]
channel = 2
command = "go"
"""


class Stage:
    """The hands that play the set. ``say`` writes down what is done, with the time of the set."""

    def __init__(self, out: Path) -> None:
        self.began_s = 0.0
        self.log = (out / "log.txt").open("w", buffering=1)
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sequence = 0
        self.page: Any = None
        self.shot = out / "page.png"

    def say(self, text: str) -> None:
        """Write a line down."""
        line = f"{time.monotonic() - self.began_s:6.1f}  {text}\n"
        self.log.write(line)
        sys.stdout.write(line)

    def until(self, seconds: float) -> None:
        """Wait for this time of the set."""
        time.sleep(max(0.0, self.began_s + seconds - time.monotonic()))

    def osc(self, address: str, *values: str | float) -> None:
        """Send a message with liblo's ``oscsend``."""
        types = "".join("s" if isinstance(value, str) else "f" for value in values)
        command = ["oscsend", "localhost", str(OSC), address, *([types] if types else []), *map(str, values)]
        subprocess.run(command, check=True)

    def osc_fade(self, address: str, start: float, end: float, seconds: float) -> None:
        """A fader moved by hand, 20 messages a second."""
        began = time.monotonic()
        while (done := (time.monotonic() - began) / seconds) < 1:
            self.osc(address, round(start + done * (end - start), 4))
            time.sleep(0.05)
        self.osc(address, end)

    def key(self, name: str) -> None:
        """Press a key, as a foot switch does."""
        subprocess.run(["xdotool", "key", name], check=True)

    def dmx(self, *levels: int) -> None:
        """Send the first channels of a universe by Art-Net, as a desk does."""
        self._sequence = self._sequence % 255 + 1
        data = bytes(levels) + bytes(len(levels) % 2)
        head = b"Art-Net\0\x00\x50\x00\x0e" + bytes([self._sequence, 0, 0, 0]) + len(data).to_bytes(2, "big")
        self._wire.sendto(head + data, ("127.0.0.1", ARTNET))

    def midi(self, *message: int) -> None:
        """Send a message of a controller; see :mod:`tests.bench.wired`."""
        self._wire.sendto(bytes(message), ("127.0.0.1", MIDI))

    def pad(self, *axes: float) -> None:
        """Push a gamepad's sticks: left x, left y, right x, right y, -1 to 1."""
        self._wire.sendto(json.dumps(axes).encode(), ("127.0.0.1", PAD))

    def midi_clock(self, bpm: float, seconds: float, levels: Sequence[int]) -> None:
        """A sequencer's clock from its start on, while the first fader goes through ``levels``."""
        self.midi(0xFA)
        began, ticks = time.monotonic(), int(seconds * bpm / 60 * 24)
        for n in range(ticks):
            time.sleep(max(0.0, began + n * 2.5 / bpm - time.monotonic()))
            self.midi(0xF8)
            if n % 4 == 0:
                self.midi(0xB0, 0, levels[n * len(levels) // ticks])

    def status(self) -> dict[str, Any]:
        """What the mirror says of itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{PAGE}/status.json", timeout=5) as answer:
            return dict(json.load(answer))


def play(stage: Stage) -> None:
    """The set, from the first dream on."""
    say, until = stage.say, stage.until
    until(3)
    say("OSC taps 120 beats a minute")
    for n in range(6):
        until(3 + n * 60 / BPM)
        stage.osc("/dream/tap")
    until(8)
    say("OSC fades the strength up")
    stage.osc_fade("/dream/strength", 0.2, 0.5, 5.0)
    until(15)
    say("Enter: GO to Pulse, which holds 48 beats")
    stage.key("Return")
    until(22)
    say("OSC makes the beat's zoom stronger")
    stage.osc("/dream/mod/1/amount", 0.6)
    until(42)
    say(f"by itself: {stage.status()['cue']}")
    until(48)
    say("a MIDI controller: its clock plays 128 beats a minute, its first fader the strength")
    stage.midi_clock(128.0, 12.0, [*range(20, 110), *range(110, 60, -1)])
    say(f"the tempo is {stage.status()['settings']['bpm']}")
    until(63)
    say(f"by itself: {stage.status()['cue']}")
    until(68)
    say("a lighting desk narrows the dream to the middle")
    for n in range(60):
        stage.dmx(128 + n * 2, 0)
        time.sleep(1 / 20)
    until(74)
    say("the desk says GO: Climax")
    for n in range(20):  # a finger on a button, at a desk's rate
        stage.dmx(246 if n < 10 else 128, 255 if n < 10 else 0)
        time.sleep(1 / 40)
    until(85)
    say("OSC freezes, and lets go")
    stage.osc("/dream/freeze", 1.0)
    until(88)
    stage.osc("/dream/freeze", 0.0)
    until(95)
    say("the controller's play button: GO to what the page plays")
    stage.midi(0xB0, 41, 127)
    stage.midi(0xB0, 41, 0)
    until(98)
    page(stage)
    until(122)
    say("OSC: GO to the journey")
    stage.osc("/dream/go")
    until(128)
    say("a gamepad: zoom and pan by the left stick, spin by the right one")
    for n in range(240):
        angle = n / 20
        stage.pad(0.5 * np.sin(angle), -0.8 * np.sin(angle / 2), 0.6 * np.cos(angle / 3), 0.0)
        time.sleep(1 / 20)
    stage.pad(0.0, 0.0, 0.0, 0.0)
    until(146)
    say("OSC: blackout for two beats")
    stage.osc("/dream/blackout", 1.0)
    until(147)
    stage.osc("/dream/blackout", 0.0)
    until(150)
    say("PageDown, a foot switch: GO to the ending")
    stage.key("Next")
    until(170)
    say("OSC fades the dream away")
    stage.osc_fade("/dream/strength", 0.33, 0.0, 6.0)


def page(stage: Stage) -> None:
    """Play from the control page, in Chromium."""
    if stage.page is None:
        stage.say("no page: Playwright or Chromium is not here")
        return
    stage.page.goto(f"http://127.0.0.1:{PAGE}/")
    slider = stage.page.get_by_role("slider", name="Strength").first
    slider.wait_for(timeout=20_000)
    stage.say("the page moves the strength")
    for n in range(10):
        slider.evaluate("(e, to) => { e.value = e.max * to; e.dispatchEvent(new Event('input')); }", n / 15)
        time.sleep(0.3)
    stage.page.screenshot(path=str(stage.shot))
    stage.until(108)
    stage.say("the page recalls a scene of its own: the list waits")
    stage.page.locator("[data-scene=ghost]").first.click()


@contextmanager
def chromium(stage: Stage) -> Iterator[None]:
    """A browser for the set, where there is one."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None or find_spec("playwright") is None:
        yield
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        stage.page = browser.new_page(viewport={"width": 1440, "height": 900})
        yield
        browser.close()


def drums(path: Path, seconds: float) -> None:
    """A kick on each beat and a hi-hat between two, as a file for ``--audio``."""
    rate, dice = 48000, np.random.default_rng(1)
    beat = int(60 / BPM * rate)
    t = np.arange(beat) / rate
    kick = 0.7 * np.sin(2 * np.pi * 60 * t) * np.exp(-12 * t)
    hat = 0.15 * np.diff(dice.standard_normal(beat + 1)) * np.exp(-60 * t)
    bar = kick + np.roll(hat, beat // 2)
    samples = np.tile(bar, int(seconds * BPM / 60))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def sheets(video: Path, out: Path, each_s: float = 2.0, columns: int = 6, rows: int = 5) -> int:
    """Write the recording as contact sheets, a picture each ``each_s`` seconds; how many."""
    import av

    tiles: list[Pillow.Image] = []
    with av.open(str(video)) as container:
        due_s = 0.0
        for frame in container.decode(container.streams.video[0]):
            if frame.time is not None and frame.time >= due_s:
                tile = Pillow.fromarray(frame.to_ndarray(format="rgb24")).resize((320, 180))
                ImageDraw.Draw(tile).text((5, 3), f"{frame.time:.1f}", fill=(255, 255, 0))
                tiles.append(tile)
                due_s += each_s
    count = 0
    for start in range(0, len(tiles), columns * rows):
        sheet = Pillow.new("RGB", (columns * 320, rows * 180))
        for n, tile in enumerate(tiles[start : start + columns * rows]):
            sheet.paste(tile, (n % columns * 320, n // columns * 180))
        count += 1
        sheet.save(out / f"sheet-{count}.png")
    return count


def main() -> None:
    """Run the set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with video/webcam_signing.mp4")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--working-px", default="192")
    found = parser.parse_args()
    out: Path = found.out
    scenes = out / "scenes"
    scenes.mkdir(parents=True, exist_ok=True)
    (scenes / "pulse.toml").write_text(PULSE)
    (scenes / "journey.toml").write_text(JOURNEY)
    (out / "set.toml").write_text(CUES)
    (out / "desk.toml").write_text(DMX)
    drums(out / "drums.wav", 60.0)
    run = "import sys; from tests.bench.wired import mirror; sys.exit(mirror())"
    options: dict[str, object] = {
        "--size": found.size,
        "--port": PAGE,
        "--source": found.data / "video" / "webcam_signing.mp4",
        "--working-px": found.working_px,
        "--scenes": scenes,
        "--cues": out / "set.toml",
        "--dmx": out / "desk.toml",
        "--osc": OSC,
        "--audio": out / "drums.wav",
        "--record": out / "set.mp4",
        "--stats": out / "stats.json",
        "--duration": 180,
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-c", run, "--windowed", "--preview", "--midi", *words]
    stage = Stage(out)
    with ExitStack() as stack:
        stack.enter_context(chromium(stage))
        log = stack.enter_context((out / "mirror.log").open("w"))
        mirror = subprocess.Popen(command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
        stack.callback(mirror.wait)
        stack.callback(mirror.terminate)
        while mirror.poll() is None:
            with suppress(OSError):
                if stage.status()["first_dream_s"] is not None:
                    break
            time.sleep(0.1)
        stage.began_s = time.monotonic()
        play(stage)
        mirror.wait(60)
        stack.pop_all()
    stage.say(f"{sheets(out / 'set.mp4', out)} contact sheets")


if __name__ == "__main__":
    main()
