"""OSC datagrams: what is read of them, and that nothing that is sent can hang or break the reader."""

from __future__ import annotations

import random
import struct
import time
from contextlib import suppress

import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import build_msg

from livedream.controls.osc_message import MalformedError, datagram, messages


def bundle(*elements: bytes, stamp: float = IMMEDIATELY) -> bytes:
    head = OscBundleBuilder(stamp).build().dgram
    return head + b"".join(struct.pack(">i", len(element)) + element for element in elements)


def test_a_message_is_read_with_all_usual_types():
    made = build_msg("/dream/strength", [1, 0.5, "parts", True, False, None, 1 << 40, b"abc"])
    assert messages(made.dgram) == [
        ("/dream/strength", (1, 0.5, "parts", True, False, None, 1 << 40, b"abc"))
    ]


@pytest.mark.parametrize("data", [b"/go\0", b"/go\0,\0\0\0", b"/go\0,I\0\0"])
def test_nothing_and_an_impulse_are_no_argument(data):
    assert messages(data) == [("/go", ())]


def test_what_is_made_can_be_read():
    for value in (3, 0.25, "Fuchs im Grünen"):
        assert messages(datagram("/dream/x", value)) == [("/dream/x", (value,))]


def test_the_messages_of_a_bundle_count_at_once_whatever_its_time():
    first, second = datagram("/a", 1), datagram("/b", 2)
    data = bundle(first, bundle(second), stamp=time.time() + 3600)
    assert messages(data) == [("/a", (1,)), ("/b", (2,))]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\0" * 64,
        b"#bundle\0",
        b"#bundle\0" + b"\0" * 4,
        bundle() + struct.pack(">i", -4),  # python-osc goes round this one for ever
        bundle() + struct.pack(">i", 0),
        bundle() + struct.pack(">i", 400) + b"/a\0\0",
        bundle(b"/a\0\0")[:-2],
        b"/dream/strength",
        b"/a\0\0,s\0\0abc",
        b"/a\0\0,z\0\0\0\0\0\0",
        b"/a\0\0f\0\0\0\0\0\0\0",
        b"/a\0\0,[[\0",
        b"/\xff\xfe\0,i\0\0\0\0\0\1",
    ],
)
def test_what_is_not_osc_is_malformed(data):
    with pytest.raises(MalformedError):
        messages(data)


def test_bundles_nested_a_thousand_times_are_malformed():
    data = datagram("/a", 1)
    for _ in range(1000):
        data = bundle(data)
    with pytest.raises(MalformedError, match="deep"):
        messages(data)


def test_no_damage_breaks_the_reader(caplog):
    rng = random.Random(5)
    nested = bundle(datagram("/dream/strength", 0.5), bundle(datagram("/b", "text")))
    good = [nested, build_msg("/a", [1, b"blob"]).dgram]
    for _ in range(3000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        cut = bytes(data[: rng.randrange(len(data) + 1)])
        with suppress(MalformedError):
            assert isinstance(messages(cut), list)
    assert not caplog.records
