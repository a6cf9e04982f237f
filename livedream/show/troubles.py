"""What is wrong with a show although its pictures go on: a pure function."""

from __future__ import annotations

from livedream.health.vitals import Trouble
from livedream.show.snapshot import Snapshot


def troubles(snapshot: Snapshot) -> tuple[Trouble, ...]:
    """What is not as it should be at one moment, one for each kind."""
    source, dream = snapshot.source, snapshot.dream
    found = []
    if source.fallback or source.error:
        what = source.error or source.message or f"showing {source.source or 'clouds'} instead of the source"
        found.append(Trouble("source", what))
    if dream.error:
        found.append(Trouble("dream", dream.error))
    found += [
        Trouble(f"output: {name}", f"{name} does not work, and is tried again") for name in snapshot.failing
    ]
    return tuple(found)
