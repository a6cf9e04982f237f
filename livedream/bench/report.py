"""What was measured: as JSON, and as tables to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from livedream.bench.machine import Ceiling


@dataclass(frozen=True)
class StepRow:
    """One gradient step of a layer at a size in a runtime.

    ``ratio_to_eager`` is how many times as fast as plain PyTorch in fp32 it is, None where that was not
    measured; ``of_ceiling`` which fraction of the machine's own fastest matrix product in the same precision
    it reaches, None where the graph's operations could not be counted. ``name`` is the runtime's on the HUD.
    """

    network: str
    layer: str
    width: int
    height: int
    runtime: str
    step_ms: float
    ratio_to_eager: float | None
    of_ceiling: float | None
    name: str = ""


@dataclass(frozen=True)
class LoopRow:
    """One way of dreaming on the frames of a video: ``frame_ms`` for each, and what came of it.

    ``strength`` is the log of the layer's activation norm in the dream over that in the frame, once the dream
    has settled.
    """

    frame_ms: float
    strength: float
    strength_per_ms: float


@dataclass(frozen=True)
class MirrorRow:
    """The mirror's dream on a video, and two others on the same frames with the same network and runtime.

    ``classic`` is the loop of 2015, and ``forerunner`` that of the live programs before this one.
    """

    source: str
    frames: int
    network: str
    layer: str
    width: int
    height: int
    backend: str
    tick_ms: float
    ticks_per_s: float
    strength: float
    strength_per_ms: float
    classic: LoopRow
    forerunner: LoopRow


@dataclass(frozen=True)
class CurveRow:
    """A tick of the mirror on one octave, at a size and with so many steps."""

    width: int
    height: int
    steps: int
    tick_ms: float
    ns_per_pixel_step: float


@dataclass
class Report:
    """Everything measured so far; ``missing`` says what was not measured, and why."""

    machine: dict[str, Any] = field(default_factory=dict)
    ceilings: list[Ceiling] = field(default_factory=list)
    copy_gb_per_s: dict[str, float] = field(default_factory=dict)
    steps: list[StepRow] = field(default_factory=list)
    mirror: MirrorRow | None = None
    curve: list[CurveRow] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return not (self.ceilings or self.copy_gb_per_s or self.steps or self.mirror or self.curve)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: ``machine``, ``steps``, ``mirror``, ``missing``, and ``curve`` when there is one."""
        machine = {"matmul": [asdict(row) for row in self.ceilings], "copy_gb_per_s": self.copy_gb_per_s}
        values: dict[str, Any] = {
            "machine": self.machine | machine,
            "steps": [asdict(row) for row in self.steps],
            "mirror": None if self.mirror is None else asdict(self.mirror),
            "missing": self.missing,
        }
        return values | ({"curve": [asdict(row) for row in self.curve]} if self.curve else {})

    def json(self) -> str:
        """The report as a JSON text."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"

    def text(self) -> str:
        """The report as tables, in lines of at most 110 characters where names allow."""
        parts = (_machine(self), _steps(self.steps), _mirror(self.mirror), _curve(self.curve), _missing(self))
        return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _machine(report: Report) -> Iterator[str]:
    facts = report.machine
    if facts:
        threads = "1 thread" if facts["threads"] == 1 else f"{facts['threads']} threads"
        gpu = f"; {facts['gpu']}" if facts["gpu"] else ""
        yield f"{facts['processor']}, {facts['cores']} cores, {threads} for the network{gpu}"
        yield ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    if report.ceilings:
        yield ""
        rows = [(f"{c.library} {c.device}", c.precision, f"{c.gflops:,.0f}") for c in report.ceilings]
        yield from _table(("matrix product", "precision", "GFLOP/s"), rows, left=2)
    for device, rate in report.copy_gb_per_s.items():
        yield f"copying in memory, {device}: {rate:g} GB/s, read and written counted"


def _steps(rows: Sequence[StepRow]) -> Iterator[str]:
    if rows:
        head = ("network", "layer", "size", "runtime", "ms a step", "of eager", "of ceiling")
        cells = [
            (
                row.network,
                row.layer,
                f"{row.width}x{row.height}",
                f"{row.runtime} ({row.name})" if row.name else row.runtime,
                f"{row.step_ms:.2f}",
                "–" if row.ratio_to_eager is None else f"{row.ratio_to_eager:.2f}×",
                "–" if row.of_ceiling is None else f"{row.of_ceiling:.0%}",
            )
            for row in rows
        ]
        yield from _table(head, cells, left=4)


def _mirror(row: MirrorRow | None) -> Iterator[str]:
    if row is not None:
        size = f"{row.width}x{row.height}"
        yield f"{row.network} {row.layer} at {size} by {row.backend}, {row.frames} frames of {row.source}"
        loops = {
            "the mirror": LoopRow(row.tick_ms, row.strength, row.strength_per_ms),
            "classic loop (2015)": row.classic,
            "live forerunners' loop": row.forerunner,
        }
        cells = [
            (
                name,
                f"{loop.frame_ms:.2f}",
                f"{1e3 / loop.frame_ms:.1f}",
                f"{loop.strength:.2f}",
                f"{loop.strength_per_ms:.4f}",
            )
            for name, loop in loops.items()
        ]
        yield from _table(("", "ms a frame", "a second", "strength", "strength a ms"), cells, left=1)


def _curve(rows: Sequence[CurveRow]) -> Iterator[str]:
    if rows:
        steps = sorted({row.steps for row in rows})
        sizes = dict.fromkeys((row.width, row.height) for row in rows)
        found = {(row.width, row.height, row.steps): row.tick_ms for row in rows}
        cells = [
            (
                f"{width}x{height}",
                *(f"{found[width, height, n]:.1f}" if (width, height, n) in found else "–" for n in steps),
            )
            for width, height in sizes
        ]
        yield from _table(("ms a tick, steps:", *map(str, steps)), cells, left=1)


def _missing(report: Report) -> Iterator[str]:
    for line in report.missing:
        yield f"not measured: {line}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Aligned columns, the first ``left`` of them to the left and the others to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
