"""A replica's server: mirrors come with tickets, dream each their own, and harm nobody but themselves."""

from __future__ import annotations

import asyncio

import aiohttp
import cv2
import numpy as np
import pytest

from livedream.dream.dreamer import Dreamer
from livedream.errors import DeviceLostError, LivedreamError
from livedream.ipc.protocol import Order
from livedream.ipc.room_messages import Join, Refused, from_room
from livedream.room.machine import Machine
from livedream.room.placing import Full
from livedream.room.sessions import Sessions, Ticket
from livedream.room.turns import Turns
from livedream.settings import Settings
from tests.clocks import Clock
from tests.room.mirrors import FAST, PATIENCE_S, Mirror


def test_a_mirror_gets_a_residual_for_each_picture(room, small):
    async def visit():
        async with Mirror(room.url) as mirror:
            welcome = await mirror.join(FAST, number=7, aspect=4 / 3)
            assert welcome.room == "backroom"
            assert welcome.working_px >= 128
            strengths = []
            for _ in range(25):
                found, residual = await mirror.dream(small)
                assert residual.shape == (96, 128, 3)
                assert (found.order, found.aspect, found.size) == (7, 4 / 3, (128, 96))
                assert found.tick_s > 0
                assert found.waited_s >= 0
                strengths.append(np.abs(residual).mean())
            assert strengths[-1] > 3
            status = await mirror.status(lambda told: told.phase == "dreaming" and told.ticks > 9, small)
            assert (status.network, status.layer, status.shown_layer) == ("dreamnet", "edges", "edges")
            assert status.governor.working_px == 128
            assert not status.guides
        return status

    asyncio.run(visit())


def test_pictures_may_be_jpegs_and_residuals_then_are(room, small):
    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            for _ in range(20):
                found, residual = await mirror.dream(small, "jpeg")
            assert found.coding == "jpeg"
            assert np.abs(residual).mean() > 2

    asyncio.run(visit())


def test_a_dream_is_carried_on_from_its_seed(room, small):
    rng = np.random.default_rng(1)
    dream = cv2.GaussianBlur(rng.normal(size=(96, 128, 3)).astype(np.float32), (0, 0), 4) * 200

    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST.replace(persistence_s=30.0))
            await mirror.seed(small, dream)
            _, residual = await mirror.dream(small)
            assert np.corrcoef(residual.ravel(), dream.ravel())[0, 1] > 0.9

    asyncio.run(visit())


def test_each_mirror_has_a_dream_of_its_own(room, small):
    async def dreamt(image, layer: str):
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST.replace(layer=layer))
            await mirror.status(lambda told: told.shown_layer == layer, image)
            for _ in range(15):
                _, residual = await mirror.dream(image)
            return residual

    async def visit():
        return await asyncio.gather(*(dreamt(small, layer) for layer in ("edges", "edges", "textures")))

    first, second, another = asyncio.run(visit())
    assert _alike(first, second) > _alike(first, another) + 0.2


def _alike(a, b) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_ticks_go_on_between_pictures_and_stop_when_nobody_sees_them(room, small):
    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            await mirror.dream(small)
            (session,) = (seat.session for seat in room._seats.values())
            between = 0
            while not between:  # on a machine that is busy there may be no time for it
                ticks = session._dream._rate.count
                while session._ticking_s is not None:
                    await asyncio.sleep(0.01)
                between = session._dream._rate.count - ticks
                await mirror.dream(small)

    asyncio.run(visit())


def test_a_new_order_is_followed(room, small):
    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            await mirror.dream(small)
            await mirror.order(FAST.replace(layer="textures", crossfade_s=0.0), 2, aspect=1.0)
            found, _ = await mirror.dream(small)
            assert (found.order, found.aspect) == (2, 1.0)
            status = await mirror.status(lambda told: told.shown_layer == "textures", small)
            assert status.order == 2

    asyncio.run(visit())


def test_what_is_not_here_is_named_and_something_else_dreamt(room, small, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(Settings(network="vgg16", layer="parts", working_px=128))
            await mirror.dream(small)
            status = await mirror.status(lambda told: bool(told.unavailable.network), small)
            assert status.unavailable.network == "vgg16"
            assert "no weights of vgg16" in status.error

    asyncio.run(visit())


def test_a_guide_is_what_the_mirror_sent_and_no_file_of_the_rooms(
    room, small, tmp_path, picture, monkeypatch
):
    here = tmp_path / "here.png"
    cv2.imwrite(str(here), picture)
    _, png = cv2.imencode(".png", picture)
    monkeypatch.setattr("livedream.room.guides._WAIT_S", 1.0)

    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST.replace(guide="leaf.png"))
            await mirror.guide("leaf.png", png.tobytes())
            await mirror.status(lambda told: told.guide == "leaf.png", small)
            await mirror.order(FAST.replace(guide=str(here)), 2)
            status = await mirror.status(lambda told: bool(told.unavailable.guide), small)
            assert "has not sent it" in status.error
            await mirror.guide(str(here), png.tobytes())
            await mirror.status(lambda told: told.guide == str(here), small)

    asyncio.run(visit())


def test_a_full_room_says_so_and_has_room_again_when_a_mirror_goes(small):
    async def visit(room):
        async with Mirror(room.url) as first:
            await first.join(FAST)
            async with Mirror(room.url) as second:
                refused = await second.refused()
                assert (refused.why, refused.message) == ("full", "the room is full: 1 of 1 mirrors")
                assert refused.retry_s > 0
        while room.stats()["sessions"]:
            await asyncio.sleep(0.01)
        async with Mirror(room.url) as third:
            await third.join(FAST)

    with Machine(device="cpu") as machine, Sessions(machine, open=True, most=1) as room:
        asyncio.run(visit(room))


def test_a_ticket_lets_one_mirror_in_once(small):
    async def visit(room):
        for wrong in ("", "guessed"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                async with Mirror(room.url, wrong):
                    pass
        ticket = room.admit("hall")
        assert isinstance(ticket, Ticket)
        assert isinstance(room.admit("attic"), Full)
        assert room.full()
        async with Mirror(room.url, ticket.token) as mirror:
            await mirror.join(FAST)
            await mirror.dream(small)
            assert room.holds(ticket)
            assert [each["name"] for each in room.stats()["sessions"]] == ["a test"]
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                async with Mirror(room.url, ticket.token):
                    pass
        while room.holds(ticket):
            await asyncio.sleep(0.01)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            async with Mirror(room.url, ticket.token):
                pass
        withdrawn = room.admit("attic")
        assert isinstance(withdrawn, Ticket)
        room.withdraw(withdrawn)
        assert not room.holds(withdrawn)

    with Machine(device="cpu") as machine, Sessions(machine, most=1) as room:
        asyncio.run(visit(room))


def test_a_room_that_closes_says_so(small):
    async def visit(room):
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            await asyncio.to_thread(room.close)
            assert (await mirror.refused()).why == "closing"

    with Machine(device="cpu") as machine, Sessions(machine, open=True) as room:
        asyncio.run(visit(room))


def test_another_version_is_named(room):
    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.send(Join(version=99, mirror="a", order=Order(number=1, settings=FAST)))
            refused = await mirror.refused()
            assert refused.why == "version"
            assert "protocol version 99" in refused.message

    asyncio.run(visit())


def test_a_lost_device_ends_the_connection_without_a_word_and_the_replica_is_not_well(small, monkeypatch):
    async def visit(room):
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            await mirror.dream(small)
            room.check()
            monkeypatch.setattr(Dreamer, "tick", lost)
            await mirror.show(small)
            async with asyncio.timeout(PATIENCE_S):
                while (received := await mirror.socket.receive()).type is aiohttp.WSMsgType.BINARY:
                    assert not isinstance(from_room(received.data)[0], Refused)
            assert mirror.socket.close_code == 1011
        with pytest.raises(LivedreamError, match="the card is gone"):
            room.check()

    def lost(*args, **options):
        raise DeviceLostError("the card is gone")

    with Machine(device="cpu") as machine, Sessions(machine, open=True) as room:
        asyncio.run(visit(room))


def test_a_tick_that_never_ends_is_noticed():
    clock = Clock()
    with Machine(device="cpu") as machine, Sessions(machine) as room:
        machine.turns = Turns(1, clock)
        with machine.turns.turn(machine.turns.join()):
            clock.now += 50
            room.check()
            clock.now += 50
            with pytest.raises(LivedreamError, match="a tick has not ended for 60 s"):
                room.check()


def test_a_machine_knows_what_a_tick_takes_and_where_to_begin():
    order = Order(number=1, settings=Settings(), camera_hz=30.0)
    with Machine(device="cpu") as machine:
        assert machine.first_px(order, 1.0) == 128  # nothing is known yet
        machine.measure()
        assert 0 < machine.tick_s < 1
        machine.tick_s = 0.002
        assert machine.first_px(order, 1.0) == 320
        assert machine.first_px(order, 0.25) < 320
        machine.tick_s = 0.02
        assert machine.first_px(order, 0.25) == 128
        machine.tick_s = 0.0005
        asked = [Order(number=1, settings=Settings(working_px=px)) for px in (64, 300, 640)]
        assert [machine.first_px(order, 1.0) for order in asked] == [64, 300, 640]
