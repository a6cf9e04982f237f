"""A room's ingress, with replicas that only echo: who is let in, where to, and what becomes of them."""

from __future__ import annotations

import asyncio
import functools
import subprocess
from contextlib import AsyncExitStack

import aiohttp
import pytest

from livedream.ipc.protocol import VERSION
from livedream.ipc.room_messages import Moved, Refused, RoomResidual, Seed, Welcome, pack
from livedream.room.checking import mirror_name
from livedream.room.ingress import IngressLimits
from livedream.room.placing import Replica, overfull
from livedream.room.relay import RelayLimits
from tests.clocks import Clock
from tests.room.replicas import PIXELS, EchoReplica, heard, join, opened, picture, until


def in_a_loop(test):
    @functools.wraps(test)
    def run(*args, **more):
        asyncio.run(test(*args, **more))

    return run


@in_a_loop
async def test_pictures_reach_a_replica_and_residuals_the_mirror():
    async with opened() as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        welcome, _ = await heard(mirror, Welcome)
        assert welcome.room == "first"
        for index in range(5):
            await mirror.send_bytes(picture(index))
            residual, pixels = await heard(mirror, RoomResidual)
            assert (residual.index, pixels) == (index, PIXELS)


@in_a_loop
async def test_a_picture_of_the_largest_size_passes_both_ways():
    async with opened() as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        large = bytes(4 * 2**20 - 200)
        await mirror.send_bytes(picture(1, large))
        assert (await heard(mirror, RoomResidual))[1] == large


@in_a_loop
async def test_a_mirror_whose_replica_dies_is_moved_to_another_and_joins_again():
    first, second = EchoReplica("first"), EchoReplica("second")
    async with opened(first, second) as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        await first.kill()
        moved, _ = await heard(mirror, Moved)
        assert moved.reason == "the replica first is gone"
        await mirror.send_bytes(picture(1))  # it was on its way, for the replica that has gone
        await mirror.send_bytes(join())
        await mirror.send_bytes(pack(Seed(size=(2, 2), image_bytes=0, scale=0.1)))
        assert (await heard(mirror, Welcome))[0].room == "second"
        await mirror.send_bytes(picture(2))
        assert (await heard(mirror, RoomResidual))[0].index == 2
        assert [type(message).__name__ for message in second.heard] == ["Join", "Seed", "Picture"]
        (session,) = room.ingress.health()["sessions"]
        assert (session["replica"], session["moves"], session["mirror"]) == ("second", 1, "hall")
        told = [news.text for news in await room.ingress.news.after(0, 0.0)]
        assert "hall lost its replica first" in told
        assert "hall moved to the replica second" in told


@in_a_loop
async def test_a_replica_that_has_two_mirrors_more_than_another_gives_one_away():
    first, second = EchoReplica("first"), EchoReplica("second")
    limits = IngressLimits(balance_s=0.05)
    async with opened(first, second, limits=limits) as room, AsyncExitStack() as stack:
        mirrors = {}
        for name in ("one", "two", "three"):
            mirrors[name] = await stack.enter_async_context(room.connect())
            await mirrors[name].send_bytes(join(name))
            await heard(mirrors[name], Welcome)
        assert len(first.tickets) == 3
        first.most = 2  # as Serve would see it once one has left
        for replica in (first, second):
            room.ingress.heard(Replica(replica.name, "here", 1))
        moved, _ = await heard(mirrors["three"], Moved)  # who came last
        assert moved.reason == "the replica first has more mirrors than another"
        await mirrors["three"].send_bytes(join("three"))
        assert (await heard(mirrors["three"], Welcome))[0].room == "second"
        for name in mirrors:
            await mirrors[name].send_bytes(picture(7))
            assert (await heard(mirrors[name], RoomResidual))[0].index == 7
        moves = {one["mirror"]: one["moves"] for one in room.ingress.health()["sessions"]}
        assert moves == {"one": 0, "two": 0, "three": 1}


@pytest.mark.parametrize(
    ("sessions", "full", "expected"),
    [
        ({"a": 2}, "", "a"),
        ({"a": 1}, "", ""),  # nobody else would be better off
        ({"a": 3, "b": 2}, "", ""),
        ({"a": 3, "b": 1}, "", "a"),
        ({"a": 3, "b": 1}, "b", ""),  # which takes nobody
        ({}, "", ""),
    ],
)
def test_who_is_overfull(sessions, full, expected):
    replicas = [Replica(name, "here", 1, full=name == full) for name in ("a", "b")]
    assert overfull(sessions, replicas) == expected
    assert overfull(sessions, []) == ""


@in_a_loop
async def test_a_replica_that_comes_late_is_waited_for():
    first = EchoReplica("first")
    async with opened(first) as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        await first.kill()
        asked = room.dreams.asked
        await until(lambda: room.dreams.asked > asked + 1, "another try")
        third = EchoReplica("third")
        await third.open()
        room.dreams.replicas.append(third)
        await heard(mirror, Moved)
        await mirror.send_bytes(join())
        assert (await heard(mirror, Welcome))[0].room == "third"
        await third.close()


@in_a_loop
async def test_when_no_replica_comes_the_mirror_is_told_and_let_go():
    first, limits = EchoReplica("first"), IngressLimits(relay=RelayLimits(new_place_s=0.2))
    async with opened(first, limits=limits) as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        await first.kill()
        refused, _ = await heard(mirror, Refused)
        assert (refused.why, refused.retry_s > 0) == ("full", True)
        assert (await mirror.receive()).type is aiohttp.WSMsgType.CLOSE
        await until(lambda: not room.ingress.health()["sessions"])


@in_a_loop
async def test_a_full_room_says_so_and_when_to_come_again():
    only, limits = EchoReplica("only", most=1), IngressLimits(relay=RelayLimits(place_s=0.2))
    async with opened(only, limits=limits) as room, room.connect() as mirror, room.connect() as late:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        await late.send_bytes(join("late"))
        refused, _ = await heard(late, Refused)
        assert (refused.why, refused.message, refused.retry_s) == ("full", "every replica is full", 3.0)
        await mirror.send_bytes(picture(1))  # the other one goes on
        await heard(mirror, RoomResidual)


@in_a_loop
async def test_no_more_sessions_than_the_limit():
    async with (
        opened(limits=IngressLimits(sessions=1)) as room,
        room.connect() as mirror,
        room.connect() as late,
    ):
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        assert (await room.health())["full"]
        await late.send_bytes(join("late"))
        assert (await heard(late, Refused))[0].message == "the room is full: 1 mirrors dream here"


@in_a_loop
async def test_the_place_of_a_mirror_that_leaves_is_free_again():
    only = EchoReplica("only", most=1)
    async with opened(only) as room:
        for name in ("one", "two"):
            async with room.connect() as mirror:
                await mirror.send_bytes(join(name))
                await heard(mirror, Welcome)
            await until(lambda: not only.tickets, "the end of the session")
        assert not room.ingress.health()["sessions"]


@in_a_loop
async def test_a_room_that_closes_says_so_to_every_mirror():
    async with opened() as room, room.connect() as one, room.connect() as two:
        for mirror in (one, two):
            await mirror.send_bytes(join())
            await heard(mirror, Welcome)
        closing = asyncio.create_task(room.ingress.close())
        for mirror in (one, two):
            assert (await heard(mirror, Refused))[0].why == "closing"
            await mirror.close()
        await closing
        with pytest.raises(aiohttp.ClientError):
            await room.health()


@in_a_loop
async def test_healthz_says_what_there_is():
    clock = Clock()
    async with opened(clock=clock) as room:
        assert not (await room.health())["ok"]  # no replica has been heard of yet
        room.ingress.heard(Replica("first", "machine", 17, "cpu", sessions=0))
        async with room.connect() as mirror:
            await mirror.send_bytes(join("foyer"))
            await heard(mirror, Welcome)
            await until(lambda: room.ingress.health()["sessions"][0].get("ticks_per_s"), "a sign of life")
            found = await room.health()
        assert found["ok"]
        assert not found["full"]
        assert found["protocol"] == VERSION
        assert found["replicas"] == [
            {"name": "first", "node": "machine", "pid": 17, "device": "cpu", "sessions": 0, "full": False}
        ]
        assert found["sessions"][0] | {"address": ""} == {
            "mirror": "foyer",
            "address": "",
            "since_s": 0.0,
            "replica": "first",
            "moves": 0,
            "ticks_per_s": 30.0,
        }
        clock.now += 60
        await until(lambda: not room.ingress.health()["replicas"], "the end of a silent replica")
        assert "the replica first is gone" in [news.text for news in await room.ingress.news.after(0, 0.0)]


@in_a_loop
async def test_full_is_when_all_replicas_are():
    async with opened() as room:
        room.ingress.heard(Replica("first", "machine", 17, full=True))
        assert room.ingress.health()["full"]
        room.ingress.heard(Replica("second", "machine", 18))
        assert not room.ingress.health()["full"]


@in_a_loop
async def test_news_are_waited_for():
    async with opened() as room:
        waiting = asyncio.create_task(room.ingress.news.after(0, 30.0))
        await asyncio.sleep(0)
        room.ingress.heard(Replica("first", "machine", 17, "cpu"))
        (news,) = await waiting
        assert news.text == "the replica first dreams on machine, cpu, process 17"
        assert await room.ingress.news.after(news.number, 0.0) == []


def test_a_name_can_do_nothing_to_a_terminal():
    assert mirror_name("\x1b[2Jhall\r\n\u202e") == "[2Jhall"
    assert mirror_name("x" * 1000) == "x" * 39 + "…"
    assert mirror_name("\n\t") == "a mirror"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key), signed by itself, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=room", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            [*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("needs openssl, to make a certificate")
    return files


def test_with_a_certificate_mirrors_come_by_tls_and_others_do_not(certificate):
    import ssl

    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])

    @in_a_loop
    async def come():
        async with opened(tls=server) as room:
            url = f"wss://127.0.0.1:{room.port}"
            async with room.client.ws_connect(url, ssl=trusting, compress=0) as mirror:
                await mirror.send_bytes(join())
                await heard(mirror, Welcome)
                await mirror.send_bytes(picture(3))
                assert (await heard(mirror, RoomResidual))[0].index == 3
            with pytest.raises(aiohttp.ClientError):
                await room.client.ws_connect(url)  # does not know who signed it
            with pytest.raises(aiohttp.ClientError):
                await room.client.ws_connect(room.url)  # no TLS

    come()
