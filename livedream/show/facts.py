"""What a show tells its attendant of one moment: what it measured, and what is wrong. Pure functions."""

from __future__ import annotations

from livedream.health.vitals import Facts, Trouble
from livedream.show.fallback import INSTEAD
from livedream.show.snapshot import Snapshot, room_text
from livedream.show.statistics import Statistics


def facts(snapshot: Snapshot, statistics: Statistics, before: Facts) -> Facts:
    """What was measured. Visitors are counted only where somebody may be: not among clouds, say."""
    return Facts(
        pictures=statistics.display.count,
        ticks=statistics.ticks,
        dropped=statistics.dropped,
        arrivals=before.arrivals if snapshot.presence is None else snapshot.arrivals,
        faults={fault.kind: fault.count for fault in snapshot.fault_list},
        display_fps=round(snapshot.display_fps, 2),
        dream_fps=round(snapshot.dream.dream_fps, 2),
        latency_ms=snapshot.latency_ms,
        interval_ms=snapshot.interval_ms,
        presence=snapshot.presence,
        attract=snapshot.attract,
        recording_s=snapshot.recording_s,
        pids=snapshot.pids,
        dream_at=snapshot.dream.dream_at,
        room=snapshot.dream.room if snapshot.dream.room.address else None,
    )


def troubles(snapshot: Snapshot) -> tuple[Trouble, ...]:
    """What is not as it should be at one moment, one for each kind."""
    source, dream = snapshot.source, snapshot.dream
    found = []
    if source.fallback or source.error:
        what = source.error or source.message or f"showing {source.source or 'clouds'} instead of the source"
        found.append(Trouble("source", what))
    if snapshot.fallback.rung != "full":
        text = f"{snapshot.fallback.why}; {INSTEAD[snapshot.fallback.rung]}"
        found.append(Trouble("fallback", text))
    if dream.room.reason:
        found.append(Trouble("room", room_text(dream)))
    if dream.error:
        found.append(Trouble("dream", dream.error))
    found += [
        Trouble(f"output: {name}", f"{name} does not work, and is tried again") for name in snapshot.failing
    ]
    return tuple(found)
