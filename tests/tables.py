"""The documentation's generated tables. ``python -m tests.tables`` renews them, after a new setting, say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from livedream.cli.osc import table as osc_table
from livedream.cli.osc import view_of
from livedream.controls.keyboard import keys_table
from livedream.settings import settings_table
from livedream.web.metrics import metrics_table

ROOT = Path(__file__).resolve().parents[1]
TABLES: dict[str, Callable[[], str]] = {
    "README.md": keys_table,
    "docs/settings.md": settings_table,
    "docs/osc.md": lambda: osc_table(view_of()),
    "docs/watching.md": metrics_table,
}


def renewed(page: str, table: str) -> str:
    """The text of a page whose table with the same head is replaced by ``table``."""
    lines, rows = page.split("\n"), table.split("\n")
    begin = end = lines.index(rows[0])
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return "\n".join([*lines[:begin], *rows, *lines[end:]])


def main() -> None:
    for name, table in TABLES.items():
        path = ROOT / name
        path.write_text(renewed(path.read_text("utf-8"), table()), "utf-8")


if __name__ == "__main__":
    main()
