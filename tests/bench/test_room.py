"""The fake mirrors keep to the protocol, and the figures are what they say."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType, web

from livedream.ipc.protocol import DreamStatus, Message
from livedream.ipc.room_messages import (
    Join,
    Moved,
    Picture,
    Refused,
    RoomResidual,
    Seed,
    Welcome,
    from_mirror,
    pack,
)
from livedream.ipc.room_pixels import decode_picture, encode_residual
from tests.bench import room
from tests.bench.network import Shape, Way
from tests.bench.room_figures import Answer, Found, Told, gaps_s, jain, kill_costs_s, parts_ms
from tests.bench.room_mirrors import Client, FakeMirror, Plan, follow, frames


def found(answers: list[Answer] | None = None, told: list[Told] | None = None) -> Found:
    return Found(
        name="a", layer="", camera_hz=30, answers=answers or [], told=told or [], began_s=10.0, ended_s=20.0
    )


def answer(arrived_s: float) -> Answer:
    return Answer(arrived_s, age_s=0.05, trip_s=0.04, tick_s=0.01, waited_s=0.02)


def test_packets_are_late_within_bounds_in_order_and_some_are_lost() -> None:
    way = Way(Shape(0.020, 0.010, 0.05), random.Random(3))
    sent = [n * 0.001 for n in range(4000)]
    due = [way.due_s(100, at) for at in sent]
    passed = [(at, to) for at, to in zip(sent, due, strict=True) if to is not None]
    late = [to - at for at, to in passed]
    assert 0.0099 < min(late) < 0.012
    assert 0.028 < max(late) < 0.0301
    assert 0.015 < np.mean(late) < 0.025
    assert [to for _, to in passed] == sorted(to for _, to in passed)
    assert way.lost == pytest.approx(200, abs=50)
    assert way.bytes == way.passed * 100


def test_jains_index() -> None:
    assert jain([5.0, 5.0, 5.0]) == pytest.approx(1)
    assert jain([9.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert jain([0.0, 0.0]) == 0


def test_ticks_are_counted_over_sessions_that_begin_anew() -> None:
    told = [Told(10.0, 100, 160), Told(12.0, 150, 160), Told(13.0, 3, 128), Told(14.0, 33, 128)]
    assert found(told=told).ticks_hz == pytest.approx(80 / 4)
    assert found(told=told).working_px == 128
    assert found().ticks_hz == 0


def test_what_a_kill_costs_is_the_longest_gap_after_it() -> None:
    calm = found([answer(10.0 + n / 10) for n in range(100)])
    struck = found([answer(10.0 + n / 10) for n in range(100) if not 31 <= n < 50])
    assert kill_costs_s([calm, struck], [13.05, 17.0]) == [[pytest.approx(2.0)], []]
    gone = found([answer(10.1), answer(10.2)])  # and never came back
    assert max(length for _, length in gaps_s(gone)) == pytest.approx(9.8)


def test_the_parts_of_a_residuals_age_are_all_of_it() -> None:
    parts = parts_ms([found([answer(11.0), answer(12.0)])])
    assert {name: part.p50 for name, part in parts.items()} == {
        "frame to residual": 50.0,
        "camera": 10.0,
        "wait in the room": 20.0,
        "tick": 10.0,
        "rest": 10.0,
    }


class FakeRoom:
    """Answers every picture with a residual of nothing; after some it does what rooms do to mirrors."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.in_flight = 0
        self.pictures = 0

    async def answer(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        name = ""
        async for data in socket:
            if data.type is not WSMsgType.BINARY:
                break
            message, pixels = from_mirror(data.data)
            name = message.mirror if isinstance(message, Join) else name
            self.heard.append((name, message))
            if isinstance(message, Join):
                await socket.send_bytes(pack(Welcome(room="fake", working_px=96)))
            if isinstance(message, Picture):
                await self._dream(socket, message, pixels)
        return socket

    async def _dream(self, socket: web.WebSocketResponse, message: Picture, pixels: memoryview) -> None:
        self.pictures += 1
        image = decode_picture(pixels, message.size, message.coding)
        data, scale = encode_residual(np.zeros(image.shape, np.float32), message.coding)
        residual = RoomResidual(
            index=message.index,
            time_s=message.time_s,
            order=1,
            aspect=None,
            size=message.size,
            scale=scale,
            coding=message.coding,
        )
        await socket.send_bytes(pack(residual, data))
        status = DreamStatus(phase="dreaming", ticks=self.pictures, working_size=message.size)
        await socket.send_bytes(pack(status))
        if self.pictures == 4:
            await socket.send_bytes(pack(Moved(reason="killed")))
        if self.pictures == 9:
            await socket.close()
        if self.pictures == 14:
            await socket.send_bytes(pack(Refused(why="full", message="2 of 2")))


@asynccontextmanager
async def _served(fake: FakeRoom) -> AsyncIterator[str]:
    """Where it is."""
    runner = web.ServerRunner(web.Server(fake.answer))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _until_pictures(fake: FakeRoom, mirror: FakeMirror, count: int) -> Found:
    """What the mirror found by the time that the room has had so many pictures."""
    async with _served(fake) as url, aiohttp.ClientSession() as http:
        client = Client(Plan(url=url, mirrors=(mirror,), coding="jpeg"), mirror, frames("clouds"))
        client.begin(time.monotonic())
        running = asyncio.create_task(client.run(http))
        try:
            async with asyncio.timeout(60):
                while fake.pictures < count:
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.wait({running})
        client.end(time.monotonic())
        return client.found


async def _followed(fake: FakeRoom, mirrors: tuple[FakeMirror, ...]) -> list[Found]:
    async with _served(fake) as url:
        return await follow(Plan(url=url, mirrors=mirrors, seconds=1.0, settle_s=0.0, coding="jpeg"))


def test_fake_mirrors_dream_in_a_room_join_again_and_carry_their_dream_on() -> None:
    fake = FakeRoom()
    mirror = asyncio.run(_until_pictures(fake, FakeMirror(name="hall", working_px=96), 20))
    kinds = [type(message) for name, message in fake.heard if name == "hall"]
    assert kinds[0] is Join
    joined = [n for n, kind in enumerate(kinds) if kind is Join]
    assert len(joined) == mirror.joins == 3  # at first, when it was moved, when the connection was lost
    assert [kinds[n + 1] for n in joined] == [Picture, Seed, Seed]
    assert mirror.moves == 1
    assert mirror.losses == 1
    assert mirror.refusals == ["full: 2 of 2"]
    assert mirror.answers
    assert all(0 <= one.trip_s <= one.age_s for one in mirror.answers)
    assert mirror.working_px == 96
    assert room.report([mirror], room.summary([mirror], [mirror.began_s])).startswith("hall")


def test_a_frame_is_sent_once_and_never_an_older_one() -> None:
    fake = FakeRoom()
    fake.pictures = 100  # past its script
    names = ("a", "b")
    mirrors = tuple(FakeMirror(name=name, camera_hz=120.0, working_px=96) for name in names)
    asyncio.run(_followed(fake, mirrors))
    for name in names:
        sent = [m.index for who, m in fake.heard if who == name and isinstance(m, Picture)]
        assert len(sent) > 2
        assert sent == sorted(set(sent))


def test_the_table_of_capacity_has_as_many_columns_as_its_head() -> None:
    figures = room.summary([found([answer(11.0)], [Told(11.0, 0, 96), Told(12.0, 30, 96)])])
    columns = [line.count("|") for line in (room.HEAD + room.row(figures)).splitlines()]
    assert len(set(columns)) == 1
    assert "30.0" in room.row(figures)
