"""Rooms to measure: by the command ``room serve``, by a replica's server alone, or one that runs already."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from livedream.errors import LivedreamError
from livedream.resource import Resource
from livedream.room.machine import Machine
from livedream.room.sessions import Sessions
from tests.bench.network import Network, Shape

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "room_token_of_a_bench"
_READY_S, _ENDED_S = 90.0, 15.0


class Room(Resource):
    """A room at ``url``; whoever joins shows ``token``."""

    url: str
    token: str

    def status(self) -> dict[str, Any]:
        """What its ``/healthz`` says, {} where nobody answers."""
        address = self.url.replace("ws", "http", 1).rstrip("/") + "/healthz"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.token}"})
        with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=2) as answer:
            return dict(json.load(answer))
        return {}

    def kill(self) -> str:
        """Kill the replica with the most mirrors; its name. Raises ``LivedreamError`` when there is none."""
        status = self.status()
        busy = Counter(session["replica"] for session in status.get("sessions", ()))
        replicas = {replica["name"]: replica["pid"] for replica in status.get("replicas", ())}
        if not replicas:
            raise LivedreamError(f"no replica to kill: the room at {self.url} says {status or 'nothing'}")
        name = str(max(replicas, key=lambda name: busy[name]))
        os.kill(replicas[name], signal.SIGKILL)
        return name

    def close(self) -> None:
        """What was not started here goes on."""


class GivenRoom(Room):
    """One that runs already; its token is in LIVEDREAM_ROOM_TOKEN."""

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"ws://{url}"
        self.token = os.environ.get("LIVEDREAM_ROOM_TOKEN", "")


class StartedRoom(Room):
    """A command that serves a room at an address, until it is closed. Raises ``LivedreamError``."""

    def __init__(self, words: list[str], host: str, port: int) -> None:
        self.url, self.token = f"ws://{host}:{port}", TOKEN
        self._folder = tempfile.TemporaryDirectory(prefix="room")
        home = Path(self._folder.name)
        self.log = home / "log"
        environment = os.environ | {"LIVEDREAM_ROOM_TOKEN": TOKEN, "LIVEDREAM_HOME": str(home / "home")}
        environment.setdefault("OMP_NUM_THREADS", "1")
        with self.log.open("w") as log:
            # Its own group: should it not end when it is told to, nothing of it is left.
            self._process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        began_s = time.monotonic()
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - began_s > _READY_S:
                said = self.log.read_text(errors="replace").strip()
                self.close()
                raise LivedreamError(f"no room: {shlex.join(words)} said: {said[-600:]}")
            time.sleep(0.2)
        self.ready_s = time.monotonic() - began_s

    def _ready(self) -> bool:
        return bool(self.status().get("ok"))

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
            try:
                self._process.wait(_ENDED_S)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"the room did not end within {_ENDED_S:.0f} s: killed\n")
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()


class ReplicaAlone(StartedRoom):
    """A replica's own server, without Ray and without an ingress: what these add is the rest."""

    def _ready(self) -> bool:
        host, port = self.url.removeprefix("ws://").rsplit(":", 1)
        with suppress(OSError), socket.create_connection((host, int(port)), 1.0):
            return True
        return False


def add_room_options(parser: argparse.ArgumentParser) -> None:
    """Which room, and over which network."""
    parser.add_argument("--room", default="serve", help="serve, inprocess, or the address of one that runs")
    parser.add_argument("--room-words", default="", help="more words for room serve")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="of each packet, each way")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="give or take so much")
    parser.add_argument("--loss", type=float, default=0.0, help="percent of the packets, each way")


def network_of(options: argparse.Namespace) -> Shape:
    """The network that the options want."""
    return Shape(options.delay_ms / 1e3, options.jitter_ms / 1e3, options.loss / 100)


def open_room(options: argparse.Namespace, network: Network | None) -> Room:
    """The room that the options want, where ``network`` reaches it. Raises ``LivedreamError``."""
    if options.room not in ("serve", "inprocess"):
        return GivenRoom(options.room)
    host = network.room if network else "127.0.0.1"
    port = _free_port(host)
    if options.room == "serve":
        words = [sys.executable, str(ROOT / "live.py"), "room", "serve", "--address", f"{host}:{port}"]
        return StartedRoom(words + shlex.split(options.room_words), host, port)
    return ReplicaAlone([sys.executable, "-m", "tests.bench.room_servers", host, str(port)], host, port)


def serve_alone(host: str, port: int) -> None:
    """Serve sessions until it is terminated."""
    cv2.setNumThreads(1)
    machine = Machine("cpu")
    machine.measure()
    with Sessions(machine, host=host, port=port, most=64, open=True):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    serve_alone(sys.argv[1], int(sys.argv[2]))
