"""Many mirrors on one graphics card: ticks a second in all and for each, with and without batches.

    python -m tests.bench.gpu_room --networks dreamnet --layer parts --sizes 320x180 640x360 --json FILE

Each mirror is a thread that dreams on a moving picture of its own, as in a replica of a room. In *free* it
ticks as fast as it can, in *paced* at a given rate, each at other times; *hold* is how many reached the rate.
*same* compares residuals of some mirrors with what each dreams alone: their cosine at the first and the last
tick, and how strong they are at the end. In *quick_switches* Python's lock is asked for ten times as often.
*host* is what the processor does to find the motion, alone: with more threads it tells what that lock leaves
of the cores. ``--device cpu --runtime pytorch-graph`` tries it without a GPU. ``--seconds`` bounds the whole;
what is not reached is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from livedream.dream.device_batch import COUNTS, Batches, Tick
from livedream.dream.device_motion import Motion
from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image
from livedream.room.networks import SharedNetworks
from livedream.runtimes.devices import choose_device
from livedream.settings import Settings
from livedream.timing import Pacer

#: A part that takes longer to open, or to record all that it needs, is measured as it is.
_OPENING_S, _RECORDING_S = 60.0, 20.0
#: Nothing was recorded for so long: all is.
_SETTLED_S = 1.0
_FRAMES = 64
#: A mirror that reaches this part of a rate holds it.
_HELD = 0.97


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.gpu_room", description=__doc__)
    p.add_argument("--networks", nargs="+", default=["dreamnet"])
    p.add_argument("--layer", default="parts")
    p.add_argument("--sizes", nargs="+", default=["320x180"])
    p.add_argument("--mirrors", nargs="+", type=int, default=[1, 2, 4, 8, 12, 16, 24])
    p.add_argument("--rates", nargs="+", type=float, default=[30.0, 60.0])
    p.add_argument("--device", default="cuda")
    p.add_argument("--runtime", default="auto")
    p.add_argument("--each", type=float, default=1.2, help="seconds for each figure")
    p.add_argument("--seconds", type=float, default=200.0)
    p.add_argument("--json", type=Path, required=True)
    options = p.parse_args()
    cv2.setNumThreads(1)
    ends_s = time.monotonic() + options.seconds
    device = choose_device(options.device)
    report: dict[str, Any] = {"device": _name(device), "cores": os.cpu_count(), "host": {}, "rooms": []}
    try:
        for size in options.sizes:
            report["host"][size] = _host(_pixels(size), options.mirrors, options.each / 2)
        for network in options.networks:
            for size in options.sizes:
                for together in (True, False):
                    if time.monotonic() < ends_s:
                        found = {"network": network, "layer": options.layer, "size": size}
                        report["rooms"].append(found)
                        _measure(options, found, together, ends_s)
    finally:  # what was measured stays
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(report) + "\n")


def _measure(options: argparse.Namespace, found: dict[str, Any], together: bool, ends_s: float) -> None:
    """Add to ``found`` what mirrors reach at its size, with batches or without."""
    device, size = choose_device(options.device), _pixels(found["size"])
    found["batches"] = together
    batches = Measured(torch.device(device), most=COUNTS[-1] if together else 1, worth=1)
    try:
        with SharedNetworks(device, options.runtime, 1) as networks:
            room = Mirrors(networks, batches, found, size, max(options.mirrors))
            found["recording_s"] = room.settle(ends_s)
            found["same"] = room.same(min(4, max(options.mirrors))) if together else None
            found["runtime"] = room.dreamers[0].graphics.words(room.dreamers[0].backend.name)
            found["free"] = free = dict[int, Any]()
            for count in options.mirrors if together else options.mirrors[::2]:
                if time.monotonic() < ends_s:
                    free[count] = room.run(count, options.each, None)
            found["paced"], found["hold"] = {}, {}
            for rate in options.rates:
                paced = found["paced"][rate] = dict[int, Any]()
                # What they reach unpaced says how many may hold a rate; whether they do is tried.
                likely = [count for count, reached in free.items() if reached["least"] >= rate]
                at = options.mirrors.index(max(likely, default=options.mirrors[0]))
                while 0 <= at < len(options.mirrors) and time.monotonic() < ends_s:
                    count = options.mirrors[at]
                    if count in paced:
                        break
                    paced[count] = room.run(count, options.each, rate)
                    at += 1 if paced[count]["least"] >= _HELD * rate else -1
                held = [count for count, reached in paced.items() if reached["least"] >= _HELD * rate]
                found["hold"][rate] = max(held, default=0)
            if time.monotonic() < ends_s:
                count, usual_s = options.mirrors[-2], sys.getswitchinterval()
                sys.setswitchinterval(usual_s / 10)
                found["quick_switches"] = {count: room.run(count, options.each, None)}
                sys.setswitchinterval(usual_s)
    except Exception as error:  # a driver may raise anything; the others go on
        found["error"] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


class Measured(Batches):
    """Batches that say how long the device works at one."""

    def __init__(self, device: torch.device, **options: Any) -> None:
        super().__init__(device, **options)
        self.together = options.get("most", 2) > 1
        self.recorded_s, self.last_recorded_s, self.known = 0.0, time.monotonic(), 0
        self.took: defaultdict[int, list[Any]] = defaultdict(list)

    def begin(self) -> None:
        """Forget what was measured."""
        self.known = len(self._recorded)
        self.sizes.clear()
        self.took.clear()

    def device_ms(self) -> dict[int, float]:
        """How long batches of each size take on the device, in the median."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            took = {n: [a.elapsed_time(b) for a, b in pairs] for n, pairs in self.took.items()}
        else:
            took = {n: [1e3 * (b - a) for a, b in pairs] for n, pairs in self.took.items()}
        return {n: round(float(np.median(values)), 3) for n, values in sorted(took.items())}

    def _begin(self, ticks: Sequence[Tick]) -> None:
        recorded, began_s, start = len(self._recorded), time.monotonic(), self._mark()
        super()._begin(ticks)
        self.took[len(ticks)].append((start, self._mark()))
        if len(self._recorded) > recorded:
            self.last_recorded_s = time.monotonic()
            self.recorded_s += self.last_recorded_s - began_s

    def _mark(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


class Mirrors:
    """Dreamers of one room, each for a thread of its own."""

    def __init__(
        self,
        networks: SharedNetworks,
        batches: Measured,
        what: dict[str, Any],
        size: tuple[int, int],
        count: int,
    ) -> None:
        self.batches, self._networks = batches, networks
        self.settings = Settings(network=what["network"], layer=what["layer"], working_px=max(size))
        self.dreamers = [self._dreamer(batches) for _ in range(count)]
        self.pictures = [_pictures(size, n) for n in range(count)]
        self.ticked = [0] * count
        self._open(size[0] / size[1])

    def _dreamer(self, batches: Batches | None) -> Dreamer:
        opening = self._networks.open
        dreamer = Dreamer(self.settings.network, wait=False, hasty=True, opening=opening, batches=batches)
        if self.batches.device.type == "cpu":  # as if it were a card
            dreamer.graphics.takes = lambda backend: True  # type: ignore[method-assign]
        return dreamer

    def _open(self, aspect: float) -> None:
        until_s = time.monotonic() + _OPENING_S
        for n, dreamer in enumerate(self.dreamers):
            self._tick(n, dreamer)
            while not dreamer.ready(self.settings, aspect) and time.monotonic() < until_s:
                time.sleep(0.02)

    def _tick(self, n: int, dreamer: Dreamer) -> None:
        self.ticked[n] += 1
        dreamer.tick(self.pictures[n](self.ticked[n]), self.settings, time_s=time.monotonic())

    def settle(self, ends_s: float) -> float:
        """Run until nothing new is recorded; how long recording took."""
        until_s = min(ends_s, time.monotonic() + _RECORDING_S)
        most = len(self.dreamers)
        while time.monotonic() < until_s:
            for count in {most, *(n for n in COUNTS if n <= most and self.batches.together)}:
                for rate in (None, 60.0, 30.0):
                    self.run(count, 0.3, rate)
            if time.monotonic() - self.batches.last_recorded_s > _SETTLED_S:
                break
        return round(self.batches.recorded_s, 2)

    def same(self, count: int, ticks: int = 40) -> dict[str, Any]:
        """How much alike are what some dream together and what they dream alone."""
        alone = [self._dreamer(None) for _ in range(count)]
        for dreamer in self.dreamers:
            dreamer.reset()
        self.batches.begin()
        residuals: list[list[Any]] = [[] for _ in range(2 * count)]
        at_once = threading.Barrier(count)

        def dream(n: int, dreamer: Dreamer, wait: Callable[[], object]) -> None:
            for tick in range(ticks):
                wait()
                residual = dreamer.tick(self.pictures[n % count](tick), self.settings, time_s=tick / 30)
                residuals[n].append(residual)

        threads = [
            threading.Thread(target=dream, args=(n, dreamer, at_once.wait), daemon=True)
            for n, dreamer in enumerate(self.dreamers[:count])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sizes = dict(sorted(self.batches.sizes.items()))
        for n, dreamer in enumerate(alone, count):
            dream(n, dreamer, lambda: None)
        pairs = list(zip(residuals[:count], residuals[count:], strict=True))
        return {
            "batches": sizes,
            "first": [round(_cosine(a[0], b[0]), 4) for a, b in pairs],
            "last": [round(_cosine(a[-1], b[-1]), 4) for a, b in pairs],
            "strength": [round(float(np.abs(a[-1]).mean() / np.abs(b[-1]).mean()), 3) for a, b in pairs],
        }

    def run(self, count: int, seconds: float, rate_hz: float | None) -> dict[str, Any]:
        """What ``count`` mirrors reach in so many seconds."""
        took: list[list[float]] = [[] for _ in range(count)]
        start, ended = threading.Barrier(count + 1), threading.Event()
        threads = [
            threading.Thread(target=self._work, args=(n, rate_hz, start, ended, took[n]), daemon=True)
            for n in range(count)
        ]
        for thread in threads:
            thread.start()
        start.wait()
        self.batches.begin()
        began_s, cpu_s = time.monotonic(), time.process_time()
        ended.wait(seconds)
        ended.set()
        for thread in threads:
            thread.join()
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        each, every = [len(times) / took_s for times in took], [t for times in took for t in times]
        sizes = Counter(self.batches.sizes)
        return {
            "ticks_per_s": round(sum(each), 1),
            "each": round(float(np.mean(each)), 1),
            "least": round(min(each), 1),
            "tick_ms": {p: round(1e3 * float(np.percentile(every, p)), 2) for p in (50, 95)},
            "batch": round(sum(n * times for n, times in sizes.items()) / max(1, sizes.total()), 2),
            "batches": dict(sorted(sizes.items())),
            "recorded": len(self.batches._recorded) - self.batches.known,
            "device_ms": self.batches.device_ms(),
            "cores": round(cpu_s / took_s, 2),
        }

    def _work(
        self,
        n: int,
        rate_hz: float | None,
        start: threading.Barrier,
        ended: threading.Event,
        took: list[float],
    ) -> None:
        dreamer = self.dreamers[n]
        start.wait()
        # Mirrors do not agree on when they tick.
        pace = None if rate_hz is None else Pacer(rate_hz)
        if rate_hz is not None:
            ended.wait(n * 0.618 % 1 / rate_hz)
        while not ended.is_set():
            if pace is not None and not pace.due(now_s := time.monotonic()):
                ended.wait(pace.wait_s(now_s))
                continue
            began_s = time.perf_counter()
            self._tick(n, dreamer)
            took.append(time.perf_counter() - began_s)


def _host(size: tuple[int, int], counts: Sequence[int], seconds: float) -> dict[str, Any]:
    """The processor's part of a tick alone: how many a second threads do together, and in how much time."""
    settings, found = Settings(working_px=max(size)), dict[Any, Any]()
    for count in counts:
        done, cpu_s = [0] * count, [0.0] * count
        ended = threading.Event()

        def work(n: int, done: list[int] = done, cpu_s: list[float] = cpu_s, ended: Any = ended) -> None:
            motion, picture = Motion(), _pictures(size, n)
            while not ended.is_set():
                motion.follow(picture(done[n]), settings, 1 / 60)
                done[n] += 1
            cpu_s[n] = time.thread_time()

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        ended.wait(seconds)
        ended.set()
        for thread in threads:
            thread.join()
        found[count] = {
            "per_s": round(sum(done) / seconds, 1),
            "core_ms": round(1e3 * sum(cpu_s) / max(1, sum(done)), 2),
        }
    return found


def _pictures(size: tuple[int, int], n: int) -> Callable[[int], Image]:
    """The frames of a picture that moves slowly, another for each ``n``."""
    width, height = size
    noise = np.random.default_rng(n).random((height // 8, width // 8 + 8, 3), np.float32)
    wide = np.asarray(cv2.resize(noise, (width + _FRAMES, height), interpolation=cv2.INTER_CUBIC).clip(0, 1))
    picture = (wide * 255).astype(np.uint8)
    return lambda frame: np.ascontiguousarray(picture[:, frame % _FRAMES : frame % _FRAMES + width])


def _cosine(a: Array, b: Array) -> float:
    return float((a * b).sum() / max(1e-9, np.linalg.norm(a) * np.linalg.norm(b)))


def _pixels(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def _name(device: str) -> str:
    return torch.cuda.get_device_name(torch.device(device)) if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
