"""DMX over loopback: datagrams of Art-Net and sACN become actions."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from livedream.controls.actions import Action, Command, Recall, SetUnit
from livedream.controls.dmx import Dmx
from livedream.controls.dmx_map import Channel, DmxMap
from livedream.controls.port import Change
from livedream.errors import OutputError
from livedream.settings import Settings
from tests.clocks import Clock
from tests.controls.dmx_recorded import ARTNET, SACN

PATIENCE_S = 20.0
CHANNELS = (
    Channel(3, 1, setting="strength"),
    Channel(7, 1, setting="zoom"),
    Channel(7, 2, scenes=(("eyes", 1, 20),)),
    Channel(7, 3, command=Command.SNAPSHOT),
)


class Desk:
    """Sends to a control over loopback, and takes what it asks for."""

    def __init__(self, **map: str) -> None:
        self.clock = Clock()
        self.dmx = Dmx(DmxMap(CHANNELS, listen="127.0.0.1", **map), (0, 0), self.clock)
        self.artnet, self.sacn = self.dmx.addresses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        self.socket.sendto(data, address)

    def asked(self) -> list[Action]:
        end = time.monotonic() + PATIENCE_S
        while not (actions := self.poll()):
            assert time.monotonic() < end, "nothing was asked for"
            time.sleep(0.001)
        return actions

    def poll(self) -> list[Action]:
        self.clock.now += 0.02
        return self.dmx.poll()

    def until(self, found) -> None:
        end = time.monotonic() + PATIENCE_S
        while not found():
            assert time.monotonic() < end
            time.sleep(0.001)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.dmx.close()
    desk.dmx.close()
    desk.socket.close()


def test_a_recorded_stream_of_artnet_moves_a_setting(desk):
    moved = []
    for data in ARTNET:
        desk.send(data, desk.artnet)
        moved += desk.asked()
    assert moved == [SetUnit("strength", level / 255) for level in (0, 90, 255)]


def test_a_recorded_stream_of_sacn_plays_the_piece_and_its_values_hold(desk):
    desk.send(SACN[0], desk.sacn)
    assert desk.asked() == [SetUnit("zoom", 0.0), Recall("eyes")]  # its button was down already
    assert desk.dmx.senders()[7] == ("desk",)
    desk.send(SACN[1], desk.sacn)
    assert desk.asked() == [SetUnit("zoom", 0.5)]
    for data in SACN[2:]:  # the stream ends
        desk.send(data, desk.sacn)
    desk.until(lambda: desk.dmx.senders()[7] == ())
    assert desk.poll() == []


def test_a_button_of_the_desk_does_a_command(desk):
    up, down = (SACN[0][:128] + bytes([level]) + SACN[0][129:] for level in (0, 255))
    desk.send(up, desk.sacn)
    desk.asked()
    desk.send(down[:111] + b"\x01" + down[112:], desk.sacn)
    assert desk.asked() == [Command.SNAPSHOT]


def test_only_changes_count_and_at_most_sixty_times_a_second(desk):
    desk.send(ARTNET[0], desk.artnet)
    desk.asked()
    for _ in range(5):
        desk.send(ARTNET[0], desk.artnet)
    desk.send(ARTNET[1], desk.artnet)
    desk.until(lambda: desk.dmx._changed)
    assert len(desk.dmx.poll()) == 0  # at the same time as before
    assert desk.poll() == [SetUnit("strength", 90 / 255)]
    assert desk.poll() == []


def test_universes_that_are_not_in_the_map_and_nonsense_are_ignored(desk, caplog):
    caplog.set_level(logging.INFO)
    for data in (b"", b"nonsense", SACN[0][:200], ARTNET[0][:14] + b"\x09" + ARTNET[0][15:]):
        desk.send(data, desk.artnet)
        desk.send(data, desk.sacn)
    desk.send(ARTNET[2], desk.artnet)
    assert desk.asked() == [SetUnit("strength", 1.0)]
    desk.until(lambda: desk.dmx.malformed == 7)
    assert len([record for record in caplog.records if "refused" in record.message]) == 1


def test_it_is_told_of_changes_and_says_nothing(desk):
    desk.dmx.announce(Change("osc", ("strength",), Settings()))


def test_one_protocol_may_be_asked_for():
    only = Dmx(DmxMap(CHANNELS, "sacn", "127.0.0.1"), (0, 0))
    assert len(only.addresses) == 1
    only.close()


def test_a_port_that_is_taken_is_one_line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        with pytest.raises(OutputError, match=r"cannot listen for DMX on 127.0.0.1 port \d+: .*; possible:"):
            Dmx(DmxMap(CHANNELS, "both", "127.0.0.1"), (0, taken))


def test_multicast_is_heard():
    clock = Clock()
    dmx = Dmx(DmxMap(CHANNELS, "sacn", "0.0.0.0"), (0, 0), clock)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as desk:
            desk.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            end = time.monotonic() + 3
            while not (actions := dmx.poll()) and time.monotonic() < end:
                clock.now += 0.02
                try:
                    desk.sendto(SACN[0], ("239.255.0.7", dmx.addresses[0][1]))
                except OSError as error:
                    pytest.skip(f"no multicast here: {error}")
                time.sleep(0.02)
    finally:
        dmx.close()
    if not actions:
        pytest.skip("no multicast here: nothing arrives")
    assert SetUnit("zoom", 0.0) in actions
