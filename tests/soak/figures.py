"""What a soak measures, and how it is reported. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: The loading, the first scenes, the allocator's first rounds. Of a process, after its start.
WARM_UP_S = 120.0
#: Samples are averaged over this long before a line is fitted: neighbours are not independent.
BLOCK_S = 60.0
#: The issue's limits.
MOST_MB_PER_HOUR, LONGEST_GAP_MS = 1.0, 100.0


@dataclass(frozen=True)
class Process:
    """One process at one moment. ``memory_mb`` is resident and not shared memory between processes."""

    pid: int
    age_s: float
    memory_mb: float
    files: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """Everything at one moment, ``at_s`` seconds after the start."""

    at_s: float
    processes: dict[str, Process]
    shared_mb: float
    shared_pieces: int
    p99_ms: float
    load: float = 0.0  # of the machine, over the last minute

    @property
    def memory_mb(self) -> float:
        """Of all processes, shared memory counted once."""
        return sum(p.memory_mb for p in self.processes.values()) + self.shared_mb


@dataclass
class Injected:
    """A fault, the longest gap between pictures until the next, and how long until all was well."""

    at_s: float
    fault: str
    gap_ms: float = 0.0
    recovery_s: float | None = None


@dataclass
class Soak:
    """One run."""

    seed: int
    minutes: float
    samples: list[Sample] = field(default_factory=list)
    faults: list[Injected] = field(default_factory=list)
    show_restarts: int = 0
    tracebacks: int = 0
    quiet_gap_ms: float = 0.0  # before the first fault


@dataclass(frozen=True)
class Slope:
    """MB an hour, its standard error, and from how many block means."""

    mb_per_hour: float
    error: float
    blocks: int

    def __str__(self) -> str:
        if self.blocks < 3:
            return "too short"
        return f"{self.mb_per_hour:+.2f} ± {self.error:.2f} MB/h"


def slope(lives: Iterable[Sequence[tuple[float, float]]]) -> Slope:
    """Least squares over (seconds, MB) of several lives of a process, each with a level of its own."""
    deviations: list[tuple[float, float]] = []
    lost = 1  # degrees of freedom: the slope, and a level for each life
    for life in lives:
        blocks = _blocks(life)
        if len(blocks) < 2:
            continue
        lost += 1
        mean_t, mean_m = (sum(values) / len(blocks) for values in zip(*blocks, strict=True))
        deviations += [(t - mean_t, m - mean_m) for t, m in blocks]
    spread = sum(t * t for t, _ in deviations)
    if len(deviations) <= lost or not spread:
        return Slope(0.0, math.inf, 0)
    rate = sum(t * m for t, m in deviations) / spread
    rest = sum((m - rate * t) ** 2 for t, m in deviations) / (len(deviations) - lost)
    return Slope(rate * 3600, math.sqrt(rest / spread) * 3600, len(deviations))


def _blocks(life: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The means of whole blocks."""
    blocks: dict[int, list[tuple[float, float]]] = {}
    for t, m in life:
        blocks.setdefault(int((t - life[0][0]) / BLOCK_S), []).append((t, m))
    return [
        (sum(t for t, _ in block) / len(block), sum(m for _, m in block) / len(block))
        for block in blocks.values()
    ]


def lives(samples: Sequence[Sample], name: str) -> list[list[tuple[float, float]]]:
    """(seconds, MB) of each process that had this name, after its warm-up."""
    found: dict[int, list[tuple[float, float]]] = {}
    for sample in samples:
        process = sample.processes.get(name)
        if process is not None and process.age_s >= WARM_UP_S:
            found.setdefault(process.pid, []).append((sample.at_s, process.memory_mb))
    return list(found.values())


def total_slope(samples: Sequence[Sample]) -> Slope:
    """Of all processes together over the whole run, whenever they were restarted."""
    whole = [s for s in samples if s.at_s >= WARM_UP_S and len(s.processes) == _most(samples)]
    return slope([[(s.at_s, s.memory_mb) for s in whole]])


def _most(samples: Sequence[Sample]) -> int:
    return max(len(s.processes) for s in samples)


def _range(values: Sequence[float]) -> str:
    """First → last (lowest–highest)."""
    return f"{values[0]:g} → {values[-1]:g} ({min(values):g}–{max(values):g})" if values else "–"


def report(soak: Soak) -> str:
    """The whole run as Markdown, of one sample at least."""
    settled = [s for s in soak.samples if s.at_s >= WARM_UP_S] or soak.samples
    seconds = soak.samples[-1].at_s
    load = sum(s.load for s in soak.samples) / len(soak.samples)
    lines = [
        f"{seconds / 60:.0f} minutes, {len(soak.faults)} faults, seed {soak.seed}, load {load:.1f}",
        "",
        "| process | memory after warm-up | MB | open files | threads |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in sorted({name for s in settled for name in s.processes}):
        found = [s.processes[name] for s in settled if name in s.processes]
        warm = [p for p in found if p.age_s >= WARM_UP_S]
        memory = _range([round(p.memory_mb) for p in warm])
        of = len({p.pid for p in found})
        shown = name if of == 1 else f"{name} ({of} lives)"
        lines.append(
            f"| {shown} | {slope(lives(settled, name))} | {memory} | {_range([p.files for p in found])}"
            f" | {_range([p.threads for p in found])} |"
        )
    memory = _range([round(s.memory_mb) for s in settled])
    lines.append(f"| all, once | {total_slope(settled)} | {memory} | | |")
    p99 = sorted(s.p99_ms for s in settled)
    gap = max([f.gap_ms for f in soak.faults], default=soak.quiet_gap_ms)
    lines += [
        "",
        f"Shared memory {_range([s.shared_pieces for s in settled])} pieces,"
        f" {_range([round(s.shared_mb, 1) for s in settled])} MB. Longest gap between pictures {gap:.0f} ms"
        f" (limit {LONGEST_GAP_MS:.0f} ms on an idle machine; before any fault {soak.quiet_gap_ms:.0f} ms)."
        f" p99 of the intervals, over five minutes each:"
        f" {p99[len(p99) // 2]:.0f} ms, at worst {p99[-1]:.0f} ms. The show was restarted"
        f" {soak.show_restarts} times; {soak.tracebacks} tracebacks in the log.",
        "",
        "| fault | times | well after (median, longest) | longest gap (median, longest) | not recovered |",
        "| --- | --- | --- | --- | --- |",
    ]
    for fault in sorted({f.fault for f in soak.faults}):
        of_kind = [f for f in soak.faults if f.fault == fault]
        well = sorted(f.recovery_s for f in of_kind if f.recovery_s is not None)
        gaps = sorted(f.gap_ms for f in of_kind)
        after = f"{well[len(well) // 2]:.1f} s, {well[-1]:.1f} s" if well else "–"
        lines.append(
            f"| {fault} | {len(of_kind)} | {after} | {gaps[len(gaps) // 2]:.0f} ms, {gaps[-1]:.0f} ms"
            f" | {len(of_kind) - len(well)} |"
        )
    return "\n".join(lines)


def complaints(soak: Soak) -> list[str]:
    """What a run may not have, whatever else the machine had to do meanwhile."""
    found = [f"not recovered from: {f.fault}" for f in soak.faults if f.recovery_s is None]
    if soak.show_restarts:
        found.append(f"the show was restarted {soak.show_restarts} times")
    if soak.tracebacks:
        found.append(f"{soak.tracebacks} tracebacks in the log")
    settled = [s for s in soak.samples if s.at_s >= WARM_UP_S]
    if not settled:
        return [*found, "too short"]
    if len({s.shared_pieces for s in settled}) > 1:
        found.append(f"shared memory: {_range([s.shared_pieces for s in settled])} pieces")
    for what in ("files", "threads"):
        # A recording or a snapshot that runs just then has some of its own, so: the least there ever were.
        counts = [getattr(s.processes["show"], what) for s in settled if "show" in s.processes]
        half = len(counts) // 2
        if half and min(counts[half:]) > min(counts[:half]) + 2:
            name = "open files" if what == "files" else what
            found.append(f"{name} of show: {_range(counts)}")
    leaks = {"all": total_slope(settled), "show": slope(lives(settled, "show"))}
    for name, growth in leaks.items():
        if growth.blocks >= 3 and growth.mb_per_hour - 3 * growth.error > MOST_MB_PER_HOUR:
            found.append(f"memory of {name}: {growth}")
    return found
