"""What pages cost a running mirror: processor time of the show, and pictures on its display.

    python -m tests.bench.page [--turns N] [--seconds S] [LIVE.PY OPTIONS …]

One mirror runs, and pages are opened and closed by turns: none, one that only watches, and 20 with picture
and controls. A page takes each picture at once, as a browser does; what the browser does is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import psutil

ROOT = Path(__file__).parents[2]
MIRROR = ["--headless", "--source", "clouds", "--working-px", "128", "--port", "0", "--no-osc"]
#: name -> (pages that watch, pages with controls)
KINDS = {"no page": (0, 0), "1 preview": (1, 0), "20 pages": (20, 20)}


def url(process: psutil.Process) -> str:
    """The address of a mirror's page, as soon as there is one."""
    while True:
        ports = [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        if ports:
            return f"http://127.0.0.1:{ports[0]}/"
        time.sleep(0.1)


def status(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}status.json", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def watch(session: aiohttp.ClientSession, address: str, taken: list[int]) -> None:
    async with session.ws_connect(f"{address}preview") as socket:
        while True:
            await socket.send_str("next")
            taken.append(len(await socket.receive_bytes()))


async def control(session: aiohttp.ClientSession, address: str) -> None:
    async with session.ws_connect(f"{address}control") as socket:
        async for _ in socket:
            pass


async def measure(
    address: str, show: psutil.Process, pages: tuple[int, int], seconds: float
) -> tuple[float, float, float]:
    """(share of a core that the show takes, pictures a second on its display, pictures a second sent)."""
    taken: list[int] = []
    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.create_task(watch(session, address, taken)) for _ in range(pages[0])]
        tasks += [asyncio.create_task(control(session, address)) for _ in range(pages[1])]
        await asyncio.sleep(2)
        before, pictures, start = show.cpu_times(), status(address)["pictures"], time.monotonic()
        taken.clear()
        await asyncio.sleep(seconds)
        after, shown, wall_s = show.cpu_times(), status(address)["pictures"], time.monotonic() - start
        sent = len(taken) / wall_s
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
    cpu_s = after.user + after.system - before.user - before.system
    return cpu_s / wall_s, (shown - pictures) / wall_s, sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    found, words = parser.parse_known_args()
    mirror = subprocess.Popen([sys.executable, str(ROOT / "live.py"), *MIRROR, *words])
    # The pages stand for other machines: they must not take the processor from the mirror.
    psutil.Process().nice(getattr(psutil, "IDLE_PRIORITY_CLASS", 19))
    try:
        show = psutil.Process(mirror.pid)
        address = url(show)
        while not status(address).get("ticks"):
            time.sleep(0.2)
        time.sleep(5)
        measured: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
        for _ in range(found.turns):
            for kind, pages in KINDS.items():
                measured[kind].append(asyncio.run(measure(address, show, pages, found.seconds)))
        for kind, runs in measured.items():
            core, display, sent = (statistics.median(values) for values in zip(*runs, strict=True))
            sys.stdout.write(
                f"{kind:10} {core * 100:6.1f} % of a core  {display:5.1f} pictures/s on the display"
                f"  {sent:6.1f} sent/s\n"
            )
    finally:
        mirror.terminate()
        mirror.wait()


if __name__ == "__main__":
    main()
