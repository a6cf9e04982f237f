"""``/metrics``: the mirror's numbers in the format of Prometheus. Nothing is computed until somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from livedream.health.attendant import Attendant
from livedream.timing import Percentiles
from livedream.version import version
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

#: Values of one metric by those of its label, or the only one under "". None of them: nothing is said.
Values = Mapping[str, float | None]


class _Now:
    """Everything that metrics are of, at one moment."""

    def __init__(self, attendant: Attendant) -> None:
        self.condition, self.facts = attendant.vitals.condition(), attendant.vitals.facts
        self.reading, self.today, self.alerts = (
            attendant.machine.reading,
            attendant.days.today,
            attendant.alerts,
        )

    def memory(self) -> Values:
        """Resident memory in bytes by process."""
        import psutil

        found: dict[str, float | None] = {}
        for name, pid in self.facts.pids.items():
            with suppress(psutil.Error):  # it has just ended
                found[name] = psutil.Process(pid).memory_info().rss
        return found


@dataclass(frozen=True)
class Measure:
    """A metric: its name, what it is, its value or values, and the name of its label if it has one."""

    name: str
    help: str
    value: Callable[[_Now], float | Values | None]
    label: str = ""
    kind: Literal["gauge", "counter"] = "gauge"

    def values(self, now: _Now) -> Values:
        """The values by those of the label."""
        value = self.value(now)
        return value if isinstance(value, Mapping) else {"": value}


def _seconds(found: Percentiles) -> Values:
    return {"0.5": found.p50 / 1e3, "0.95": found.p95 / 1e3, "0.99": found.p99 / 1e3}


MEASURES = (
    Measure("up", "1 while valid pictures are produced, as /healthz", lambda now: now.condition.ok),
    Measure("build_info", "1, with the version", lambda now: {version(): 1}, "version"),
    Measure(
        "degraded",
        "1 for each thing that is wrong while pictures come",
        lambda now: {trouble.kind: 1 for trouble in now.condition.degraded},
        "kind",
    ),
    Measure("open", "1 within the opening hours", lambda now: now.condition.state != "closed"),
    Measure("picture_age_seconds", "since the last valid picture", lambda now: now.condition.picture_age_s),
    Measure("frame_age_seconds", "since the last new frame", lambda now: now.condition.frame_age_s),
    Measure("tick_age_seconds", "since the last tick of the dream", lambda now: now.condition.tick_age_s),
    Measure("display_fps", "pictures a second", lambda now: now.facts.display_fps),
    Measure("dream_fps", "ticks of the dream a second", lambda now: now.facts.dream_fps),
    Measure(
        "latency_seconds",
        "from a frame's capture to the screen",
        lambda now: _seconds(now.facts.latency_ms),
        "quantile",
    ),
    Measure(
        "interval_seconds",
        "from one picture to the next",
        lambda now: _seconds(now.facts.interval_ms),
        "quantile",
    ),
    Measure(
        "dream_away",
        "1 while a room dreams; only where one is wanted",
        lambda now: None if now.facts.room is None else bool(now.facts.dream_at),
    ),
    Measure(
        "room_round_trip_seconds",
        "from sending a room a picture to its residual",
        lambda now: _seconds(now.facts.room.round_trip_ms) if now.facts.room else {},
        "quantile",
    ),
    Measure(
        "room_bytes_per_second",
        "to and from a room",
        lambda now: (
            {"up": now.facts.room.up_bytes_s, "down": now.facts.room.down_bytes_s} if now.facts.room else {}
        ),
        "way",
    ),
    Measure("pictures", "pictures shown", lambda now: now.facts.pictures, kind="counter"),
    Measure("ticks", "ticks of the dream", lambda now: now.facts.ticks, kind="counter"),
    Measure("dropped_frames", "frames never shown", lambda now: now.facts.dropped, kind="counter"),
    Measure("faults", "faults since the show began", lambda now: now.facts.faults, "kind", "counter"),
    Measure("visitors", "visitors who have arrived", lambda now: now.facts.arrivals, kind="counter"),
    Measure("presence", "how surely somebody is there, 0 to 1", lambda now: now.facts.presence),
    Measure("attract", "1 while the attract scene waits for visitors", lambda now: now.facts.attract),
    Measure("recording", "1 while a recording runs", lambda now: now.facts.recording_s is not None),
    Measure("today_visitors", "visitors today", lambda now: now.today.visitors),
    Measure("today_restarts", "restarts of the show today", lambda now: now.today.restarts),
    Measure(
        "today_longest_gap_seconds", "longest gap in pictures today", lambda now: now.today.longest_gap_s
    ),
    Measure("memory_bytes", "resident memory of each process", _Now.memory, "process"),
    Measure("temperature_celsius", "temperature of each sensor", lambda now: now.reading.celsius, "sensor"),
    Measure("throttled", "1 while the machine slows itself down", lambda now: bool(now.reading.throttled)),
    Measure("disk_free_bytes", "free where recordings go", lambda now: now.reading.disk_free_bytes),
    Measure("alerts_sent", "alerts that were delivered", lambda now: now.alerts[0], kind="counter"),
    Measure("alerts_failed", "attempts that failed", lambda now: now.alerts[1], kind="counter"),
)


class Metrics:
    """The route about what ``attendant`` looks after."""

    def __init__(self, attendant: Attendant) -> None:
        self._attendant = attendant
        self._registry: CollectorRegistry | None = None

    def add_to(self, site: Site) -> None:
        """Serve the route."""
        site.add("/metrics", self._metrics)

    def collect(self) -> Iterator[Metric]:
        """The metrics now, as prometheus_client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now = _Now(self._attendant)
        kinds: dict[str, Any] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        for measure in MEASURES:
            labels = [measure.label] if measure.label else []
            family = kinds[measure.kind](f"livedream_{measure.name}", measure.help, labels=labels)
            for label, value in measure.values(now).items():
                if value is not None:
                    family.add_metric([label] if labels else [], float(value))
            yield family

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        if self._registry is None:
            self._registry = CollectorRegistry()  # a private one: none of Python's own
            self._registry.register(self)
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not ask before there is anything."""
        return ()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web
        from prometheus_client import CONTENT_TYPE_LATEST

        body = await asyncio.to_thread(self.text)
        return web.Response(body=body, headers={**HEADERS, "Content-Type": CONTENT_TYPE_LATEST})


def metrics_table() -> str:
    """The metrics as a table, for the documentation."""
    rows = ["| metric | kind | what |", "| --- | --- | --- |"]
    for measure in MEASURES:
        name = f"livedream_{measure.name}" + ("_total" if measure.kind == "counter" else "")
        label = f"{{{measure.label}}}" if measure.label else ""
        rows.append(f"| `{name}{label}` | {measure.kind} | {measure.help} |")
    return "\n".join(rows)
