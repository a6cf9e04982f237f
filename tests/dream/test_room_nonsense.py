"""Whatever a room sends, it ends the connection at most: the mirror shows nothing of it that could harm."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from msgspec import structs

from livedream.dream.room_exchange import Exchange
from livedream.dream.room_session import RoomSession
from livedream.dream.room_status import RoomsDream
from livedream.dream.room_words import RoomError, trouble
from livedream.errors import ProtocolError
from livedream.ipc.mailbox import MESSAGE_BYTES
from livedream.ipc.protocol import DreamStatus, Governed, Order, RoomStatus, decode, encode
from livedream.ipc.room_messages import Moved, Refused, RoomResidual, Welcome, pack
from livedream.ipc.room_pixels import encode_residual
from livedream.settings import Settings
from livedream.show.snapshot import Measured, Snapshot, hud_state, stats
from livedream.timing import Percentiles, now_s

SIZE = (96, 54)
ORDER = Order(number=1, settings=Settings(), aspect=16 / 9)
STATUS = DreamStatus(
    phase="dreaming",
    order=1,
    network="dreamnet",
    layer="patterns",
    shown_layer="patterns",
    shown_words=(("castle", 0.5),),
    governor=Governed(working_px=96),
    sections={"tick": Percentiles(1, 2, 3)},
    ticks=5,
)


def residual():
    found = np.random.default_rng(0).normal(0, 10, (SIZE[1], SIZE[0], 3)).astype(np.float32)
    data, scale = encode_residual(found)
    return pack(RoomResidual(index=1, time_s=1.0, order=1, aspect=16 / 9, size=SIZE, scale=scale), data)


MESSAGES = (
    residual(),
    pack(STATUS),
    pack(Welcome(room="vault", working_px=96)),
    pack(Refused(why="full", message="full", retry_s=1.0)),
    pack(Moved(reason="gone")),
)


def damaged(rng):
    """A message with a few bytes changed, cut off, or with others behind it."""
    data = bytearray(rng.choice(MESSAGES))
    how = rng.random()
    if how < 0.7:
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(min(len(data), 200))] = rng.randrange(256)
        return bytes(data)
    return bytes(data[: rng.randrange(len(data))] if how < 0.9 else data + bytes(rng.randrange(99)))


def extreme(rng):
    """A status that is valid, with numbers and texts that none has."""
    value, ticks = rng.choice([float("nan"), float("inf"), -1e308]), rng.choice([-(2**60), 2**62])
    word = chr(rng.randrange(1, 0xD000)) * 300
    return pack(
        structs.replace(
            STATUS,
            ticks=ticks,
            dream_fps=value,
            sections={word: Percentiles(value, value, value)},
            shown_words=((word, value),) * 40,
            recognised=((word, value),) * 40,
            shown_layer=rng.choice(["", word, "patterns:0.5,parts:nan"]),
            governor=Governed(working_px=ticks, steps=-1, octaves=ticks),
            message=word,
            error=word,
        )
    )


def shown(status):
    """Everything that the show makes of a status."""
    dream = RoomsDream()
    dream.heard(status, ORDER)
    told = dream.told(DreamStatus(), SIZE)
    told = structs.replace(told, room=RoomStatus(address="ws://10.0.0.7:8850", reason=dream.missing))
    assert len(encode(told)) < MESSAGE_BYTES / 4
    snapshot = Snapshot(Settings(journey=True, surprise=True), dream=decode(encode(told), DreamStatus))
    hud = hud_state(snapshot, 0.0)
    assert all(text.isprintable() for text in (*hud.lines(), hud.caption()))
    assert all(isinstance(value, str) for _, value in hud.cells())
    msgspec.json.encode(stats(snapshot, Measured()))


@pytest.mark.parametrize("make", [damaged, extreme])
def test_nonsense_is_refused_in_words_or_harmless(make):
    rng = random.Random(1)
    for _ in range(1500):
        exchange = Exchange()
        exchange.order = ORDER
        session = RoomSession(exchange, None, None, "hall", "raw")
        session._sent[1] = (np.zeros((SIZE[1], SIZE[0], 3), np.uint8), 1.0, 16 / 9, now_s())
        try:
            session._take(make(rng))
        except (ProtocolError, RoomError) as error:
            found = trouble(error, sent_token=False, has_token=False)
            assert found.why.isprintable()
            assert len(found.why) < 300
            assert 0 <= found.retry_s <= 300
        if exchange.status is not None:
            shown(exchange.status)
        if exchange.newest is not None:
            assert np.isfinite(exchange.newest.residual).all()
            assert 0 <= exchange.newest.order <= ORDER.number
