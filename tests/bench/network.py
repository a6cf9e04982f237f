"""A network between this machine and a namespace of it: packets come late, at different times, or never.

The kernel's own ``tc netem`` is not in every kernel; this does the same in a process. Two TUN devices, one of
them in the namespace, are joined by a program that holds each IP packet for ``delay_s``, give or take
``jitter_s``, and drops the fraction ``loss``, on the way there and on the way back. What is lost is sent
again by the kernel's own TCP, as on a real network. Linux only, and only for root.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from livedream.errors import LivedreamError
from livedream.resource import Resource

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MTU = 1500
#: Packets within so long travel together: what delays one delays the next. So none overtakes another.
_TOGETHER_S = 0.003
#: Most systems' default. This machine's own may be another.
_CONGESTION = "cubic"


@dataclass(frozen=True)
class Shape:
    """What a network does to a packet, each way: seconds, and the fraction that is lost."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0

    def __str__(self) -> str:
        return f"{self.delay_s * 1e3:.0f} ± {self.jitter_s * 1e3:.0f} ms each way, {self.loss:.1%} lost"


class Way:
    """One direction: which packets are to be handed on when. ``random`` gives numbers from 0 to 1."""

    def __init__(self, shape: Shape, random: random.Random) -> None:
        self.shape, self._random = shape, random
        self.passed = self.lost = self.bytes = 0
        self._drawn_s, self._delay_s, self._last_s = float("-inf"), 0.0, float("-inf")

    def due_s(self, size: int, now: float) -> float | None:
        """When a packet of ``size`` bytes that came ``now`` is handed on; None: it is lost."""
        if self._random.random() < self.shape.loss:
            self.lost += 1
            return None
        if now - self._drawn_s > _TOGETHER_S:
            self._drawn_s = now
            self._delay_s = self.shape.delay_s + self._random.uniform(-1, 1) * self.shape.jitter_s
        self._last_s = max(self._last_s, now + self._delay_s)
        self.passed, self.bytes = self.passed + 1, self.bytes + size
        return self._last_s


class Network(Resource):
    """A namespace whose only way out is a shaped network. Raises ``LivedreamError``.

    ``room`` is this machine's address as the namespace sees it. What runs there is started with
    ``network.inside(words)``.
    """

    def __init__(self, shape: Shape) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise LivedreamError(
                "a shaped network needs Linux and root; possible: without --delay-ms and --loss"
            )
        self.shape, self.name = shape, f"ld{os.getpid() % 100000}"
        subnet = f"10.77.{os.getpid() % 250}"
        self.room, self._mirror = f"{subnet}.1", f"{subnet}.2"
        self._process: subprocess.Popen[str] | None = None
        self.counts: dict[str, dict[str, int]] = {}
        self._ip(f"netns add {self.name}")
        self._made = True
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        words = [sys.executable, "-m", "tests.bench.network", self.name, json.dumps(asdict(self.shape))]
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise LivedreamError("no network in a namespace here: the kernel has no TUN devices")
        inside = f"-n {self.name}"
        self._ip(f"link set {self.name}b netns {self.name}")
        for where, device, own, other in (
            ("", f"{self.name}a", self.room, self._mirror),
            (inside, f"{self.name}b", self._mirror, self.room),
        ):
            self._ip(f"{where} addr add {own} peer {other} dev {device}")
            self._ip(f"{where} link set {device} mtu {_MTU} up")
            self._ip(f"{where} route replace {other} dev {device} src {own} congctl {_CONGESTION}")
        self._ip(f"{inside} link set lo up")

    def inside(self, words: Sequence[str]) -> list[str]:
        """The command that runs ``words`` in the namespace."""
        return ["ip", "netns", "exec", self.name, *words]

    def close(self) -> None:
        """End it. ``counts`` then says how many packets passed and were lost, and how many bytes."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            said, _ = self._process.communicate(timeout=10)
            self.counts = json.loads(said) if said.startswith("{") else {}
            self._process = None
        if self._made:
            self._made = False
            self._ip(f"netns del {self.name}")

    def _ip(self, words: str) -> None:
        done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
        if done.returncode:
            raise LivedreamError(f"ip {words}: {done.stderr.strip()}")


def _tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


class _Ended(Exception):
    pass


def carry(name: str, shape: Shape) -> None:
    """Join the devices ``NAMEa`` and ``NAMEb`` until it is terminated; then print what passed."""

    def end(*_: object) -> None:
        raise _Ended

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    room, mirror = _tun(f"{name}a"), _tun(f"{name}b")
    # The names are those of what they lead to.
    ways = {mirror: ("to_room", room, Way(shape, random.Random(1)))}
    ways[room] = ("to_mirror", mirror, Way(shape, random.Random(2)))
    held: list[tuple[float, int, int, bytes]] = []
    number = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with suppress(_Ended):
        while True:
            wait_s = max(0.0, held[0][0] - time.monotonic()) if held else None
            for end_read in select.select([room, mirror], [], [], wait_s)[0]:
                with suppress(BlockingIOError, OSError):
                    while True:
                        packet = os.read(end_read, 65536)
                        _, to, way = ways[end_read]
                        due_s = way.due_s(len(packet), time.monotonic())
                        if due_s is not None:
                            number += 1
                            heapq.heappush(held, (due_s, number, to, packet))
            now = time.monotonic()
            while held and held[0][0] <= now:
                _, _, to, packet = heapq.heappop(held)
                with suppress(OSError):  # a device that is not up yet, or full
                    os.write(to, packet)
    found = {n: {"packets": w.passed, "lost": w.lost, "bytes": w.bytes} for n, _, w in ways.values()}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    carry(sys.argv[1], Shape(**json.loads(sys.argv[2])))
