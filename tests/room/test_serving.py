"""A room on a real Ray, started by its command: one for all tests here, as that takes ten seconds and more.

Ray is only imported by the processes that the command starts.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from livedream.ipc.room_messages import MAX_MESSAGE_BYTES, Moved, Refused, RoomResidual, Welcome
from livedream.room.asking import ask, table
from tests.room.replicas import heard, join, picture

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: the extra room"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processor cores, one for each replica"),
]
ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 120


class Running:
    """``livedream room serve`` with two replicas for one mirror each, and what it has said."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "livedream", "room", "serve", "--address", "127.0.0.1:0"]
        command += ["--min-replicas", "2", "--max-replicas", "2", "--sessions", "1", "--device", "cpu"]
        environment = {**os.environ, "LIVEDREAM_HOME": str(home), "PYTHONPATH": str(ROOT)}
        environment.pop("LIVEDREAM_ROOM_TOKEN", None)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.log: list[str] = []
        assert self.process.stderr is not None
        self._reading = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self._reading.start()
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"ws://127\.0\.0\.1:(\d+)", first)
        assert found, f"{first}{self.rest()}"
        self.port = int(found[1])
        self.ready = [first, self.process.stdout.readline()]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def health(self):
        return ask(f"{self.url}/healthz")

    def rest(self) -> str:
        """The log, when the process has ended."""
        self.process.wait(_PATIENCE_S)
        self._reading.join(_PATIENCE_S)
        return "".join(self.log)

    def close(self) -> None:
        with suppress(psutil.Error):
            for process in [*self.processes, self.process]:
                process.kill()
        self.process.wait(_PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            self._reading.join(_PATIENCE_S)
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("home"))
    yield running
    running.close()


def in_a_loop(test):
    @functools.wraps(test)
    def run(room):
        async def within():
            async with aiohttp.ClientSession() as client:
                await test(room, client)

        asyncio.run(within())

    del run.__wrapped__  # pytest would look for a fixture called client
    return run


def connect(room, client):
    return client.ws_connect(room.url, max_msg_size=MAX_MESSAGE_BYTES, compress=0)


async def read_on(mirror):
    """As a mirror does all the time: otherwise pings are not answered."""
    while True:
        await mirror.receive_bytes()


async def until_health(room, holds):
    async with asyncio.timeout(_PATIENCE_S):
        while not holds(health := await asyncio.to_thread(room.health)):
            await asyncio.sleep(0.1)
    return health


def test_it_says_where_it_is_and_how_a_mirror_comes_there(room):
    assert room.ready[0].endswith("on cpu, processes: 2\n")
    assert room.ready[1] == f"a mirror dreams there: livedream --dream-at ws://127.0.0.1:{room.port}\n"


@in_a_loop
async def test_mirrors_dream_on_replicas_of_their_own_and_then_it_is_full(room, client):
    await until_health(room, lambda health: len(health["replicas"]) == 2)
    async with connect(room, client) as one, connect(room, client) as two, connect(room, client) as three:
        for name, mirror in (("one", one), ("two", two)):
            await mirror.send_bytes(join(name))
            await heard(mirror, Welcome)
            await mirror.send_bytes(picture(5))
            assert (await heard(mirror, RoomResidual))[0].index == 5
        reading = [asyncio.create_task(read_on(mirror)) for mirror in (one, two)]
        await three.send_bytes(join("three"))
        refused, _ = await heard(three, Refused)
        assert (refused.why, refused.retry_s > 0) == ("full", True)
        health = await until_health(
            room, lambda health: all(one.get("network") for one in health["sessions"])
        )
        assert [session["mirror"] for session in health["sessions"]] == ["one", "two"]
        assert {session["replica"] for session in health["sessions"]} == {
            replica["name"] for replica in health["replicas"]
        }
        assert "full: 2 mirrors on 2 replicas" in table(health)
        for task in reading:
            task.cancel()
    await until_health(room, lambda health: not health["sessions"])


@in_a_loop
async def test_when_a_replica_is_killed_its_mirror_dreams_on_and_another_is_started(room, client):
    async with connect(room, client) as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        health = await until_health(room, lambda health: health["sessions"] and len(health["replicas"]) == 2)
        theirs = health["sessions"][0]["replica"]
        (pid,) = [replica["pid"] for replica in health["replicas"] if replica["name"] == theirs]
        psutil.Process(pid).kill()
        await heard(mirror, Moved)
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        await mirror.send_bytes(picture(6))
        assert (await heard(mirror, RoomResidual))[0].index == 6
        names = {replica["name"] for replica in health["replicas"]}
        await until_health(
            room,
            lambda health: (
                len(health["replicas"]) == 2 and {replica["name"] for replica in health["replicas"]} - names
            ),
        )


@in_a_loop
async def test_when_the_ingress_is_killed_it_comes_back_at_the_same_port(room, client):
    (ingress,) = [
        process
        for process in room.processes
        if any(
            one.laddr.port == room.port for one in process.net_connections("tcp") if one.status == "LISTEN"
        )
    ]
    async with connect(room, client) as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        ingress.kill()
        assert (await mirror.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(aiohttp.ClientError):
                async with connect(room, client) as mirror:
                    await mirror.send_bytes(join("again"))
                    await heard(mirror, Welcome)
                    break
            await asyncio.sleep(0.1)


def test_nothing_of_it_can_be_reached_from_other_machines(room):
    listening = [
        (process.name(), one.laddr.ip)
        for process in room.processes
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 5
    assert {address.removeprefix("::ffff:") for _, address in listening} == {"127.0.0.1"}


@pytest.mark.slow
def test_when_ray_dies_a_room_ends_with_one_line(tmp_path):
    running = Running(tmp_path)
    try:
        processes = running.processes
        (raylet,) = [process for process in processes if process.name() == "raylet"]
        raylet.kill()
        text = running.rest()
        assert running.process.returncode == 1
        assert "livedream: Ray has ended: the room dreams no more\n" in text
        assert "Traceback" not in text
        assert not psutil.wait_procs(processes, timeout=_PATIENCE_S)[1]
    finally:
        running.close()


def test_ctrl_c_ends_all_of_it_without_a_word_of_ray(room):
    processes, began = room.processes, len(room.log)
    assert len(processes) > 5
    os.killpg(room.process.pid, signal.SIGINT)
    text = room.rest()
    assert room.process.returncode == 0
    _, left = psutil.wait_procs(processes, timeout=_PATIENCE_S)
    assert not left
    assert "the room closes" in "".join(room.log[began:])
    assert "Traceback" not in text
    assert not [line for line in text.splitlines() if not re.match(r"\d{4}-\d\d-\d\d .* room: ", line)]
    assert not list(Path("/tmp").glob(f"ld-room-{room.process.pid}-*"))
