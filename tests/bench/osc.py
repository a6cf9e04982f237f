"""What OSC costs a running mirror, and how soon it shows.

``python -m tests.bench.osc load`` sends 1,000 messages a second to eight settings, ``garbage`` 10,000
malformed datagrams, by turns with as much time without them: processor time of the show's process, pictures
a second, memory. ``python -m tests.bench.osc latency`` turns the blackout on and off, and takes the time from
the datagram to the flip that shows it. The options after ``--`` are the mirror's.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from unittest.mock import patch

import psutil
from pythonosc.osc_message_builder import build_msg

from livedream.cli.main import main as livedream
from livedream.controls.osc_message import datagram
from livedream.show.mirror import Mirror

PORT = 9076
RATES = {"load": 1000, "garbage": 10_000}
#: All of them are the picture's or the dream's own motion: nothing is loaded for them.
FADERS = ("strength", "restraint", "vignette", "zoom", "spin", "pan_x", "pan_y", "drift")
_BEATS_PER_S = 200
_SETTLE_S = 8.0


def send(kind: str, seconds: float) -> None:
    """Send datagrams at the rate of their kind for so long."""
    made = _messages() if kind == "load" else _garbage()
    began, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * RATES[kind]:
                out.sendto(next(made), ("127.0.0.1", PORT))
                sent += 1
            time.sleep(1 / _BEATS_PER_S)


def _messages() -> Iterator[bytes]:
    rng = random.Random(1)
    while True:
        for name in FADERS:
            yield datagram(f"/dream/{name}", rng.uniform(0.4, 0.6))


def _garbage() -> Iterator[bytes]:
    rng = random.Random(2)
    kinds = [
        b"/dream/strength\0,f\0\0",
        b"#bundle\0" + b"\0" * 8 + b"\xff\xff\xff\xfc",
        b"",
        b"/dream/x\0\0\0,Q\0",
    ]
    while True:
        yield rng.choice(kinds) + rng.randbytes(rng.randrange(200))


class Watch:
    """The pictures of the mirror in this process: when each was shown, and whether it was black."""

    def __init__(self) -> None:
        self.shown: list[tuple[float, bool]] = []

    def __enter__(self) -> Watch:
        show = Mirror._show

        def watched(mirror: Mirror, now: float) -> None:
            show(mirror, now)
            self.shown.append((time.monotonic(), mirror._blackout))

        self._patch = patch.object(Mirror, "_show", watched)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def run(self, script: Callable[[], None], options: Sequence[str]) -> None:
        """Run the mirror, and ``script`` beside it; the mirror quits when it is over."""

        def beside() -> None:
            while not self.shown:
                time.sleep(0.1)
            time.sleep(_SETTLE_S)
            try:
                script()
            finally:
                _send("/dream/quit", [])

        threading.Thread(target=beside, daemon=True).start()
        livedream(["--osc", str(PORT), *options])


def cost(watch: Watch, kind: str, seconds: float, turns: int) -> None:
    """Print processor time, pictures and memory with and without the datagrams, by turns."""
    me, cpu, rates = psutil.Process(), dict[bool, list[float]](), dict[bool, list[float]]()
    for turn in range(2 * turns):
        loaded = bool(turn % 2)
        words = [sys.executable, "-m", "tests.bench.osc", "send", "--kind", kind, "--seconds", str(seconds)]
        sender = subprocess.Popen(words) if loaded else None
        began, before, pictures = time.monotonic(), time.process_time(), len(watch.shown)
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu.setdefault(loaded, []).append((time.process_time() - before) / took * 100)
        rates.setdefault(loaded, []).append((len(watch.shown) - pictures) / took)
        name = kind if loaded else "quiet"
        print(  # noqa: T201
            f"{name:8} processor {cpu[loaded][-1]:5.1f} % of a core, {rates[loaded][-1]:5.1f} pictures/s,"
            f" {me.memory_info().rss / 1e6:.0f} MB",
            flush=True,
        )
        if sender is not None:
            sender.wait()
    more = statistics.mean(cpu[True]) - statistics.mean(cpu[False])
    ratio = statistics.mean(rates[True]) / statistics.mean(rates[False])
    print(f"{kind}: {more:+.1f} % of a core, {ratio:.3f} of the pictures")  # noqa: T201


def latency(watch: Watch, times: int) -> None:
    """Print the milliseconds from a blackout's datagram to the flip that shows it."""
    rng, found = random.Random(3), []
    for n in range(times):
        time.sleep(rng.uniform(0.3, 0.5))
        began, seen, on = time.monotonic(), len(watch.shown), n % 2 == 0
        _send("/dream/blackout", [on])
        while not any(black == on for _, black in watch.shown[seen:]) and time.monotonic() < began + 2:
            time.sleep(0.001)
        found += [(at - began) * 1000 for at, black in watch.shown[seen:] if black == on][:1]
    found.sort()
    rate = len(watch.shown) / (watch.shown[-1][0] - watch.shown[0][0])
    print(  # noqa: T201
        f"{len(found)} of {times} seen; median {statistics.median(found):.1f} ms, p95"
        f" {found[int(len(found) * 0.95)]:.1f} ms at {rate:.1f} pictures/s"
    )


def _send(address: str, arguments: list[bool]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(build_msg(address, arguments).dgram, ("127.0.0.1", PORT))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser("python -m tests.bench.osc", description=__doc__)
    parser.add_argument("what", choices=("load", "garbage", "latency", "send"))
    parser.add_argument("--kind", choices=tuple(RATES), default="load", help="of what is sent by send")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--times", type=int, default=60, help="how often the latency is taken")
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index("--") if "--" in words else len(words)
    found, options = parser.parse_args(words[:split]), words[split + 1 :]
    if found.what == "send":
        send(found.kind, found.seconds)
        return
    with Watch() as watch:
        if found.what == "latency":
            watch.run(lambda: latency(watch, found.times), options)
        else:
            watch.run(lambda: cost(watch, found.what, found.seconds, found.turns), options)


if __name__ == "__main__":
    main()
