"""``python -m tests.soak``: the real mirror for as long as asked, with a random fault every minute."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.soak.faults import FAULTS, Fault
from tests.soak.figures import WARM_UP_S, Injected, Soak, complaints, report
from tests.soak.mirror import Mirror, Status

_LOOK_S, _SAMPLE_S = 0.5, 10.0


def run(
    folder: Path,
    *,
    minutes: float,
    every_s: float = 60.0,
    seed: int | None = None,
    video: Path | None = None,
    faults: list[str] | None = None,
) -> Soak:
    """Run the mirror in ``folder`` and inject faults; a line to the standard output for each."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    soak, rng, names = Soak(seed, minutes), random.Random(seed), faults or list(FAULTS)
    _say(f"seed {seed}, {folder}")
    with Mirror(folder, video) as mirror:
        with suppress(KeyboardInterrupt):  # Ctrl-C ends it early, with a report
            _watch(mirror, soak, minutes * 60, every_s or float("inf"), names, rng)
        soak.tracebacks = mirror.tracebacks()
    if soak.faults and soak.faults[-1].recovery_s is None:
        soak.faults.pop()  # the time was up
    return soak


def _watch(
    mirror: Mirror, soak: Soak, seconds: float, every_s: float, names: list[str], rng: random.Random
) -> None:
    status = mirror.begin()
    show = status["pids"]["show"]
    began_s = time.monotonic()
    looked_s, sampled_s, due_s = 0.0, -_SAMPLE_S, every_s
    running: Fault | None = None
    row: Injected | None = None
    while (now := time.monotonic() - began_s) < seconds:
        time.sleep(max(0.0, looked_s + _LOOK_S - now))
        looked_s = now = time.monotonic() - began_s
        status = mirror.status() or status
        if status["pids"].get("show", show) != show:
            show, soak.show_restarts = status["pids"]["show"], soak.show_restarts + 1
        gap_ms = status["longest_interval_ms"]
        if row is not None:
            row.gap_ms = max(row.gap_ms, gap_ms)
        elif now > min(WARM_UP_S, every_s / 2):
            soak.quiet_gap_ms = max(soak.quiet_gap_ms, gap_ms)
        if running is not None and row is not None and _well(running, status):
            row.recovery_s, running = round(now - row.at_s, 1), None
        if now - sampled_s >= _SAMPLE_S:
            sampled_s = now
            soak.samples.append(mirror.sample(status, now))
        if now >= due_s and (running is None or now >= due_s + every_s):
            _tell(row)
            due_s += every_s * (1 + (now - due_s) // every_s)
            row = Injected(now, rng.choice(names))
            soak.faults.append(row)
            running = FAULTS[row.fault](mirror, rng)
            next(running)
            _well(running, status)
    _tell(row)


def _well(running: Fault, status: Status) -> bool:
    """Whether all is well after a fault. One that cannot be injected never is."""
    try:
        running.send(status)
    except StopIteration:
        return True
    return False


def _tell(row: Injected | None) -> None:
    if row is not None:
        after = "not yet" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
        _say(f"{row.at_s:6.0f} s  {row.fault}: well after {after}, longest gap {row.gap_ms:.0f} ms")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(words: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=60.0, metavar="S", help="between faults; 0: none")
    parser.add_argument("--seed", type=int, help="of the faults; printed, so that a run can be had again")
    parser.add_argument("--video", type=Path, help="what the camera shows, instead of clouds")
    parser.add_argument(
        "--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="all samples")
    found = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    folder = Path(tempfile.mkdtemp(prefix="livedream-soak-"))
    soak = run(
        folder / "run",
        minutes=found.minutes,
        every_s=found.every,
        seed=found.seed,
        video=found.video,
        faults=found.fault,
    )
    if found.json:
        found.json.write_text(json.dumps(dataclasses.asdict(soak), indent=1))
    _say(report(soak))
    wrong = complaints(soak)
    _say("\n".join(["", "wrong:", *wrong] if wrong else ["", "nothing wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
