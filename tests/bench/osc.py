"""What OSC costs a running mirror, and how soon it shows.

``python -m tests.bench.osc load`` sends 1,000 messages a second to eight settings, ``garbage`` 10,000
malformed datagrams, by turns to the mirror and to a port where nobody reads them: processor time (% of a
core), pictures a second, memory. ``python -m tests.bench.osc latency`` turns the blackout on and off, and
takes the time from the datagram to the flip that shows it. The options after ``--`` are the mirror's.
"""

from __future__ import annotations

import argparse
import json
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
from livedream.controls.osc import Osc
from livedream.controls.osc_message import datagram
from livedream.show.mirror import Mirror

PORT, UNREAD = 19076, 19077
RATES = {"load": 1000, "garbage": 10_000}
#: All of them are the picture's or the dream's own motion: nothing is loaded for them.
FADERS = ("strength", "restraint", "vignette", "zoom", "spin", "pan_x", "pan_y", "drift")
_BEATS_PER_S = 200
_SETTLE_S = 8.0


def send(kind: str, seconds: float, port: int) -> None:
    """Send datagrams at the rate of their kind for so long."""
    made = _messages() if kind == "load" else _garbage()
    print("sending", flush=True)  # noqa: T201
    began, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * RATES[kind]:
                out.sendto(next(made), ("127.0.0.1", port))
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
    """The mirror in this process: when each picture was shown, and whether it was black.

    ``controls_s`` is the processor time of the loop for its controls.
    """

    osc: Osc

    def __init__(self) -> None:
        self.shown: list[tuple[float, bool]] = []
        self.controls_s = 0.0

    def __enter__(self) -> Watch:
        show, control, listen = Mirror._show, Mirror._control, Osc._listen

        def listening(osc: Osc) -> None:
            self.osc = osc
            listen(osc)

        def timed(mirror: Mirror, now: float) -> None:
            began = time.thread_time()
            control(mirror, now)
            self.controls_s += time.thread_time() - began

        def watched(mirror: Mirror, now: float) -> None:
            show(mirror, now)
            self.shown.append((time.monotonic(), mirror._blackout))

        self._patches = (
            patch.object(Mirror, "_show", watched),
            patch.object(Mirror, "_control", timed),
            patch.object(Osc, "_listen", listening),
        )
        for one in self._patches:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._patches:
            one.stop()

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
    """Print what turns with and without the datagrams have cost, and their means as JSON."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for turn in range(2 * turns):
        read = bool(turn % 2)
        found[read].append(_turn(watch, kind, seconds, PORT if read else UNREAD))
        words = ", ".join(f"{name} {value:.2f}" for name, value in found[read][-1].items())
        print(f"{kind if read else 'unread'}: {words}", flush=True)  # noqa: T201

    def mean(name: str, read: bool) -> float:
        return statistics.mean(one[name] for one in found[read])

    means = {name: round(mean(name, True) - mean(name, False), 2) for name in ("processor", "osc")}
    means["pictures"] = round(mean("pictures_hz", True) / mean("pictures_hz", False), 3)
    means["received_hz"] = round(mean("received_hz", True))
    means["memory_mb"] = round(found[True][-1]["memory_mb"] - found[False][0]["memory_mb"], 1)
    print(json.dumps(means), flush=True)  # noqa: T201


def _turn(watch: Watch, kind: str, seconds: float, port: int) -> dict[str, float]:
    """What a turn costs: processor time in % of a core, of the show and of OSC alone; and pictures."""
    me = psutil.Process()
    words = ["send", "--kind", kind, "--seconds", str(seconds), "--port", str(port)]
    command = [sys.executable, "-m", "tests.bench.osc", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        sender.stdout.readline()  # it sends

        def now() -> tuple[float, ...]:
            used_s = time.process_time(), _osc_s(me) + watch.controls_s
            return time.monotonic(), *used_s, len(watch.shown), watch.osc.counts["received"]

        before = now()
        time.sleep(seconds)
        took, processor, osc, pictures, received = (b - a for a, b in zip(before, now(), strict=True))
    return {
        "processor": processor / took * 100,
        "osc": osc / took * 100,
        "pictures_hz": pictures / took,
        "received_hz": received / took,
        "memory_mb": me.memory_info().rss / 1e6,
    }


def _osc_s(process: psutil.Process) -> float:
    """The processor time of OSC's own threads so far."""
    own = {thread.native_id for thread in threading.enumerate() if thread.name in ("osc", "osc feedback")}
    return sum(thread.user_time + thread.system_time for thread in process.threads() if thread.id in own)


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
    parser.add_argument("--port", type=int, default=PORT, help="to which send sends")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--times", type=int, default=60, help="how often the latency is taken")
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index("--") if "--" in words else len(words)
    found, options = parser.parse_args(words[:split]), words[split + 1 :]
    if found.what == "send":
        send(found.kind, found.seconds, found.port)
        return
    with Watch() as watch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
        unread.bind(("127.0.0.1", UNREAD))
        if found.what == "latency":
            watch.run(lambda: latency(watch, found.times), options)
        else:
            watch.run(lambda: cost(watch, found.what, found.seconds, found.turns), options)


if __name__ == "__main__":
    main()
