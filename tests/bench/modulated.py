"""What modulation costs: ``python -m tests.bench.modulated``, milliseconds of one core for each second.

The show moves settings at 60 Hz and sends about 30 orders a second; the dream process reads each of them.
Beside it the same without modulation, in turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from livedream.controls.patch import Lfo, Modulation, Patch
from livedream.ipc.protocol import Order, decode, encode
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from livedream.show.orders import Orders

_LOOP_HZ = 120
_SECONDS = 4

PATCH = Patch(
    (
        Modulation("lfo1", "zoom", 0.3),
        Modulation("lfo2", "spin", 0.1),
        Modulation("beat", "strength", 0.3, release_s=0.1),
        Modulation("bass", "step_size", 0.2, attack_s=0.05, release_s=0.2),
    ),
    {"lfo1": Lfo("sine", 2.0), "lfo2": Lfo("smooth random", beats=4.0)},
)


def played(patch: Patch, folder: Path, now: float) -> tuple[float, float, int]:
    """(milliseconds a second in the show, in the dream process, orders a second) at ``now`` and after."""
    performance, orders = (
        Performance(PlayState.begin(Settings(bpm=120.0), None), Scenes(folder), now),
        Orders(),
    )
    performance.sense = lambda name: 0.5 + 0.4 * (now % 1)
    performance.step(now, None)
    performance._matrix.begin(patch, now, 0.0)
    messages: list[bytes] = []
    begun = time.process_time()
    for _ in range(_SECONDS * _LOOP_HZ):
        now += 1 / _LOOP_HZ
        performance.step(now, None)
        order = orders.make(performance.played, 16 / 9, 30.0, 0.0, now)
        if order is not None:
            messages.append(encode(order))
    show = time.process_time() - begun
    performance.close()
    begun = time.process_time()
    for message in messages:
        decode(message, Order)
    dream = time.process_time() - begun
    return show * 1e3 / _SECONDS, dream * 1e3 / _SECONDS, round(len(messages) / _SECONDS)


def main() -> None:
    """Write both, from so many rounds in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        found: dict[str, list[tuple[float, float, int]]] = {"without": [], "4 modulations": []}
        for n in range(rounds):
            found["without"].append(played(Patch(), Path(folder), 100.0 * n))
            found["4 modulations"].append(played(PATCH, Path(folder), 100.0 * n))
    for name, values in found.items():
        show, dream, orders = (median(column) for column in zip(*values, strict=True))
        sys.stdout.write(
            f"{name}: show {show:.1f} ms, dream process {dream:.1f} ms, {orders:.0f} orders a second\n"
        )


if __name__ == "__main__":
    main()
