"""How many mirrors a room carries, and how well: fake mirrors with real frames, on a network as it may be.

::

    python -m tests.bench.room --mirrors 4 --seconds 20
    python -m tests.bench.room --mirrors 4 --local                    the same without a room: a process each
    python -m tests.bench.room --mirrors 4 --dream-hz 240 --turns 2   both by turns, and the ratio of ticks
    python -m tests.bench.room --mirrors 1-8 --seconds 6 --markdown   a table of capacity
    python -m tests.bench.room --mirrors 3 --kill-every 10 --seconds 30
    python -m tests.bench.room --mirrors 3 --delay-ms 20 --jitter-ms 10 --loss 1
    python -m tests.bench.room --mirrors 4 --hz 60,15,15,15 --layers parts,edges,textures,patterns

A mirror plays a video as a camera of ``--hz`` does, has one picture in flight and sends the newest next; the
size is the smallest, where no governor can give way, so that ticks are comparable. All mirrors share a
process, which is not the room's. ``--room inprocess`` is a replica's server without Ray and ingress. For a
network see :mod:`tests.bench.network`; the delay is each way, and then pixels travel as JPEG.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from livedream.dream.governor import SIZES
from tests.bench.network import Network, Shape
from tests.bench.room_figures import Found, jain, kill_costs_s, parts_ms
from tests.bench.room_local import dream_locally
from tests.bench.room_mirrors import FakeMirror, Plan
from tests.bench.room_servers import ROOT, Room, add_room_options, network_of, open_room


def mirrors_of(options: argparse.Namespace, count: int) -> tuple[FakeMirror, ...]:
    """So many mirrors; rates, layers and sources are given to them by turns."""
    rates, layers, sources = options.hz, options.layers, options.source or ["clouds"]
    return tuple(
        FakeMirror(
            name=f"mirror {n + 1}",
            layer=layers[n % len(layers)],
            camera_hz=rates[n % len(rates)],
            working_px=options.px,
            steps=options.steps,
            dream_hz=options.dream_hz,
            source=sources[n % len(sources)],
        )
        for n in range(count)
    )


def drive(
    plan: Plan, room: Room, network: Network | None = None, kill_every_s: float = 0.0
) -> tuple[list[Found], list[float]]:
    """Run the mirrors against a room; what they found, and when replicas were killed.

    Raises ``RuntimeError`` when their process fails.
    """
    text = msgspec.json.encode(plan).decode()
    words = [sys.executable, "-m", "tests.bench.room_mirrors", text]
    environment = os.environ | {"LIVEDREAM_ROOM_TOKEN": room.token, "OMP_NUM_THREADS": "1"}
    if network is not None:
        words = network.inside(words)
    kills: list[float] = []
    over = threading.Event()
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it measures
        killing = threading.Thread(target=_kill, args=(room, kill_every_s, kills, over))
        killing.start()
        said = process.stdout.read()
        over.set()
        killing.join()
        if process.wait() or not said.startswith("["):
            raise RuntimeError(f"the mirrors ended with exit code {process.returncode}")
    return msgspec.json.decode(said, type=list[Found]), kills


def _kill(room: Room, every_s: float, kills: list[float], over: threading.Event) -> None:
    while every_s and not over.wait(every_s):
        kills.append(time.monotonic())
        sys.stdout.write(f"killed {room.kill()}\n")


def summary(found: Sequence[Found], kills: Sequence[float] = ()) -> dict[str, Any]:
    """The figures of a run; rates and fairness are of those that the room let in."""
    asked, found = len(found), [one for one in found if one.answers] or found
    rates = [one.ticks_hz for one in found]
    return {
        "mirrors": asked,
        "dreaming": len(found),
        "ticks_hz": sum(rates),
        "least_ticks_hz": min(rates),
        "least_over_mean": min(rates) / max(1e-9, mean(rates)),
        "jain": jain(rates),
        "residuals_hz": mean(one.residuals_hz for one in found),
        "ms": {name: vars(part) for name, part in parts_ms(found).items()},
        "frames_unused": mean(one.unused for one in found),
        "unanswered": sum(one.unanswered for one in found),
        "up_kbit_s": mean(one.up_bytes / one.seconds for one in found) * 8e-3,
        "down_kbit_s": mean(one.down_bytes / one.seconds for one in found) * 8e-3,
        "joins": sum(one.joins for one in found),
        "moves": sum(one.moves for one in found),
        "lost_connections": sum(one.losses for one in found),
        "without_residual_after_kill_s": kill_costs_s(found, kills) if kills else [],
        "refusals": sorted({text for one in found for text in one.refusals}),
        "errors": sorted({text for one in found for text in one.errors}),
        "load": os.getloadavg()[0],
    }


def report(found: Sequence[Found], figures: dict[str, Any]) -> str:
    """The figures as text, a line for each mirror first."""
    lines = [
        f"{one.name:10} {one.layer:10} {one.working_px:4} px, camera {one.camera_hz:3.0f} Hz:"
        f" {one.ticks_hz:5.1f} ticks/s, {one.residuals_hz:5.1f} residuals/s,"
        f" {one.unused:4.0%} of frames unused"
        for one in found
    ]
    lines.append(
        f"all: {figures['ticks_hz']:.1f} ticks/s; fairness: least over mean {figures['least_over_mean']:.2f},"
        f" Jain {figures['jain']:.3f}; load {figures['load']:.1f}"
    )
    lines += [
        f"  {name:18} p50 {part['p50']:7.1f}  p95 {part['p95']:7.1f}  p99 {part['p99']:7.1f} ms"
        for name, part in figures["ms"].items()
    ]
    lines.append(
        f"each: {figures['up_kbit_s'] / 1e3:.2f} Mbit/s up, {figures['down_kbit_s'] / 1e3:.2f} down;"
        f" {figures['unanswered']} unanswered, {figures['joins']} joins, {figures['moves']} moves,"
        f" {figures['lost_connections']} lost connections"
    )
    for n, costs in enumerate(figures["without_residual_after_kill_s"], 1):
        words = ", ".join(f"{cost:.2f} s" for cost in costs) or "less than half a second"
        lines.append(f"kill {n}: without a residual for {words}")
    lines += [f"refused: {text}" for text in figures["refusals"]]
    lines += [f"error: {text}" for text in figures["errors"]]
    return "\n".join(lines) + "\n"


HEAD = (
    "| mirrors | ticks/s of each | all | least over mean | frame to residual, ms p50, p95 | its tick |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


def row(figures: dict[str, Any]) -> str:
    """A row of the table of capacity."""
    age, tick = figures["ms"]["frame to residual"], figures["ms"]["tick"]
    refused = f"{figures['dreaming']} let in"
    return (
        f"| {figures['mirrors']}{'' if figures['dreaming'] == figures['mirrors'] else ', ' + refused}"
        f" | {figures['ticks_hz'] / figures['dreaming']:.1f} | {figures['ticks_hz']:.0f}"
        f" | {figures['least_over_mean']:.2f} | {age['p50']:.0f}, {age['p95']:.0f} | {tick['p50']:.1f} |\n"
    )


def runs(options: argparse.Namespace) -> Iterator[tuple[list[Found], dict[str, Any]]]:
    """One run after the other; a room is opened for all of them."""
    with ExitStack() as stack:
        shape = network_of(options)
        network = stack.enter_context(Network(shape)) if shape != Shape() else None
        room = None if options.local else stack.enter_context(open_room(options, network))
        for count in options.mirrors:
            mirrors = mirrors_of(options, count)
            kills: list[float] = []
            if room is None:
                found = dream_locally(mirrors, options.seconds, options.settle)
            else:
                plan = Plan(
                    url=room.url,
                    mirrors=mirrors,
                    seconds=options.seconds,
                    settle_s=options.settle,
                    coding=options.coding or ("jpeg" if network else "raw"),
                )
                found, kills = drive(plan, room, network, options.kill_every)
            yield found, summary(found, kills)


def turns(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Without and with a room, by turns; prints the ratios of their ticks."""
    figures: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for _ in range(options.turns):
        for local in (True, False):  # a room that waits would take time from the others
            for found, one in runs(argparse.Namespace(**{**vars(options), "local": local})):
                figures[local].append(one)
                sys.stdout.write(f"{'a process each' if local else 'a room'}\n{report(found, one)}\n")
                sys.stdout.flush()
    for here, there in zip(figures[True], figures[False], strict=True):
        words = f"{there['ticks_hz']:.1f} / {here['ticks_hz']:.1f} ticks/s"
        sys.stdout.write(
            f"room / a process each, {here['mirrors']} mirrors: {words}"
            f" = {there['ticks_hz'] / here['ticks_hz']:.3f}\n"
        )
    return figures[True] + figures[False]


def _counts(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _rates(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        "python -m tests.bench.room",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--mirrors", type=_counts, default=[3], help="how many, or from-to by turns")
    made.add_argument("--local", action="store_true", help="dream in processes of their own, without a room")
    made.add_argument("--turns", type=int, default=0, help="both by turns, so often, and the ratio of ticks")
    made.add_argument("--seconds", type=float, default=15.0, help="of a run")
    made.add_argument("--settle", type=float, default=3.0, help="seconds between the first dream and that")
    made.add_argument("--px", type=int, default=SIZES[0], help="working size, at most")
    made.add_argument("--dream-hz", type=float, default=60.0, help="ticks a second, at most")
    made.add_argument("--steps", type=int, default=1, help="in each 1/30 s, at most")
    made.add_argument("--hz", type=_rates, default=[30.0], help="rates of the cameras: 60,30,15")
    made.add_argument("--layers", type=lambda text: text.split(","), default=["patterns"])
    made.add_argument("--source", action="append", help="a video; may be repeated")
    made.add_argument("--coding", choices=("raw", "jpeg"), help="of pixels")
    made.add_argument("--kill-every", type=float, default=0.0, help="seconds between killed replicas")
    made.add_argument("--markdown", action="store_true", help="print a table")
    made.add_argument("--json", type=Path)
    add_room_options(made)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = parser().parse_args(words)
    all_figures = turns(options) if options.turns else []
    if options.markdown:
        sys.stdout.write(HEAD)
    for found, figures in () if options.turns else runs(options):
        all_figures.append(figures)
        sys.stdout.write(row(figures) if options.markdown else report(found, figures))
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(all_figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
