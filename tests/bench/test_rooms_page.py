"""The figures in docs/rooms.md follow from each other, and the program says what the page says it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench.room import HEAD
from tests.bench.room_pixels import HZ

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "rooms.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
]


def number(text: str) -> float:
    found = re.search(r"\d+(\.\d+)?", text)
    assert found is not None, text
    return float(found[0])


def rates(pixels: str) -> dict[int, tuple[float, float]]:
    """Mbit/s up and down by the longer side of the working size."""
    return {int(number(row[0])): (float(row[4]), float(row[5])) for row in ROWS if row[1] == pixels}


def computed(begin: str) -> list[float]:
    (row,) = (row for row in ROWS if row[0].startswith(begin))
    return [number(cell) for cell in row[1:]]


@pytest.mark.parametrize("row", [row for row in ROWS if row[1] in ("raw", "JPEG")], ids=lambda row: row[0])
def test_rates_follow_from_bytes(row: list[str]) -> None:
    for kilobytes, mbit in ((row[2], row[4]), (row[3], row[5])):
        assert float(mbit) == pytest.approx(float(kilobytes) * 8 * HZ / 1e3, abs=0.13)


def test_what_a_network_carries_follows_from_the_rates() -> None:
    of = [rates("JPEG")[px] for px in (160, 320, 640)]
    assert computed("one mirror") == pytest.approx([up + down for up, down in of])
    for mbit in (100, 200):
        fitting = [int(mbit / (up + down)) for up, down in of]
        assert computed(f"Wi-Fi that really carries {mbit}") == fitting
    assert computed("1 Gbit/s Ethernet") == [int(940 / max(up, down)) for up, down in of]


def test_the_table_of_capacity_is_as_the_bench_prints_it() -> None:
    if "Not measured on an idle machine yet" not in PAGE:
        assert HEAD in PAGE


def test_the_messages_are_the_programs() -> None:
    dream, room = ("room_words", "room_status", "choosing"), ("networks", "sessions")
    files = [f"dream/{name}.py" for name in dream] + [f"room/{name}.py" for name in room]
    said = " ".join((ROOT / "livedream" / file).read_text("utf-8") for file in files)
    begin = PAGE.index("| it says | so |")
    lines = PAGE[begin : PAGE.index("\n\n", begin)].splitlines()[2:]
    for line in lines:
        for message in line.split("|")[1].split(";"):
            assert re.split(r"…|\d", message)[0].strip() in said
