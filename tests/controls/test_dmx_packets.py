"""Art-Net and sACN datagrams: recorded ones are read, damaged ones are malformed."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from livedream.controls.dmx_packets import Frame, MalformedError, read_artnet, read_sacn
from tests.controls.dmx_recorded import ARTNET, SACN


def changed(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


def test_a_recorded_stream_of_sacn_is_read():
    frames = [read_sacn(data, "127.0.0.1") for data in SACN]
    first = frames[0]
    assert (first.universe, first.priority, first.name, len(first.levels)) == (7, 120, "desk", 512)
    assert [frame.levels[0] for frame in frames[:2]] == [0, 128]
    assert first.levels[1:4] == bytes((10, 255, 0))
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.terminated for frame in frames] == [False, False, True, True, True]
    assert len({frame.source for frame in frames}) == 1


def test_a_recorded_stream_of_artnet_is_read():
    frames = [read_artnet(data, "10.0.0.7") for data in ARTNET]
    assert [frame.levels[0] for frame in frames] == [0, 90, 255]
    assert frames[0] == Frame("artnet", 3, "artnet 10.0.0.7", "10.0.0.7", bytes(8))
    assert all(frame.sequence is None for frame in frames)


def test_an_artnet_universe_is_made_of_net_and_subuniverse():
    data = changed(ARTNET[0], 12, 9, 0, 0x21, 0x03)
    frame = read_artnet(data, "10.0.0.7")
    assert (frame.universe, frame.sequence) == (0x321, 9)


def test_other_packets_of_artnet_and_sacn_are_nobodys_mistake():
    assert read_artnet(b"Art-Net\0\x00\x20\x00\x0e\x00\x00", "a") is None  # ArtPoll
    assert read_sacn(changed(SACN[0], 21, 8), "a") is None  # a synchronisation
    assert read_sacn(changed(SACN[0], 43, 9), "a") is None
    assert read_sacn(changed(SACN[0], 112, 0x80), "a") is None  # a preview
    assert read_sacn(changed(SACN[0], 125, 0xDD), "a") is None  # priorities for each channel, not levels


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Art-Net\0",
        b"Bad-Net\0\x00\x50\x00\x0e" + bytes(20),
        ARTNET[0][:17],
        ARTNET[0][:-1],
        changed(ARTNET[0], 16, 0, 0),
        changed(ARTNET[0], 16, 2, 1),
        changed(ARTNET[0], 10, 0, 13),
    ],
)
def test_malformed_artnet(data):
    with pytest.raises(MalformedError):
        read_artnet(data, "a")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ARTNET[0],
        SACN[0][:30],
        SACN[0][:125],
        SACN[0][:-1],
        SACN[0] + b"\0",
        changed(SACN[0], 16, 0x70, 0x01),
        changed(SACN[0], 38, 0x00, 0x00),
        changed(SACN[0], 115, 0x72, 0x0C),
        changed(SACN[0], 118, 0xA2),
        changed(SACN[0], 123, 0, 0),
        changed(SACN[0], 123, 2, 2),
        changed(SACN[0], 108, 201),
    ],
)
def test_malformed_sacn(data):
    with pytest.raises(MalformedError):
        read_sacn(data, "a")


@pytest.mark.parametrize(("good", "read"), [(SACN[0], read_sacn), (ARTNET[0], read_artnet)])
def test_no_damage_breaks_a_reader(good, read):
    rng = random.Random(4)
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(min(len(data), 130))] = rng.randrange(256)
        with suppress(MalformedError):
            frame = read(bytes(data[: rng.randrange(len(data) + 1)]), "a")
            assert frame is None or 1 <= len(frame.levels) <= 512 or frame.protocol == "sacn"
