"""The whole measurement: the machine, then steps, then the mirror, then the curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livedream.bench import machine
from livedream.bench.report import Report
from livedream.bench.subjects import EAGER
from livedream.errors import UsageError
from livedream.networks.catalogue import find_weights, installed_networks, network_info
from livedream.runtimes.devices import choose_device
from livedream.runtimes.names import BACKENDS
from livedream.settings import Settings
from livedream.sources import open_source

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer

#: What ``--runtime`` may name.
RUNTIMES = (EAGER, *BACKENDS)
QUICK_SIZES = ((320, 180), (160, 90))
SIZES = ((160, 90), (320, 180), (640, 360))
LAYERS = ("textures", "parts")
#: Seconds of measuring for a row of runtimes, frames of the mirror's video: quickly, and well.
_QUICK_S, _SECONDS = 2.0, 6.0
_QUICK_FRAMES, _FRAMES = 96, 192
#: About how many milliseconds half the ceilings take, a frame of the mirror and other loops, and a size of
#: the curve. Whole numbers, which add up to exactly the bar's length.
_CEILING_MS, _FRAME_MS, _CURVE_MS = 3000, 100, 6000


class Progress(Protocol):
    """A progress bar, such as tqdm's."""

    def update(self, n: float | None = 1) -> bool | None: ...

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What to measure; empty filters are all that suits: :meth:`filled` fills them in."""

    networks: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    runtimes: tuple[str, ...] = ()
    source: str = "clouds"
    weights: Path | None = None
    device: str = "auto"
    quick: bool = False
    curve: bool = False
    mirror: bool = True

    def filled(self) -> Plan:
        """This plan with names for everything. Raises ``UsageError`` for what does not exist.

        Raises ``NetworkError`` when ``weights`` names no file.
        """
        networks = self.networks or (("dreamnet",) if self.quick else installed_networks())
        if self.weights is not None and len(networks) != 1:
            raise UsageError("--weights needs the one --network that it is for")
        for name in networks:
            if find_weights(name, self.weights) is None:
                raise UsageError(f"{name} has no weights on this machine; {network_info(name).how_to_get}")
        layers = self.layers or (LAYERS[-1:] if self.quick else LAYERS)
        for layer in layers:
            for name in networks:
                network_info(name).layer(layer)
        for runtime in self.runtimes:
            if runtime not in RUNTIMES:
                raise UsageError(f"unknown runtime {runtime!r}; possible: {', '.join(RUNTIMES)}")
        sizes = self.sizes or (QUICK_SIZES if self.quick else SIZES)
        return replace(self, networks=networks, layers=layers, sizes=sizes)

    @property
    def rows(self) -> Iterator[tuple[str, str, tuple[int, int]]]:
        """Each network, layer (its own name) and size, without repetitions."""
        for network in self.networks:
            for layer in dict.fromkeys(network_info(network).layer(name).name for name in self.layers):
                for size in self.sizes:
                    yield network, layer, size

    @property
    def total(self) -> int:
        """The length of the progress bar: about the milliseconds that everything takes."""
        from livedream.bench.mirror import CURVE_SIZES

        rows = len(list(self.rows)) * self.row_ms
        return 2 * _CEILING_MS + rows + self.frames * _FRAME_MS + self.curve * len(CURVE_SIZES) * _CURVE_MS

    @property
    def row_ms(self) -> int:
        """About how many milliseconds a row of runtimes takes, with what they need to start."""
        return round(2000 * (_QUICK_S if self.quick else _SECONDS))

    @property
    def frames(self) -> int:
        """How many frames the mirror dreams on."""
        return (_QUICK_FRAMES if self.quick else _FRAMES) * self.mirror


def require_possible(plan: Plan) -> None:
    """Raise what would stop the measurement in the middle: a mistake is to show at once, not after a minute.

    ``SourceError`` for an unusable source, ``BackendError`` for a device that is not here.
    """
    choose_device(plan.device)
    if plan.mirror:
        open_source(plan.source, realtime=False).close()


def run(plan: Plan, report: Report, progress: Progress, save: Callable[[], object] = lambda: None) -> None:
    """Measure what the plan, which is filled, says, and put it into ``report`` as it comes.

    ``save`` is called whenever there is more in it. What cannot be measured here is named in
    ``report.missing``. Raises ``NetworkError`` for unusable weights, and as :func:`require_possible`.
    """
    from livedream.dream.process import dream_threads

    threads = dream_threads()
    report.machine = machine.facts(threads)
    _ceilings(threads, report, progress)
    save()
    _steps(plan, threads, report, progress, save)
    if plan.mirror or plan.curve:
        _mirror(plan, threads, report, progress, save)


def _ceilings(threads: int, report: Report, progress: Progress) -> None:
    progress.set_description("matrix products")
    for found in machine.ceilings(threads):
        if isinstance(found, str):
            report.missing.append(found)
        else:
            report.ceilings.append(found)
    progress.update(_CEILING_MS)
    progress.set_description("copying")
    report.copy_gb_per_s = machine.copy_rates(threads)
    progress.update(_CEILING_MS)


def _steps(plan: Plan, threads: int, report: Report, progress: Progress, save: Callable[[], object]) -> None:
    from livedream.bench.steps import measure_steps
    from livedream.bench.subjects import Subjects

    seconds = _QUICK_S if plan.quick else _SECONDS
    for network in plan.networks:
        rows = [row for row in plan.rows if row[0] == network]
        try:
            subjects = Subjects(network, plan.weights, plan.device, threads)
        except ImportError as error:
            report.missing.append(f"steps of {network}: {error.name or error} is not installed")
            progress.update(len(rows) * plan.row_ms)
            continue
        with subjects:
            for _, layer, size in rows:
                progress.set_description(f"{network} {layer} {size[0]}x{size[1]}")
                found, missing = measure_steps(
                    subjects,
                    network,
                    layer,
                    size,
                    wanted=plan.runtimes,
                    ceilings=report.ceilings,
                    seconds=seconds,
                )
                report.steps += found
                report.missing += [line for line in missing if line not in report.missing]
                save()
                progress.update(plan.row_ms)


def _mirror(plan: Plan, threads: int, report: Report, progress: Progress, save: Callable[[], object]) -> None:
    from livedream.bench.mirror import CURVE_SIZES, measure_curve, measure_mirror

    network, layer = plan.networks[0], plan.layers[-1]
    settings = Settings(network=network, layer=layer)
    try:
        with _dreamer(plan, threads) as dreamer:
            if plan.mirror:
                progress.set_description("the mirror")
                with open_source(plan.source, realtime=False) as source:
                    row = measure_mirror(
                        dreamer,
                        settings,
                        source,
                        plan.frames,
                        source.name,
                        progress=lambda: progress.update(_FRAME_MS),
                    )
                report.mirror = row
                if row is None:
                    report.missing.append(f"the mirror: {plan.source} has too few frames")
                save()
            for size in CURVE_SIZES if plan.curve else ():
                progress.set_description(f"the curve at {size[0]}x{size[1]}")
                for found in measure_curve(dreamer, settings, size):
                    report.curve.append(found)
                save()
                progress.update(_CURVE_MS)
    except ImportError as error:
        report.missing.append(f"the mirror: {error.name or error} is not installed")


@contextmanager
def _dreamer(plan: Plan, threads: int) -> Iterator[Dreamer]:
    """A dreamer as the mirror's, by the fastest runtime, or by the only one that was asked for."""
    from livedream.bench.subjects import open_dreamer

    runtime = plan.runtimes[0] if len(plan.runtimes) == 1 else "auto"
    runtime = "pytorch" if runtime == EAGER else runtime
    dreamer = open_dreamer(plan.networks[0], plan.weights, plan.device, runtime, threads)
    try:
        yield dreamer
    finally:
        dreamer.close()
