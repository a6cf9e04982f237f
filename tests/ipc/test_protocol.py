"""Messages between processes: what arrives is what was sent, or a clear refusal."""

from __future__ import annotations

import msgspec
import pytest

from livedream.errors import ProtocolError, UsageError
from livedream.ipc.protocol import VERSION, DreamStatus, Order, SourceStatus, decode, encode
from livedream.settings import Settings
from livedream.timing import Percentiles


def test_an_order_arrives_as_it_was_sent():
    order = Order(number=7, settings=Settings(layer="textures", steps=3), aspect=16 / 9, transition_s=0.6)
    assert decode(encode(order), Order) == order


def test_statuses_arrive_as_they_were_sent():
    dream = DreamStatus(phase="dreaming", progress=3, sections={"ascent": Percentiles(1.0, 2.0, 3.0)})
    source = SourceStatus(kind="camera", size=(1280, 720), message="lost")
    assert decode(encode(dream), DreamStatus) == dream
    assert decode(encode(source), SourceStatus) == source


def test_messages_are_frozen():
    with pytest.raises(AttributeError):
        SourceStatus().progress = 1  # type: ignore[misc]


def test_another_version_is_refused_by_name():
    old = msgspec.msgpack.encode({"version": VERSION + 1, "anything": [1, 2]})
    with pytest.raises(
        ProtocolError, match=f"version {VERSION + 1}; this livedream speaks version {VERSION}"
    ):
        decode(old, Order)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xff", b"garbage", msgspec.msgpack.encode([1, 2]), b"\x91" * 100_000]
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ProtocolError, match="not a DreamStatus message"):
        decode(data, DreamStatus)


def test_a_field_of_the_wrong_type_is_refused():
    with pytest.raises(ProtocolError, match="ticks"):
        decode(msgspec.msgpack.encode({"version": VERSION, "ticks": "many"}), DreamStatus)


def test_settings_out_of_range_are_refused():
    good = msgspec.msgpack.decode(encode(Order(number=1, settings=Settings())))
    good["settings"]["steps"] = 1000
    with pytest.raises((ProtocolError, UsageError), match="steps"):
        decode(msgspec.msgpack.encode(good), Order)
