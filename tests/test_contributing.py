"""The examples in CONTRIBUTING.md are run as they stand there, and plugged into the real ports."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest

from livedream.controls.actions import Action, Nudge, SetUnit, apply
from livedream.controls.desk import Desk
from livedream.controls.port import Change, Controls, Refusal
from livedream.errors import UsageError
from livedream.networks.catalogue import network_info
from livedream.settings import SPECS, Settings
from livedream.sinks.port import Sinks, Stamp
from livedream.web.preview import Preview
from livedream.web.site import Site
from tests.test_structure import MAY_IMPORT, PACKAGE

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
IMAGE = np.full((4, 6, 3), 51, np.uint8)


def run_example(title: str) -> dict[str, Any]:
    """The names that the Python block below a heading defines."""
    chapter = GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", chapter, re.S)
    names: dict[str, Any] = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    return names


def test_the_table_of_rooms_is_what_the_structure_test_holds():
    rows = re.findall(r"^\| `(\w+)` \| .*? \| (.*?) ?\|$", GUIDE, re.M)
    everything, outside = set(MAY_IMPORT), {"compile", "room", "rendering", "bench", "cli"}
    spoken = {"all": everything, "all but compile, room, rendering, bench, cli": everything - outside}
    listed = {room: spoken.get(text, set(filter(None, text.split(", ")))) for room, text in rows}
    assert {room: rooms - {room} for room, rooms in listed.items()} == {
        room: set(rooms) - {room} for room, rooms in MAY_IMPORT.items()
    }
    assert set(listed) >= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


class Waiting:
    """Another control; it tells what it was told, and when there is something to poll for."""

    name = "another"

    def __init__(self) -> None:
        self.told: list[Change | Refusal] = []

    def poll(self) -> list[Action]:
        return []

    def announce(self, news: Change | Refusal) -> None:
        self.told.append(news)

    def close(self) -> None:
        pass


@pytest.fixture
def faders() -> Iterator[Any]:
    control = run_example("Add a control")["Faders"](port=0)
    yield control
    control.close()


@pytest.fixture
def desk(faders: Any) -> Iterator[socket.socket]:
    """What sends to the faders, and has motors of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(faders.address)
        sender.settimeout(20)
        yield sender


def asked_of(controls: Controls) -> tuple[str, Action]:
    """The next action; whatever sends it does so soon, and the test's own time limit bounds the wait."""
    patience = threading.Event()
    while not (asked := controls.poll()):
        patience.wait(0.005)
    return asked[0]


def test_the_control_moves_a_setting_and_the_change_comes_back_to_the_others_only(faders, desk):
    other = Waiting()
    controls = Controls(faders, other)
    desk.send(b"strength 0.5")
    origin, action = asked_of(controls)
    assert action == SetUnit("strength", 0.5)
    settings = apply(Settings(), action)
    assert settings.strength == pytest.approx(1.5)

    own = Change(origin, ("strength",), settings)
    controls.announce(own)
    assert other.told == [own]
    settings = apply(settings, Nudge("steps", 8))
    controls.announce(Change("another", ("steps",), settings))
    # What it sent itself was not sent back, so the first datagram is about the other control's change.
    assert desk.recv(1024).decode() == f"steps {SPECS['steps'].to_unit(settings.steps):.3f}"
    assert controls.faults() == []


def test_the_control_outlives_nonsense_and_settings_without_a_range(faders, desk):
    controls = Controls(faders)
    for line in (b"", b"strength", b"strength loud", b"\xff\xff", b"nothing 0.5"):
        desk.send(line)
    _, action = asked_of(controls)
    with pytest.raises(UsageError, match="unknown setting 'nothing'"):
        apply(Settings(), action)
    controls.announce(Refusal("faders", action, "unknown setting"))
    controls.announce(Change("scene", tuple(SPECS), Settings()))
    assert desk.recv(1024).decode().startswith("dream_blend ")  # what comes before it has no range
    assert controls.faults() == []


class Kept:
    """Another sink: it keeps the stamps of what it was shown."""

    name = "kept"

    def __init__(self) -> None:
        self.stamps: list[Stamp] = []

    def show(self, picture: Any, overlay: Any, stamp: Stamp) -> None:
        self.stamps.append(stamp)

    def close(self) -> None:
        pass


def test_the_sink_writes_and_a_failure_in_it_retires_it_alone(tmp_path):
    brightness_sink = run_example("Add a sink")["Brightness"]
    path, kept, sinks = tmp_path / "brightness.csv", Kept(), Sinks()
    sink = brightness_sink(path)
    sinks.add(sink, reopen=lambda: brightness_sink(tmp_path / "again.csv"))
    sinks.add(kept)
    sinks.show(IMAGE, None, Stamp(7, 1.5), now=100.0)
    assert path.read_text().splitlines() == ["frame,captured_s,brightness", "7,1.500,51.0"]

    sink.close()  # its file is gone: writing to it fails
    sinks.show(IMAGE, None, Stamp(8, 1.6), now=101.0)
    (fault,) = sinks.faults()
    assert fault.startswith("brightness failed: ")
    assert sink not in sinks
    assert kept in sinks

    sinks.show(IMAGE, None, Stamp(9, 1.7), now=200.0)  # by now it is opened again
    assert sinks.faults() == ["brightness is back"]
    sinks.close()
    assert [stamp.index for stamp in kept.stamps] == [7, 8, 9]
    assert (tmp_path / "again.csv").read_text().splitlines()[1:] == ["9,1.700,51.0"]


@pytest.mark.full
def test_the_example_of_a_network_prints_the_table_of_its_layers(capsys):
    run_example("Add a network")
    printed = [row.split()[:3] for row in capsys.readouterr().out.splitlines()]
    layers = network_info("resnet34").layers
    assert printed == [[layer.name, str(layer.channels), str(layer.stride)] for layer in layers]


def test_the_example_of_a_setting_holds():
    spec = run_example("Add a setting")["spec"]
    assert spec.name not in SPECS, "it is one by now: take another example"
    with pytest.raises(UsageError, match="contrast"):
        spec.check(3.0)


def test_the_address_of_the_guide_is_served():
    site, desk = Site(), Desk(Settings(steps=3))
    run_example("Add to the web server")["add_settings"](site, desk)
    with Preview(port=0, site=site) as preview, urlopen(f"{preview.url}settings.json", timeout=30) as answer:
        assert json.load(answer)["steps"] == 3
